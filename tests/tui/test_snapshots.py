"""Pictures of the screen. Each is built from hand-made events at a fixed time."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input

from adapter.events import Event, Usage
from adapter.health import Health, Interruption
from tests.tui import states, story
from tests.tui.stage import FakeSource, feed, health, plainly, until
from tests.tui.story import NOW, SOURCE, Step, session
from tests.tui.test_palette import ask
from tui.app import ViewerApp
from tui.feed.queue import Arrival
from tui.model.records import Key
from tui.no_sessions import no_sessions

Compare = Callable[..., bool]

HUGE, WIDE, SMALL, TINY = (200, 60), (120, 40), (80, 24), (60, 16)
ARM = Key(SOURCE, "session", "ses_arm", "ses_arm")
CARGO = Key(SOURCE, "op", "ses_arm", "prt_ses_arm_1_1:tool")


def app() -> ViewerApp:
    """The app without a source: everything comes from the test. One plain list, in which what goes on is unfolded."""
    return ViewerApp([], clock=lambda: NOW, memory=plainly())


def looking(*sources: FakeSource, **choices: str) -> ViewerApp:
    """The app with choices of a run before."""
    memory = plainly()
    memory.remember(**choices)
    return ViewerApp(sources, clock=lambda: NOW, memory=memory)


def staged(events: Sequence[Event], *keys: str, at: Sequence[Key] = ()) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """Feeds the events and a good health, opens all but the last node of `at` and goes to it, presses the keys."""

    async def run(pilot: Pilot[Any]) -> None:
        viewer = pilot.app
        assert isinstance(viewer, ViewerApp)
        await pilot.pause()
        if events:
            feed(viewer, events)
            viewer.feed.arrivals.offer(Arrival(SOURCE, (), health=health()))
            viewer.feed.arrivals.apply()
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


def band_events() -> list[Event]:
    """A question, a session that is stuck, a loop, work with and without sub-agents, and what was earlier."""
    silent = Step("ses_dead", 1, "usr_d", 400).op("tool", "grep", 390, None, label="retry")
    events = [*story.everything(), *states.waiting_question(), session("ses_dead", "Refactor the session store", 410)]
    events += [*silent.events, session("ses_loop", "Why is the build red", 70, cwd="/srv/web")]
    for seq in range(1, 8):
        step = Step("ses_loop", seq, "usr_l", 70 - seq)
        events += step.op("tool", "bash", 69 - seq, None if seq == 7 else 1, label="cat build.log", running=True).events
    return events


def test_bands_80x24(snap_compare: Compare) -> None:
    """Who needs somebody, what is stuck, what is at work: the first rows, one row a session."""
    assert snap_compare(looking(grouping="bands"), terminal_size=SMALL, run_before=staged(band_events()))


def test_bands_120x40(snap_compare: Compare) -> None:
    """The same beside the detail."""
    assert snap_compare(looking(grouping="bands"), terminal_size=WIDE, run_before=staged(band_events()))


def test_bands_200x60(snap_compare: Compare) -> None:
    """The same with more columns."""
    assert snap_compare(looking(grouping="bands"), terminal_size=HUGE, run_before=staged(band_events()))


def test_bands_in_ascii_80x24(snap_compare: Compare) -> None:
    """The same where there is no Unicode."""
    viewer = looking(grouping="bands", glyphs="ascii")
    assert snap_compare(viewer, terminal_size=SMALL, run_before=staged(band_events()))


def test_a_session_with_its_agents_120x40(snap_compare: Compare) -> None:
    """The overview of a session at work: what each of its agents does."""
    viewer = looking(grouping="bands")
    at = (Key(SOURCE, "session", "ses_retry", "ses_retry"),)
    assert snap_compare(viewer, terminal_size=WIDE, run_before=staged(band_events(), at=at))


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
    """No database yet: a sentence says what brings a session here, and where it is looked for."""
    words = no_sessions({}, Path("/home/ada"))

    async def waits(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        assert isinstance(pilot.app, ViewerApp)
        state = health(state="waiting", message="no database at /home/ada/.local/share/opencode/opencode.db")
        pilot.app.feed.arrivals.offer(Arrival(SOURCE, (), health=state))
        pilot.app.feed.arrivals.apply()
        await pilot.pause()

    viewer = ViewerApp([], clock=lambda: NOW, no_sessions=words)
    assert snap_compare(viewer, terminal_size=SMALL, run_before=waits)


def test_timeline_120x40(snap_compare: Compare) -> None:
    """A session in time beside its rows."""
    assert snap_compare(app(), terminal_size=WIDE, run_before=staged(story.everything(), "i"))


def test_timeline_200x60(snap_compare: Compare) -> None:
    """The same as the whole screen, with the cursor in it: agents of agents below each other."""
    at = (Key(SOURCE, "session", "ses_n0", "ses_n0"),)
    run = staged(states.nested(), "i", "m", "down", "down", "down", at=at)
    assert snap_compare(app(), terminal_size=HUGE, run_before=run)


def test_timeline_in_ascii_80x24(snap_compare: Compare) -> None:
    """The same on a small terminal without Unicode: letters in the place of fills."""
    assert snap_compare(looking(glyphs="ascii"), terminal_size=SMALL, run_before=staged(story.everything(), "i"))


def test_help_120x40(snap_compare: Compare) -> None:
    """What works here."""
    assert snap_compare(app(), terminal_size=WIDE, run_before=staged(story.everything(), "question_mark"))


def test_help_200x60(snap_compare: Compare) -> None:
    """All of it on one page, in three columns."""
    assert snap_compare(app(), terminal_size=HUGE, run_before=staged(story.everything(), "question_mark"))


def test_help_80x24(snap_compare: Compare) -> None:
    """The end of it, in one column: the terms of a filter."""
    assert snap_compare(app(), terminal_size=SMALL, run_before=staged(story.everything(), "question_mark", "G"))


def test_zoom_with_cut_lines_120x40(snap_compare: Compare) -> None:
    """The detail as the whole screen, its long lines cut, and the keys that fit that."""
    lines = "\n".join(f"{n:3} " + "a line that is longer than any terminal is wide, " * 5 for n in range(60))
    viewer, run = reading(lines, "m", "W", "right")
    assert snap_compare(viewer, terminal_size=WIDE, run_before=run)


def test_palette_before_anything_is_typed_120x40(snap_compare: Compare) -> None:
    """Every command with its key, and where they end the heading of the sessions."""

    async def run(pilot: Pilot[Any]) -> None:
        await staged(story.everything())(pilot)
        await ask(pilot, "")
        viewer = pilot.app
        await until(pilot, lambda: viewer.screen.has_class("-ready"))
        viewer.screen.query_one(Input).cursor_blink = False
        await pilot.press("end")
        await pilot.press(*["up"] * 12)
        await pilot.pause()

    assert snap_compare(app(), terminal_size=WIDE, run_before=run)


def test_filter_being_typed_120x40(snap_compare: Compare) -> None:
    """A filter that a sub-agent and its caller match, with what tab would make of the word."""
    typed = ("slash", *"is:running", "space", *"model:")
    keys = [{":": "colon"}.get(key, key) for key in typed]
    assert snap_compare(app(), terminal_size=WIDE, run_before=staged(story.everything(), *keys))


def with_text(
    events: Sequence[Event], at: Key, field: str, text: str, *keys: str, theme: str = "dark"
) -> tuple[ViewerApp, Callable[[Pilot[Any]], Awaitable[None]]]:
    """The app at a call of which a field is this text; the first key picks the tab, the others wait for the text."""
    part = at.id.removesuffix(":tool")
    viewer = looking(FakeSource({f"opencode-sqlite://?part_id={part}&field={field}": text}), theme=theme)
    first = staged(events, keys[0], at=(Key(SOURCE, "session", at.session_id, at.session_id), at))

    async def run(pilot: Pilot[Any]) -> None:
        await first(pilot)
        await until(pilot, lambda: viewer.main.detail.words() is not None)
        for name in keys[1:]:
            await pilot.press(name)
        await pilot.pause()

    return viewer, run


def reading(text: str, *keys: str) -> tuple[ViewerApp, Callable[[Pilot[Any]], Awaitable[None]]]:
    """The app in the output of a failed command."""
    return with_text(story.everything(), CARGO, "state.output", text, "3", "tab", *keys)


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
    viewer = ViewerApp([source], clock=lambda: NOW, memory=plainly())

    async def run(pilot: Pilot[Any]) -> None:
        await staged(events, "3", at=(Key(SOURCE, "session", "ses_doc", "ses_doc"),))(pilot)
        await until(pilot, lambda: viewer.main.detail.words() is not None)
        await pilot.pause()

    assert snap_compare(viewer, terminal_size=SMALL, run_before=run)


def test_projects_100x30(snap_compare: Compare) -> None:
    """Sessions project by project, one project folded; the card of a project in the detail."""
    front = [
        story.session(f"ses_f{n}", f"Move page {n}", 700 + n, cwd="/srv/web", extras={"cost": 2.5}) for n in (1, 2)
    ]
    keys = ("o", "o", "G", "h", "h", "g")
    assert snap_compare(app(), terminal_size=(100, 30), run_before=staged([*story.everything(), *front], *keys))


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
        viewer.screen.query_one(Input).cursor_blink = False
        await pilot.pause()

    assert snap_compare(app(), terminal_size=SMALL, run_before=run)


# --- what a session is doing ---------------------------------------------------------------------------------


def test_every_state_120x40(snap_compare: Compare) -> None:
    """Sessions in all states, each with its glyph and words: retry, permission?, stalled?, orphaned?, looping? …"""
    assert snap_compare(app(), terminal_size=WIDE, run_before=staged(states.every_state(), "Z"))


def test_every_state_light_80x24(snap_compare: Compare) -> None:
    """The same in the light theme on a small terminal, where titles give way and states do not."""
    run = staged(states.every_state(), "Z")
    assert snap_compare(looking(theme="light"), terminal_size=SMALL, run_before=run)


def test_an_orphan_and_why_120x40(snap_compare: Compare) -> None:
    """The card of a session that nobody writes any more: the reason in words."""
    run = staged(states.every_state(), "Z", at=(states.top("ses_lost"),))
    assert snap_compare(app(), terminal_size=WIDE, run_before=run)


def test_looping_narrow_60x16(snap_compare: Compare) -> None:
    """The smallest terminal, the tree: one session opened, the key that leads to the detail in the footer."""
    run = staged(states.every_state(), "Z", "l", at=(states.top("ses_loop"),))
    assert snap_compare(app(), terminal_size=TINY, run_before=run)


def test_card_narrow_60x16(snap_compare: Compare) -> None:
    """The smallest terminal, the detail, and the way back."""
    run = staged(states.every_state(), "Z", "enter", at=(states.top("ses_loop"),))
    assert snap_compare(app(), terminal_size=TINY, run_before=run)


def test_nested_sub_agents_200x60(snap_compare: Compare) -> None:
    """Sub-agents four levels down, open where something runs and folded where all is done; health below."""
    events = [*story.everything(), *states.nested(), *states.waiting_question()]
    assert snap_compare(app(), terminal_size=HUGE, run_before=staged(events, "H", "g", at=(states.top("ses_n4"),)))


def test_nested_sub_agents_light_200x60(snap_compare: Compare) -> None:
    """The same in the light theme, one session opened to its texts and thoughts."""
    events = [*story.everything(), *states.nested(), *states.waiting_question()]
    run = staged(events, "z", at=(states.top("ses_retry"),))
    assert snap_compare(looking(theme="light"), terminal_size=HUGE, run_before=run)


def test_question_and_its_choices_120x40(snap_compare: Compare) -> None:
    """A session waits: on its line what it asks, in the detail the choices."""
    events = [*story.everything(), *states.waiting_question()]
    viewer, run = with_text(events, states.call("ses_keys", 3), "state.input", states.QUESTION, "2")
    assert snap_compare(viewer, terminal_size=WIDE, run_before=run)


def test_question_high_contrast_80x24(snap_compare: Compare) -> None:
    """The same alone on a small terminal, in high contrast."""
    events = states.waiting_question()
    asking = states.call("ses_keys", 3)
    viewer, run = with_text(events, asking, "state.input", states.QUESTION, "2", theme="contrast")
    assert snap_compare(viewer, terminal_size=SMALL, run_before=run)


# --- what a call said ----------------------------------------------------------------------------------------


def test_todo_80x24(snap_compare: Compare) -> None:
    """A todo list: done, at it, to do, dropped; each with its sign."""
    events = states.waiting_question()
    viewer, run = with_text(events, states.call("ses_keys", 1), "state.input", states.TODOS, "5")
    assert snap_compare(viewer, terminal_size=SMALL, run_before=run)


def test_json_folded_120x40(snap_compare: Compare) -> None:
    """The answer of a tool of an MCP server: JSON, one object of it folded."""
    keys = ("3", "tab", "down", "down", "enter")
    found = states.call("ses_keys", 2)
    viewer, run = with_text(states.waiting_question(), found, "state.output", states.ISSUES, *keys)
    assert snap_compare(viewer, terminal_size=WIDE, run_before=run)


def test_raw_row_light_80x24(snap_compare: Compare) -> None:
    """The row as opencode wrote it, in the light theme."""
    row = {
        "type": "tool",
        "callID": "call_1",
        "tool": "todowrite",
        "state": {"status": "completed", "title": "3 todos"},
    }
    events = states.waiting_question()
    written = states.call("ses_keys", 1)
    viewer, run = with_text(events, written, "", json.dumps(row), "6", theme="light")
    assert snap_compare(viewer, terminal_size=SMALL, run_before=run)


# --- what is wrong -------------------------------------------------------------------------------------------


def test_filter_that_matches_nothing_80x24(snap_compare: Compare) -> None:
    """No session matches, and the line under it says which term is to blame."""
    keys = [{":": "colon", " ": "space"}.get(key, key) for key in "retry model:gpt-5"]
    assert snap_compare(app(), terminal_size=SMALL, run_before=staged(story.everything(), "slash", *keys))


def test_health_with_warnings_120x40(snap_compare: Compare) -> None:
    """What health says of a database with odd rows that was replaced, beside one that cannot be read."""
    odd = health(
        warnings={"a part without its message": 3, "unknown part type: hologram": 12},
        missing_columns=["session.slug", "message.agent"],
        disagreeing={"ses_retry": 120},
        retries=7,
        interruptions=2,
        history=[Interruption(NOW - 4000, "the file was replaced"), Interruption(NOW - 90, "the schema was migrated")],
    )
    broken = Health(
        source="opencode:/srv/opencode.db",
        path="/srv/opencode.db",
        state="error",
        message="/srv/opencode.db is not a SQLite database, or is damaged (file is not a database)",
    )

    async def run(pilot: Pilot[Any]) -> None:
        await staged(story.everything(), "H")(pilot)
        viewer = pilot.app
        assert isinstance(viewer, ViewerApp)
        for state in (odd, broken):
            viewer.feed.arrivals.offer(Arrival(state.source, (), health=state))
        viewer.feed.arrivals.apply()
        await pilot.pause()

    assert snap_compare(app(), terminal_size=WIDE, run_before=run)


def test_a_locked_database_is_one_calm_line_80x24(snap_compare: Compare) -> None:
    """While a database cannot be read, what is known stays, and one line says why it is old."""
    words = "/data/opencode.db is locked (SQLITE_BUSY); trying again"

    async def run(pilot: Pilot[Any]) -> None:
        await staged(story.everything())(pilot)
        viewer = pilot.app
        assert isinstance(viewer, ViewerApp)
        viewer.feed.arrivals.offer(Arrival(SOURCE, (), health=health(state="error", message=words)))
        viewer.feed.arrivals.apply()
        await pilot.pause()

    assert snap_compare(app(), terminal_size=SMALL, run_before=run)


def talked() -> tuple[list[Event], dict[str, str]]:
    """The story with the texts of a conversation."""
    events = story.everything()
    step = Step("ses_talk", 1, "usr_talk", 90)
    step.op("reasoning", "", 89, 3, label="The fixture is shared", refs={"llm_reasoning": "The fixture is shared."})
    step.op("text", "", 86, 1, label="What was wrong", refs={"llm_response": "llm_response"})
    refs = {"tool_request": '{"command":"npm test -- retry"}', "tool_response": story.TEST_OUTPUT}
    step.op("tool", "bash", 84, 4, label="npm test -- retry", exit=1, refs=refs)
    step.op("tool", "edit", 79, 0.2, label="src/retry.ts", additions=3, deletions=1)
    step.op("tool", "task", 78, 30, child="ses_a", label="find the callers")
    step.op("tool", "task", 78, 22, child="ses_b", label="write a reproduction")
    step.end(40, Usage(input=9_000, output=90), 9_000, 0.3, finish="stop")
    for name, agent in (("ses_a", "explore"), ("ses_b", "general")):
        child = Step(name, 1, f"usr_{name}", 77, agent=agent).op("tool", "grep", 76, 20, label="retry(", hits=4)
        child.op("text", "", 55, 1, label="Two callers", refs={"llm_response": "llm_response"})
        child.end(50, Usage(input=3_000, output=90), 3_000, 0.07, finish="stop")
        events += [
            session(name, name, 78, parent_id="ses_talk", agent=agent),
            story.prompt(name, f"usr_{name}", "Find every caller of retry( and say what it passes.", 77.5),
            *child.events,
        ]
    events += [
        session("ses_talk", "Talk about the retry test", 92, updated=40),
        story.prompt("ses_talk", "usr_talk", "The retry test is flaky: about one run in six fails.", 91),
        *step.events,
    ]
    words = "## What was wrong\n\n`retry()` counted the *first* attempt **twice**:\n\n- in the loop\n- before it\n"
    texts = story.texts(events)
    return events, {uri: text or words for uri, text in texts.items()}


def conversing(size: tuple[int, int], compare: Compare, *keys: str) -> bool:
    events, texts = talked()
    run = staged(events, "t", "t", *keys, at=[Key(SOURCE, "session", "ses_talk", "ses_talk")])

    async def read(pilot: Pilot[Any]) -> None:
        await run(pilot)
        app = pilot.app
        assert isinstance(app, ViewerApp)
        view = app.main.detail.transcript
        await until(pilot, lambda: not (view._asked or view._fetch_timer))
        await pilot.pause()

    return compare(looking(FakeSource(texts)), run_before=read, terminal_size=size)


def test_transcript_120x40(snap_compare: Compare) -> None:
    assert conversing(WIDE, snap_compare)


def test_transcript_80x24(snap_compare: Compare) -> None:
    assert conversing(SMALL, snap_compare)


def test_transcript_with_open_agents_200x60(snap_compare: Compare) -> None:
    assert conversing(HUGE, snap_compare, "enter", "down", "enter")
