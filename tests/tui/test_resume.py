"""The command that resumes a session, run by real shells."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapter.events import SessionStarted
from tests.tui.model.builders import store_of
from tui import resume
from tui.model.records import Session

OPENCODE = """#!/bin/sh
printf '%s\\n' "$(basename "$0")" "$PWD" "${OPENCODE_DB-unset}" "$@"
"""
SHELLS = [name for name in ("sh", "dash", "bash", "zsh", "fish") if shutil.which(name)]


def session(source: Path, cwd: Path, name: str = "ses_1", version: str = "1.18.33", **extras: Any) -> Session:
    """A session as the model holds it after its row was told."""
    event = SessionStarted(
        source=f"opencode:{source}", ts=1, session_id=name, root_id=name, cwd=str(cwd), version=version, extras=extras
    )
    return store_of(event).sessions[event.source, name]


def ran(command: str, tmp_path: Path, shell: str = "sh", environ: Mapping[str, str] = {}) -> list[str]:
    """What a shell makes of the command: the program, its directory, its database, its arguments."""
    return os.fsdecode(ran_bytes(command, tmp_path, shell, environ)).splitlines()


def ran_bytes(command: str, tmp_path: Path, shell: str = "sh", environ: Mapping[str, str] = {}) -> bytes:
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    for name in ("opencode", "opencode2"):
        (programs / name).write_text(OPENCODE)
        (programs / name).chmod(0o755)
    environ = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path), **environ}
    done = subprocess.run([shell, "-c", command], capture_output=True, timeout=20, check=True, env=environ)
    return done.stdout


@pytest.mark.parametrize(
    ("version", "program"),
    [("1.18.33", ["opencode"]), ("2.0.1", ["opencode2", "--standalone"]), ("", ["opencode"])],
)
def test_it_runs_the_program_in_the_directory_on_the_database(tmp_path: Path, version: str, program: list[str]) -> None:
    directory = tmp_path / "it's $HOME; here"
    directory.mkdir()
    database = tmp_path / "o'data" / "opencode-dev.db"
    command, missing = resume.command(session(database, directory, version=version), {}, tmp_path)
    assert missing == ""
    # The service of 2.x in the background has another database open: one of its own is needed for this.
    assert ran(command, tmp_path) == [program[0], str(directory), str(database), *program[1:], "-s", "ses_1"]


def test_a_session_of_1x_that_2x_goes_on_with_is_one_of_2x(tmp_path: Path) -> None:
    own = tmp_path / ".local" / "share" / "opencode" / "opencode.db"
    command, _ = resume.command(session(own, tmp_path, sums_apart=True), {}, tmp_path)
    assert command == f"cd {tmp_path} && opencode2 -s ses_1"


def test_the_database_that_opencode_takes_by_itself_is_not_named(tmp_path: Path) -> None:
    own = tmp_path / ".local" / "share" / "opencode" / "opencode.db"
    assert resume.command(session(own, tmp_path), {}, tmp_path)[0] == f"cd {tmp_path} && opencode -s ses_1"
    elsewhere = {"XDG_DATA_HOME": "/elsewhere"}
    assert f"OPENCODE_DB={own} " in resume.command(session(own, tmp_path), elsewhere, tmp_path)[0]
    named = {"OPENCODE_DB": str(own)}
    assert f"OPENCODE_DB={own} " in resume.command(session(own, tmp_path), named, tmp_path)[0]


@pytest.mark.parametrize(
    ("version", "name", "environ", "by_itself"),
    [
        ("0.0.0-next-16350", "opencode-next.db", {}, True),
        ("0.0.0-next-16350", "opencode.db", {}, False),
        ("0.0.0-next-16350", "opencode.db", {"OPENCODE_DISABLE_CHANNEL_DB": "1"}, True),
        ("0.0.0-next-16350", "opencode-next.db", {"OPENCODE_DISABLE_CHANNEL_DB": "true"}, False),
        ("0.0.0-beta-19425", "opencode.db", {}, True),
        ("0.0.0-dev-202601010000", "opencode-dev.db", {}, True),
        ("local", "opencode-local.db", {}, True),
        ("1.18.33", "opencode-dev.db", {}, False),
        ("2.0.26", "opencode.db", {}, True),
    ],
)
def test_each_release_channel_takes_its_own_database(
    tmp_path: Path, version: str, name: str, environ: dict[str, str], by_itself: bool
) -> None:
    path = tmp_path / ".local" / "share" / "opencode" / name
    words = resume.command(session(path, tmp_path, version=version), environ, tmp_path)[0]
    assert ("OPENCODE_DB=" not in words) == by_itself


def test_a_directory_that_is_gone_is_said_and_left_out(tmp_path: Path) -> None:
    own = tmp_path / ".local" / "share" / "opencode" / "opencode.db"
    command, missing = resume.command(session(own, tmp_path / "gone"), {}, tmp_path)
    assert command == "opencode -s ses_1"
    assert missing == f"its directory {tmp_path}/gone is not here any more: run it where the project lies now"


def test_an_id_of_a_stranger_stays_a_word(tmp_path: Path) -> None:
    command, _ = resume.command(session(tmp_path / "x.db", tmp_path, "x; rm -rf ~\x03"), {}, tmp_path)
    assert ran(command, tmp_path)[-1] == "x; rm -rf ~\N{REPLACEMENT CHARACTER}"
    command, _ = resume.command(session(tmp_path / "x.db", tmp_path, "-rf"), {}, tmp_path)
    assert ran(command, tmp_path)[-1] == "--session=-rf"


HOSTILE = [
    *('it\'s "quoted"', "-rf", "--", "a  b", " a ", "$(touch owned)", "`touch owned`", "!!", "a\\b", "*", "~", "%s%n"),
    *(
        "tab\there",
        "two\nlines",
        "ends in lines\n\n",
        "\n",
        "esc\x1b[2J",
        "\x03\x04",
        "\u202etxet",
        "漢字 ü",
        "e\u0301",
    ),
]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_directory_of_any_name_is_where_it_runs(tmp_path: Path, shell: str, name: str) -> None:
    directory = tmp_path / name
    directory.mkdir()
    command, missing = resume.command(session(tmp_path / f"{name}.db", directory), {}, tmp_path)
    assert missing == ""
    assert command.replace("\n", "").isprintable()
    expected = f"opencode\n{directory}\n{tmp_path}/{name}.db\n-s\nses_1\n"
    assert ran_bytes(command, tmp_path, shell, {"LC_ALL": "C.UTF-8"}).decode() == expected
    assert not list(tmp_path.glob("**/owned"))


@pytest.mark.parametrize("shell", SHELLS)
def test_a_directory_whose_name_is_no_utf8_is_found_by_what_opencode_writes_of_it(tmp_path: Path, shell: str) -> None:
    real = os.fsencode(tmp_path) + b"/caf\xe9 \xff%"
    os.mkdir(real)
    os.mkdir(real + b"/in'side")
    written = f"{tmp_path}/caf\N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER}%/in'side"
    command, missing = resume.command(session(tmp_path / "x.db", Path(written)), {}, tmp_path)
    assert missing == ""
    assert ran_bytes(command, tmp_path, shell).split(b"\n")[1] == real + b"/in'side"
    os.mkdir(os.fsencode(tmp_path) + b"/caf\xe8 \xff%")
    _, missing = resume.command(session(tmp_path / "x.db", Path(written)), {}, tmp_path)
    assert "is not here any more" in missing, "two that read alike"


def test_a_database_whose_name_is_no_utf8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.db"))
    command, _ = resume.command(session(path, tmp_path), {}, tmp_path)
    assert command.isascii()
    assert ran_bytes(command, tmp_path).split(b"\n")[2] == os.fsencode(path)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.binary(min_size=1, max_size=12).filter(lambda text: b"\0" not in text), min_size=25, max_size=25))
@example([b"\n", b"-n", b"%", b"\\", b"'", b'"', b"a\n", b"\xff\n", b"\\0", b"\\n\\c", b"$", b"`"])
def test_a_quoted_word_is_the_same_bytes_in_a_shell(texts: list[bytes]) -> None:
    words = [resume.quoted(text) for text in texts]
    assert all(word.replace("\n", "").isprintable() for word in words)
    command = "printf '%s\\0' " + " ".join(words)
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=20, check=True)
    assert done.stdout.split(b"\0")[:-1] == texts
