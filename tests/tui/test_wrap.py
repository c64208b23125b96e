"""Long lines of texts: broken as at first, or cut and moved sideways, and remembered."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.tui import story
from tests.tui.stage import FakeSource, feed, plainly, playing, screen_text, until
from tests.tui.test_keys import BASH, URI
from tests.tui.test_zoom import alone
from tui.app import ViewerApp
from tui.config.settings import LOOKS, Memory
from tui.render.lines import plain
from tui.render.text.document import WRAP_LIMIT, Document, Joined, same_place

LONG = "\n".join(f"{n} begins " + "middle " * 40 + f"end-of-{n}" for n in range(100))


async def reading(app: ViewerApp, pilot: Pilot[None], tab: str = "3") -> None:
    """Goes into a tab of the call and waits for its text."""
    app.main.sessions.select(BASH)
    await pilot.press(tab, "tab")
    await until(pilot, lambda: len(app.main.detail.view.lines) >= 100)


def seen(app: ViewerApp) -> str:
    """What stands in the detail."""
    left = app.main.detail.region.x
    return "\n".join(line[left:] for line in screen_text(app))


@pytest.mark.parametrize("tab", ["2", "3", "6"])
async def test_long_lines_are_broken_then_cut_and_the_rest_comes_from_the_side(tab: str) -> None:
    uris = [URI, URI.replace("output", "input"), URI.replace("state.output", "")]
    async with playing(story.everything(), source=FakeSource(dict.fromkeys(uris, LONG))) as (app, pilot):
        await reading(app, pilot, tab)
        assert "end-of-0" in seen(app)
        await pilot.press("W")
        await pilot.pause()
        assert "end-of-0" not in seen(app)
        assert "…" in seen(app)
        assert len(app.main.detail.view.lines) <= 101
        await pilot.press(*["right"] * 40)
        await pilot.pause()
        assert "end-of-0" in seen(app)
        await pilot.press("W")
        await pilot.pause()
        assert "0 begins" in seen(app)
        assert "end-of-0" in seen(app)


async def test_the_line_in_sight_stays_in_sight_also_in_the_whole_screen() -> None:
    async with playing(story.everything(), source=FakeSource({URI: LONG})) as (app, pilot):
        await reading(app, pilot)
        view = app.main.detail.view
        await pilot.press(*["pagedown"] * 5)
        top = view.lines.unbroken_at(view.scroll_offset.y)
        assert top > 5
        for key in ("W", "W", "m", "m"):
            await pilot.press(key)
            await pilot.pause()
            assert view.lines.unbroken_at(view.scroll_offset.y) == top
        assert not alone(app)


async def test_a_hit_of_the_search_is_found_where_the_line_is_cut() -> None:
    async with playing(story.everything(), source=FakeSource({URI: LONG})) as (app, pilot):
        await reading(app, pilot)
        await pilot.press("W", "slash", *"end-of-7", "enter")
        await until(pilot, lambda: app.main.detail.view.place == 1)
        await pilot.pause()
        assert "end-of-7" in seen(app)


async def test_the_hit_that_is_shown_is_the_same_one_when_lines_are_broken_otherwise() -> None:
    async with playing(story.everything(), source=FakeSource({URI: LONG})) as (app, pilot):
        await reading(app, pilot)
        view = app.main.detail.view
        await pilot.press("slash", *"end-of-", "enter", "n", "n", "n", "n")
        await until(pilot, lambda: view.place == 5 and len(view.hits) == 100)
        for key in ("W", "m", "W"):
            await pilot.press(key)
            await until(pilot, lambda: view.place == 5 and len(view.hits) == 100)
            assert view.at is not None
            assert "end-of-4" in plain(view.lines.line(view.at[0]))
        await pilot.press("n")
        assert view.place == 6


async def test_the_choice_is_remembered_by_the_demo_too_and_the_usual_one_needs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    async with playing(story.everything(), memory=Memory(path)) as (_, pilot):
        await pilot.press("W")
        await until(pilot, lambda: Memory(path).settings.wrap == "off")
    assert "wrap" in LOOKS
    memory = Memory(path)
    memory.remember(grouping="plain")
    source = FakeSource({URI: LONG})
    again = ViewerApp([source], clock=lambda: story.NOW, memory=memory)
    async with again.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        feed(again, story.everything())
        await reading(again, pilot)
        assert "end-of-0" not in seen(again)
        await pilot.press("W")
        await until(pilot, lambda: Memory(path).settings.wrap == "")


async def test_of_a_text_that_is_too_long_to_be_broken_the_key_says_so() -> None:
    huge = "\n".join(["x" * 1000] * (WRAP_LIMIT // 1000 + 1))
    async with playing(story.everything(), source=FakeSource({URI: huge}), memory=plainly()) as (app, pilot):
        await reading(app, pilot)
        await pilot.press("W")
        await pilot.pause()
        assert "long lines are cut; in the detail left and right" in screen_text(app)[-1]
        await pilot.press("W")
        await pilot.pause()
        assert "not those of a text of more than 300,000" in screen_text(app)[-1]


def test_a_place_is_found_again_in_a_text_that_is_broken_otherwise() -> None:
    document = Document.read(LONG)
    head = Document.read("one line")
    for width in (20, 55, 300):
        broken = Joined([head.wrapped(width), document.wrapped(width)])
        whole = Joined([head, document])
        for index in range(len(whole)):
            there = same_place(whole, broken, index)
            assert plain(broken.line(there))[:8] == plain(whole.line(index))[:8]
            assert same_place(broken, whole, there) == index
        for index in range(len(broken)):
            assert same_place(broken, broken, index) == index
    assert same_place(document, head, 50) == 50
