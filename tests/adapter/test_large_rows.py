"""Rows of 100 MB, which do exist (a message of 460 MB in opencode's issue 33356), next to small ones; and rows over a
limit that is made small, so that there can be many."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.events import LogEntry, OpFinalized, OpStarted, SessionStarted, TurnStarted
from adapter.local import OpencodeSource
from adapter.sqlite import connection
from tests.adapter.follower import Follower
from tests.adapter.opencode_writer import OpencodeWriter, answer, tool
from tui.cli import main

MEGABYTE = 1_000_000
SIZE = 100 * MEGABYTE
PEAK_LIMIT = 120 * MEGABYTE
"""Bytes. SQLite refuses such a row before it is copied: the run peaks at 40 MB. Reading one and
decoding it would take 300 MB."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A session with a large message, a large part and a large event among small ones. Made inside SQLite in 2 s."""
    path = tmp_path_factory.mktemp("large") / "opencode.db"
    with OpencodeWriter(path) as opencode:
        session = opencode.session("Large")
        opencode.user(session, "Go on.")
        message = opencode.assistant(session, completed=2, finish="stop")
        small = {"type": "text", "text": "small", "time": {"start": 1, "end": 2}}
        opencode.part(message, small)
        part = opencode.part(message, small)
        opencode.part(message, small)
        other = opencode.message(session, answer(5, completed=6))
        text = f"printf('%.*c', {SIZE}, 'x')"
        opencode.commit(
            (f"""UPDATE part SET data = '{{"type":"text","text":"' || {text} || '"}}' WHERE id = ?""", [part]),
            (f"""UPDATE message SET data = '{{"role":"user","x":"' || {text} || '"}}' WHERE id = ?""", [other]),
            (f"UPDATE event SET data = data || {text} WHERE rowid = (SELECT max(rowid) FROM event)", []),
        )
        yield path


linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc (Linux)")
RUN = """
import sys
from tui.cli import main
status = main(sys.argv[1:])
sys.stdout.flush()
sys.stderr.write(open("/proc/self/status").read())
sys.exit(status)
"""


def measured(*arguments: str | Path) -> tuple[bytes, int]:
    """What a command prints, and the most memory that it had, in bytes. As the kernel counts since the exec: what wait4
    tells includes what this process, forked, had before it."""
    command = [sys.executable, "-c", RUN, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=300, check=False)
    # 1: not everything could be read.
    assert done.returncode == 1, done.stderr.decode()
    (peak,) = [line for line in done.stderr.decode().splitlines() if line.startswith("VmHWM")]
    return done.stdout, int(peak.split()[1]) * 1024


GROWN = 70 * MEGABYTE


async def test_a_call_that_outgrows_what_is_read_stays_with_all_but_its_output(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        session = opencode.session("Long build")
        message = opencode.assistant(session)
        part = opencode.part(message, tool("running", input={"command": "make all"}, time={"start": 1000}))
        async with Follower(opencode.path) as follower:
            await follower.loaded(session)
            await follower.equals_cold_load()
            output = f"printf('%.*c', {GROWN}, 'x')"
            begin = (
                '{"type":"tool","tool":"bash","state":{"status":"completed","input":{"command":"make all"},"output":"'
            )
            end = '","time":{"start":1000,"end":5000}}}'
            opencode.commit((f"UPDATE part SET data = ? || {output} || ? WHERE id = ?", [begin, end, part]))
            opencode.message(session, answer(1000, completed=6000), message)
            await follower.until(lambda: bool(follower.session(session).turns[message].status))
            await follower.equals_cold_load()
            (call,) = [op for op in follower.of(OpStarted) if op.part_id == part][-1:]
            (ended,) = [op for op in follower.of(OpFinalized) if op.part_id == part][-1:]
        assert (call.name, call.extras["label"], call.extras["unread_bytes"] > GROWN) == ("bash", "make all", True)
        assert (ended.status, ended.end_ts) == ("completed", 5000 * 1000)


@linux
def test_doctor_counts_them_and_memory_stays_bounded(database: Path) -> None:
    printed, peak = measured("doctor", "--json", "--db", database)
    assert json.loads(printed)["sources"][0]["warnings"]["too large"] == 2
    assert peak < PEAK_LIMIT


@linux
def test_what_is_beside_them_is_told(database: Path) -> None:
    printed, peak = measured("events", "--db", database)
    events = [json.loads(line) for line in printed.splitlines()]
    assert [e["extras"]["label"] for e in events if e["kind"] == "op_started"] == ["small", "small"]
    assert [e["message"][:9] for e in events if e.get("severity") == "WRN"] == ["too large"] * 2
    assert peak < PEAK_LIMIT


# -- over a small limit

LIMIT = 100_000
TOO_LARGE = f"printf('%.*c', {2 * LIMIT}, 'x')"


@pytest.fixture
def opencode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpencodeWriter]:
    """Three sessions of one answer each, and a limit that a value of them may be over."""
    monkeypatch.setattr(connection, "ROW_LIMIT_BYTES", LIMIT)
    with OpencodeWriter(tmp_path / "opencode.db") as writer:
        for number in range(3):
            message = writer.assistant(writer.session(f"Session {number}"), completed=2, finish="stop")
            writer.part(message, {"type": "text", "text": f"text {number}", "time": {"start": 1, "end": 2}})
        yield writer


@pytest.mark.parametrize("column", ["title", "directory", "revert", "slug", "agent", "version"])
async def test_a_session_of_which_one_column_is_too_large_is_there_with_all_the_others(
    opencode: OpencodeWriter, column: str
) -> None:
    large = opencode.sessions[1]
    opencode.run(f"UPDATE session SET {column} = {TOO_LARGE} WHERE id = '{large}'")
    words = f"too large: {column} of session {large}: over 64 MB, not read"
    async with OpencodeSource(opencode.path) as source:
        told = {e.session_id: e for e in await source.catalogue() if isinstance(e, SessionStarted)}
        assert told.keys() == set(opencode.sessions)
        titles = {told[session].title for session in opencode.sessions}
        assert titles == {"Session 0", "Session 2", "" if column == "title" else "Session 1"}
        health = await source.probe()
        assert (health.state, health.warnings, health.counts["sessions"]) == ("ok", {"too large": 1}, 3)
    async with Follower(opencode.path) as follower:
        await follower.loaded(*opencode.sessions)
        await follower.equals_cold_load()
        remarks = [e.message for e in follower.of(LogEntry) if e.severity == "WRN"]
        assert remarks == [words]
        assert {turn.session_id for turn in follower.of(TurnStarted)} == set(opencode.sessions)
        # It is followed all the same, and what was named is not named again.
        opencode.part(opencode.assistant(large), {"type": "text", "text": "later"})
        opencode.change_session(opencode.sessions[0], title="Renamed")
        await follower.equals_cold_load()
        assert [e.message for e in follower.of(LogEntry) if e.severity == "WRN"] == [words]
        assert follower.source.health().state == "ok"


@pytest.mark.parametrize("table", ["message", "part"])
def test_commands_show_what_is_beside_a_row_that_is_too_large(
    opencode: OpencodeWriter, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    opencode.run(f"UPDATE session SET title = {TOO_LARGE} WHERE id = '{opencode.sessions[0]}'")
    opencode.run(f"UPDATE {table} SET data = {TOO_LARGE} WHERE session_id = '{opencode.sessions[1]}'")
    database = ["--db", str(opencode.path)]
    for command in (["ls"], ["tree"]):
        assert main([*command, *database]) == 1
        shown = capsys.readouterr().out
        assert ("Session 1" in shown, "Session 2" in shown, len(shown) < LIMIT) == (True, True, True)
    assert main(["events", *database]) == 1
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {e["session_id"] for e in events if e["kind"] == "session_started"} == set(opencode.sessions)
    assert {e["extras"]["label"] for e in events if e["kind"] == "op_started"} >= {"text 0", "text 2"}
    assert main(["doctor", "--json", *database]) == 1
    assert json.loads(capsys.readouterr().out)["sources"][0]["warnings"]["too large"] == 2


async def test_sessions_with_much_beside_what_is_shown_are_all_there_whatever_time_there_is(tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    with OpencodeWriter(path) as opencode:
        for number in range(40):
            opencode.user(opencode.session(f"Session {number}"))
        opencode.run(f"UPDATE session SET summary_diffs = printf('%.*c', {MEGABYTE}, 'x')")
        async with OpencodeSource(path, limit_s=0.0005) as source:
            assert len(await source.catalogue()) == 40
            health = await source.probe()
            assert (health.state, health.warnings, health.counts["sessions"]) == ("ok", {}, 40)
        async with Follower(path) as follower:
            await follower.equals_cold_load()
            assert len(follower.store.sessions) == 40


async def test_a_value_that_nobody_asks_for_may_be_of_any_size(opencode: OpencodeWriter) -> None:
    opencode.run(f"UPDATE session SET summary_diffs = {TOO_LARGE}")
    async with OpencodeSource(opencode.path) as source:
        assert {e.title for e in await source.catalogue() if isinstance(e, SessionStarted)} == {
            "Session 0",
            "Session 1",
            "Session 2",
        }
        assert (await source.probe()).warnings == {}
