"""The command that resumes a session, run by a real shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tui import resume
from tui.model.records import Session

OPENCODE = """#!/bin/sh
printf '%s\\n' "$(basename "$0")" "$PWD" "${OPENCODE_DB-unset}" "$@"
"""


def session(source: Path, cwd: Path, name: str = "ses_1", version: str = "1.18.33") -> Session:
    return Session(source=f"opencode:{source}", id=name, root_id=name, cwd=str(cwd), version=version)


def ran(command: str, tmp_path: Path) -> list[str]:
    """What a shell makes of the command: the program, its directory, its database, its arguments."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("opencode", "opencode2"):
        (programs / name).write_text(OPENCODE)
        (programs / name).chmod(0o755)
    environ = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=20, check=True, env=environ)
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("version", "program"),
    [("1.18.33", "opencode"), ("2.0.1", "opencode2"), ("0.0.0-next-16350", "opencode2"), ("", "opencode")],
)
def test_it_runs_the_program_in_the_directory_on_the_database(tmp_path: Path, version: str, program: str) -> None:
    directory = tmp_path / "it's $HOME; here"
    directory.mkdir()
    database = tmp_path / "o'data" / "opencode-dev.db"
    command, missing = resume.command(session(database, directory, version=version), {}, tmp_path)
    assert missing == ""
    assert ran(command, tmp_path) == [program, str(directory), str(database), "-s", "ses_1"]


def test_the_database_that_opencode_takes_by_itself_is_not_named(tmp_path: Path) -> None:
    own = tmp_path / ".local" / "share" / "opencode" / "opencode.db"
    assert resume.command(session(own, tmp_path), {}, tmp_path)[0] == f"cd {tmp_path} && opencode -s ses_1"
    elsewhere = {"XDG_DATA_HOME": "/elsewhere"}
    assert f"OPENCODE_DB={own} " in resume.command(session(own, tmp_path), elsewhere, tmp_path)[0]
    named = {"OPENCODE_DB": str(own)}
    assert f"OPENCODE_DB={own} " in resume.command(session(own, tmp_path), named, tmp_path)[0]


def test_a_directory_that_is_gone_is_said_and_left_out(tmp_path: Path) -> None:
    own = tmp_path / ".local" / "share" / "opencode" / "opencode.db"
    command, missing = resume.command(session(own, tmp_path / "gone"), {}, tmp_path)
    assert (command, missing) == ("opencode -s ses_1", f"its directory {tmp_path}/gone is not here any more")


def test_an_id_of_a_stranger_stays_a_word(tmp_path: Path) -> None:
    command, _ = resume.command(session(tmp_path / "x.db", tmp_path, "x; rm -rf ~\x03"), {}, tmp_path)
    assert ran(command, tmp_path)[-1] == "x; rm -rf ~\N{REPLACEMENT CHARACTER}"
