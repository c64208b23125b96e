"""Text of strangers on its way to the terminal, through every widget that shows any: judged by the bytes that are sent.

What may be sent is what Textual needs to draw, the title, a notice and the clipboard; what a text wants to send is
never among it, and nothing that it holds is taken for markup.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len
from textual.command import CommandList, CommandPalette
from textual.pilot import Pilot

from adapter.events import Event, LogEntry, PayloadRef, SessionFinalized
from adapter.health import Interruption
from adapter.local import OpencodeSource
from adapter.references import build
from tests.adapter import corpus
from tests.tui.conftest import Recording
from tests.tui.export.test_untrusted import spoil
from tests.tui.judge import MARK, judge
from tests.tui.stage import FakeSource, feed, health, screen_text, until
from tests.tui.story import NOW, SOURCE, Step, at, prompt, session
from tui.app import ViewerApp
from tui.feed.queue import Arrival
from tui.model.records import Key
from tui.model.tree.folds import EVERYTHING
from tui.render.cards.tabs import TRANSCRIPT

PATIENCE_S = 120
"""Nothing here is about time: a wait ends as soon as what it waits for is there, however busy the machine is."""

PIECES = (
    *(f"\x1b[{MARK}m", f"\x1b[{MARK}J", f"\x1b[?{MARK}h", f"\x9b{MARK}m", f"\x1b]0;{MARK}\x07", f"\x1b]2;{MARK}\x1b\\"),
    *(
        f"\x1b]52;c;{MARK}\x07",
        f"\x1b]8;;http://{MARK}\x07",
        f"\x9d{MARK}\x9c",
        f"\x1bP{MARK}\x1b\\",
        f"\x1b]9;{MARK}\x07",
    ),
    *(
        "\x1b",
        "\x1b[",
        "\x1b]",
        "\x9b",
        "\x07",
        "\x08",
        "\r",
        "\n",
        "\r\n",
        "\t",
        "\x00",
        "\x7f",
        "\x85",
        "\x0e",
        "\x1bc",
    ),
    *("\u202e", "\u2066", "\u200b", "\u200d", "\ufe0f", "\ufeff", "\u2028", "\ud800", "\U000e0041", "\u0301" * 20),
    *("[/foo]", "[/", "[red]", "[@click=app.quit]", "[b", "\\[", "$x", "]", "漢字", "👩‍👩‍👧", "שלום", "word", " "),
    *("# ", "- ", "| a | b |\n|---|---|\n| ", "```\n", "**", "`", "+", "-", "@@ -1 +1 @@\n", '{"', '"}'),
)
WORST = "".join(PIECES)
EVIL, KID, BAD = (f"ses_{name}\x1b[{MARK}m\u202e\x07[/red]" for name in ("evil", "kid", "bad"))
"""Ids are text, too: those of rows, and what a tool names as the session that it started."""


def looks(words: Callable[[], str]) -> dict[str, tuple[str, str]]:
    """For each look of a text a call that has it: the tool, and what its text is."""
    choices = [{"label": words(), "description": words()}, words()]
    asked = {"questions": [{"header": words(), "question": words(), "options": choices}]}
    return {
        "question": ("tool_request", json.dumps(asked)),
        "todowrite": (
            "tool_request",
            json.dumps({"todos": [{"content": words(), "status": words(), "priority": words()}, {"content": words()}]}),
        ),
        "search": ("tool_response", json.dumps({words(): [{words(): words()}, words()], "plain": words()})),
        "bash": ("tool_response", "\n".join([words(), words(), words()])),
        "edit": ("diff", f"--- {words()}\n+++ {words()}\n@@ -1 +1 @@\n-{words()}\n+{words()}\n {words()}"),
        "webfetch": (
            "tool_response",
            f"# {words()}\n\n| {words()} | {words()} |\n|---|---|\n| {words()} | b |\n\n> {words()}",
        ),
        "task": ("tool_response", f"<task_result>\n{words()}\n</task_result>"),
        "read": (
            "attachment",
            f"data:text/plain;base64,{base64.b64encode(words().encode('utf-8', 'replace')).decode()}",
        ),
    }


def world(words: Callable[[], str]) -> tuple[list[Event], dict[str, str]]:
    """A session, its sub-agent and one that failed, of which everything that opencode could write is one of the words;
    and the texts behind them."""
    step = Step(EVIL, 1, "usr_e", 20, agent=words(), model=words(), provider_alias=words())
    step.op("text", "", 19.5, 0.1, label=words(), refs={"llm_response": "…"})
    step.op("reasoning", "", 19.4, 0.1, label=words(), refs={"llm_reasoning": "…"})
    contents: list[str] = []
    for tool, (kind, text) in looks(words).items():
        step.op("tool", tool, 19, 1, label=words(), title=words(), refs={kind: text})
        contents.append(text)
    fail = {"tool_request": "…", "tool_response": "…"}
    step.op("tool", words(), 18, 1, status="failed", error=(words(), words()), label=words(), refs=fail)
    step.op("tool", "task", 17, None, label=words(), child=KID)
    step.op("tool", "task", 16.5, 0.1, label=words(), child=f"ses_gone{EVIL}")
    step.op("tool", "bash", 16, None, label=words(), running=True)
    child = Step(KID, 1, "usr_k", 15).op("tool", "question", 14, None, label=words())
    retry = Step(BAD, 1, "usr_b", 40, extras={"retry": 2, "retry_at": at(-5), "retry_error": words()})
    fields = {"agent": words(), "model": words(), "provider_alias": words(), "version": words()}
    events: list[Event] = [
        session(EVIL, words(), 30, cwd=f"/{words()}", **fields),
        prompt(EVIL, "usr_e", words(), 21),
        *step.events,
        session(KID, words(), 16, parent_id=EVIL, cwd=f"/{words()}", **fields),
        prompt(KID, "usr_k", words(), 15.5),
        *child.events,
        session(BAD, words(), 45, cwd=words()),
        prompt(BAD, "usr_b", words(), 44),
        *retry.events,
        session("ses_old", words(), 900, cwd=words()),
        session(f"ses_nameless{EVIL}", "", 950, cwd=words()),
        SessionFinalized(
            source=SOURCE, ts=at(890), session_id="ses_old", status="failed", error_class=words(), error_message=words()
        ),
        LogEntry(source=SOURCE, ts=at(1), session_id=EVIL, severity="WRN", message=words(), ref="part"),
    ]
    formats = {"diff": "diff", "attachment": words()}
    events = [
        replace(event, format=formats.get(event.payload_kind, event.format), preview=event.preview or words())
        if isinstance(event, PayloadRef)
        else event
        for event in events
    ]
    # The one prompt of a sub-agent has no row: the call that started it has its words.
    refs = [event for event in events if isinstance(event, PayloadRef) and event.message_id != "usr_k"]
    calls = [event for event in refs if event.turn_seq and event.op_seq > 2]
    texts = {event.uri: text for event, text in zip(calls, contents, strict=False)}
    texts |= {event.uri: words() for event in refs if event.uri not in texts}
    rows = {build("part_id", event.part_id, ""): json.dumps({words(): words()}) for event in calls[:3]}
    return events, texts | rows


class Strange(FakeSource):
    """A source of which even the errors and the health are words of strangers."""

    def __init__(self, texts: dict[str, str], words: Callable[[], str]) -> None:
        state = health(
            path=words(), family=words(), versions=[words(), words()], strategy=words(), migration_latest=words(),
            missing_columns=[words()], warnings={words(): 3}, disagreeing={"ses": 2, "ses_less": -2}, open_mode=words(),
            interruptions=1, history=[Interruption(NOW - 9.0, words())],
        )  # fmt: skip
        super().__init__(texts, state)
        self.path = Path(words().replace("\0", "") or "x")
        self._words = words

    async def payload(self, uri: str, limit: int = 0) -> Any:
        if uri not in self.texts:
            raise LookupError(self._words())
        return await super().payload(uri, limit)


def session_row(session_id: str) -> Key:
    """The row of a session."""
    return Key(SOURCE, "session", session_id, session_id)


async def unfold(app: ViewerApp, pilot: Pilot[Any]) -> None:
    """Shows everything of the session under the cursor."""
    while app.main.sessions.cursor is not None and app.main.rows.level_of(app.main.sessions.cursor, 0) < EVERYTHING:
        await pilot.press("z")


async def visit(app: ViewerApp, pilot: Pilot[Any]) -> None:
    """Goes to a row of every kind, for calls of every tool, and looks at every tab."""
    detail = app.main.detail
    seen = set()
    for index in range(len(app.main.rows)):
        key = app.main.rows.row(index).key
        op = app.store.op(key)
        kind = (key.kind, op.kind, op.name, op.status) if op is not None else (key.kind, key.session_id)
        if kind in seen:
            continue
        seen.add(kind)
        app.main.sessions.select(key)
        await pilot.pause()
        for name in list(detail.tabs)[::-1]:
            detail.pick(name)
            await until(pilot, lambda: not (detail._asked or detail._timer), PATIENCE_S)
    await pilot.pause()
    await read_everything(app, pilot)


async def read_everything(app: ViewerApp, pilot: Pilot[Any]) -> None:
    """Opens all that the transcripts of the sessions hold, and looks at every line."""
    detail, view = app.main.detail, app.main.detail.transcript
    for session_id in (BAD, EVIL):
        app.main.sessions.select(session_row(session_id))
        await pilot.pause()
        detail.pick(TRANSCRIPT)
        for passage in view.conversation.everything():
            view.conversation.open(passage)
        await pilot.press("t", "t", "g")
        for _ in range(200):
            await until(pilot, lambda: not (view._asked or view._fetch_timer), PATIENCE_S)
            if view.scroll_offset.y >= view.max_scroll_y:
                break
            await pilot.press("pagedown")
    await pilot.press("tab", "1")


async def complete(app: ViewerApp, pilot: Pilot[Any]) -> None:
    """Completes each field of the filter twice, and keeps what came of it."""
    for field in ("agent:", "model:", "provider:", "version:", "dir:", "tool:"):
        await pilot.press("slash")
        app.main.bar.input.value = ""
        app.main.bar.input.insert_text_at_cursor(field)
        await pilot.pause()
        await pilot.press("tab", "tab")
        await pilot.pause()
        app.main.bar.input.insert_text_at_cursor(" nothing-has-this")
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("escape")


async def ask_the_palette(app: ViewerApp, pilot: Pilot[Any], query: str) -> None:
    """Lets the palette list what it finds for a query."""
    await pilot.press("ctrl+p")
    await until(
        pilot, lambda: isinstance(app.screen, CommandPalette) and bool(app.screen.query(CommandList)), PATIENCE_S
    )
    app.screen.query_one("CommandInput").insert_text_at_cursor(query)  # type: ignore[attr-defined]
    await until(pilot, lambda: app.screen.query_one(CommandList).option_count > 0, PATIENCE_S)
    await pilot.pause()
    await pilot.press("escape")
    await until(pilot, lambda: app.screen is app.main, PATIENCE_S)


async def tour(words: Callable[[], str]) -> str:
    """Everything that an app sends when it shows such a world in all its widgets."""
    Recording.written.clear()
    events, texts = world(words)
    source = Strange(texts, words)
    moment = [float(NOW)]
    app = ViewerApp([source], clock=lambda: moment[0], notify=True)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        feed(app, events)
        app.feed.arrivals.offer(Arrival(SOURCE, (), health=source.state))
        app.feed.arrivals.apply()
        await pilot.press("H")
        for session_id in (BAD, EVIL):
            app.main.sessions.select(session_row(session_id))
            await pilot.press("right")
            await unfold(app, pilot)
        await visit(app, pilot)
        await pilot.press("o")
        for index in range(len(app.main.rows)):
            if app.main.rows.row(index).key.kind == "heading":
                app.main.sessions.select(app.main.rows.row(index).key)
                await pilot.pause()
        await complete(app, pilot)
        await ask_the_palette(app, pilot, "w")
        app.main.sessions.select(session_row(EVIL))
        await pilot.press("y", "Y")
        app.main.detail.view.search(words()[:30] or "x")
        app.main.say(words())
        app.problem(words())
        app.feed.arrivals.offer(Arrival(SOURCE, (), health=replace(source.state, state="error", message=words())))
        app.feed.arrivals.apply()
        moment[0] += 60
        question = Step(BAD, 2, "usr_b", -30).op("tool", "question", -31, None, label=words())
        feed(app, question.events)
        app.main.tick()
        app.main.tick()
        app.screen.refresh()
        await pilot.pause()
        for line in screen_text(app):
            assert cell_len(line) <= 160
    return "".join(Recording.written)


@pytest.fixture(scope="module", autouse=True)
def at_once() -> Iterator[None]:
    """Texts are asked for as soon as the cursor rests, and every app has a terminal that listens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tui.widgets.detail.FETCH_AFTER", 0.001)
        patch.setattr("textual.drivers.headless_driver.HeadlessDriver", Recording)
        patch.delenv("TMUX", raising=False)
        yield


async def test_the_worst_text_in_every_place_is_only_text() -> None:
    numbers = itertools.count()
    words = judge(await tour(lambda: f"no{next(numbers)} {WORST}"))
    for markup in ("[/foo]", "[red]", "[@click=app.quit]", "[b", "$x"):
        assert markup in words


async def test_the_tour_comes_by_every_widget() -> None:
    """With words that are harmless and short, so that what is cut off elsewhere is found: where they were shown."""
    numbers = itertools.count()
    sent = await tour(lambda: f"w{next(numbers)}w")
    assert [f"w{n}w" for n in range(next(numbers)) if f"w{n}w" not in sent] == []


_hostile = st.lists(
    st.lists(st.sampled_from(PIECES) | st.text(max_size=3), min_size=1, max_size=9).map("".join),
    min_size=20,
    max_size=60,
)


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(_hostile)
def test_generated_texts_in_every_place_are_only_text(texts: list[str]) -> None:
    judge(asyncio.run(tour(itertools.cycle(texts).__next__)))


async def shown(path: Path) -> str:
    """Everything that is sent while each row and each tab of a database is looked at, steps opened."""
    Recording.written.clear()
    app = ViewerApp([OpencodeSource(path, watch=False)])
    async with app.run_test(size=(160, 45)) as pilot:
        await until(pilot, lambda: len(app.main.rows) > 0, PATIENCE_S)
        await unfold(app, pilot)
        await until(
            pilot,
            lambda: all(one.loaded for one in app.store.sessions.values()) and not app.feed.arrivals.waiting,
            PATIENCE_S,
        )
        await visit(app, pilot)
    return "".join(Recording.written)


@pytest.mark.parametrize("name", ["ansi", "title", "markdown"])
async def test_what_opencode_wrote_of_hostile_output_titles_and_markdown_is_only_text(
    name: str, tmp_path: Path
) -> None:
    judge(await shown(corpus.build(f"1.18.33/{name}", tmp_path / "opencode.db")))


@pytest.mark.parametrize("name", ["files", "question.pending", "v2-api"])
async def test_a_database_with_the_worst_text_in_every_row_is_only_text(name: str, tmp_path: Path) -> None:
    path = corpus.build(f"1.18.33/{name}", tmp_path / "opencode.db")
    # SQLite takes everything but halves of a character.
    spoil(path, WORST.replace("\ud800", ""))
    assert "[/foo]" in judge(await shown(path))
