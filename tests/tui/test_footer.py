"""The keys that the last line names where the user is."""

from __future__ import annotations

from tests.tui import states, story
from tests.tui.stage import FakeSource, feed, playing, screen_text, until
from tests.tui.story import SOURCE
from tests.tui.test_view import Scene
from tui.app import ViewerApp
from tui.model.records import Key


def footer(app: ViewerApp) -> str:
    """The last line without the spaces between keys."""
    return " ".join(screen_text(app)[-1].split())


def test_the_view_knows_what_its_cursor_is_on() -> None:
    scene = Scene(*story.everything(), *states.waiting_question())
    found, below = set(), set()
    for index in range(len(scene.view.rows)):
        scene.view.go(index)
        row = scene.view.under_cursor
        assert row is not None
        found.add((row.kind, row.asks, row.failed))
        below.add(row.below)
    assert {("session", False, True), ("step", False, False), ("call", True, False), ("call", False, True)} <= found
    assert below == {False, True}
    assert {"agent", "prompt"} <= {kind for kind, _, _ in found}


async def test_it_changes_with_the_row_the_pane_and_the_filter() -> None:
    async with playing([*story.everything(), *states.waiting_question()], size=(160, 40)) as (app, pilot):
        app.main.sessions.select(states.call("ses_keys", 3))
        await pilot.pause()
        assert footer(app).startswith("↑↓ move 2 question Y copy resume")
        app.main.sessions.select(Key(SOURCE, "session", "ses_retry", "ses_retry"))
        await pilot.pause()
        assert footer(app).startswith("↑↓ move ←→ fold enter close w for you")
        await pilot.press("left")
        await pilot.pause()
        assert "enter open" in footer(app)
        await pilot.press("f")
        await pilot.pause()
        assert "f stop following" in footer(app)
        await pilot.press("slash", "i")
        await pilot.pause()
        assert footer(app) == "tab complete enter keep esc no filter"
        await pilot.press("x")
        await pilot.pause()
        assert footer(app) == "enter keep esc no filter"
        await pilot.press("backspace", "backspace", *"lexer", "enter")
        await pilot.pause()
        assert "n next match esc no filter" in footer(app)
        await pilot.press("tab")
        await pilot.pause()
        assert footer(app).startswith("↑↓ scroll 1-6 tabs / search y copy W cut lines tab tree m zoom")
        await pilot.press("W", "m")
        await pilot.pause()
        assert footer(app).startswith("↑↓ scroll esc back ←→ sideways 1-6 tabs / search y copy W break lines")


async def test_it_follows_the_search_and_a_text_with_folds_that_comes_later() -> None:
    call = states.call("ses_keys", 2)
    uri = f"opencode-sqlite://?part_id={call.id.removesuffix(':tool')}&field=state.output"
    source = FakeSource({uri: states.ISSUES})
    async with playing(states.waiting_question(), source=source, size=(160, 40)) as (app, pilot):
        app.main.sessions.select(call)
        await pilot.press("tab")
        await pilot.press("slash", *"zz")
        await pilot.pause()
        assert footer(app) == "enter to the text esc end the search"
        await pilot.press("enter")
        await pilot.pause()
        assert footer(app).startswith("↑↓ scroll n next hit esc end search")
        await pilot.press("escape", "3")
        await until(pilot, lambda: app.main.detail.view.lines.foldable)
        await until(pilot, lambda: footer(app).startswith("↑↓ scroll enter fold"))
        await pilot.press("1")
        await until(pilot, lambda: footer(app).startswith("↑↓ scroll 1-6 tabs"))


async def test_who_begins_to_wait_is_named_though_no_key_was_pressed() -> None:
    async with playing(story.everything(), size=(160, 40)) as (app, pilot):
        await pilot.press("j")
        assert "w for you" not in footer(app)
        feed(app, states.waiting_question())
        await pilot.pause()
        assert "w for you" in footer(app)
