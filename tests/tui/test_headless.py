"""The commands without a screen, run as a user runs them: as processes, in pipes, on real files."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapter.events import AnyEvent
from tests.adapter import corpus
from tests.adapter.follower import cold_store, differences
from tests.adapter.opencode_writer import OpencodeWriter, answer
from tests.tui.export.test_untrusted import spoil
from tests.tui.stage import health
from tui.commands import doctor
from tui.demo.player import Player
from tui.model.store.store import Store

TIMEOUT_S = 60


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The finished demo, with its writer still connected as opencode's is."""
    player = Player(tmp_path_factory.mktemp("demo"))
    player.prepare()
    player.finish()
    yield player.path
    player.close()


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "tui", *map(str, arguments)]


def run(*arguments: str | Path, home: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    if home is not None:
        environment |= {"HOME": str(home), "XDG_DATA_HOME": ""}
        environment.pop("OPENCODE_DB", None)
    return subprocess.run(command(*arguments), capture_output=True, timeout=TIMEOUT_S, check=False, env=environment)


def lines(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_events_are_one_json_object_a_line_and_end_with_a_cursor(database: Path) -> None:
    done = run("events", "--db", database)
    assert (done.returncode, done.stderr) == (0, b"")
    events = lines(done.stdout)
    with sqlite3.connect(database) as plain:
        sessions = {row[0] for row in plain.execute("SELECT id FROM session")}
    assert {event["session_id"] for event in events if event["kind"] == "session_started"} == sessions
    assert events[-1]["kind"] == "source_progress"
    assert all(event["source"] == f"opencode:{database}" for event in events)


def test_events_of_one_session_are_only_its_own(database: Path) -> None:
    everything = lines(run("events", "--db", database).stdout)
    chosen = next(event["session_id"] for event in everything if event["kind"] == "session_started")
    events = lines(run("events", "--db", database, "--session", chosen).stdout)
    assert events == [event for event in everything if event.get("session_id") == chosen]


def test_a_cursor_file_resumes_behind_what_was_printed(database: Path, tmp_path: Path) -> None:
    cursor = tmp_path / "cursor"
    first = lines(run("events", "--db", database, "--cursor", cursor).stdout)
    again = run("events", "--db", database, "--cursor", cursor)
    assert (again.returncode, again.stderr) == (0, b"")
    assert len(first) > 100
    assert [event["kind"] for event in lines(again.stdout) if event["kind"] != "source_progress"] == []


def test_a_position_that_is_none_starts_over_and_says_so(database: Path, tmp_path: Path) -> None:
    cursor = tmp_path / "cursor"
    cursor.write_text(json.dumps({f"opencode:{database}": "not a position"}))
    done = run("events", "--db", database, "--cursor", cursor)
    assert b"starting over" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert len(lines(done.stdout)) > 100


def test_killed_at_any_point_and_resumed_it_has_told_everything(database: Path, tmp_path: Path) -> None:
    cursor, told, dice = tmp_path / "cursor", Store(), random.Random(7)
    decoder = msgspec.json.Decoder(AnyEvent)

    def take(line: bytes) -> None:
        if line.endswith(b"\n"):
            told.apply([decoder.decode(line)])

    for _ in range(6):
        process = subprocess.Popen(
            command("events", "--db", database, "--cursor", cursor), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        for _ in range(dice.randrange(1, 120)):
            take(process.stdout.readline())
        process.kill()
        for line in process.communicate()[0].splitlines(keepends=True):
            take(line)
    for line in run("events", "--db", database, "--cursor", cursor).stdout.splitlines(keepends=True):
        take(line)
    assert differences(told, asyncio.run(cold_store(database))) == []
    assert lines(run("events", "--db", database, "--cursor", cursor).stdout)[:-1] == []


def test_follow_prints_what_comes_and_ends_quietly_on_ctrl_c(tmp_path: Path) -> None:
    player = Player(tmp_path)
    player.prepare()
    process = subprocess.Popen(
        command("events", "--db", player.path, "--follow"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A suite that runs in the background of a shell ignores ctrl+c, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    try:
        assert json.loads(process.stdout.readline())["kind"] == "source_progress"
        player.skip_to(20.0)
        kinds = set()
        while "op_finalized" not in kinds:
            line = process.stdout.readline()
            assert line, "the stream ended"
            kinds.add(json.loads(line)["kind"])
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
        process.communicate()
        player.close()
    assert errors == b""
    assert process.returncode == 130


@pytest.mark.parametrize("place", ["there", "elsewhere"], ids=["beside nothing", "in a directory to be made"])
def test_follow_waits_for_a_database_that_is_not_there_yet(tmp_path: Path, place: str) -> None:
    directory = tmp_path if place == "there" else tmp_path / "data"
    path = directory / "opencode.db"
    process = subprocess.Popen(
        command("events", "--db", path, "--follow"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    # What never comes ends the reading of lines, not the suite.
    alarm = threading.Timer(TIMEOUT_S, process.kill)
    alarm.start()
    try:
        assert f"no database at {path}".encode() in process.stderr.readline()
        directory.mkdir(exist_ok=True)
        with OpencodeWriter(path) as opencode:
            first = opencode.session("First")
            told = {"session_id": ""}
            while told.get("session_id") != first:
                line = process.stdout.readline()
                assert line, "the stream ended"
                told = json.loads(line)
            second = opencode.session("Second")
            while told.get("session_id") != second:
                line = process.stdout.readline()
                assert line, "the stream ended"
                told = json.loads(line)
        while f"{path} is read again".encode() not in (line := process.stderr.readline()):
            assert line, "it is not told that it can be read"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT_S)
    finally:
        alarm.cancel()
        process.kill()
        process.communicate()
    # Between the file and its tables it may be told that they are not there.
    assert b"closed" not in errors
    assert b"Traceback" not in errors
    assert process.returncode == 130


def test_a_broken_pipe_ends_quietly(database: Path) -> None:
    process = subprocess.Popen(command("events", "--db", database), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(TIMEOUT_S) == 0
    assert errors == b""


COMMANDS = [
    ["events"], ["events", "--follow"], ["tree"], ["tree", "--json"], ["ls"], ["ls", "--json"], ["show"], ["export"],
    ["doctor"], ["doctor", "--json"],
]  # fmt: skip


def whole(arguments: list[str], database: Path) -> list[str]:
    """A command with what it needs to have something to say."""
    with sqlite3.connect(database) as plain:
        session, part = plain.execute(
            """SELECT session_id, id FROM part WHERE data LIKE '%"type":"text"%'"""
        ).fetchone()
    plain.close()
    more = {"show": [f"opencode-sqlite://?part_id={part}&field=text"], "export": [session]}.get(arguments[0], [])
    return command(*arguments, "--db", database, *more)


def one_line(words: bytes, *, of: str) -> None:
    (line,) = words.decode().splitlines()
    assert line.startswith("opencode-viewer: ")
    assert of in line


@pytest.mark.parametrize("arguments", [*COMMANDS, ["export", "-o"], ["--keys"]], ids=" ".join)
def test_a_full_disk_is_one_line_and_exit_2(arguments: list[str], database: Path) -> None:
    into_file = arguments[-1] == "-o"
    if arguments[0].startswith("--"):
        words = command(*arguments)
    else:
        words = whole([word for word in arguments if word != "-o"], database)
    with open("/dev/full", "wb") as full:
        if into_file:
            # By its descriptor: nothing that goes wrong here may cost the machine its /dev/full.
            words += ["-o", f"/proc/self/fd/{full.fileno()}"]
        done = subprocess.run(
            words,
            stdout=subprocess.DEVNULL if into_file else full,
            stderr=subprocess.PIPE,
            pass_fds=[full.fileno()],
            timeout=TIMEOUT_S,
            check=False,
        )
    assert done.returncode == 2
    one_line(done.stderr, of="No space left on device")


def closing(*descriptors: int) -> Callable[[], None]:
    """What the shell does for `>&-`."""

    def close() -> None:
        for descriptor in descriptors:
            os.close(descriptor)

    return close


@pytest.mark.parametrize("arguments", [*COMMANDS, ["--keys"]], ids=" ".join)
def test_a_closed_stdout_is_one_line_and_exit_2(arguments: list[str], database: Path) -> None:
    words = command(*arguments) if arguments[0].startswith("--") else whole(arguments, database)
    done = subprocess.run(words, stderr=subprocess.PIPE, preexec_fn=closing(1), timeout=TIMEOUT_S, check=False)
    assert done.returncode == 2
    one_line(done.stderr, of="stdout is closed")


def test_an_export_to_a_file_needs_no_stdout(database: Path, tmp_path: Path) -> None:
    words = [*whole(["export"], database), "-o", str(tmp_path / "out.md")]
    done = subprocess.run(words, stderr=subprocess.PIPE, preexec_fn=closing(0, 1), timeout=TIMEOUT_S, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "out.md").read_bytes().startswith(b"# ")


def test_a_remark_never_goes_to_stdout_and_never_ends_a_command(database: Path, tmp_path: Path) -> None:
    words = command("ls", "--json", "--db", database, "--db", tmp_path / "missing.db")
    closed = subprocess.run(words, stdout=subprocess.PIPE, preexec_fn=closing(2), timeout=TIMEOUT_S, check=False)
    with open("/dev/full", "wb") as full:
        told = subprocess.run(words, stdout=subprocess.PIPE, stderr=full, timeout=TIMEOUT_S, check=False)
    for done in (closed, told):
        assert done.returncode == 1
        assert json.loads(done.stdout)["sessions"]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_path_of_5000_characters_is_one_line_and_exit_2(arguments: list[str], database: Path) -> None:
    words = whole(arguments, database)
    words[words.index(str(database))] = f"/{'x' * 5000}"
    done = subprocess.run(words, capture_output=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr + done.stdout
    told = done.stdout if arguments[0] == "doctor" else done.stderr
    assert b"File name too long" in told
    assert len(done.stderr.splitlines()) == (1 if arguments != ["doctor"] else 0)


@pytest.mark.parametrize("arguments", [["events"], ["tree"], ["ls"], ["doctor"]], ids=" ".join)
def test_a_path_of_5000_characters_hides_no_other_source(arguments: list[str], database: Path) -> None:
    done = run(*arguments, "--db", f"/{'x' * 5000}", "--db", database)
    assert done.returncode == 1
    assert b"Make the retry test stable" in done.stdout or arguments == ["doctor"]


def test_a_document_of_5000_characters_in_its_name_is_one_line_and_exit_2(database: Path) -> None:
    done = subprocess.run(
        [*whole(["export"], database), "-o", f"/{'x' * 5000}"], capture_output=True, timeout=TIMEOUT_S, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")
    one_line(done.stderr, of="File name too long")


def test_tree_shows_sub_agents_under_their_call(database: Path) -> None:
    tree = json.loads(run("tree", "--json", "--db", database).stdout)
    by_id = {session["id"]: session for session in tree["sessions"]}
    children = [session for session in tree["sessions"] if session["parent_id"]]
    assert len(children) == 2
    for child in children:
        calls = [
            op
            for turn in by_id[child["parent_id"]]["turns"]
            for op in turn["ops"]
            if op["child_session_id"] == child["id"]
        ]
        assert [op["kind"] for op in calls] == ["session", "tool"]
    text = run("tree", "--db", database).stdout.decode()
    outer = next(line for line in text.splitlines() if "Make the retry test stable" in line)
    inner = next(line for line in text.splitlines() if "task" in line and "general" in line)
    assert len(inner) - len(inner.lstrip()) > len(outer) - len(outer.lstrip())


def test_ls_lists_the_sessions_that_a_filter_finds(database: Path) -> None:
    everything = json.loads(run("ls", "--json", "--db", database).stdout)["sessions"]
    with sqlite3.connect(database) as plain:
        assert {session["id"] for session in everything} == {row[0] for row in plain.execute("SELECT id FROM session")}
    times = [session["last_ts"] for session in everything]
    assert times == sorted(times, reverse=True)
    children = json.loads(run("ls", "--json", "--db", database, "is:subagent").stdout)["sessions"]
    assert [session["id"] for session in children] == [one["id"] for one in everything if one["parent_id"]]
    lines = run("ls", "--db", database, "retry test", "--", "-is:subagent").stdout.decode().splitlines()
    assert len(lines) == 1
    assert lines[0].endswith("Make the retry test stable")


def test_ls_reads_what_a_session_did_where_the_filter_asks_for_it(database: Path) -> None:
    with sqlite3.connect(database) as plain:
        query = (
            """SELECT DISTINCT session_id FROM part WHERE data LIKE '%"type":"tool"%' AND data LIKE '%"tool":"task"%'"""
        )
        callers = {row[0] for row in plain.execute(query)}
    found = json.loads(run("ls", "--json", "--db", database, "tool:task").stdout)["sessions"]
    assert {session["id"] for session in found} == callers
    assert callers


def test_tree_draws_sessions_in_time(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    drawn = run("tree", "--timeline", "--db", database).stdout.decode().splitlines()
    assert any("█" in line for line in drawn)
    assert any(line.startswith("▓ model  █ tool") for line in drawn)
    assert max(map(len, drawn)) <= 90
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    letters = run("tree", "--timeline", "--db", database).stdout
    assert any(line.startswith(b"m model  t tool") for line in letters.splitlines())


def test_what_a_stranger_wrote_is_text_in_a_timeline(tmp_path: Path) -> None:
    words = "a\x1b[31mb\x9b31mc\u202ed\u2066e\x7ff\u200bg\x07\r\n<script>"
    path = corpus.build("1.18.33/nested", tmp_path / "opencode.db")
    spoil(path, words)
    done = run("tree", "--timeline", "--db", path)
    text = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert "abcd" in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_ls_and_tree_say_the_same_of_sessions_that_a_person_stopped(tmp_path: Path) -> None:
    long_ago = int(time.time() * 1000) - 86_400_000
    ends = ["MessageAbortedError", "APIError", ""] * 4
    with OpencodeWriter(tmp_path / "opencode.db", ms=long_ago) as opencode:
        for number, error in enumerate(ends):
            session = opencode.session(f"{error} {number}")
            fields: dict[str, Any] = {"error": {"name": error, "data": {"message": "no"}}} if error else {}
            prompt = opencode.user(session)
            opencode.message(session, answer(long_ago, prompt, completed=long_ago + 9000, finish="stop", **fields))
        listed = json.loads(run("ls", "--json", "--db", opencode.path).stdout)["sessions"]
        whole = json.loads(run("tree", "--json", "--db", opencode.path).stdout)["sessions"]
        aborted = json.loads(run("ls", "--json", "--db", opencode.path, "is:aborted").stdout)["sessions"]
    assert {one["read"] for one in listed} == {True, False}
    assert {one["id"]: one["state"] for one in listed} == {one["id"]: one["state"] for one in whole}
    assert {one["title"].split()[0] for one in aborted} == {"MessageAbortedError"}
    assert len(aborted) == 4


def test_a_session_without_a_prompt_is_read_and_has_none(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        session = opencode.session("Nothing yet")
        for arguments in (["tree", "--json"], ["tree", "--json", "--session", session], ["ls", "--json", "tool:x"]):
            told = json.loads(run(*arguments, "--db", opencode.path).stdout)["sessions"]
            assert [one["reason"] for one in told] == ([] if "tool:x" in arguments else ["no prompt yet"])
        assert "- state: idle: no prompt yet\n" in run("export", "--db", opencode.path, session).stdout.decode()
        exported = json.loads(run("export", "--format", "json", "--db", opencode.path, session).stdout)
    assert exported["sessions"][0]["reason"] == "no prompt yet"


def test_ls_says_which_term_matches_nothing_and_refuses_one_that_says_nothing(database: Path) -> None:
    done = run("ls", "--db", database, "agent:nobody")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == b"opencode-viewer: agent:nobody matches nothing\n"
    unknown = run("ls", "--db", database, "agnt:build")
    assert (unknown.returncode, unknown.stdout) == (2, b"")
    assert unknown.stderr == b"opencode-viewer: agnt: no such field; did you mean agent:\n"
    loose = run("ls", "--db", database, "rtrytst")
    assert loose.returncode == 0
    assert loose.stdout
    assert loose.stderr == b"opencode-viewer: no title holds rtrytst: found letter by letter\n"
    wrong = run("ls", "--db", database, "is:nonsense")
    assert (wrong.returncode, wrong.stdout) == (2, b"")
    assert b"is:nonsense is no state" in wrong.stderr


def test_show_prints_the_exact_text_of_a_reference(database: Path) -> None:
    events = lines(run("events", "--db", database).stdout)
    reference = next(
        event for event in events if event["kind"] == "payload_ref" and event["payload_kind"] == "tool_response"
    )
    done = run("show", "--db", database, reference["uri"])
    with sqlite3.connect(database) as plain:
        row = plain.execute("SELECT data FROM part WHERE id = ?", (reference["part_id"],)).fetchone()
    assert done.stdout.decode() == json.loads(row[0])["state"]["output"]
    assert len(done.stdout) == reference["size"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_every_line_comes_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        for title in ("plain", "Größe \N{CJK UNIFIED IDEOGRAPH-6F22}", "last"):
            session = opencode.session(title)
            opencode.user(session)
        for arguments in (["tree"], ["tree", "--timeline"], ["ls"], ["doctor"]):
            done = subprocess.run(
                command(*arguments, "--db", opencode.path),
                capture_output=True, timeout=TIMEOUT_S, check=False,
                env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONWARNINGS": "error"},
            )  # fmt: skip
            assert (done.returncode, done.stderr) == (0, b"")
            told = done.stdout.decode(encoding)
            if arguments != ["doctor"]:
                assert all(word in told for word in ("plain", "Gr", "last"))
                assert ("\\u6f22" in told) == (encoding != "utf-8")
                assert "\\u25ba" not in told


def test_an_export_has_a_title_with_its_joiners_and_without_what_acts(tmp_path: Path) -> None:
    woman = "\N{WOMAN}\u200d\N{PERSONAL COMPUTER}"
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        session = opencode.session(f"\x1b[31m{woman}\u202e\n\ttitle")
        for form, head in (("md", f"# {woman} title\n"), ("html", f"<h1>{woman} title</h1>")):
            done = run("export", "--format", form, "--db", opencode.path, session)
            assert head in done.stdout.decode()


def test_an_export_has_a_thought_of_many_parts_once(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        session = opencode.session("Thinker")
        prompt = opencode.user(session)
        step = opencode.message(session, answer(1, prompt, completed=9, finish="stop"))
        pieces = ["Let", " me", " **think**"] + [" on"] * 200
        for piece in pieces:
            opencode.part(step, {"type": "reasoning", "text": piece, "time": {"start": 2, "end": 3}})
        size = sum(map(len, pieces))
        words = run("export", "--db", opencode.path, session).stdout.decode()
        assert words.count("reasoning (") == 1
        assert f"reasoning ({size} B):\n\n> Let me **think**{' on' * 200}\n" in words
        redacted = run("export", "--redact", "--db", opencode.path, session).stdout.decode()
        assert f"reasoning ({size} B, redacted)\n" in redacted
        cut = run("export", "--max-text", "2", "--db", opencode.path, session).stdout.decode()
        assert "cut: 2 of 3 bytes, see --max-text" in cut


def test_show_clean_prints_the_whole_text_without_what_drives_a_terminal(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        session = opencode.session("Odd text")
        prompt = opencode.user(session)
        words = "\x1b[31mred\x1b[0m\r\n\N{WOMAN}\u200d\N{PERSONAL COMPUTER}\u2028\tx\rhidden" + "y" * 30_000
        part = opencode.part(prompt, {"type": "text", "text": words})
        done = run("show", "--clean", "--db", opencode.path, f"opencode-sqlite://?part_id={part}&field=text")
    assert done.stdout.decode() == f"red\n\N{WOMAN}\u200d\N{PERSONAL COMPUTER}\u2028\tx\nhidden{'y' * 30_000}\n"


@pytest.mark.parametrize("uri", ["nonsense", "opencode-sqlite://?part_id=prt_gone&field=text"])
def test_show_says_why_a_reference_leads_nowhere(database: Path, uri: str) -> None:
    done = run("show", "--db", database, uri)
    assert (done.returncode, done.stdout) == (2, b"")
    assert len(done.stderr.splitlines()) == 1


def test_doctor_tells_counts_migrations_and_strategy(database: Path) -> None:
    done = run("doctor", "--json", "--db", database)
    assert done.returncode == 0
    report = json.loads(done.stdout)["sources"][0]
    with sqlite3.connect(database) as plain:
        for name, count in report["counts"].items():
            assert count == plain.execute(f"SELECT count(*) FROM {name.removesuffix('s')}").fetchone()[0]
        names = [row[0] for row in plain.execute("SELECT id FROM migration ORDER BY id")]
    assert report["migrations"]["count"] == len(names)
    assert report["migrations"]["latest"] == names[-1]
    assert len(report["migrations"]["hash"]) == 64
    assert report["strategy"] == "event feed"
    assert run("doctor", "--db", database).returncode == 0


def test_doctor_is_degraded_by_a_row_that_cannot_be_read(tmp_path: Path) -> None:
    player = Player(tmp_path)
    player.prepare()
    player.finish()
    with sqlite3.connect(player.path) as plain:
        plain.execute("UPDATE part SET data = '{broken' WHERE id = (SELECT max(id) FROM part)")
    done = run("doctor", "--json", "--db", player.path)
    player.close()
    assert done.returncode == 1
    assert json.loads(done.stdout)["sources"][0]["warnings"] == {"broken JSON": 1}


DOCTOR_FIELDS = {
    "source", "path", "backup", "state", "message", "family", "versions", "strategy", "counts", "approximate",
    "migrations",
    "missing_columns", "warnings", "examples", "disagreeing", "checked_sessions", "size", "wal_size", "event_share",
    "open_mode", "last_change", "lag_ms", "longest_read_ms", "statements", "statements_per_minute", "retries",
    "interruptions", "reconciled", "processes",
}  # fmt: skip


def test_doctor_follows_a_file_that_is_written_to_see_how_late_we_are(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        message = opencode.assistant(opencode.session())
        done = threading.Event()

        def write() -> None:
            while not done.wait(0.02):
                opencode.part(message, {"type": "text", "text": "more"})

        writing = threading.Thread(target=write)
        writing.start()
        try:
            text = run("doctor", "--db", opencode.path).stdout.decode()
            report = json.loads(run("doctor", "--json", "--db", opencode.path).stdout)["sources"][0]
        finally:
            done.set()
            writing.join()
    assert 0 < report["lag_ms"]["p50"] <= report["lag_ms"]["p99"] < 5000
    assert re.search(r" lag  p50 \d+ ms, p99 \d+ ms\n", text)
    assert report["state"] == "ok"
    assert abs(report["last_change"] - time.time()) < 60


def test_doctor_tells_how_the_file_was_read(database: Path) -> None:
    long_ago = time.time() - 60
    os.utime(database.with_name(f"{database.name}-wal"), (long_ago, long_ago))
    report = json.loads(run("doctor", "--json", "--db", database).stdout)["sources"][0]
    assert set(report) == DOCTOR_FIELDS
    with sqlite3.connect(database) as plain:
        newest = max(
            plain.execute(f"SELECT max(time_updated) FROM {table}").fetchone()[0]
            for table in ("session", "message", "part")
        )
        (sessions,) = plain.execute("SELECT count(*) FROM session").fetchone()
    assert report["last_change"] == newest / 1000
    assert report["checked_sessions"] == sessions
    assert report["open_mode"] == "readonly_shm"
    assert report["size"] == database.stat().st_size
    assert report["wal_size"] == database.with_name(f"{database.name}-wal").stat().st_size > 0
    assert 0 < report["longest_read_ms"] < 250
    assert report["statements"] == report["statements_per_minute"] > 10
    assert (report["retries"], report["interruptions"]) == (0, {"count": 0, "newest": []})
    assert (report["lag_ms"], report["reconciled"]) == (None, None)
    assert report["disagreeing"] == {"count": 0, "surplus_tokens": {}}
    text = run("doctor", "--db", database).stdout.decode()
    facts = dict(line.strip().split("  ", 1) for line in text.splitlines())
    assert facts["lag"] == "not measured: nobody writes now"
    assert facts["retries"] == "0"
    assert facts["sums"] == "columns and messages of every session agree"
    assert facts["opened"] == "readonly_shm"


def test_doctor_names_sessions_whose_sums_disagree_without_calling_it_degraded(tmp_path: Path) -> None:
    path = corpus.build("1.18.33/task", tmp_path / "opencode.db")
    with sqlite3.connect(path) as plain:
        parent = plain.execute("SELECT id FROM session WHERE parent_id IS NULL").fetchone()[0]
        plain.execute("UPDATE session SET tokens_input = tokens_input + 1500 WHERE id = ?", (parent,))
    plain.close()
    done = run("doctor", "--json", "--db", path)
    assert done.returncode == 0
    report = json.loads(done.stdout)["sources"][0]
    assert report["disagreeing"] == {"count": 1, "surplus_tokens": {parent: 1500}}
    text = run("doctor", "--db", path).stdout.decode()
    assert re.findall(r" sums  (.*)", text) == [
        "1 session counts 1,500 tokens more than its messages: billed for messages that are gone",
        "--json names it",
    ]
    assert parent not in text


def test_doctor_counts_what_differs_in_many_sessions_and_lists_some_in_json() -> None:
    found = health(disagreeing={f"ses_{n}": n * 1000 - 5000 for n in range(40) if n != 5})
    said = [line for line in doctor.lines(found) if line.lstrip().startswith("sums")]
    assert [line.strip().partition(":")[0] for line in said] == [
        "sums  34 sessions count 595,000 tokens more than their messages",
        "sums  5 sessions count 15,000 tokens less than their messages",
        "sums  --json names the first 20",
    ]
    listed = doctor.report(found)["disagreeing"]
    assert (listed["count"], len(listed["surplus_tokens"])) == (39, 20)


@pytest.mark.parametrize(
    ("sources", "status"),
    [
        (["good"], 0),
        (["good", "good"], 0),
        (["odd"], 1),
        (["good", "odd"], 1),
        (["missing", "good"], 1),
        (["good", "garbage"], 1),
        (["missing"], 2),
        (["missing", "garbage"], 2),
    ],
)
def test_doctor_looks_at_every_source_and_one_that_fails_hides_no_other(
    tmp_path: Path, sources: list[str], status: int
) -> None:
    arguments: list[str | Path] = []
    for number, kind in enumerate(sources):
        path = tmp_path / f"{number}-{kind}.db"
        if kind == "garbage":
            path.write_bytes(b"no database" * 1000)
        elif kind != "missing":
            corpus.build("1.18.33/plain", path)
        if kind == "odd":
            with sqlite3.connect(path) as plain:
                plain.execute("UPDATE message SET data = '{broken'")
            plain.close()
        arguments += ["--db", path]
    done = run("doctor", "--json", *arguments)
    assert done.returncode == status
    reports = json.loads(done.stdout)["sources"]
    assert [Path(report["path"]).name for report in reports] == [f"{n}-{kind}.db" for n, kind in enumerate(sources)]
    states = {"good": "ok", "odd": "ok", "missing": "error", "garbage": "error"}
    assert [report["state"] for report in reports] == [states[kind] for kind in sources]
    assert [bool(report["warnings"]) for report in reports] == [kind == "odd" for kind in sources]
    assert [report["counts"].get("sessions") for report in reports] == [
        1 if kind in ("good", "odd") else None for kind in sources
    ]
    text = run("doctor", *arguments)
    assert text.returncode == status
    assert text.stdout.decode().count("database  ") == len(sources)


def without_progress(output: bytes) -> list[dict[str, Any]]:
    return [event for event in lines(output) if event["kind"] != "source_progress"]


@pytest.mark.parametrize("arguments", [["events"], ["tree"], ["tree", "--json"], ["ls"], ["events", "--session"]])
def test_a_source_that_cannot_be_read_is_a_remark_and_hides_no_other(tmp_path: Path, arguments: list[str]) -> None:
    good = corpus.build("1.18.33/plain", tmp_path / "good.db")
    session_id = str(corpus.table("1.18.33/plain", "SELECT id FROM session")[0][0])
    bad = tmp_path / "bad.db"
    bad.write_bytes(b"no database" * 1000)
    if arguments[-1] == "--session":
        arguments = [*arguments, session_id]
    alone = run(*arguments, "--db", good)
    assert (alone.returncode, alone.stderr) == (0, b"")
    for paths in ([bad, good], [good, bad], [tmp_path / "missing.db", good]):
        done = run(*arguments, *(word for path in paths for word in ("--db", path)))
        assert done.returncode == 1
        assert session_id.encode() in done.stdout or "Lab plain" in done.stdout.decode()
        (remark,) = done.stderr.decode().splitlines()
        assert "is not a SQLite database" in remark or "no database at" in remark
        if arguments[0] == "events":
            assert without_progress(done.stdout) == without_progress(alone.stdout)
    assert run(*arguments, "--db", bad, "--db", tmp_path / "missing.db").returncode == 2


@pytest.mark.parametrize("name", ["events", "tree", "ls", "doctor"])
@pytest.mark.parametrize("case", ["missing", "directory", "empty", "text", "foreign"])
def test_a_database_that_cannot_be_read_is_one_line_and_exit_2(name: str, case: str, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    if case == "directory":
        path.mkdir()
    elif case == "empty":
        path.touch()
    elif case == "text":
        path.write_text("this is not a database, whatever its name says\n" * 100)
    elif case == "foreign":
        with sqlite3.connect(path) as plain:
            plain.execute("CREATE TABLE bookmarks (id INTEGER)")
    done = run(name, "--db", path)
    assert done.returncode == 2
    told = done.stderr if name != "doctor" else done.stdout
    assert b"Traceback" not in done.stdout + done.stderr
    assert str(path).encode() in told
    assert len(done.stderr.splitlines()) == (0 if name == "doctor" else 1)


def test_without_any_database_it_says_where_it_looked(tmp_path: Path) -> None:
    done = run("doctor", home=tmp_path)
    assert done.returncode == 2
    assert str(tmp_path / ".local" / "share" / "opencode").encode() in done.stderr


def test_the_app_without_a_terminal_says_so_and_ends(database: Path) -> None:
    done = run("--db", database)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"terminal" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["doctor", "--json"], ["doctor"], ["events"], ["tree", "--json"], ["ls", "--json"]]
)
def test_a_name_that_is_no_utf8_ends_no_command(arguments: list[str], tmp_path: Path) -> None:
    path = corpus.build("1.18.33/plain", tmp_path / os.fsdecode(b"no\xffutf8.db"))
    done = run(*arguments, "--db", path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\udcff" in done.stdout
    path.unlink()
    gone = run(*arguments, "--db", path)
    assert gone.returncode == 2
    assert b"no database at" in gone.stderr + gone.stdout


def test_json_never_holds_a_raw_control_or_bidi_character(tmp_path: Path) -> None:
    player = Player(tmp_path)
    player.prepare()
    player.finish()
    hostile = "a\x1b[31mb\x9b31mc\u202ed\u2066e\x7ff\u200bg"
    with sqlite3.connect(player.path) as plain:
        plain.execute("UPDATE session SET title = ?", (hostile,))
    done = run("events", "--db", player.path)
    player.close()
    text = done.stdout.decode()
    assert not any(character in text for character in "\x1b\x9b\u202e\u2066\x7f\u200b")
    assert {event["title"] for event in lines(done.stdout) if event["kind"] == "session_started"} == {hostile}


@pytest.fixture
def two_copies(tmp_path: Path) -> tuple[Path, Path, str]:
    """The data directory of a user whose session went on after a backup, the backup, and the session."""
    data = tmp_path / ".local" / "share" / "opencode"
    data.mkdir(parents=True)
    live = corpus.build("1.18.33/nested", data / "opencode.db")
    backup = Path(shutil.copy(live, data / "opencode-backup.db"))
    with sqlite3.connect(live) as db:
        ((session,),) = db.execute("SELECT id FROM session WHERE parent_id IS NULL")
        db.execute("UPDATE session SET title = 'Goes on', time_updated = time_updated + 1 WHERE id = ?", (session,))
    db.close()
    return live, backup, session


@pytest.mark.parametrize("arguments", [["ls"], ["tree"], ["tree", "--session", "SESSION"]])
def test_a_session_in_two_files_is_told_once_with_where_the_other_lies(
    two_copies: tuple[Path, Path, str], tmp_path: Path, arguments: list[str]
) -> None:
    live, backup, session = two_copies
    arguments = [session if word == "SESSION" else word for word in arguments]
    alone = json.loads(run(*arguments, "--json", "--db", live).stdout)["sessions"]
    assert [one["copies"] for one in alone] == [[], [], []]
    done = run(*arguments, "--json", home=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    found = json.loads(done.stdout)["sessions"]
    assert [one["id"] for one in found] == [one["id"] for one in alone]
    assert {one["source"] for one in found} == {f"opencode:{live}"}
    for one, single in zip(found, alone, strict=True):
        assert [copy["source"] for copy in one.pop("copies")] == [f"opencode:{backup}"]
        assert one == {name: value for name, value in single.items() if name != "copies"}
    plain = run(*arguments, home=tmp_path)
    assert plain.stdout == run(*arguments, "--db", live).stdout
    words = f"3 sessions are in several databases and are told once, as the newest copy; the others: {backup} (3)"
    assert plain.stderr.decode() == f"opencode-viewer: {words}\n"


def test_a_backup_is_no_live_source(two_copies: tuple[Path, Path, str], tmp_path: Path) -> None:
    live, backup, _ = two_copies
    told = json.loads(run("doctor", "--json", home=tmp_path).stdout)["sources"]
    assert [(one["path"], one["backup"]) for one in told] == [(str(live), False), (str(backup), True)]
    assert b"by its name: read, and not taken for live" in run("doctor", home=tmp_path).stdout
    named = json.loads(run("doctor", "--json", "--db", backup).stdout)["sources"]
    assert [one["backup"] for one in named] == [False]
    live.unlink()
    done = run("ls", "--json", home=tmp_path)
    assert (done.returncode, len(json.loads(done.stdout)["sessions"])) == (0, 3)
