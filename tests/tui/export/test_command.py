"""`opencode-viewer export` as a user runs it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adapter import corpus
from tests.tui.export.golden import exported
from tui.commands.export.blocks import Begin
from tui.commands.export.markdown import Markdown, escaped, fenced
from tui.commands.export.readable import readable

ROOT = "ses_dfdd2ceb7ffelgEiz1jVy8D3Ga"
"""The root of 1.18.33/nested; it has a child and a grandchild."""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A session with a sub-agent that has one itself."""
    return corpus.build("1.18.33/nested", tmp_path / "opencode.db")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tui", "export", *map(str, arguments)],
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )


def test_a_document_goes_to_stdout_and_nothing_else_does(database: Path) -> None:
    done = run("--db", database, ROOT)
    assert (done.returncode, done.stderr) == (0, b"")
    words = done.stdout.decode()
    assert words.startswith("# Lab nested\n")
    assert words.index("#### Sub-agent 1: ") < words.index("###### Sub-agent 1.1: ") < words.index("### Step 2")


def test_a_beginning_of_an_id_is_enough_when_only_one_session_has_it(database: Path) -> None:
    assert run("--db", database, ROOT[:14]).stdout == run("--db", database, ROOT).stdout
    many = run("--db", database, "ses_")
    assert (many.returncode, many.stdout) == (2, b"")
    assert b"ses_ can be 3 sessions: " in many.stderr
    none = run("--db", database, "ses_nowhere")
    assert (none.returncode, none.stdout) == (2, b"")
    assert b"no session ses_nowhere" in none.stderr


def copied(database: Path, name: str) -> Path:
    """A copy of a database beside it."""
    return Path(shutil.copy(database, database.with_name(name)))


def test_a_file_that_cannot_be_read_does_not_hide_the_session_of_a_sound_one(database: Path) -> None:
    alone = run("--db", database, ROOT)
    empty = database.with_name("opencode-next.db")
    empty.touch()
    for paths in (("--db", empty, "--db", database), ("--db", database, "--db", empty)):
        done = run(*paths, ROOT)
        # Nothing can be in a file of 0 bytes.
        assert (done.returncode, done.stdout) == (0, alone.stdout)
        assert (done.stderr.count(b"\n"), b"opencode-next.db" in done.stderr) == (1, True)
    empty.write_bytes(b"no database at all" * 100)
    done = run("--db", empty, "--db", database, ROOT)
    assert (done.returncode, done.stdout) == (1, alone.stdout)
    assert (done.stderr.count(b"\n"), b"opencode-next.db" in done.stderr) == (1, True)
    done = run("--db", empty, "--db", database, "ses_nowhere")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"not every database could be read" in done.stderr
    assert run("--db", empty, ROOT).returncode == 2


def test_of_several_copies_the_one_that_was_updated_last_is_exported(database: Path) -> None:
    old = copied(database, "opencode-backup.db")
    with sqlite3.connect(database) as db:
        db.execute("UPDATE session SET title = 'Newer', time_updated = time_updated + 1000 WHERE id = ?", (ROOT,))
    db.close()
    for paths in (("--db", old, "--db", database), ("--db", database, "--db", old)):
        for wanted in (ROOT, ROOT[:14]):
            done = run(*paths, wanted)
            assert done.returncode == 0
            assert done.stdout.startswith(b"# Newer\n")
            assert f"is exported from {database}; other copies: {old}\n" in done.stderr.decode()


def test_an_id_that_several_sessions_begin_with_names_them_and_their_files(database: Path) -> None:
    old = copied(database, "opencode-next.db")
    with sqlite3.connect(old) as db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute("UPDATE session SET id = ? WHERE id = ?", (ROOT[:14] + "Other", ROOT))
    db.close()
    done = run("--db", database, "--db", old, ROOT[:14])
    assert (done.returncode, done.stdout) == (2, b"")
    words = done.stderr.decode()
    assert f"{ROOT[:14]} can be 2 sessions: " in words
    assert f"{ROOT} in {database}" in words
    assert f"{ROOT[:14]}Other in {old}" in words


def test_an_id_that_others_begin_with_is_that_session(database: Path) -> None:
    with sqlite3.connect(database) as db:
        db.execute("UPDATE session SET id = ? WHERE id = ?", (ROOT[:14], ROOT))
        db.execute("UPDATE session SET id = ? WHERE parent_id = ?", (ROOT[:15], ROOT))
    db.close()
    assert f"- session: {ROOT[:14]}\n".encode() in run("--db", database, ROOT[:14]).stdout


def test_without_children_the_sums_still_count_them(database: Path) -> None:
    whole, alone = exported(database, "md", session=ROOT), exported(database, "md", session=ROOT, children=False)
    assert "- cost with sub-agents: $0.5132 in 3 sessions\n" in whole
    assert "- cost with sub-agents: $0.5132 in 3 sessions\n" in alone
    assert "Sub-agent" in whole
    assert "Sub-agent" not in alone
    assert run("--db", database, ROOT, "--no-children").stdout.count(b"\n# ") == 0
    told = json.loads(exported(database, "json", session=ROOT, children=False))["sessions"]
    assert [session["id"] for session in told] == [ROOT]
    assert told[0]["subtree"]["sessions"] == 3


def test_json_tells_parents_first_and_which_call_started_a_sub_agent(database: Path) -> None:
    sessions = json.loads(exported(database, "json", session=ROOT))["sessions"]
    assert [session["parent_id"] for session in sessions] == [None, sessions[0]["id"], sessions[1]["id"]]
    calls = [op for turn in sessions[0]["turns"] for op in turn["ops"] if op["kind"] == "tool"]
    assert sessions[1]["called_by"] == {"session_id": ROOT, "part_id": calls[0]["part_id"]}
    assert sum(session["cost"] for session in sessions) == pytest.approx(sessions[0]["subtree"]["cost"])


def test_what_is_cut_says_so(database: Path) -> None:
    words = exported(database, "md", max_text=10, session=ROOT)
    assert 'output (135 B, cut: 10 of 135 bytes, see --max-text):\n\n```text\n<task id="\n```' in words
    texts = [
        text
        for session in json.loads(exported(database, "json", max_text=10))["sessions"]
        for turn in session["turns"]
        for op in turn["ops"]
        for text in op["texts"]
    ]
    assert all(text["truncated"] == (text["size"] > 10) == bool(text["note"]) for text in texts)
    assert any(text["truncated"] for text in texts)
    assert not any(text["truncated"] for text in texts if text["text"] and len(text["text"]) < 10)


def test_a_file_replaces_an_older_one_only_when_it_is_whole(database: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.html"
    target.write_text("older")
    assert run("--db", database, "nobody", "-o", target).returncode == 2
    assert target.read_text() == "older"
    done = run("--db", database, ROOT, "--format", "html", "-o", target)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert target.read_text("utf-8").startswith("<!doctype html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["opencode.db", "out.html"]


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_file_of_opencode_is_never_written_to(database: Path, suffix: str) -> None:
    before = database.read_bytes()
    done = run("--db", database, ROOT, "-o", f"{database}{suffix}")
    assert done.returncode == 2
    assert b"belongs to opencode" in done.stderr
    assert database.read_bytes() == before


def test_a_reader_that_goes_away_ends_it_quietly(database: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tui", "export", "--db", str(database), ROOT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(30), said) == (0, b"")


def test_sub_agents_of_any_depth_have_headings_that_say_whose_they_are() -> None:
    shown = Markdown().begin(Begin("step", 12, "Sub-agent 1.1.1.1, step 3", []))
    assert shown == "###### Sub-agent 1.1.1.1, step 3\n\n"


@pytest.mark.parametrize(
    ("text", "fence"), [("plain", "```"), ("``` in it", "````"), ("a\n``````\nb", "```````"), ("", "```")]
)
def test_a_fence_is_longer_than_any_run_of_ticks_in_it(text: str, fence: str) -> None:
    assert fenced(text, "text") == f"{fence}text\n{text}\n{fence}"


def test_what_is_exported_is_what_was_written() -> None:
    diff = "@@ -1 +1 @@\n-\ta\x0cb\r\n+\tc\u2028d \N{HEAVY BLACK HEART}\ufe0f\r\n"
    assert readable(diff, "diff") == diff.removesuffix("\n")
    words = "\N{WOMAN}\u200d\N{PERSONAL COMPUTER}\n\tx\u2028y\n"
    assert readable(words, "words") == words.removesuffix("\n")
    assert readable("10 %\r20 %\r\n\x1b[32mdone\x1b[0m\r\n", "output") == "10 %\n20 %\ndone"


@pytest.mark.parametrize(
    ("text", "shown"),
    [('{"a":[1]}', '{\n  "a": [\n    1\n  ]\n}'), ("[not json", "[not json"), ("plain {}", "plain {}")],
)
def test_an_output_that_is_json_is_indented(text: str, shown: str) -> None:
    assert readable(text, "output") == shown


def test_ordinary_words_are_not_cluttered_with_escapes() -> None:
    assert escaped("src/re_try.ts > 2>&1 | 50 % (fork #2) a < b") == "src/re_try.ts > 2>&1 \\| 50 % (fork \\#2) a < b"
    assert escaped("<b>*x*</b> [a](b) _c_") == "\\<b>\\*x\\*\\</b> \\[a\\](b) \\_c\\_"
