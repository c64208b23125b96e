"""Smoke test of an installed wheel, with the standard library and the wheel alone: `python smoke.py OPENCODE-VIEWER`.

Run by the interpreter into which the wheel was installed, from a directory that does not hold the sources.
"""

from __future__ import annotations

import json
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import time
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

KNOWN_TITLE = b"Make the retry test stable"
DEADLINE_S = 60


def run(command: str, *arguments: str) -> str:
    """Output of the command, which has to succeed."""
    done = subprocess.run([command, *arguments], capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, f"{arguments}: exit {done.returncode}: {done.stderr}"
    return done.stdout


def check_headless(command: str, database: Path) -> None:
    """Every command without a screen, on the finished demo."""
    assert "Textual" in run(command, "--version")
    assert "complete" in run(command, "--print-completion", "zsh")
    assert (Path(sys.prefix) / "share" / "man" / "man1" / "opencode-viewer.1").is_file(), "no man page"
    assert "--demo" in run(command, "--help")
    kinds = {json.loads(line)["kind"] for line in run(command, "events", "--db", str(database)).splitlines()}
    assert {"session_started", "turn_finalized", "op_finalized", "payload_ref", "source_progress"} <= kinds, kinds
    tree = json.loads(run(command, "tree", "--json", "--db", str(database)))
    assert any(session["parent_id"] for session in tree["sessions"]), "no sub-agent in the tree"
    sent = subprocess.run(
        [command, "otlp", "--db", str(database)], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert (sent.returncode, sent.stderr.count("\n")) == (2, 1), sent
    assert "opencode-viewer[otlp]" in sent.stderr, sent.stderr
    doctor = json.loads(run(command, "doctor", "--json", "--db", str(database)))
    assert doctor["sources"][0]["state"] == "ok", doctor


def check_screen(command: str) -> None:
    """The app on the demo in a pseudo-terminal: a known title appears, `q` ends it with status 0."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(command, [command, "--demo", "--demo-speed", "20"], {**os.environ, "TERM": "xterm-256color"})
    ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    seen, asked, until = b"", False, time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:  # the other side is closed: the program has ended
                break
        if not asked and all(word in seen for word in KNOWN_TITLE.split()):
            os.write(terminal, b"q")
            asked = True
    assert asked, f"the title never appeared: {seen[-2000:]!r}"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main() -> None:
    """All checks with the command named on the command line."""
    command = sys.argv[1]
    from tui.demo.player import Player

    with tempfile.TemporaryDirectory() as directory:
        player = Player(Path(directory))
        player.prepare()
        player.finish()
        check_headless(command, player.path)
        player.close()
    check_screen(command)
    print(f"smoke test passed on Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
