"""The themes: everything can be read in each of them, and the choice stays."""

from __future__ import annotations

import pytest
from rich.color import Color
from rich.style import Style
from textual.command import CommandList
from textual.geometry import Region

from tests.tui import story
from tests.tui.stage import feed, playing, until
from tests.tui.story import NOW
from tui.app import ViewerApp
from tui.cli import build_parser
from tui.config import themes
from tui.config.settings import Memory
from tui.render.lines import ROLES
from tui.widgets.fixed_lines import FixedLines
from tui.widgets.line_view import LineView
from tui.widgets.roles import role_styles
from tui.widgets.session_tree import SessionTree

LEAST = {"dark": 4.5, "light": 4.5, "contrast": 7.0}
"""The contrast of text by theme: AA and AAA of the WCAG."""

SCREENS = {
    "the tree": (),
    "the detail": ("tab",),
    "health": ("H",),
    "the filter": ("slash", *"is:r"),
    "a filter that is on": ("slash", *"retry", "enter"),
    "help": ("question_mark",),
    "a search": ("tab", "slash", *"retry", "enter"),
}


def luminance(colour: Color) -> float:
    """The relative luminance of WCAG 2.2."""
    parts = [part / 255 for part in colour.get_truecolor()]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio of WCAG 2.2, from 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def readable(style: Style) -> float:
    assert style.color is not None
    assert style.bgcolor is not None
    return contrast(style.color, style.bgcolor)


def test_contrast_is_what_the_guideline_says() -> None:
    assert contrast(Color.parse("#000000"), Color.parse("#ffffff")) == pytest.approx(21)
    assert contrast(Color.parse("#767676"), Color.parse("#ffffff")) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("name", LEAST)
async def test_every_role_can_be_read_wherever_it_may_stand(name: str) -> None:
    async with playing(story.everything()) as (app, pilot):
        app.theme = name
        await pilot.press("H")
        await pilot.pause()
        weak: list[str] = []
        widgets = [each for each in app.screen.query("*") if isinstance(each, FixedLines | LineView | SessionTree)]
        assert len(widgets) > 5
        for widget in widgets:
            styles = role_styles(widget)
            for role in ROLES:
                style = styles[role]
                if readable(style) < LEAST[name]:
                    weak.append(f"{role} on {widget}: {style}")
        tree = app.main.sessions
        for place in ("under the cursor", "in the resting row"):
            assert tree.has_focus == (place == "under the cursor")
            for role in ROLES:
                style = tree.looks.under_cursor[role]
                if readable(style) < LEAST[name]:
                    weak.append(f"{role} {place}: {style}")
            await pilot.press("tab")
            await pilot.pause()
        assert weak == []


def unreadable(app: ViewerApp, region: Region) -> dict[str, str]:
    """The words in a part of the screen whose contrast is less than the theme promises, and what it is."""
    drawn = {
        (segment.text.strip(), segment.style)
        for strip in app.screen._compositor.render_strips(app.size)[region.y : region.bottom]
        for segment in strip.crop(region.x, region.right)
        if segment.style is not None and any(map(str.isalnum, segment.text))
    }
    assert len(drawn) > 3
    return {text: f"{readable(style):.1f} {style}" for text, style in drawn if readable(style) < LEAST[app.theme]}


@pytest.mark.parametrize("screen", SCREENS)
async def test_everything_that_is_drawn_can_be_read(screen: str) -> None:
    async with playing(story.everything()) as (app, pilot):
        for key in SCREENS[screen]:
            await pilot.press(key)
        for name in LEAST:
            app.theme = name
            await pilot.pause()
            assert unreadable(app, app.screen.region) == {}, name


@pytest.mark.parametrize("name", LEAST)
async def test_the_palette_can_be_read(name: str) -> None:
    async with playing(story.everything()) as (app, pilot):
        app.theme = name
        await pilot.press("ctrl+p")
        options = app.screen.query_one(CommandList)
        await until(pilot, lambda: options.option_count > 2 and options.region.height > 2)
        assert unreadable(app, options.region) == {}  # what lies behind it is greyed


@pytest.mark.parametrize("name", LEAST)
async def test_the_colours_that_commands_print_in_can_be_read(name: str) -> None:
    async with playing() as (app, _):
        app.theme = name
        ground = Color.parse(app.current_theme.background or "")
        # Black, white and bright white are drawn as something else where they stand on no background of their own.
        for number in (*range(1, 7), *range(8, 15)):
            assert contrast(Color.from_triplet(app.ansi_theme.ansi_colors[number]), ground) >= LEAST[name], number


async def test_ansi_uses_the_colours_of_the_terminal_and_no_others() -> None:
    async with playing(story.everything()) as (app, pilot):
        app.theme = "ansi"
        await pilot.press("slash", *"is:r", "enter")
        await pilot.pause()
        colours = {
            colour
            for strip in app.screen._compositor.render_strips(app.size)
            for segment in strip
            if segment.style is not None
            for colour in (segment.style.color, segment.style.bgcolor)
            if colour is not None
        }
        assert len(colours) > 3
        assert {colour.name for colour in colours if not (colour.is_default or colour.is_system_defined)} == set()


async def test_a_key_goes_through_the_themes_and_the_choice_is_remembered() -> None:
    async with playing(story.everything()) as (app, pilot):
        assert app.theme == "dark"
        seen = []
        for _ in themes.NAMES:
            await pilot.press("T")
            seen.append(app.theme)
            assert app.memory.settings.theme == app.theme
        assert seen == [*themes.NAMES[1:], "dark"]


def test_the_command_line_knows_the_themes() -> None:
    for name in themes.NAMES:
        assert build_parser().parse_args(["--theme", name]).theme == name
    choices = next(action.choices for action in build_parser()._actions if action.dest == "theme")
    assert tuple(choices or ()) == themes.NAMES


async def test_only_our_own_themes_can_be_chosen() -> None:
    async with playing() as (app, _):
        assert sorted(app.available_themes) == sorted(themes.NAMES)


@pytest.mark.parametrize(("stored", "used"), [("light", "light"), ("", "dark"), ("gone", "dark"), ("nord", "dark")])
async def test_the_remembered_theme_is_there_at_the_start(stored: str, used: str) -> None:
    memory = Memory()
    memory.remember(theme=stored)
    app = ViewerApp([], clock=lambda: NOW, memory=memory)
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.theme == used
        assert memory.settings.theme == stored


def test_an_empty_no_color_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    assert not ViewerApp([], clock=lambda: NOW).no_color
    monkeypatch.setenv("NO_COLOR", "0")
    assert ViewerApp([], clock=lambda: NOW).no_color


async def test_without_colours_glyphs_words_and_the_cursor_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = ViewerApp([], clock=lambda: NOW)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        feed(app, story.everything())
        await pilot.pause()
        await pilot.press("T")
        app.theme = "light"
        await pilot.pause()
        assert app.memory.settings.theme == ""
        segments = [segment for strip in app.screen._compositor.render_strips(app.size) for segment in strip]
        for segment in segments:
            style = segment.style
            assert style is None or style.color is None or style.color.is_default
            assert style is None or style.bgcolor is None or style.bgcolor.is_default
        reversed_text = "".join(part.text for part in segments if part.style is not None and part.style.reverse)
        assert "Fix the flaky r" in reversed_text
