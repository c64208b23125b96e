"""What to say where there is no session to show: in which place it was looked for, and what brings one there.

opencode 1.2 (February 2026) was the first with a database. Before it every session was a JSON file under `storage/`;
1.2 to 1.15 take those over into a new database when they start, later ones leave them alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from adapter.opencode.discover import data_directory, locate

MOST_COUNTED = 10_000
"""JSON files that are counted; a directory can hold any number."""
_JSON_SESSIONS = ("storage/session/*/*.json", "project/*/storage/session/info/*.json")
"""Where a session is one file: the layout of 1.1, and the one before it."""


class NoSessions(NamedTuple):
    """A headline, what is to be done, and where it was looked, a sentence each."""

    headline: str = "No opencode session yet"
    advice: str = "Start opencode anywhere: it appears here by itself."
    looked: str = ""


NONE_YET = NoSessions()
WITH_IT = "Start opencode with it: it appears here by itself."
FROM_JSON = (
    "opencode before 1.2 wrote them. Start one from 1.2 to 1.15 once: it takes them over into its database, and they "
    "appear here; later ones do not."
)


def no_sessions(
    env: Mapping[str, str], home: Path, named: Sequence[Path] = (), hosts: Sequence[str] = ()
) -> NoSessions:
    """The sentences for the databases that were named, or for those that opencode would use, and for those of other
    machines. Raises nothing."""
    words = _here(env, home, named)
    return words._replace(looked=f"{words.looked}, and on {', '.join(hosts)}") if hosts else words


def _here(env: Mapping[str, str], home: Path, named: Sequence[Path]) -> NoSessions:
    if named:
        places = ", ".join(_short(path, home) for path in named)
        return NONE_YET._replace(advice=WITH_IT, looked=f"Looked at {places}")
    located = locate(env, home)
    if not located.paths:
        return NoSessions("No opencode session can be seen", f"{located.note}.", "")
    data = data_directory(env, home)
    words = NONE_YET._replace(looked=f"Looked in {_short(located.paths[0] if env.get('OPENCODE_DB') else data, home)}")
    if not any(map(os.path.exists, located.paths)) and (files := json_sessions(data)):
        return words._replace(headline=f"No opencode database yet, but {files}", advice=FROM_JSON)
    return words


def json_sessions(data: Path) -> str:
    """How many sessions lie as JSON files in a data directory, in words; "" for none. Raises nothing."""
    count = sum(1 for _ in islice(_files(data), MOST_COUNTED + 1))
    if count > MOST_COUNTED:
        return f"more than {MOST_COUNTED:,} sessions as JSON files"
    return f"{count:,} session{'s' if count > 1 else ''} as JSON files" if count else ""


def _files(data: Path) -> Iterator[Path]:
    try:
        for pattern in _JSON_SESSIONS:
            yield from data.glob(pattern)
    except OSError:
        return


def _short(path: Path, home: Path) -> str:
    """A path with a tilde for the home directory."""
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) and path != home else str(path)
