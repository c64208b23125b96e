"""What is remembered, and what becomes of it when the file or its directory is not as it should be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from tui.config.settings import LOOKS, SIZE_LIMIT, Memory, Settings, keymap_file, settings_file
from tui.model.tree.sorting import ORDERS, Arrangement


def test_every_order_of_the_trees_can_be_remembered() -> None:
    assert get_args(get_type_hints(Settings)["order"]) == ORDERS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "not there yet" / "settings.json"


def test_a_choice_is_there_in_the_next_run(path: Path) -> None:
    first = Memory(path)
    assert first.settings == Settings()
    first.remember(theme="light", filter="is:running")
    first.remember(order="cost", grouping="projects")
    second = Memory(path)
    assert second.settings == Settings(theme="light", filter="is:running", order="cost", grouping="projects")
    assert second.settings.arrangement == Arrangement("cost", "projects")
    assert first.problem == second.problem == ""


def test_nothing_is_written_before_a_choice(path: Path) -> None:
    Memory(path)
    assert not path.parent.exists()


def test_the_file_is_replaced_as_a_whole_and_only_the_user_can_read_it(path: Path) -> None:
    memory = Memory(path)
    memory.remember(theme="light")
    with path.open("rb") as before:
        memory.remember(theme="dark")
        assert json.load(before) == {"theme": "light"}
    assert json.loads(path.read_bytes()) == {"theme": "dark"}
    assert [entry.name for entry in path.parent.iterdir()] == ["settings.json"]
    assert path.stat().st_mode & 0o077 == 0


def test_two_viewers_do_not_undo_each_others_choices(path: Path) -> None:
    first, second = Memory(path), Memory(path)
    first.remember(theme="light")
    second.remember(order="name")
    assert Memory(path).settings == Settings(theme="light", order="name")
    assert second.settings.theme == ""


def test_without_a_path_a_choice_lasts_as_long_as_the_run() -> None:
    memory = Memory()
    memory.remember(theme="light")
    assert memory.settings.theme == "light"
    assert memory.problem == ""


def test_the_demo_takes_and_keeps_looks_and_nothing_else(path: Path) -> None:
    Memory(path).remember(theme="light", filter="dir:app", hint_seen=True)
    demo = Memory(path, only=LOOKS)
    assert demo.settings == Settings(theme="light")
    demo.remember(filter="is:failed", order="name", glyphs="ascii")
    assert demo.settings.filter == "is:failed"
    assert Memory(path).settings == Settings(theme="light", filter="dir:app", hint_seen=True, glyphs="ascii")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\xff\xfe",
        b"[1, 2]",
        b'"theme"',
        b'{"theme": "light"',
        b'{"a":' + b"[" * 50_000,
        b" " * (SIZE_LIMIT + 1),
    ],
    ids=["empty", "binary", "a list", "a word", "cut off", "deep", "huge"],
)
def test_a_damaged_file_costs_one_remark_and_the_next_choice_replaces_it(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    memory = Memory(path)
    assert memory.settings == Settings()
    assert "damaged" in memory.problem
    memory.remember(theme="light")
    assert Memory(path).settings.theme == "light"
    assert Memory(path).problem == ""


def test_a_value_of_the_wrong_kind_does_not_cost_the_others(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(
        json.dumps(
            {"theme": 5, "order": "luck", "tree_width": "wide", "filter": "is:idle", "grouping": "projects", "new": 1}
        )
    )
    assert Memory(path).settings == Settings(filter="is:idle", grouping="projects")
    assert Memory(path).problem == ""


def test_what_another_version_has_written_has_no_effect_and_is_not_lost(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text('{"by_project": true, "spend": {"range": [7, 30]}, "order": "cost"}')
    memory = Memory(path)
    assert memory.problem == ""
    assert memory.settings == Settings(order="cost")
    memory.remember(order="name", theme="opencode-light")
    assert json.loads(path.read_bytes()) == {
        "by_project": True,
        "spend": {"range": [7, 30]},
        "order": "name",
        "theme": "opencode-light",
    }
    assert Memory(path).settings == memory.settings


def test_a_directory_that_cannot_be_made_costs_one_remark(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    memory = Memory(tmp_path / "file" / "settings.json")
    memory.remember(theme="light")
    assert memory.settings.theme == "light"
    assert "not remembered" in memory.problem


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_leave_to_write_costs_one_remark(path: Path) -> None:
    path.parent.mkdir(mode=0o500)
    memory = Memory(path)
    memory.remember(theme="light")
    assert "not remembered" in memory.problem


def test_a_full_disk_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Memory(path).remember(theme="light")

    def full(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    memory = Memory(path)
    memory.remember(theme="dark")
    assert "No space left" in memory.problem
    monkeypatch.undo()
    assert Memory(path).settings.theme == "light"
    assert [entry.name for entry in path.parent.iterdir()] == ["settings.json"]


def test_no_test_can_reach_the_files_of_whoever_runs_it(tmp_path: Path) -> None:
    assert settings_file().is_relative_to(tmp_path)
    assert keymap_file().is_relative_to(tmp_path)
