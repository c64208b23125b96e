"""Which files opencode would use, found as opencode finds them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adapter.opencode.discover import data_directory, locate


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = tmp_path / ".local" / "share" / "opencode"
    directory.mkdir(parents=True)
    return directory


def test_the_data_directory_is_xdg_or_below_home(tmp_path: Path) -> None:
    assert data_directory({}, tmp_path) == tmp_path / ".local" / "share" / "opencode"
    assert data_directory({"XDG_DATA_HOME": ""}, tmp_path) == tmp_path / ".local" / "share" / "opencode"
    assert data_directory({"XDG_DATA_HOME": "/data"}, tmp_path) == Path("/data/opencode")


def test_without_any_file_the_default_is_waited_for(data: Path, tmp_path: Path) -> None:
    found = locate({}, tmp_path)
    assert found.paths == [data / "opencode.db"]
    assert str(data) in found.note
    data.rmdir()
    assert locate({}, tmp_path).paths == [data / "opencode.db"]


@pytest.mark.parametrize("name", ["/elsewhere/x.db", "sub/x.db"])
def test_opencode_db_names_a_file_absolute_or_in_the_data_directory(data: Path, tmp_path: Path, name: str) -> None:
    (data / "opencode.db").touch()
    found = locate({"OPENCODE_DB": name}, tmp_path)
    assert found.paths == [Path(name) if name.startswith("/") else data / name]
    assert "OPENCODE_DB" in found.note


def test_a_database_in_memory_is_no_file(tmp_path: Path) -> None:
    found = locate({"OPENCODE_DB": ":memory:"}, tmp_path)
    assert found.paths == []
    assert "no file" in found.note


def test_channels_lie_side_by_side_and_the_newest_comes_first(data: Path, tmp_path: Path) -> None:
    for age, name in enumerate(["opencode.db", "opencode-dev.db", "opencode-my.branch_1.db"]):
        (data / name).touch()
        os.utime(data / name, (1000 + age, 1000 + age))
    assert [path.name for path in locate({}, tmp_path).paths] == [
        "opencode-my.branch_1.db",
        "opencode-dev.db",
        "opencode.db",
    ]
    wal = data / "opencode.db-wal"
    wal.touch()
    os.utime(wal, (5000, 5000))
    assert locate({}, tmp_path).paths[0].name == "opencode.db"


@pytest.mark.parametrize("name", ["opencode.db-wal", "opencode.db.bak", "opencode-a b.db", "other.db", "xopencode.db"])
def test_other_files_are_not_databases_of_opencode(data: Path, tmp_path: Path, name: str) -> None:
    (data / name).touch()
    assert locate({}, tmp_path).paths == [data / "opencode.db"]


def test_a_directory_with_the_right_name_is_none(data: Path, tmp_path: Path) -> None:
    (data / "opencode-dev.db").mkdir()
    assert locate({}, tmp_path).paths == [data / "opencode.db"]


@pytest.mark.parametrize("flag", ["1", "true", "TRUE"])
def test_channels_can_be_switched_off(data: Path, tmp_path: Path, flag: str) -> None:
    (data / "opencode-dev.db").touch()
    assert locate({"OPENCODE_DISABLE_CHANNEL_DB": flag}, tmp_path).paths == [data / "opencode.db"]
    assert locate({"OPENCODE_DISABLE_CHANNEL_DB": "0"}, tmp_path).paths == [data / "opencode-dev.db"]


def test_a_data_directory_that_is_a_file_is_in_the_note(tmp_path: Path) -> None:
    (tmp_path / "opencode").touch()
    found = locate({"XDG_DATA_HOME": str(tmp_path)}, tmp_path)
    assert found.paths == [tmp_path / "opencode" / "opencode.db"]
    assert "cannot list" in found.note


@pytest.mark.parametrize(
    "name",
    [
        "opencode-backup.db", "opencode-next-backup.db", "opencode-backup2.db", "opencode-BAK.db", "opencode-old.db",
        "opencode-copy.db", "opencode-2026-11-26.db", "opencode-20261126T0800.db", "opencode-before.upgrade.db",
    ],
)  # fmt: skip
def test_what_is_named_as_a_copy_is_a_backup_however_new_it_is(data: Path, tmp_path: Path, name: str) -> None:
    for age, each in enumerate(["opencode.db", "opencode-next.db", name]):
        (data / each).touch()
        os.utime(data / each, (1000 + age, 1000 + age))
    found = locate({}, tmp_path)
    assert [path.name for path in found.paths] == ["opencode-next.db", "opencode.db"]
    assert [path.name for path in found.backups] == [name]
    assert "found 2 in" in found.note
    assert found.note.endswith("and 1 named as backups")


@pytest.mark.parametrize(
    "name",
    [
        "opencode.db", "opencode-next.db", "opencode-local.db", "opencode-golden.db", "opencode-2.0.db",
        "opencode-fix-b-list.db", "opencode-folder.db", "opencode-202611.db",
    ],
)  # fmt: skip
def test_a_channel_is_no_backup(data: Path, tmp_path: Path, name: str) -> None:
    (data / name).touch()
    assert locate({}, tmp_path).paths == [data / name]
    assert locate({}, tmp_path).backups == []


def test_of_a_file_with_two_names_the_one_that_opencode_writes_counts(data: Path, tmp_path: Path) -> None:
    (data / "opencode.db").touch()
    (data / "opencode-backup.db").symlink_to(data / "opencode.db")
    found = locate({}, tmp_path)
    assert (found.paths, found.backups) == ([data / "opencode.db"], [])


def test_where_there_is_nothing_but_a_backup_the_default_is_waited_for(data: Path, tmp_path: Path) -> None:
    (data / "opencode-backup.db").touch()
    found = locate({}, tmp_path)
    assert (found.paths, found.backups) == ([data / "opencode.db"], [data / "opencode-backup.db"])


def test_a_backup_that_is_named_is_what_is_meant(data: Path, tmp_path: Path) -> None:
    (data / "opencode-backup.db").touch()
    found = locate({"OPENCODE_DB": "opencode-backup.db"}, tmp_path)
    assert (found.paths, found.backups) == ([data / "opencode-backup.db"], [])
