"""The installed program, as a user starts it, at this end of a line and at the other."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from tests.tui.test_terminal import COMMAND

DEADLINE_S = 60


def viewer(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs it to its end. Fails the test for a traceback, whatever it was about."""
    done = subprocess.run(
        [COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environ},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def script(path: Path, *lines: str) -> str:
    """Writes a program of the shell, and gives the command for `--via` that runs it as if for a container `box`."""
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return shlex.join([str(path), "exec", "-i", "box", "opencode-viewer", "serve"])


def serve(database: Path) -> list[str]:
    """The far end of a database."""
    return [str(COMMAND), "serve", "--db", str(database)]
