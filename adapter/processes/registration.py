"""The process that the service of 2.x says it is: it registers itself for its clients (observed in 0.0.0-next-16350).

`$XDG_STATE_HOME/opencode/service.json`, or `service-<channel>.json`, holds id, version, url, pid and password. Nothing
but the pid is decoded, and the file is closed at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

LIMIT = 65_536
"""Bytes of a registration; a real one has 200."""
FILES = 8
"""Most registrations: one a release channel."""


class _Registered(msgspec.Struct):
    pid: int = 0


_DECODER = msgspec.json.Decoder(_Registered)


def service_pids(env: Mapping[str, str], home: Path) -> frozenset[int]:
    """The processes that are registered, alive or not; none where nothing can be read."""
    base = env.get("XDG_STATE_HOME") or ""
    directory = (Path(base) if base else home / ".local" / "state") / "opencode"
    found: set[int] = set()
    try:
        files = sorted(directory.glob("service*.json"))[:FILES]
    except OSError:
        return frozenset()
    for path in files:
        try:
            if path.is_file() and path.stat().st_size <= LIMIT:
                found.add(_DECODER.decode(path.read_bytes()).pid)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            continue  # being written, or not ours to read
    return frozenset(pid for pid in found if pid > 0)
