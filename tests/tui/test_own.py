"""`doctor --self`: what of the program is on this machine."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tui.commands.own import own
from tui.config.settings import Memory, keymap_file, saved_directory, settings_file
from tui.error_log import ErrorLog, error_file
from tui.terminal import doors


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every directory that can hold something is one of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert own(argparse.Namespace(json=True, db=[])) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def names(tmp_path: Path) -> set[Path]:
    return set(tmp_path.rglob("*"))


def test_where_nothing_is_it_says_where_it_would_be_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = names(tmp_path)
    found = told(capsys)
    assert {one["path"]: one["files"] for one in found["files"]} == {
        str(path): 0 for path in (settings_file(), keymap_file(), error_file(), saved_directory())
    }
    assert found["reads"][0] == str(tmp_path / "data" / "opencode" / "opencode.db")
    assert names(tmp_path) == before


@pytest.mark.faulty
def test_each_thing_that_the_program_writes_is_there_with_its_size_and_may_be_deleted_or_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Memory(settings_file()).remember(theme="dark")
    ErrorLog(error_file()).write("testing", ValueError("planted"))
    saved = doors.save(["one", "two"], "text.txt", saved_directory())
    keymap_file().parent.mkdir(parents=True)
    keymap_file().write_text("")
    rest = settings_file().with_name(".opencode-viewer-1-0")
    rest.write_text("{")
    stranger = keymap_file().with_name("of-a-later-version.toml")
    stranger.write_text("x")
    killed = tmp_path / "temporary" / "opencode-viewer-demo-abcd_123"
    killed.mkdir()
    (killed / "opencode.db").write_bytes(b"x" * 5000)
    (tmp_path / "temporary" / "opencode-viewer-of-somebody").mkdir()
    files = {one["path"]: one for one in told(capsys)["files"]}
    assert {path: one["deletable"] for path, one in files.items()} == {
        str(settings_file()): True,
        str(error_file()): True,
        str(keymap_file()): False,
        str(saved_directory()): False,
        str(rest): True,
        str(stranger): False,
        str(killed): True,
    }
    assert files[str(saved_directory())]["size"] == saved.stat().st_size
    assert files[str(killed)]["size"] == 5000
    assert files[str(settings_file())]["size"] == settings_file().stat().st_size


def test_as_text_runs_that_were_killed_are_one_line_and_names_are_harmless(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("aaaaaaaa", "bbbbbbbb"):
        (tmp_path / "temporary" / f"opencode-viewer-{name}").mkdir()
        (tmp_path / "temporary" / f"opencode-viewer-{name}" / "text.txt").write_text("123")
    keymap_file().parent.mkdir(parents=True)
    keymap_file().with_name("a\x1b[31m\nb").write_text("x")
    assert own(argparse.Namespace(json=False, db=[tmp_path / "named.db"])) == 0
    text = capsys.readouterr().out
    assert f"temporary  {tmp_path}/temporary/opencode-viewer-*: 2 files, 6 bytes\n" in text
    assert f"reads  {tmp_path}/named.db, and never writes to it\n" in text
    assert "\x1b" not in text
    assert all(line.startswith(" ") for line in text.splitlines())


@pytest.mark.faulty
def test_an_error_log_of_an_earlier_version_may_go(capsys: pytest.CaptureFixture[str]) -> None:
    old = settings_file().with_name("errors.log")
    ErrorLog(old).write("testing", ValueError("planted"))
    (one,) = (one for one in told(capsys)["files"] if one["path"] == str(old))
    assert one["deletable"]
    assert error_file() != old
