"""Pictures of the screen. Each is built from hand-made events at a fixed time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from textual.pilot import Pilot

from adapter.events import Event
from tests.tui import story
from tests.tui.stage import feed, health
from tests.tui.story import NOW, SOURCE
from tui.app import ViewerApp
from tui.feed import Arrival
from tui.model.nodes import Key

Compare = Callable[..., bool]

WIDE, SMALL = (120, 40), (80, 24)
ARM = Key(SOURCE, "session", "ses_arm", "ses_arm")
CARGO = Key(SOURCE, "op", "ses_arm", "prt_ses_arm_1_1:tool")


def app(problem: str = "") -> ViewerApp:
    """The app without a source: everything comes from the test."""
    return ViewerApp([], clock=lambda: NOW, problem=problem)


def staged(events: Sequence[Event], *keys: str, at: Sequence[Key] = ()) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """Feeds the events and a good health, opens all but the last node of `at` and goes to it, presses the keys."""

    async def run(pilot: Pilot[Any]) -> None:
        viewer = pilot.app
        assert isinstance(viewer, ViewerApp)
        await pilot.pause()
        if events:
            feed(viewer, events)
            viewer.feed.offer(Arrival(SOURCE, (), health=health()))
            viewer.feed.pump()
        for key in at[:-1]:
            viewer.main.sessions.select(key)
            await pilot.press("right")
        if at:
            viewer.main.sessions.select(at[-1])
        for name in keys:
            await pilot.press(name)
            await pilot.pause()
        await pilot.pause()

    return run


def test_running_sub_agent_120x40(snap_compare: Compare) -> None:
    """A session at work; its sub-agent hangs under the call that started it."""
    assert snap_compare(app(), terminal_size=WIDE, run_before=staged(story.everything()))


def test_running_sub_agent_80x24(snap_compare: Compare) -> None:
    """The same rows with fewer columns, one pane."""
    assert snap_compare(app(), terminal_size=SMALL, run_before=staged(story.everything()))


def test_failed_tool_120x40(snap_compare: Compare) -> None:
    """The detail of a tool call that failed."""
    opened = (ARM, Key(SOURCE, "prompt", "ses_arm", "usr_9"), CARGO)
    assert snap_compare(app(), terminal_size=WIDE, run_before=staged(story.everything(), at=opened))


def test_failed_tool_80x24(snap_compare: Compare) -> None:
    """The same on a small terminal: the detail alone, with the way back in the footer."""
    opened = (ARM, Key(SOURCE, "prompt", "ses_arm", "usr_9"), CARGO)
    assert snap_compare(app(), terminal_size=SMALL, run_before=staged(story.everything(), "enter", at=opened))


def test_health_120x40(snap_compare: Compare) -> None:
    """The health pane below the tree."""
    assert snap_compare(app(), terminal_size=WIDE, run_before=staged(story.everything(), "H"))


def test_empty_start_80x24(snap_compare: Compare) -> None:
    """No database yet: one calm line says where we looked."""
    problem = "no opencode database yet: looked for /home/ada/.local/share/opencode/opencode.db; waiting for one"
    assert snap_compare(app(problem), terminal_size=SMALL, run_before=staged(()))


def test_help_120x40(snap_compare: Compare) -> None:
    """What works here."""
    assert snap_compare(app(), terminal_size=WIDE, run_before=staged(story.everything(), "question_mark"))


def test_filter_being_typed_120x40(snap_compare: Compare) -> None:
    """A filter that a sub-agent and its caller match, with what tab would make of the word."""
    typed = ("slash", *"is:running", "space", *"model:")
    keys = [{":": "colon"}.get(key, key) for key in typed]
    assert snap_compare(app(), terminal_size=WIDE, run_before=staged(story.everything(), *keys))
