"""What a machine is called by the command that leads to it, and what is said when that does not get there."""

from __future__ import annotations

import pytest

from adapter.remote.command import name_of, ssh, words_of
from adapter.remote.words import Ending, ended, no_greeting


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("ssh box opencode-viewer serve", "box"),
        ("/usr/bin/ssh -p 2222 -i key ada@box.example opencode-viewer serve", "box.example"),
        ("ssh -T -o BatchMode=yes box opencode-viewer serve", "box"),
        ("ssh ssh://ada@box:22 opencode-viewer serve", "box-22"),
        ("docker exec -i lab opencode-viewer serve", "lab"),
        ("docker exec -i -u ada -e A=1 lab opencode-viewer serve", "lab"),
        ("podman exec -i lab opencode-viewer serve", "lab"),
        ("kubectl exec -i -n agents pod-7 -- opencode-viewer serve", "pod-7"),
        ("kubectl -n agents exec -i pod-7 -- opencode-viewer serve", "pod-7"),
        ("wsl opencode-viewer serve", "wsl"),
        ("wsl -d Debian opencode-viewer serve", "Debian"),
        ("/opt/bin/opencode-viewer serve --db x", "opencode-viewer"),
        ("./lead-there x y", "lead-there"),
    ],
)
def test_a_machine_is_called_as_its_command_says(command: str, name: str) -> None:
    assert name_of(words_of(command)) == name


def test_ssh_never_asks_and_gives_the_far_end_no_terminal() -> None:
    assert ssh("box")[-3:] == ["box", "opencode-viewer", "serve"]
    assert {"-T", "BatchMode=yes"} < set(ssh("box"))


@pytest.mark.parametrize("command", ["", "  ", "'open", "a\0b"])
def test_what_is_no_command_is_said_to_be_none(command: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - shlex has its own words
        words_of(command)


@pytest.mark.parametrize(
    ("status", "said", "words"),
    [
        (255, "ada@box: Permission denied (publickey,password).", "set up a key"),
        (255, "Host key verification failed.", "log in once by hand"),
        (255, "ssh: Could not resolve hostname box: Name or service not known", "no host of this name"),
        (255, "ssh: connect to host box port 22: Connection refused", "cannot be reached"),
        (255, "ssh: connect to host box port 22: Connection timed out", "cannot be reached"),
        (127, "bash: line 1: opencode-viewer: command not found", "is not found over there"),
        (127, "", "is not found over there"),
        (126, 'exec: "opencode-viewer": executable file not found in $PATH', "is not found over there"),
        (2, "opencode-viewer: error: argument COMMAND: invalid choice: 'serve' (choose from", "too old to serve"),
        (1, "Error response from daemon: No such container: lab", "the container does not run"),
        (1, "Error response from daemon: container 7f is not running", "the container does not run"),
        (1, 'Error from server (NotFound): pods "pod-7" not found', "the container does not run"),
        (3, "", "ended with status 3 before anything was said"),
        (-9, "", "was ended by signal 9 before anything was said"),
        (None, "", "nothing over there speaks as opencode-viewer serve does"),
    ],
)
def test_what_is_said_of_a_command_that_did_not_get_there_says_what_to_do(
    status: int | None, said: str, words: str
) -> None:
    sentence = no_greeting(Ending(status, f"warning: something\n{said}\n"))
    assert words in sentence
    assert "\n" not in sentence
    assert len(sentence) < 500


def test_of_a_line_that_is_cut_the_last_words_are_repeated() -> None:
    assert ended(Ending(255, "Connection to box closed by remote host.\n")) == (
        "the line is cut: the command ended with status 255 (Connection to box closed by remote host.)"
    )
    assert "signal 9" in ended(Ending(-9, ""))
    assert "container" in ended(Ending(137, "Error: container lab is not running"))
