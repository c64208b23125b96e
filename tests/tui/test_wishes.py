"""What the user wishes beyond keys: what the file may say, and what is told of one that cannot be meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui.config.settings import keymap_file, wishes_file
from tui.config.wishes import NONE, Wishes, parse, read


def test_a_command_is_parted_as_a_shell_would_and_may_be_a_list() -> None:
    assert parse('notify.command = "say \'it is done\' \\"$HOME\\""').command == ("say", "it is done", "$HOME")
    assert parse('[notify]\ncommand = ["curl", "-d", "@-", "https://ntfy.example/me"]\n').command == (
        *("curl", "-d", "@-", "https://ntfy.example/me"),
    )


def test_all_of_it() -> None:
    text = 'notify.command = "x"\nnotify.bell = false\nnotify.osc = 777\nnotify.on = true\n'
    assert parse(text) == Wishes(("x",), bell=False, osc="777", on=True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('notify.command = "say \'it"', "notify.command: No closing quotation"),
        ('notify.command = ""', "notify.command: a program with its arguments is wanted"),
        ("notify.command = []", "notify.command: a program with its arguments is wanted"),
        ('notify.command = ["a", 1]', "notify.command: a program with its arguments is wanted"),
        ('notify.command = "a\\u0000b"', "notify.command: a program with its arguments is wanted"),
        ('notify.bell = "no"', "notify.bell: true or false is wanted"),
        ("notify.osc = 8", "notify.osc: one of auto, 9, 777, both, none is wanted"),
        ("notify.volume = 11", "there is no notify.volume"),
        ("notify.command = what", "not TOML: "),
        ('"\\u001b[2J" = 1', "there is no "),
    ],
)
def test_what_cannot_be_meant_is_told_and_costs_nothing_else(text: str, problem: str) -> None:
    found = parse(text)
    assert len(found.problems) == 1
    assert found.problems[0].startswith(problem)
    assert found.problems[0].isprintable()
    assert found == NONE._replace(problems=found.problems)
    if "TOML" not in problem:
        assert parse(f"{text}\nnotify.on = true").on


def test_a_file_that_is_not_there_or_cannot_be_read(tmp_path: Path) -> None:
    assert read(tmp_path / "config.toml") == NONE
    (tmp_path / "latin.toml").write_bytes(b"# \xfc\n")
    assert read(tmp_path / "latin.toml").problems == (f"{tmp_path / 'latin.toml'} is no UTF-8 text",)
    assert len(read(tmp_path).problems) == 1
    assert wishes_file().parent == keymap_file().parent
