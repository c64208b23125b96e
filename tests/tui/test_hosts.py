"""Other machines by the command line and by the user's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.remote.command import ssh
from tui.config.hosts import chosen, kept, read
from tui.config.wishes import parse


def test_a_name_is_one_of_the_file_or_a_host_of_ssh() -> None:
    known = {"lab": "docker exec -i lab opencode-viewer serve"}
    assert chosen([], ["lab", "ada@box"], known) == [
        ("lab", ["docker", "exec", "-i", "lab", "opencode-viewer", "serve"]),
        ("box", ssh("ada@box")),
    ]


def test_all_is_every_machine_of_the_file_unless_one_is_called_so() -> None:
    known = {"lab": "run lab", "box": "run box"}
    assert chosen([], ["all", "other"], known) == [
        ("lab", ["run", "lab"]),
        ("box", ["run", "box"]),
        ("other", ssh("other")),
    ]
    assert chosen([], ["all"], {"all": "run it"}) == [("all", ["run", "it"])]
    with pytest.raises(ValueError, match="names no hosts"):
        chosen([], ["all"], {})


def test_machines_that_would_be_called_the_same_are_told_apart() -> None:
    names = [name for name, _ in chosen(["ssh box a", "ssh box b", "x/ssh -p 1 me@box c"], ["box"], {})]
    assert names == ["box", "box-2", "box-3", "box-4"]
    names = [name for name, _ in chosen(["ssh box-2 a", "ssh box a", "ssh box b"], [], {})]
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    ("via", "host", "words"),
    [
        (["'open"], [], '--via "\'open" is no command'),
        ([""], [], "is no command: it is empty"),
        ([], ["-oProxyCommand=x"], "is no name of a host"),
        ([], [""], "is no name of a host"),
    ],
)
def test_what_is_no_command_or_name_is_said_to_be_none(via: list[str], host: list[str], words: str) -> None:
    with pytest.raises(ValueError, match="is no") as told:
        chosen(via, host, {})
    assert words in str(told.value)


def test_the_file_names_machines_beside_wishes_and_what_is_none_costs_itself_alone(tmp_path: Path) -> None:
    text = '[hosts]\nbox = "ssh box opencode-viewer serve"\nodd = 7\n"a b" = "run"\n[notify]\non = true\n'
    wishes = parse(text)
    assert dict(wishes.hosts) == {"box": "ssh box opencode-viewer serve", "a b": "run"}
    assert wishes.on
    assert wishes.problems == ("hosts.odd: a command is wanted",)
    assert parse("hosts = 1").problems == ("hosts: a table of commands is wanted",)
    file = tmp_path / "config.toml"
    assert read(file) == {}
    file.write_text(text)
    assert [name for name, _ in kept(read(file))] == ["box", "a b"]
    file.write_text("[hosts")
    with pytest.raises(ValueError, match=r"config\.toml"):
        read(file)
