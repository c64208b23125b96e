"""What is drawn, and how little: counters instead of clocks, and the very bytes that reach the terminal."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from textual.drivers.headless_driver import HeadlessDriver
from textual.screen import Screen

from adapter.events import Event, OpStarted, PayloadRef
from tests.tui import story
from tests.tui.stage import FakeSource, feed, playing, screen_text, until
from tests.tui.story import NOW, SOURCE, Step, prompt, session
from tui.app import ViewerApp
from tui.feed import Arrival
from tui.model.nodes import Key

HOSTILE = "[/foo] [red]x[/] \x1b[2J\x1b]52;c;ZXZpbA==\x07 \x9b31m \u202etxet\u202c \x07\x7f end"
HOSTILE_TEXT = (
    f"{HOSTILE}\n# {HOSTILE}\n- **{HOSTILE}**\n+{HOSTILE}\n| {HOSTILE} | `{HOSTILE}` |\n|---|---|\n```{HOSTILE}\n"
)


async def test_nothing_is_drawn_while_nothing_changes(drawn: Counter[str]) -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.pause()
        drawn.clear()
        for _ in range(20):
            app.feed.pump()
            feed(app, story.everything())
            await pilot.pause()
        assert drawn == Counter()


async def test_one_changed_row_draws_that_row_and_those_above_it(drawn: Counter[str]) -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("G")
        await pilot.pause()
        drawn.clear()
        seen = next(
            event
            for event in story.running_sub_agent()
            if isinstance(event, OpStarted) and event.session_id == "ses_find" and event.name == "grep"
        )
        feed(app, [_changed(seen)])
        await pilot.pause()
        assert any("backoff.ts" in line for line in screen_text(app))
        # The call, its step, the task that called, that one's step, its prompt and its session.
        assert 1 <= drawn["SessionTree"] <= 6
        assert drawn["LineView"] == 0


def _changed(event: OpStarted) -> Event:
    return OpStarted(
        **{name: getattr(event, name) for name in event.__struct_fields__ if name != "extras"},
        extras={"label": "backoff.ts"},
    )


async def test_moving_the_cursor_draws_two_rows(drawn: Counter[str]) -> None:
    async with playing(story.everything()) as (_, pilot):
        drawn.clear()
        await pilot.press("j")
        await pilot.pause()
        assert drawn["SessionTree"] == 2


async def test_a_tick_draws_only_what_runs_and_stops_when_nothing_does(drawn: Counter[str]) -> None:
    moment = [float(NOW)]
    async with playing(story.everything(), clock=lambda: moment[0]) as (app, pilot):
        await pilot.press("G")
        await pilot.pause()
        drawn.clear()
        moment[0] += 1
        app.main.tick()
        await pilot.pause()
        running = sum("►" in line for line in screen_text(app)[2:-1]) + 1  # the prompt runs too, with its own glyph
        assert drawn["SessionTree"] == running
    async with playing(story.others()) as (app, pilot):
        drawn.clear()
        app.main.tick()
        await pilot.pause()
        assert drawn["SessionTree"] == 0


async def test_five_megabytes_of_output_draw_one_screen(drawn: Counter[str]) -> None:
    events = story.everything()
    big = "".join(f"{n:07} a line of output that a build has printed\n" for n in range(100_000))
    source = FakeSource({uri: big for uri in story.texts(events)})
    async with playing(events, source=source) as (app, pilot):
        app.main.sessions.select(Key(SOURCE, "op", "ses_retry", "prt_ses_retry_1_3:tool"))
        await pilot.pause()
        drawn.clear()
        await pilot.press("3")
        await until(pilot, lambda: len(app.main.detail.view.lines) == 100_000)
        await pilot.pause()
        height = app.main.detail.view.size.height
        assert drawn["LineView"] <= 3 * height
        drawn.clear()
        await pilot.press("tab", "G")
        await pilot.pause()
        assert any("0099999" in line for line in screen_text(app))
        assert drawn["LineView"] <= 2 * height


async def test_a_hundred_thousand_sessions_draw_one_screen(drawn: Counter[str]) -> None:
    many = [session(f"ses_{n}", f"Session {n}", 1000 + n) for n in range(20_000)]
    async with playing(size=(120, 40)) as (app, pilot):
        feed(app, many)
        await pilot.pause()
        drawn.clear()
        await pilot.press("G")
        await pilot.pause()
        assert any("Session 19999" in line for line in screen_text(app))
        assert drawn["SessionTree"] <= 2 * app.main.sessions.size.height


class Recording(HeadlessDriver):
    """A terminal that keeps what is written to it. Textual sends nothing to one that is headless."""

    written: ClassVar[list[str]] = []

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        self.written.append(data)


OURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\]22;[a-z]*\x07|\x1b\]2;(?:[?►][0-9]+ )*(?:opencode-viewer)?\x07")
"""CSI sequences, OSC 22 from Textual for the shape of the pointer, and OSC 2 with the title: counts and our name."""


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> type[Recording]:
    """The driver of every app from now on, which keeps what it is given."""
    monkeypatch.setattr("textual.drivers.headless_driver.HeadlessDriver", Recording)
    monkeypatch.setattr(Recording, "written", [])
    return Recording


@pytest.fixture
def layouts(monkeypatch: pytest.MonkeyPatch) -> list[Screen[object]]:
    """Every layout of the screen from now on: it visits all widgets, and draws anew what it moves."""
    seen: list[Screen[object]] = []
    lay_out = Screen._refresh_layout

    def noted(self: Screen[object], *arguments: Any, **options: Any) -> None:
        seen.append(self)
        lay_out(self, *arguments, **options)

    monkeypatch.setattr(Screen, "_refresh_layout", noted)
    return seen


async def test_one_changed_row_is_a_few_hundred_bytes_and_no_layout(
    terminal: type[Recording], layouts: list[Screen[object]]
) -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("G")
        await pilot.pause()
        layouts.clear()
        terminal.written.clear()
        seen = next(
            event
            for event in story.running_sub_agent()
            if isinstance(event, OpStarted) and event.session_id == "ses_find" and event.name == "grep"
        )
        feed(app, [_changed(seen)])
        await pilot.pause()
        sent = "".join(terminal.written)
        assert "backoff.ts" in sent
        # Six rows of some 200 bytes: the call, and what stands above it.
        assert len(sent.encode()) < 1500
        assert layouts == []


async def test_a_batch_that_adds_rows_in_many_places_is_one_layout_and_one_frame(
    terminal: type[Recording], layouts: list[Screen[object]], drawn: Counter[str]
) -> None:
    # So many that the tree has its scroll bar already: that one comes is a second layout.
    before = [session(f"ses_old_{n}", f"Old session {n}", 9000 + n) for n in range(60)]
    async with playing([*story.others(), *before]) as (app, pilot):
        # And with the cursor put somewhere, because until then it follows the newest, and the detail with it.
        await pilot.press("j")
        await pilot.pause()
        layouts.clear()
        terminal.written.clear()
        drawn.clear()
        for n in range(10):
            app.feed.offer(Arrival(SOURCE, [session(f"ses_{n}", f"Another session {n}", 50 + n)]))
        app.feed.pump()
        await pilot.pause()
        assert len(layouts) == 1
        assert drawn["SessionTree"] <= app.main.sessions.size.height
        # They came above the cursor, so what is in sight is what was, and was drawn once.
        assert "".join(terminal.written).count("Old session 7 ") <= 1


async def test_hostile_text_reaches_the_terminal_harmlessly(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Step("ses_evil", 1, "usr_e", 20, agent=HOSTILE, model=HOSTILE)
    step.op("text", "", 19, 1, label=HOSTILE, refs={"llm_response": HOSTILE})
    step.op("tool", "edit", 18.5, 1, label=HOSTILE, refs={"tool_request": HOSTILE, "diff": HOSTILE})
    step.op("tool", "todowrite", 18.4, 1, refs={"tool_request": HOSTILE})
    step.op(
        "tool", HOSTILE, 18, 1, status="failed", error=(HOSTILE, HOSTILE), label=HOSTILE, title=HOSTILE,
        refs={"tool_request": HOSTILE, "tool_response": HOSTILE},
    )  # fmt: skip
    step.op("tool", "bash", 16, None, label=HOSTILE, running=True)
    events = [
        session("ses_evil", HOSTILE, 30, agent=HOSTILE, model=HOSTILE, cwd=HOSTILE, version=HOSTILE),
        prompt("ses_evil", "usr_e", HOSTILE, 21),
        *(
            replace(e, format="diff") if isinstance(e, PayloadRef) and e.payload_kind == "diff" else e
            for e in step.events
        ),
    ]
    todos = json.dumps({"todos": [{"content": HOSTILE, "status": HOSTILE, "priority": HOSTILE}]})
    source = FakeSource({e.uri: todos if "_3&" in e.uri else HOSTILE_TEXT for e in events if isinstance(e, PayloadRef)})
    monkeypatch.setattr("textual.drivers.headless_driver.HeadlessDriver", Recording)
    monkeypatch.setattr(Recording, "written", [])
    app = ViewerApp([source], clock=lambda: NOW)
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.pause()
        feed(app, events)
        app.problem(HOSTILE)
        await pilot.press("H")
        for index in range(len(app.main.rows)):
            app.main.sessions.select(app.main.rows.row(index).key)
            for tab in "234561":
                await pilot.press(tab)
                await pilot.pause(0.08)
        app.main.say(HOSTILE)
        app.main.detail.view.search(HOSTILE)
        app.screen.refresh()
        await pilot.pause()
        for line in screen_text(app):
            assert cell_len(line) <= 160
    sent = "".join(Recording.written)
    rest = OURS.sub("", sent)
    assert "[/foo] [red]x[/]" in rest
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", rest) == []
