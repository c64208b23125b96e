"""Pictures of the screen. Each is built from hand-made events at a fixed time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from textual.pilot import Pilot

from adapter.events import Event
from tests.tui import story
from tests.tui.stage import FakeSource, feed, health, until
from tests.tui.story import NOW, SOURCE
from tests.tui.test_palette import ask
from tui.app import ViewerApp
from tui.feed import Arrival
from tui.model.nodes import Key
from tui.settings import Memory

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


def reading(text: str, *keys: str) -> tuple[ViewerApp, Callable[[Pilot[Any]], Awaitable[None]]]:
    """The app at a failed command whose output is this text, on a tab, with the text there."""
    source = FakeSource({"opencode-sqlite://?part_id=prt_ses_arm_1_1&field=state.output": text})
    viewer = ViewerApp([source], clock=lambda: NOW)
    opened = (ARM, Key(SOURCE, "prompt", "ses_arm", "usr_9"), CARGO)
    first = staged(story.everything(), "tab", "3", at=opened)

    async def run(pilot: Pilot[Any]) -> None:
        await first(pilot)
        await until(pilot, lambda: viewer.main.detail.words() is not None)
        for name in keys:
            await pilot.press(name)
        await pilot.pause()

    return viewer, run


def test_terminal_output_with_a_search_120x40(snap_compare: Compare) -> None:
    """What a command printed, in its colours; a search in it, and what it has found."""
    lines = [f"\x1b[1;32m   Compiling\x1b[0m crate{n} v0.{n}.0\t(/src/crate{n})" for n in range(12)]
    warned = "\x1b[33mwarning\x1b[0m: unused variable \x1b[1m`x`\x1b[0m \x1b[2J\x1b]0;no\x07"
    error = "\x1b[38;5;196merror[E0308]\x1b[0m: mismatched types in \x1b[4mcrate7\x1b[24m"
    viewer, run = reading("\n".join([*lines, warned, error]), "slash", *"crate7", "enter")
    assert snap_compare(viewer, terminal_size=WIDE, run_before=run)


def test_diff_120x40(snap_compare: Compare) -> None:
    """A diff with the changed words marked, broken lines behind their sign."""
    diff = (
        "--- a/retry.py\n+++ b/retry.py\n@@ -3,7 +3,7 @@\n import time\n\n"
        "-def retry(call, attempts=4, base=0.05, jitter=0.5):\n+def retry(call, attempts=5, base=0.05, jitter=0.0):\n"
        "     for number in range(attempts):\n-        time.sleep(pause)\n+        sleep(pause + luck())\n"
        "--- an old comment\n     return call()\n"
    )
    viewer, run = reading(diff)
    assert snap_compare(viewer, terminal_size=WIDE, run_before=run)


def test_markdown_80x24(snap_compare: Compare) -> None:
    """The answer of a model."""
    text = (
        "## The test is stable\n\nThe *back-off* used **real time**; it takes a `sleep` now ([why](https://x.y/z)).\n\n"
        "1. inject the clock\n2. count the pauses, which is what the test was about in the first place anyway\n"
        "   - [x] done\n\n> It failed once in ten runs.\n\n| file | + | - |\n|---|--:|--:|\n| retry.py | 5 | 5 |\n"
        "| tests/test_retry.py | 3 | 6 |\n\n```python\ndef retry(call, sleep=time.sleep): ...\n```\n"
    )
    step = story.Step("ses_doc", 1, "usr_d", 60).op("text", "", 59, 2, label="The test is stable")
    step.op("text", "", 58, 1, label="The test is stable", refs={"llm_response": text})
    events = [story.session("ses_doc", "Explain", 62), story.prompt("ses_doc", "usr_d", "why?", 61), *step.events]
    source = FakeSource({"opencode-sqlite://?part_id=prt_ses_doc_1_2&field=llm_response": text})
    viewer = ViewerApp([source], clock=lambda: NOW)

    async def run(pilot: Pilot[Any]) -> None:
        await staged(events, "3", "tab", at=(Key(SOURCE, "session", "ses_doc", "ses_doc"),))(pilot)
        await until(pilot, lambda: viewer.main.detail.words() is not None)
        await pilot.pause()

    assert snap_compare(viewer, terminal_size=SMALL, run_before=run)


def test_projects_100x30(snap_compare: Compare) -> None:
    """Sessions project by project, one project folded; the card of a project in the detail."""
    front = [
        story.session(f"ses_f{n}", f"Move page {n}", 700 + n, cwd="/srv/web", extras={"cost": 2.5}) for n in (1, 2)
    ]
    keys = ("o", "G", "h", "h", "g")
    assert snap_compare(app(), terminal_size=(100, 30), run_before=staged([*story.everything(), *front], *keys))


def looking(**choices: str) -> ViewerApp:
    """The app with choices of a run before."""
    memory = Memory()
    memory.remember(**choices)
    return ViewerApp([], clock=lambda: NOW, memory=memory)


def test_light_with_health_120x40(snap_compare: Compare) -> None:
    """The light theme, every part of the screen in sight."""
    opened = (ARM, Key(SOURCE, "prompt", "ses_arm", "usr_9"), CARGO)
    run = staged(story.everything(), "H", at=opened)
    assert snap_compare(looking(theme="light"), terminal_size=WIDE, run_before=run)


def test_high_contrast_120x40(snap_compare: Compare) -> None:
    """The theme of high contrast: the cursor's row is reversed."""
    assert snap_compare(looking(theme="contrast"), terminal_size=WIDE, run_before=staged(story.everything(), "j"))


def test_ascii_with_the_terminals_colours_80x24(snap_compare: Compare) -> None:
    """Sixteen colours and ASCII, for the plainest of terminals."""
    viewer = looking(theme="ansi", glyphs="ascii")
    assert snap_compare(viewer, terminal_size=SMALL, run_before=staged(story.everything(), "j"))


def test_palette_80x24(snap_compare: Compare) -> None:
    """Commands with their keys and sessions by title, for what was typed."""

    async def run(pilot: Pilot[Any]) -> None:
        await staged(story.everything())(pilot)
        await ask(pilot, "re")
        viewer = pilot.app
        await until(pilot, lambda: viewer.screen.has_class("-ready"))
        await pilot.pause()

    assert snap_compare(app(), terminal_size=SMALL, run_before=run)
