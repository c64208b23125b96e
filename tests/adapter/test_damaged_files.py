"""Databases whose bytes are not right: every command ends, what can be read is there, and what cannot is named.

`OPENCODE_VIEWER_DAMAGE=500` tries so many; the default is a part of them, the same each time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.adapter import damage
from tests.adapter.damage import FAULTS, Readable, chosen
from tests.adapter.face import Done, Face, Tail
from tests.adapter.footprint import footprint
from tests.adapter.opencode_writer import OpencodeWriter
from tests.adapter.states import NAME, side
from tests.adapter.writer import now_ms

VARIANTS = int(os.environ.get("OPENCODE_VIEWER_DAMAGE", "120"))
COMMANDS = (("ls", "--json"), ("tree", "--json"), ("events",), ("doctor", "--json"))
IDLE_S = 3.0
HEARD_S = 5.0
TOLD = ("turn_started", "turn_finalized", "op_started", "op_finalized", "payload_ref")


@pytest.fixture(scope="module")
def face() -> Iterator[Face]:
    with Face() as one:
        yield one


class Whole(NamedTuple):
    """A database without a fault: its directory, what can be read of it, and what `events` tells of each session."""

    directory: Path
    readable: Readable
    told: dict[str, list[dict[str, Any]]]


class Wholes:
    """Each is made once."""

    def __init__(self, face: Face, directory: Path) -> None:
        self._face = face
        self._directory = directory
        self.of = cache(self._of)

    def _of(self, source: str, with_wal: bool) -> Whole:
        place = self._directory / f"{source.replace('/', ' ')} {with_wal}"
        path = damage.build_whole(source, with_wal, place / "data")
        done = self._face.run("events", "--db", path)
        assert (done.status, done.err) == (0, "")
        return Whole(place / "data", damage.readable(path, place / "copy"), told_of(done))


@pytest.fixture(scope="module")
def wholes(face: Face, tmp_path_factory: pytest.TempPathFactory) -> Wholes:
    return Wholes(face, tmp_path_factory.mktemp("whole"))


def told_of(done: Done) -> dict[str, list[dict[str, Any]]]:
    """What `events` wrote about the content of each session, but for the name of the source."""
    told: dict[str, list[dict[str, Any]]] = {}
    for line in done.out.splitlines():
        event = json.loads(line)
        event.pop("source")
        if event["kind"] == "session_started":
            told.setdefault(event["session_id"], [])
        elif event["kind"] in TOLD:
            told.setdefault(event["session_id"], []).append(event)
    return told


def rows_of(events: list[dict[str, Any]]) -> set[str]:
    """The messages and parts that events are about."""
    return {event[name] for event in events for name in ("message_id", "part_id") if event.get(name)}


def missing_content(readable: Readable, whole: Whole, told: dict[str, list[dict[str, Any]]]) -> list[str]:
    """The sessions that can be read as they were, and are told otherwise."""
    found = []
    # A call shows the sub-agent that it started, so the same events need the same sessions.
    same_sessions = readable.sessions == whole.readable.sessions
    for session, rows in readable.parts.items():
        if rows != whole.readable.parts.get(session):
            continue
        now, before = told.get(session, []), whole.told.get(session, [])
        if same_sessions and now != before:
            found.append(f"{session} is not told as without the fault ({len(now)} events instead of {len(before)})")
        elif missing := rows_of(before) - rows_of(now):
            found.append(f"of {session} is missing {sorted(missing)}")
    return found


def variant_id(number: int) -> str:
    return f"{number} {' in '.join(chosen(number)).replace('/', ' ')}"


@pytest.mark.parametrize("number", range(VARIANTS), ids=variant_id)
def test_a_damaged_database_ends_every_command_and_shows_what_can_be_read(
    number: int, face: Face, wholes: Wholes, tmp_path: Path
) -> None:
    fault, source = chosen(number)
    whole = wholes.of(source, bool(FAULTS[fault][0]))
    path = damage.damage(number, whole.directory, tmp_path / "data")
    may_gain = [NAME + "-shm"] if FAULTS[fault][0] and not side(path, "-shm").exists() else []
    before = footprint(path.parent)
    readable = damage.readable(path, tmp_path / "copy")
    done, complaint = face.several([[*command, "--db", str(path)] for command in COMMANDS])
    assert len(done) == len(COMMANDS), f"{COMMANDS[len(done)][0]} did not end: {complaint}"
    assert complaint == ""
    found = []
    for command, one in zip(COMMANDS, done, strict=True):
        if one.status not in (0, 1, 2) or "Traceback" in one.err:
            found.append(f"{command[0]} ended with {one.status}: {one.err}")
    assert not found, "\n".join(found)
    assert before.differences(footprint(path.parent), allowed=frozenset(may_gain)) == []
    # A schema that has lost a table is no longer one of opencode's, and may be refused.
    if not readable.sessions or readable.tables != whole.readable.tables:
        return
    ls, tree, events, doctor = done
    for name, one in (("ls", ls), ("tree", tree), ("events", events)):
        if one.status == 2:
            found.append(f"{name} refuses {len(readable.sessions)} sessions: {one.err}")
        elif missing := readable.sessions.keys() - one.titles.keys():
            found.append(f"{name} does not show {sorted(missing)}")
    if events.status != 2:
        found += missing_content(readable, whole, told_of(events))
    if readable.failed:
        report = json.loads(doctor.out)["sources"][0]
        if doctor.status != 1 or not (report["warnings"] or report["message"]):
            found.append(f"doctor ended with {doctor.status} and does not name {readable.failed}")
    assert not found, "\n".join(found)


# -- one page of one session


MARK = "the page that goes bad"
SESSIONS = 30
PARTS = 14


class Store:
    """Thirty sessions, each of which fills several pages of `part` by itself; the writer is still there."""

    def __init__(self, path: Path, bad: int) -> None:
        path.parent.mkdir()
        self.path = path
        self.opencode = OpencodeWriter(path)
        began = now_ms() - 86_400_000
        self.answers: dict[str, str] = {}
        for number in range(SESSIONS):
            self.opencode.ms = began + number * 60_000
            session = self.opencode.session(f"Session {number}")
            prompt = self.opencode.user(session)
            answer = self.opencode.assistant(session, prompt, completed=self.opencode.ms, finish="stop")
            self.answers[session] = answer
            statements = []
            for part in range(PARTS):
                text = MARK if (number, part) == (bad, PARTS // 2) else "x"
                content = {"type": "text", "text": text.ljust(1500, "."), "time": {"start": 1, "end": 2}}
                statements += self.opencode.part_statements(answer, content, f"prt_{session}_{part:03}")
            self.opencode.commit(*statements)
        self.opencode.ms = None
        self.titles = {session: f"Session {number}" for number, session in enumerate(self.answers)}
        self.bad = list(self.answers)[bad]

    def go_bad(self) -> None:
        """Zeroes the page with the mark, which holds rows of one session only."""
        if side(self.path, "-wal").exists():
            self.opencode.run("PRAGMA wal_checkpoint(TRUNCATE)")
        content = self.path.read_bytes()
        assert content.count(MARK.encode()) == 1
        with self.path.open("r+b") as file:
            file.seek(content.index(MARK.encode()) // damage.PAGE * damage.PAGE)
            file.write(bytes(damage.PAGE))


@pytest.fixture(params=[0, 28], ids=["the oldest session", "one of the newest sessions"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "data" / NAME, request.param)
    yield made
    made.opencode.close()


def remarks(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What events say about something that is wrong."""
    return [e for e in events if e["kind"] == "source_error" or e.get("severity") in ("WRN", "ERR")]


def test_a_page_that_went_bad_costs_one_session_its_content_and_every_command_shows_the_rest(
    store: Store, face: Face, tmp_path: Path
) -> None:
    store.opencode.close()
    told = told_of(face.run("events", "--db", store.path))
    store.go_bad()
    whole = store.titles.keys() - {store.bad}
    readable = damage.readable(store.path, tmp_path / "copy")
    assert (readable.sessions.keys(), readable.parts.keys()) == (store.titles.keys(), whole), (
        "the page is the wrong one"
    )
    before = footprint(store.path.parent)
    ls, tree, events = (face.run(*command, "--db", store.path) for command in COMMANDS[:3])
    found = []
    for name, done in (("ls", ls), ("tree", tree), ("events", events)):
        if done.status not in (0, 1) or "Traceback" in done.err:
            found.append(f"{name} ended with {done.status}: {done.err!r}")
        elif done.titles != store.titles:
            found.append(f"{name} shows {len(done.titles)} of {len(store.titles)} titles")
    if events.status in (0, 1):
        told_now = told_of(events)
        wrong = [session for session in whole if told_now.get(session) != told[session]]
        if wrong:
            found.append(f"events does not tell {len(wrong)} of {len(whole)} sessions that can be read")
        if not [remark for remark in remarks(map(json.loads, events.out.splitlines())) if store.bad in str(remark)]:
            found.append("events does not name the session that cannot be read")
    for arguments in (["doctor"], ["doctor", "--json"]):
        done = face.run(*arguments, "--db", store.path)
        if done.status != 1 or store.bad not in done.out:
            found.append(f"{' '.join(arguments)} ended with {done.status} and does not name the session: {done.err!r}")
    found += before.differences(footprint(store.path.parent))
    assert not found, "\n".join(found)


def test_a_page_that_went_bad_under_a_writer_is_one_remark_and_all_other_sessions_stay_live(
    store: Store, face: Face
) -> None:
    store.go_bad()
    others = [session for session in store.titles if session != store.bad]
    with Tail(face, store.path) as tail:
        tail.until_titles(store.titles)
        for session in (store.bad, *others):
            tail.order("request", session)
        tail.until(lambda: bool(remarks(tail.events)), "a remark about the session that cannot be read")
        tail.until(lambda: tail.loaded >= set(others), "the sessions that can be read")
        cost = tail.quietest(IDLE_S, time.monotonic(), lambda cost: cost.statements <= 2 * IDLE_S)
        assert cost.statements <= 2 * IDLE_S, f"statements in {IDLE_S} s"
        for session in (others[0], others[-1]):
            part = store.opencode.part(store.answers[session], {"type": "text", "text": "still live"})
            tail.until(lambda part=part: part in rows_of(tail.events), f"the new part of {session}", HEARD_S)  # type: ignore[misc]
        renamed = store.titles | {others[1]: "Another name"}
        store.opencode.change_session(others[1], title="Another name")
        tail.until_titles(renamed, HEARD_S)
        assert [remark for remark in remarks(tail.events) if store.bad not in str(remark)] == []
        assert len({remark["message"] for remark in remarks(tail.events)}) == 1, "said once"
