"""The user's own command for notices: what it gets, and that nothing it does holds anybody up."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from tests.tui.model.builders import SOURCE, at, session, store_of
from tui.model.status.notices import Notice
from tui.terminal.notify_command import TOLD, WAITING, NotifyCommand, facts, run

HOSTILE = "$(touch owned) `touch owned`; touch owned\n\x1b]52;c;ZXZpbA==\x07 \udcff\x00 '\" 漢字 \u202etxet"
ENVIRON = {b"PATH": os.environb[b"PATH"], b"MINE": b"\xff kept"}


def program(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def told(title: str = "Fix the test", count: int = 1) -> dict[str, Any]:
    store = store_of(
        session("s1", 100, title=title, cwd="/home/me/it's", agent="build", model="opus-4.5"),
        session("kid", 101, title="Kid", parent_id="s1", root_id="s1"),
    )
    notices = [
        Notice("waiting", at(103), (SOURCE, "kid"), "Kid", "question has waited for an answer for 3s"),
        *[Notice("finished", at(104), (SOURCE, "s1"), store.sessions[SOURCE, "s1"].name, "it answered")] * count,
    ]
    return facts(notices, store)


def test_the_facts_are_json_on_stdin_and_the_heaviest_notice_variables(tmp_path: Path) -> None:
    command = program(tmp_path / "tell", f"cat > {tmp_path}/json", f"env -0 > {tmp_path}/env")
    assert run([str(command)], told(), ENVIRON) == ""
    given = json.loads((tmp_path / "json").read_text())
    assert given["words"] == "1 waiting for you, 1 finished: Kid, Fix the test"
    assert given["count"] == 2
    assert given["notices"][0] == {
        "kind": "waiting",
        "title": "Kid",
        "reason": "question has waited for an answer for 3s",
        "since": at(103),
        "session": "kid",
        "root": "s1",
        "directory": "",
        "host": "",
        "agent": "",
        "model": "",
        "database": SOURCE.partition(":")[2],
    }
    assert given["notices"][1]["directory"] == "/home/me/it's"
    env = dict(line.split(b"=", 1) for line in (tmp_path / "env").read_bytes().split(b"\0") if line)
    assert env[b"OPENCODE_VIEWER_KIND"] == b"waiting"
    assert env[b"OPENCODE_VIEWER_WORDS"] == given["words"].encode()
    assert env[b"OPENCODE_VIEWER_ROOT"] == b"s1"
    assert env[b"MINE"] == b"\xff kept"


def test_a_hostile_title_is_no_shell_words_no_argument_and_no_sequence(tmp_path: Path) -> None:
    command = program(
        tmp_path / "tell", f'printf %s "$*" > {tmp_path}/args', f'printf %s "$OPENCODE_VIEWER_TITLE" > {tmp_path}/title'
    )
    told_of = told(HOSTILE)
    told_of["notices"].pop(0)
    before = Path.cwd()
    assert run([str(command), "own", "words; touch owned"], told_of, ENVIRON) == ""
    assert (tmp_path / "args").read_text() == "own words; touch owned"
    title = (tmp_path / "title").read_text()
    assert title.startswith("$(touch owned) `touch owned`; touch owned")
    assert title.isprintable()
    assert "漢字" in title
    assert not (before / "owned").exists()
    assert not (tmp_path / "owned").exists()


def test_many_sessions_are_counted_and_the_first_told() -> None:
    given = told(count=500)
    assert given["count"] == 501
    assert len(given["notices"]) == TOLD
    assert len(json.dumps(given)) < 32_000


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["exit 3"], "tell ended with status 3"),
        (["echo 'no bus: \x1b[31mred' >&2", "exit 1"], "tell ended with status 1: no bus: red"),
        (["exec 0<&-", "exit 0"], ""),
        (["echo noise", "echo noise >&2"], ""),
        (["sleep 60 & exit 0"], ""),
        (["head -c 3000000 /dev/zero >&2"], ""),
    ],
)
def test_how_it_ends(tmp_path: Path, lines: list[str], said: str) -> None:
    began = time.monotonic()
    assert run([str(program(tmp_path / "tell", *lines))], told(), ENVIRON, patience_s=20) == said
    assert time.monotonic() - began < 10


def test_one_that_does_not_end_is_ended_with_what_it_has_started(tmp_path: Path) -> None:
    command = program(tmp_path / "tell", f"sleep 60 & echo $! > {tmp_path}/child", "cat; sleep 60")
    assert run([str(command)], told(), ENVIRON, patience_s=0.5) == "tell had not ended after 0.5 s, and was ended"
    child = int((tmp_path / "child").read_text())
    until = time.monotonic() + 5
    while time.monotonic() < until and _runs(child):
        time.sleep(0.01)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_one_that_cannot_start_is_named(tmp_path: Path) -> None:
    assert run([str(tmp_path / "gone")], told(), ENVIRON) == "gone does not start: No such file or directory"
    (tmp_path / "text").write_text("x")
    assert run([str(tmp_path / "text")], told(), ENVIRON) == "text does not start: Permission denied"


def test_notices_wait_for_the_one_before_and_no_more_than_a_few(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    command = program(
        *(tmp_path / "tell", f"echo begin >> {tmp_path}/log", f"cat {tmp_path}/gate > /dev/null"),
        f"echo end >> {tmp_path}/log",
    )
    problems: list[str] = []
    runner = NotifyCommand([str(command)], problems.append)
    began = time.monotonic()
    taken = [runner.tell(told()) for _ in range(WAITING + 10)].count(True)
    assert time.monotonic() - began < 1, "handing over waits for nothing"
    assert taken in (WAITING, WAITING + 1)
    for n in range(taken):
        with open(tmp_path / "gate", "w") as gate:
            gate.write("x")
        until = time.monotonic() + 5
        while (tmp_path / "log").read_text().split() < ["begin", "end"] * (n + 1) and time.monotonic() < until:
            time.sleep(0.01)
    assert (tmp_path / "log").read_text().split() == ["begin", "end"] * taken, "one at a time"
    assert problems == []
