"""Rows of 100 MB, which do exist (a message of 460 MB in opencode's issue 33356), next to small ones."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.events import OpFinalized, OpStarted
from tests.adapter.follower import Follower
from tests.adapter.opencode_writer import OpencodeWriter, answer, tool

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
