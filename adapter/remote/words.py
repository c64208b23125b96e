"""Why a line does not stand, as a sentence that says what to do. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from adapter.contract import encodable
from adapter.remote.messages import PROTOCOL

SAID = 200
"""Characters of what the command itself said that are repeated."""
SSH_FAILED = 255
"""The exit status of ssh itself."""
INSTALL = "install it there (`pipx install .` in a checkout), or give its whole path in --via"


class Ending(NamedTuple):
    """How a command ended: its exit status (None while it runs, negative for a signal), what it said on stderr, and
    what stood on stdout before the greeting."""

    status: int | None
    said: str
    banner: str = ""


_HOST_KEY_CHANGED = re.compile(r"host identification has changed|host key for \S+ has changed", re.I)
_HOST_KEY = re.compile(r"host key verification|host key is known", re.I)
_PASSWORD = re.compile(
    r"permission denied|password( for [^\n]*)?:|read the password|password is required|passphrase|"
    r"keyboard-interactive|authentication fail",
    re.I,
)
_UNKNOWN_HOST = re.compile(r"could not resolve|name or service not known|no such host|unknown host", re.I)
_REFUSED = re.compile(
    r"connection (refused|timed out|reset|closed)|no route|network is unreachable|operation timed out", re.I
)
_MISSING = re.compile(
    r"opencode-viewer[^\n]*(not found|no such file)|(not found|no such file)[^\n]*opencode-viewer", re.I
)
_OLD = re.compile(r"invalid choice: '?serve|unrecognized arguments: .*serve|(unknown|no such) (sub)?command", re.I)
_DOCKER_REFUSES = re.compile(r"permission denied[^\n]*docker", re.I)
_CONTAINER = re.compile(
    r"no such container|is not running|not found in namespace|pods? \S+ not found|no such pod|cannot connect to the "
    r"docker daemon|error from server",
    re.I,
)

_MEANINGS = {
    _MISSING: f"opencode-viewer is not found over there: {INSTALL}",
    _OLD: "the opencode-viewer over there is too old to serve: upgrade it there",
    _DOCKER_REFUSES: "the docker of this machine does not take this user's commands",
    _CONTAINER: "the container does not run, or is called otherwise",
    _HOST_KEY: "this machine does not know the key of that host: log in once by hand, and accept it",
    _PASSWORD: (
        "the login asks for what nobody can type here: set up a key (ssh-copy-id, ssh-add), or log in once by "
        "`ssh -MNf` with ControlPath set"
    ),
    _UNKNOWN_HOST: "there is no host of this name",
    _REFUSED: "the machine cannot be reached",
}


def not_started(program: str, reason: str) -> str:
    """The command cannot even be started here."""
    return encodable(f"{program} cannot be started on this machine: {reason}")


def no_greeting(ending: Ending) -> str:
    """The command ended, or said nothing, before the far end had said its `hello`."""
    said, status = ending.said, ending.status
    if status == SSH_FAILED and _HOST_KEY_CHANGED.search(said):
        return _with(
            "the host shows another key than the one that is known: if that is right, take the old one away "
            "(ssh-keygen -R), and log in once by hand",
            said,
        )
    if status == 126 and not _MISSING.search(said):
        return _with("opencode-viewer may not be started over there", said)
    # Before what was said last come banners, which say anything; what has ended well has no fault to tell.
    if status != 0 and (sentence := _meaning(_last(said)) or (_meaning(said) if status else "")):
        return _with(sentence, said)
    if status == 127:
        return _with(_MEANINGS[_MISSING], said)
    if ending.status is None:
        spoken = f"; it said {_last(ending.banner)!r}" if ending.banner.strip() else ""
        return _with(f"nothing over there speaks as opencode-viewer serve does{spoken}", said)
    how = _how(ending.status)
    if ending.banner.strip():
        return _with(f"the command {how} and said {_last(ending.banner)!r}: is it `... opencode-viewer serve`?", said)
    return _with(f"the command {how} before anything was said", said)


def ended(ending: Ending) -> str:
    """The line stood, and is cut."""
    if _CONTAINER.search(ending.said):
        return _with("the container does not run any more", ending.said)
    if ending.status is None:
        return _with("the line is cut", ending.said)
    return _with(f"the line is cut: the command {_how(ending.status)}", ending.said)


def silent(seconds: float) -> str:
    """Nothing came for too long, not even an answer to whether anybody is there."""
    return f"the line is dead: nothing came for {seconds:.0f} s"


def unanswered() -> str:
    """It speaks, and answers no ping, by which a line stands."""
    return nonsense("it answers no ping")


def other_protocol(protocol: int, program: str) -> str:
    """The far end greets with another version of the protocol."""
    age = "older" if protocol < PROTOCOL else "newer"
    which = "there" if protocol < PROTOCOL else "here"
    name = f" ({program[:40]})" if program else ""
    return encodable(
        f"the opencode-viewer over there{name} is {age} and speaks protocol {protocol}, this one {PROTOCOL}: upgrade "
        f"the one {which}"
    )


def nonsense(what: str) -> str:
    """The far end says what the protocol does not have."""
    return encodable(f"the far end does not keep to the protocol: {what[:SAID]}")


def _meaning(said: str) -> str:
    """The sentence for what was said, "" where that is nothing known."""
    return next((sentence for pattern, sentence in _MEANINGS.items() if pattern.search(said)), "")


def _how(status: int) -> str:
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"


def _with(sentence: str, said: str) -> str:
    last = _last(said)
    return encodable(f"{sentence} ({last})" if last else sentence)


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:SAID] if lines else ""
