"""A real sshd on loopback with throwaway keys: its own configuration, port and known hosts; nobody else's are read."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LIKELY = ("/usr/sbin/sshd", "/usr/lib/ssh/sshd", "/usr/local/sbin/sshd")
"""Where sshd is, which is in the PATH of few."""
STARTED_S = 10.0
BANNER = "Authorized use only. Passwords expire after 90 days; a timed out session is closed."
"""What companies have ssh say to everybody, with words that sound like other faults."""


class Sshd:
    """The running server. `via` makes a command for `--via`; `config` is for `ssh -F`."""

    def __init__(self, root: Path, program: str, port: int) -> None:
        self.root, self.port = root, port
        self.config = root / "config"
        self.known_hosts = root / "known_hosts"
        self.log = root / "sshd.log"
        for name in ("key", "stranger", "host_key", "other_host_key"):
            made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(root / name)]
            subprocess.run(made, check=True, stdin=subprocess.DEVNULL)
        shutil.copy(root / "key.pub", root / "authorized_keys")
        (root / "banner").write_text(f"{BANNER}\n")
        self.knows("host_key")
        self._configure()
        self._program = program
        self._server: subprocess.Popen[bytes] | None = None

    def knows(self, key: str) -> None:
        """Makes a key the one that the client knows of the host; "" for none."""
        words = (self.root / f"{key}.pub").read_text().split()[:2] if key else []
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {' '.join(words)}\n" if key else "")

    def via(self, *words: str, key: str = "key", options: tuple[str, ...] = ()) -> str:
        """The command that runs a command over there, with this key (`stranger` is one that nobody knows there)."""
        there = " ".join(map(shlex.quote, words))
        return shlex.join(["ssh", "-F", str(self.config), *options, "-i", str(self.root / key), "box", there])

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        log = self.log.open("ab")
        command = [self._program, "-D", "-e", "-f", str(self.root / "sshd_config")]
        self._server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        end = time.monotonic() + STARTED_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self._server.poll() is None, self.log.read_text()
                assert time.monotonic() < end, f"sshd does not answer\n{self.log.read_text()}"
                time.sleep(0.02)

    def stop(self) -> None:
        """Ends it; what it has begun goes on."""
        if self._server is not None:
            self._server.terminate()
            self._server.wait()
            self._server = None

    @property
    def runs(self) -> bool:
        """Whether it answers."""
        return self._server is not None

    def _configure(self) -> None:
        home = {name: str(self.root / "home") for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")}
        server = [
            "ListenAddress 127.0.0.1",
            f"Port {self.port}",
            f"HostKey {self.root / 'host_key'}",
            f"AuthorizedKeysFile {self.root / 'authorized_keys'}",
            f"PidFile {self.root / 'sshd.pid'}",
            f"Banner {self.root / 'banner'}",
            # A directory of tests may lie where others can write.
            "StrictModes no",
            "PubkeyAuthentication yes",
            "PasswordAuthentication yes",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin yes",
            "SetEnv " + " ".join(f"{name}={value}" for name, value in home.items()),
        ]
        (self.root / "home").mkdir()
        (self.root / "sshd_config").write_text("\n".join([*server, ""]))
        client = [
            "Host box",
            "  HostName 127.0.0.1",
            f"  Port {self.port}",
            f"  User {getpass.getuser()}",
            f"  UserKnownHostsFile {self.known_hosts}",
            "  GlobalKnownHostsFile /dev/null",
            "  IdentitiesOnly yes",
            "  IdentityAgent none",
            "  UpdateHostKeys no",
            "  ServerAliveInterval 15",
        ]
        self.config.write_text("\n".join([*client, ""]))


def found() -> str:
    """Where sshd is. Skips the test, loudly, where it cannot be had."""
    if shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        pytest.skip("NOT TESTED: lines over a real ssh. There is no ssh here (apt-get install openssh-client)")
    named = os.environ.get("OPENCODE_VIEWER_SSHD", "")
    for place in (named,) if named else (shutil.which("sshd") or "", *LIKELY):
        if place and os.access(place, os.X_OK):
            return place
    pytest.skip(
        "NOT TESTED: lines over a real sshd. There is none here (apt-get install openssh-server, or name one in "
        "OPENCODE_VIEWER_SSHD)"
    )


@contextmanager
def running(root: Path) -> Iterator[Sshd]:
    """A server that runs for a while. Skips the test where there is none."""
    program = found()
    if os.geteuid() == 0:
        # What starts the service makes it.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    server = Sshd(root, program, port)
    server.start()
    try:
        yield server
    finally:
        server.stop()
