"""The palette as a user meets it: every command with its key, every session by title, and where they lead."""

from __future__ import annotations

from typing import Any

import pytest
from textual.command import CommandList, CommandPalette
from textual.pilot import Pilot

from adapter.events import SessionRemoved
from tests.tui import story
from tests.tui.stage import feed, playing, screen_text, until
from tests.tui.story import SOURCE, session
from tests.tui.test_jumps import where
from tui.app import ViewerApp
from tui.config.bindings import key_groups
from tui.model.records import Key
from tui.model.status.table import TABLE
from tui.render.bars.help import key_name
from tui.screens.help import HelpScreen
from tui.screens.palette import SESSIONS

REPRO = Key(SOURCE, "op", "ses_retry", "prt_ses_retry_3_4:tool")


def shown(app: ViewerApp) -> list[str]:
    """The lines of the list, without the spaces between words and key."""
    options = app.screen.query_one(CommandList).options
    return [" ".join(str(option.prompt).split()) for option in options]


async def ask(pilot: Pilot[Any], query: str) -> None:
    """Opens the palette and types a query; comes back when the answer stands."""
    app = pilot.app
    await pilot.press("ctrl+p")
    await until(pilot, lambda: isinstance(app.screen, CommandPalette) and bool(app.screen.query(CommandList)))
    commands = app.screen.query_one(CommandList)
    await until(pilot, lambda: commands.option_count > 0)
    if query:
        before = [id(option) for option in commands.options]
        app.screen.query_one("CommandInput").insert_text_at_cursor(query)  # type: ignore[attr-defined]
        await until(pilot, lambda: [id(option) for option in commands.options] != before)


async def test_every_key_of_the_help_is_offered_with_its_words() -> None:
    async with playing(story.everything()) as (app, pilot):
        await ask(pilot, "")
        moves = {"row up", "row down", "page up", "page down", "first row", "last row", "start", "end"}
        lines = shown(app)
        for name, entries in key_groups():
            if name in (
                "In the filter",
                "In the search",
                "In the tree",
                "In a text",
                "In transcript and timeline",
                "In the timeline",
                "In what sessions cost",
                "In the help",
            ):
                continue
            for keys, words in entries:
                if words != "open the command palette":
                    assert f"{words} {' '.join(key_name(key) for key in keys.split(','))}" in lines
        assert not moves & set(" ".join(lines).splitlines())
        assert len(lines) == len(set(lines))
        await pilot.press("escape")
        await ask(pilot, "page up")
        assert shown(app)[:2] == ["page up PgUp ctrl+b", "text: page up PgUp ctrl+b"]


async def test_of_textuals_own_commands_only_what_makes_sense_is_left() -> None:
    async with playing(story.everything()) as (app, pilot):
        await ask(pilot, "")
        text = " ".join(shown(app))
        for words in ("Screenshot", "Maximize", "Minimize", "Keys", "Quit"):
            assert words not in text
        assert "change the current theme" in text
        assert shown(app).count("quit q") == 1


GLYPHS = {status.glyph for status in TABLE}
VERBS = {
    "break",
    "change",
    "copy",
    "end",
    "filter",
    "fold",
    "follow",
    "give",
    "go",
    "group",
    "mark",
    "move",
    "open",
    "quit",
    "save",
}
VERBS |= {"search", "sort", "switch", "unfold", "zoom"}


async def test_every_command_that_is_offered_begins_with_what_it_does() -> None:
    async with playing(story.everything()) as (app, pilot):
        await ask(pilot, "")
        lines = shown(app)
        commands = lines[: next(at for at, line in enumerate(lines) if line.startswith("──"))]
        prefixes = ("text: ", "transcript: ", "timeline: ")
        words = [next((line.removeprefix(one) for one in prefixes if line.startswith(one)), line) for line in commands]
        first = {line.split()[0].rstrip(",") for line in words}
        assert first <= VERBS


async def test_sessions_stand_under_a_heading_that_is_never_chosen() -> None:
    async with playing(story.everything()) as (app, pilot):
        await ask(pilot, "")
        commands = app.screen.query_one(CommandList)
        at = next(number for number, line in enumerate(shown(app)) if line.startswith("──"))
        assert shown(app)[at].startswith("── go to a session ──")
        assert shown(app)[at + 1][0] in GLYPHS
        commands.highlighted = at - 1
        await pilot.press("down")
        assert commands.highlighted == at + 1
        await pilot.press("up")
        assert commands.highlighted == at - 1


async def test_of_commands_and_sessions_the_better_find_comes_first_and_the_others_under_their_heading() -> None:
    async with playing(story.everything()) as (app, pilot):
        await ask(pilot, "re")
        lines = shown(app)
        headings = [at for at, line in enumerate(lines) if line.startswith("──")]
        assert len(headings) == 1
        assert "go to a session" in lines[headings[0]]
        assert not any(line[0] in GLYPHS for line in lines[: headings[0]])
        assert all(line[0] in GLYPHS for line in lines[headings[0] + 1 :])
        await pilot.press("escape")
        await ask(pilot, "lexer")
        assert not [line for line in shown(app) if line.startswith("──")], (
            "of one kind only nothing has to be told apart"
        )


@pytest.mark.parametrize(
    ("query", "words"), [("follow", "follow the newest"), ("H", "open the health"), ("sort", "sort by activity")]
)
async def test_a_command_is_found_by_its_words_its_key_and_its_name(query: str, words: str) -> None:
    async with playing(story.everything()) as (app, pilot):
        await ask(pilot, query)
        assert shown(app)[0].startswith(words)


async def test_a_chosen_command_is_run_where_its_key_works() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("tab")
        await ask(pilot, "filter the sessions")
        await pilot.press("enter")
        await until(pilot, lambda: app.main.bar.editing)
        await pilot.press("escape")
        await ask(pilot, "search in the text")
        await pilot.press("enter")
        await until(pilot, lambda: app.main.detail.query_one("#search").display)
        await pilot.press("escape")
        await ask(pilot, "next failure")
        await pilot.press("enter")
        await until(pilot, lambda: app.main.sessions.has_focus and app.main.sessions.cursor is not None)
        await until(pilot, lambda: "npm test" in where(app))


async def test_a_chosen_tab_and_help_open() -> None:
    async with playing(story.everything()) as (app, pilot):
        await ask(pilot, "Raw tab")
        await pilot.press("enter")
        await until(pilot, lambda: app.main.detail.wanted == "Raw")
        await ask(pilot, "help")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await ask(pilot, "follow")
        await pilot.press("enter")
        await until(pilot, lambda: app.main.sessions.following and app.screen is app.main)


async def test_a_session_is_found_by_title_and_the_cursor_goes_there_though_it_is_folded_away() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("Z")
        await ask(pilot, "write a reproduction")
        assert shown(app)[0].startswith("◦ write a reproduction")
        await pilot.press("enter")
        await until(pilot, lambda: app.main.sessions.cursor == REPRO)


async def test_a_filter_that_hides_the_session_goes_and_one_that_shows_it_stays() -> None:
    async with playing(story.everything()) as (app, pilot):
        app.main.filter("lexer")
        await ask(pilot, "Explain the lexer")
        await pilot.press("enter")
        await until(pilot, lambda: app.main.sessions.cursor == Key(SOURCE, "session", "ses_lexer", "ses_lexer"))
        assert app.main.finder.on
        await ask(pilot, "nightly rep")
        await pilot.press("enter")
        await until(pilot, lambda: app.main.sessions.cursor == Key(SOURCE, "session", "ses_bad", "ses_bad"))
        assert not app.main.finder.on


async def test_on_a_narrow_terminal_the_tree_comes_to_the_front_for_a_session() -> None:
    async with playing(story.everything(), size=(60, 16)) as (app, pilot):
        await pilot.press("enter")
        await ask(pilot, "nightly")
        assert all(len(str(option.prompt)) <= 56 for option in app.screen.query_one(CommandList).options)
        await pilot.press("enter")
        await until(pilot, lambda: app.main.sessions.has_focus)
        await until(pilot, lambda: "Sessions 5" in screen_text(app)[1])


async def test_a_session_that_went_while_the_list_was_open_is_said_to_be_gone() -> None:
    async with playing(story.everything()) as (app, pilot):
        await ask(pilot, "nightly")
        feed(app, [SessionRemoved(source=SOURCE, ts=0, session_id="ses_bad")])
        await pilot.press("enter")
        await until(pilot, lambda: where(app) == "this session is gone")


async def test_titles_are_no_markup_and_drive_nothing() -> None:
    hostile = "[red]x[/] [/foo] [@click=app.quit]go[/] \x1b]52;c;eA==\x07\u202eevil [b"
    async with playing([session("ses_h", hostile, 10)]) as (app, pilot):
        await ask(pilot, "evil")
        assert "[red]x[/] [/foo] [@click=app.quit]go[/] evil [b" in shown(app)[0]
        assert "\x1b" not in "".join(screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.main)
        assert app.return_code is None


async def test_an_answer_names_no_more_sessions_than_can_be_read() -> None:
    async with playing([session(f"ses_{n}", f"Number {n} of many", 100 + n) for n in range(3 * SESSIONS)]) as (
        app,
        pilot,
    ):
        await ask(pilot, "many")
        lines = [line for line in shown(app) if "Number" in line]
        assert len(lines) == SESSIONS
        assert lines[0].startswith("◦ Number 0 ")


async def test_scattered_letters_count_only_where_no_words_are_found() -> None:
    async with playing(story.everything()) as (app, pilot):
        await ask(pilot, "lexer")
        assert [line.split(" app ")[0] for line in shown(app)] == ["◦ Explain the lexer"]
        await pilot.press("escape")
        await ask(pilot, "xplxr")
        assert [line.split(" app ")[0] for line in shown(app)] == ["◦ Explain the lexer"]


@pytest.mark.parametrize("query", ["", "b"])
async def test_it_survives_a_terminal_of_a_few_columns_or_rows(query: str) -> None:
    async with playing(story.everything(), size=(120, 30)) as (app, pilot):
        await ask(pilot, query)
        for width in (8, 5, 4, 3, 2, 1, 4, 120):
            await pilot.resize_terminal(width, 30)
            await pilot.pause()
        for height in (5, 4, 3, 2, 30):
            await pilot.resize_terminal(120, height)
            await pilot.press("pagedown", "pagedown", "pageup", "down")
            await pilot.pause()
        assert not app.view.fault
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)
