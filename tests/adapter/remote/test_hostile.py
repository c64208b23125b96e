"""A far end that says anything: it costs what it touches, is named, and neither raises nor grows anything."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from adapter.contract import SourceUnavailable
from adapter.local import OpencodeSource
from adapter.remote import doors
from adapter.remote import line as lines
from adapter.remote.child import Child
from adapter.remote.doors import Doubtful
from adapter.remote.messages import WINDOW, DatabaseThere
from adapter.remote.source import Host
from tests.adapter.corpus import NAMES, NAMES_2X, load
from tests.adapter.follower import eventually
from tests.adapter.opencode_writer import OpencodeWriter, tool
from tui.model.status.counts import Counts
from tui.model.status.state import session_state
from tui.model.store.store import Store
from tui.model.sums.rollup import subtree
from tui.render.bars.health import fitting
from tui.render.lines import plain

ODD: list[Any] = [
    None, True, 0, -1, 1, 2**63, -(2**63), 10**30, 1.5, -0.0, 1e308, "", "x" * 5000, "\x1b[2J\x07", "\u202e\ud7ff\x00",
    [], [1, "a", None], {}, {"a": {"b": [{}] * 3}}, "ses_1", "opencode:/etc/passwd", "../../etc/passwd",
]  # fmt: skip
MESSAGES = 4000
"""Messages that a hostile end sends; by hand 10,000 were tried with each of ten seeds."""
HELLO = {"is": "hello", "protocol": 1, "program": "far", "clock": 1.79e9, "databases": [{"path": "/far/opencode.db"}]}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is cut is tried again at once."""
    monkeypatch.setattr(lines, "PAUSES_S", (0.0,))


class Speaker:
    """A far end that says these lines and no others, as a `Child`; `{id}` in one is that of the newest question. The
    first ping is answered, as a line stands by that."""

    def __init__(self, says: list[bytes]) -> None:
        self.said = ""
        self.heard: list[dict[str, Any]] = []
        self.spoken = 0
        self._says = says
        self._news = asyncio.Event()
        self._pinged = False

    def write(self, line: bytes) -> None:
        message = json.loads(line)
        if message["is"] == "ask":
            self.heard.append(message)
        elif message["is"] == "ping" and not self._pinged:
            self._pinged = True
            pong = {"is": "pong", "sent": message["sent"], "clock": message["sent"]}
            self._says.insert(0, json.dumps(pong).encode() + b"\n")
        self._news.set()

    async def readline(self, _most: int = 0) -> bytes:
        # As a pipe does, it lets others go on.
        await asyncio.sleep(0)
        while self._says and b"{id}" in self._says[0] and not self.heard:
            self._news.clear()
            await self._news.wait()
        if not self._says:
            return b""
        self.spoken += 1
        line = self._says.pop(0)
        return line.replace(b"{id}", str(self.heard[-1]["id"]).encode()) if b"{id}" in line else line

    def kill(self, why: str) -> None:
        self.said = why
        self._says.clear()

    async def status(self) -> int | None:
        return 0

    async def end(self) -> None:
        self._says.clear()


def speaking(lives: list[list[Any]]) -> tuple[Host, list[Speaker]]:
    """A host whose far end says in each life what is given; in all later ones nothing."""
    spoken: list[Speaker] = []

    async def start(_command: Sequence[str]) -> Child:
        says = lives.pop(0) if lives else []
        if not says:
            await asyncio.sleep(3600)
        told = [one if isinstance(one, bytes) else json.dumps(one).encode() + b"\n" for one in says]
        spoken.append(Speaker([line.replace(b'"{id}"', b"{id}") for line in told]))
        return cast(Child, spoken[-1])

    return Host(["box"], "box", start=start), spoken


async def real_events(directory: Path) -> list[dict[str, Any]]:
    """Events as a real far end tells them."""
    path = directory / "opencode.db"
    with OpencodeWriter(path) as opencode:
        session = opencode.session("A session")
        child = opencode.session("A sub-agent", parent=session)
        for one in (session, child):
            answer = opencode.assistant(one, opencode.user(one, "Please."), tokens=7)
            opencode.part(answer, {"type": "step-start"})
            opencode.part(answer, {"type": "text", "text": "Yes."})
            opencode.part(answer, tool("completed", input={"command": "ls"}, output="x", title="ls"))
            opencode.part(answer, tool("running", "task", input={"prompt": "x"}, metadata={"sessionId": child}))
    async with OpencodeSource(path, watch=False) as source:
        batches = [batch async for batch in source.stream()]
    return [cast(dict[str, Any], msgspec.to_builtins(event)) for batch in batches for event in batch.events]


def mutated(value: dict[str, Any], random_: random.Random) -> dict[str, Any]:
    """The same with some of its fields, at any depth, made odd."""
    found = copy.deepcopy(value)
    for _ in range(random_.randint(1, 3)):
        place: Any = found
        while True:
            name = random_.choice(list(place))
            if isinstance(place[name], dict) and place[name] and random_.random() < 0.7:
                place = place[name]
                continue
            place[name] = copy.deepcopy(random_.choice(ODD))
            break
    return found


async def test_a_hostile_end_raises_nothing_and_grows_nothing(tmp_path: Path) -> None:
    random_ = random.Random(15)
    events = await real_events(tmp_path)
    names = [event["session_id"] for event in events if "session_id" in event]
    health = cast(dict[str, Any], msgspec.to_builtins(OpencodeSource(tmp_path / "opencode.db").health()))

    def message() -> Any:
        kind = random_.random()
        if kind < 0.002:
            return bytes(random_.randrange(256) for _ in range(40)).replace(b"\n", b"") + b"\n"
        if kind < 0.7:
            told = [random_.choice(events) for _ in range(random_.randint(0, 5))]
            told = [mutated(event, random_) if random_.random() < 0.5 else event for event in told]
            return {"is": "events", "id": "{id}", "events": told}
        end = {
            "is": "batch",
            "id": "{id}",
            "health": mutated(health, random_) if random_.random() < 0.3 else health,
            "rows": 1,
            "loaded": random_.sample(names, 1),
            "begun": [],
            "released": random_.sample(names, random_.randint(0, 1)),
            "committed_at": random_.choice([0.0, -1.0, 1e300, 1.79e9]),
        }
        if kind < 0.99:
            return end if random_.random() < 0.99 else mutated(end, random_)
        other = {"is": random_.choice(["pong", "resumed", "text", "page", "spans", "done", "failed", "hello", "what"])}
        return other | {"id": random_.choice(["{id}", 99, -1]), "sent": 1e9, "clock": random_.choice(ODD)}

    lives = []
    left = MESSAGES
    while left > 0:
        much = random_.randint(1, 200)
        lives.append([HELLO, *(message() for _ in range(much))])
        left -= much
    count = len(lives)
    host, spoken = speaking(lives)
    source = host.sources()[0]
    store = Store()
    states: set[str] = set()
    now_us = 1_800_000_000_000_000
    async with source:
        tail = source.tail()
        while lives or source._line.is_up:
            batch = await anext(tail)
            store.apply(batch.events)
            for session_id in batch.loaded:
                store.mark_loaded("via:box", session_id)
            for session in list(store.sessions.values()):
                states.add(session_state(store, session, now_us).name)
                assert subtree(store, session).cost < 1e17
            assert "error of our own" not in source._line.why, source._line.why
            assert {event.source for event in batch.events} <= {"via:box"}
            assert batch.health.source == "via:box"
            assert batch.health.host == "box"
    await tail.aclose()  # type: ignore[attr-defined]
    assert len(spoken) == count
    assert sum(one.spoken for one in spoken) > MESSAGES / 3
    assert len(states) > 2
    # What it says of sessions may be anything, as many as it names; nothing else is kept.
    assert len(source._line._answers) == 0
    assert len(source._line._given_up) <= 1
    assert source.health().warnings["not of the contract"] > 100


@pytest.mark.parametrize(
    ("lines_", "words"),
    [
        ([b"Welcome to box!\n", b"last login: never\n"], "said 'last login: never'"),
        ([{"is": "hello", "protocol": 2, "program": "opencode-viewer 9.0", "clock": 1.0}], "is newer and speaks"),
        ([{"is": "hello", "protocol": 0, "program": "opencode-viewer 0.1", "clock": 1.0}], "is older and speaks"),
        ([HELLO, HELLO], "greets twice"),
        ([HELLO, b"no json\n"], "does not keep to the protocol"),
        ([HELLO, {"is": "events", "id": 7, "events": []}], "an answer to nothing that was asked"),
        ([HELLO], "the line is cut"),
        ([HELLO, b'{"is": "ev'], "the line is cut"),
    ],
)
async def test_why_there_is_no_line_is_said(lines_: list[Any], words: str) -> None:
    host, _ = speaking([lines_])
    source = host.sources()[0]
    async with source:
        await eventually(lambda: source._line.why not in ("", lines.OPENING))
        with pytest.raises(SourceUnavailable) as told:
            await source.probe()
        assert words in str(told.value)
        assert str(told.value).startswith("box: ")


async def test_a_banner_before_the_greeting_is_passed_over() -> None:
    health = {"source": "x", "path": "y", "state": "ok"}
    answer = [{"is": "health", "id": "{id}", "health": health}, {"is": "done", "id": "{id}"}]
    host, _ = speaking([[b"Debian GNU/Linux\n", b"\xff\xfe\n", b'{"is":"other"}\n', HELLO, *answer]])
    source = host.sources()[0]
    async with source:
        await eventually(lambda: source._line.is_up)
        found = await source.probe()
        assert (found.source, found.path, found.host) == ("via:box", "box:/far/opencode.db", "box")


async def test_who_sends_more_than_was_asked_for_is_cut() -> None:
    flood = {"is": "text", "id": "{id}", "text": "x" * 60_000, "more": True}
    host, spoken = speaking([[HELLO, *[flood] * 50]])
    source = host.sources()[0]
    async with source:
        await eventually(lambda: source._line.is_up)
        # Nobody takes it in.
        answer = source._line.ask("payload", source.place or "/far/opencode.db")
        await eventually(lambda: not source._line.is_up)
        assert "more came than was asked for" in source._line.why
        assert sum(size for _, size in answer._items) < WINDOW + 200_000
        assert len(spoken) == 1


async def test_a_text_is_no_longer_than_was_asked_for() -> None:
    piece = {"is": "text", "id": "{id}", "text": "x" * 1000, "more": True}
    host, _ = speaking([[HELLO, *[piece] * 50]])
    source = host.sources()[0]
    async with source:
        await eventually(lambda: source._line.is_up)
        with pytest.raises(Exception, match="more came than was asked for"):
            await source.payload("opencode-sqlite://?part_id=a&field=b", limit=5000)


@pytest.mark.parametrize(
    "extras",
    [
        {"time_updated": "now"},
        {"usage": {"input": "many"}},
        {"todos": [1]},
        {"running": "yes"},
        {"label": 7},
        {"told_as": "x"},
        {"exit": 2**70},
        {"cost": "1"},
    ],
)
def test_facts_of_another_type_than_the_contract_gives_them_are_doubtful(extras: dict[str, Any]) -> None:
    with pytest.raises(Doubtful):
        doors.facts(extras, 0)


def test_numbers_are_those_that_can_be_added_up_and_times_those_of_a_calendar() -> None:
    assert doors.facts({"additions": 2**70, "time_updated": 2**70, "cost": 1e300, "new": "x"}, 0) == {
        "additions": doors.MAX_COUNT,
        "time_updated": doors.MAX_US,
        "cost": float(doors.MAX_COUNT),
    }
    assert doors.facts({"time_updated": 5_000_000, "todos": [1, -7]}, 2_000_000) == {
        "time_updated": 3_000_000,
        "todos": [1, -1],
    }
    assert doors.moment(0, 5) == 0
    assert doors.moment(3, 5) == 1


@pytest.mark.parametrize("name", [*NAMES[::4], *NAMES_2X[::4]])
def test_every_event_of_a_real_database_passes_the_doors_as_it_is(name: str) -> None:
    """What the doors let through is what they got: nothing that the mapping gives is of another type, or dropped."""
    before = [cast(dict[str, Any], msgspec.to_builtins(event)) for event in load(name).events]
    decoded = [msgspec.convert(event, lines.AnyEvent) for event in before]
    taken, wrong = doors.events(decoded, "there", 0)
    after = [msgspec.to_builtins(event) for event in taken]
    assert wrong == []
    assert after == [{**event, "source": "there"} for event in before]


def test_health_is_made_of_what_can_be_counted_and_drawn() -> None:
    told = {
        "size": 10**4000,
        "lag_ms": 1e308,
        "counts": {f"{n}" + "x" * 100_000: 10**400 for n in range(5000)},
        "warnings": {"\x1b[2J": 1},
        "history": [{"at": 1e300, "words": "y" * 100_000}] * 5000,
        "unknown": {"much": [1] * 10**6},
    }
    found = doors.health(told, "via:box", "box:/x", "/x", 0)
    assert found.size == doors.MAX_COUNT
    assert len(found.counts) == len(found.history) == doors.MOST
    assert max(map(len, found.counts)) == doors.LONGEST
    assert found.host == "box"
    lines_ = fitting([found], None, Counts(), 200, 100)
    assert all(plain(line).isprintable() for line in lines_)
    assert len(lines_) < 100


async def test_an_answer_with_an_error_that_its_question_cannot_have_is_one_of_the_source() -> None:
    for error in ("PayloadGone", "BadPattern", "KeyboardInterrupt", "AdapterError", "SourceChanged", "x y"):
        failed = {"is": "failed", "id": "{id}", "error": error, "words": "why"}
        host, _ = speaking([[HELLO, failed]])
        source = host.sources()[0]
        async with source:
            await eventually(lambda source=source: source._line.is_up)  # type: ignore[misc]
            with pytest.raises(SourceUnavailable, match="box: why"):
                await source.spans()


def test_a_machine_has_no_more_databases_than_can_be_watched() -> None:
    host, _ = speaking([])
    for number in range(50):
        host.line.databases = [DatabaseThere(f"/{number}/{one}") for one in range(70)]
        assert len(host.sources()) <= lines.DATABASES_MOST


async def test_how_long_a_login_takes_is_no_difference_of_clocks_and_a_clock_that_is_set_is_noticed() -> None:
    now = 1_790_000_000.0
    line = lines.Line(["x"], "box", program="near", clock=lambda: now)
    line._time(now - 20.0, now - 13.0)
    line._time(now - 0.2, now - 0.1)
    assert line.ahead_s == 0.0
    line._time(now - 0.2, now - 0.1 - 3600)
    assert line.ahead_s == -3600


async def test_one_event_that_is_none_moves_no_time_of_the_others(tmp_path: Path) -> None:
    events = [event for event in await real_events(tmp_path) if event["kind"] == "session_started"]
    good, bad = copy.deepcopy(events[0]), copy.deepcopy(events[1])
    bad["extras"]["cost"] = "much"
    decoded = [msgspec.convert(event, lines.AnyEvent) for event in (good, bad)]
    taken, wrong = doors.events(decoded, "there", 5_000_000)
    assert [event.ts for event in taken] == [good["ts"] - 5_000_000]
    assert wrong == ["cost is of another type than it should be"]


async def test_a_far_end_that_speaks_and_answers_no_ping_is_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "PING_S", 0.0)
    monkeypatch.setattr(lines, "SILENCE_S", 0.05)
    # It goes on telling of its databases, and never stops.
    host, spoken = speaking([[HELLO, *[{"is": "databases", "databases": []}] * 100_000]])
    source = host.sources()[0]
    monkeypatch.setattr(Speaker, "write", lambda self, line: None)
    async with source:
        await eventually(lambda: source._line.why not in ("", lines.OPENING))
        assert "it answers no ping" in spoken[0].said
