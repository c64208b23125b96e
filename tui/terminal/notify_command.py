"""The user's own command for notices (`notify.command`): run without a shell, one at a time, never waited for.

It gets what has happened twice: as JSON on stdin, all of it, and of the heaviest notice as variables
`OPENCODE_VIEWER_*`. Texts from a database come through the sanitiser, and stand in no argument.
"""

from __future__ import annotations

import os
import queue
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

import msgspec

from tui.model.status.notices import Notice, words
from tui.model.store.store import Store
from tui.text import sanitize

PATIENCE_S = 10.0
"""Seconds for the command to end; then it is ended."""
WAITING = 4
"""Notices that wait for the command before them, and are at least five seconds apart: what comes then is not handed
over, which is said."""
TOLD = 20
"""Sessions that are told of in one notice; `count` says how many there are."""
PATH_LIMIT = 4096
"""Longest path, in characters."""
_LOOK_S = 0.05
"""Seconds between two looks whether the command has ended."""
_SAID = 2000
"""Bytes that are kept of what it complains of."""


def facts(notices: Sequence[Notice], store: Store) -> dict[str, Any]:
    """What the command gets: `words` is the notice in a line, `count` the number of sessions, `notices` the sessions,
    the heaviest first. `since` is in µs UTC."""
    return {
        "words": words(notices),
        "count": len(notices),
        "notices": [_one(notice, store) for notice in notices[:TOLD]],
    }


def _one(notice: Notice, store: Store) -> dict[str, Any]:
    source, session_id = notice.session
    session = store.sessions.get(notice.session)
    return {
        "kind": notice.kind,
        "title": notice.title,
        "reason": notice.reason,
        "since": notice.since,
        "session": sanitize.label(session_id),
        "root": sanitize.label(store.links.top(notice.session)[1]),
        "directory": session.cwd if session is not None else "",
        "host": session.host if session is not None else "",
        "agent": session.agent if session is not None else "",
        "model": session.model if session is not None else "",
        "database": sanitize.line(source.partition(":")[2], PATH_LIMIT),
    }


def variables(told: Mapping[str, Any]) -> dict[str, str]:
    """The variables of the heaviest notice."""
    first: dict[str, Any] = {"words": told["words"], "count": told["count"], **told["notices"][0]}
    return {f"OPENCODE_VIEWER_{name.upper()}": str(value) for name, value in first.items()}


class NotifyCommand:
    """Runs a command in a thread of its own. `complain` is called from that thread, in words, when it fails."""

    def __init__(self, command: Sequence[str], complain: Callable[[str], None]) -> None:
        self.command = command
        self._complain = complain
        self._waiting: queue.Queue[dict[str, Any]] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None

    def tell(self, told: dict[str, Any]) -> bool:
        """Hands a notice over, at once; False when too many wait."""
        try:
            self._waiting.put_nowait(told)
        except queue.Full:
            return False
        if self._thread is None:
            # One that still runs when the program ends is left to itself.
            self._thread = threading.Thread(target=self._work, name="notify.command", daemon=True)
            self._thread.start()
        return True

    def _work(self) -> None:
        while True:
            told = self._waiting.get()
            failed = run(self.command, told, os.environb)
            if failed:
                self._complain(f"notify.command: {failed}")
            self._waiting.task_done()


def run(
    command: Sequence[str], told: Mapping[str, Any], environ: Mapping[bytes, bytes], patience_s: float = PATIENCE_S
) -> str:
    """Runs a command on a notice, to its end; what went wrong, in words, "" for nothing. Raises nothing."""
    # Whatever the locale: what is no text for it must not cost the notice.
    ours = {name.encode(): value.encode() for name, value in variables(told).items()}
    name = sanitize.label(os.path.basename(command[0]), 60)
    try:
        process = subprocess.Popen(
            command,
            env={**environ, **ours},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            # Its group is its own: no key of ours reaches it, and it can be ended with what it has started.
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"{name} does not start: {sanitize.label(getattr(error, 'strerror', None) or str(error), 100)}"
    said = _talk(process, msgspec.json.encode(told) + b"\n", time.monotonic() + patience_s)
    if said is None:
        return f"{name} had not ended after {patience_s:g} s, and was ended"
    if process.returncode:
        complaint = sanitize.label(said.decode(errors="replace"), 200)
        return f"{name} ended with status {process.returncode}" + (f": {complaint}" if complaint else "")
    return ""


def _talk(process: subprocess.Popen[bytes], text: bytes, until: float) -> bytes | None:
    """Gives a process its text, and takes what it complains of, until it has ended; None when it had to be ended. What
    it has started and left behind may keep the pipes: only the process itself is waited for."""
    said = b""
    with selectors.DefaultSelector() as pipes:
        for pipe, event in ((process.stdin, selectors.EVENT_WRITE), (process.stderr, selectors.EVENT_READ)):
            os.set_blocking(_open(pipe).fileno(), False)
            pipes.register(_open(pipe), event)
        while True:
            ended = process.poll() is not None
            for key, event in pipes.select(0 if ended else _LOOK_S):
                try:
                    if event & selectors.EVENT_WRITE:
                        text = text[os.write(key.fd, text) :]
                        is_done = not text
                    else:
                        piece = os.read(key.fd, 65_536)
                        said = (said + piece)[:_SAID]
                        is_done = not piece
                except OSError:
                    is_done = True  # nobody reads it
                if is_done:
                    pipes.unregister(key.fileobj)
                    _open(key.fileobj).close()
            if ended or time.monotonic() > until:
                break
            if not pipes.get_map():
                time.sleep(_LOOK_S)
        _open(process.stdin).close()
        _open(process.stderr).close()
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except OSError:
            pass  # it has ended meanwhile
        process.wait()
        return None
    return said


def _open(pipe: Any) -> IO[bytes]:
    """A pipe that was asked for."""
    assert pipe is not None
    return pipe  # type: ignore[no-any-return]
