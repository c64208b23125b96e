"""`opencode-viewer grep` as a user runs it, and `text:` and `file:` of `ls`."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.adapter import corpus
from tests.tui.export.test_untrusted import spoil
from tests.tui.judge import judge
from tests.tui.test_hostile_text import WORST
from tui.text.safe_json import UNSAFE_IN_JSON


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session with a sub-agent."""
    return corpus.build("1.18.33/task", tmp_path_factory.mktemp("grep") / "opencode.db")


def run(command: str, *arguments: str | Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tui", command, *map(str, arguments)],
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "error", "TZ": "UTC"},
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_hits_stand_below_their_session_in_their_context(database: Path) -> None:
    status, out, err = run("grep", "--db", database, "file says hello")
    assert (status, err) == (0, "")
    groups = out.rstrip("\n").split("\n\n")
    heads = [group.splitlines()[0] for group in groups]
    assert [head.split("  ")[-1].startswith(("Lab task", "Read")) for head in heads] == [True] * len(groups)
    lines = [line for group in groups for line in group.splitlines()[1:]]
    assert lines
    assert all("file says hello" in line for line in lines)


def test_a_hit_as_json_has_the_reference_that_show_takes(database: Path) -> None:
    status, out, _ = run("grep", "--db", database, "--json", "--in", "answer", "hello")
    hits = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert {hit["kind"] for hit in hits} == {"answer"}
    status, text, _ = run("show", "--db", database, hits[0]["uri"])
    assert text[hits[0]["at"] :].startswith(hits[0]["match"])


def test_the_exit_status_says_found_nothing_found_and_in_trouble(database: Path, tmp_path: Path) -> None:
    assert run("grep", "--db", database, "hello")[0] == 0
    assert run("grep", "--db", database, "hello there is nothing") == (1, "", "")
    for arguments in (("re:(",), ("--in", "nonsense", "x"), ("hello", "is:nonsense"), ("",)):
        status, out, err = run("grep", "--db", database, *arguments)
        assert (status, out, err.count("\n")) == (2, "", 1)
    status, out, err = run("grep", "--db", tmp_path / "none.db", "hello")
    assert (status, out) == (2, "")
    assert "none.db" in err
    # What a sound one holds is printed, and that not all could be looked through is told.
    status, out, err = run("grep", "--db", tmp_path / "none.db", "--db", database, "hello")
    assert (status, "hello" in out, "none.db" in err) == (2, True, True)


def test_the_exit_status_says_that_not_everything_could_be_looked_through(database: Path, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    shutil.copy(database, path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE session SET title = ? WHERE parent_id IS NULL", ("a" * 4_000,))
    status, out, err = run("grep", "--db", path, "re:(a|aa)+c|hello")
    assert (status, "hello" in out, "not looked through" in err) == (2, True, True)


def test_a_filter_narrows_the_sessions(database: Path) -> None:
    every = run("grep", "--db", database, "--json", "hello")[1].splitlines()
    below = run("grep", "--db", database, "--json", "hello", "is:subagent")[1].splitlines()
    assert below
    assert below == [line for line in every if json.loads(line)["parent_id"]]
    assert run("grep", "--db", database, "hello", "tool:nowhere")[0] == 1


def test_ls_knows_texts_and_files(database: Path) -> None:
    found = json.loads(run("ls", "--db", database, "--json", "text:hello")[1])["sessions"]
    named = {
        json.loads(line)["session_id"] for line in run("grep", "--db", database, "--json", "hello")[1].splitlines()
    }
    assert {one["id"] for one in found} == named
    (read,) = json.loads(run("ls", "--db", database, "--json", "file:hello.txt")[1])["sessions"]
    assert read["parent_id"]
    assert json.loads(run("ls", "--db", database, "--json", "--", "file:hello.txt", "-text:hello")[1])["sessions"] == []
    status, out, err = run("ls", "--db", database, "text:re:(")
    assert (status, out) == (2, "")
    assert "no regular expression" in err


def test_who_stops_listening_hears_no_complaint(database: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "tui", "grep", "--db", str(database), "e"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    assert child.stderr.read() == b""
    assert child.wait(30) == 0
    child.stderr.close()


@pytest.mark.parametrize("name", ["files", "v2-api"])
def test_the_worst_text_in_every_row_is_only_text(name: str, tmp_path: Path) -> None:
    path = corpus.build(f"1.18.33/{name}", tmp_path / "opencode.db")
    spoil(path, WORST.replace("\ud800", ""))
    status, out, err = run("grep", "--db", path, "word")
    assert (status, err) == (0, "")
    judge(out)
    status, out, err = run("grep", "--db", path, "--json", "word")
    assert (status, err) == (0, "")
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", out)
    assert not UNSAFE_IN_JSON.search(out)
