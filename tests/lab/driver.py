"""One throwaway laboratory: a HOME, a git project, the scripted model, and the real opencode between them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from tests.lab import mock_model, opencode_binary
from tests.lab.config import lab_config, project_files
from tests.lab.script import Script

POLL_S = 0.02
START_TIMEOUT_S = 60
END_TIMEOUT_S = 10
NETWORK_FEATURES = ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS", "SHARE")


class LabError(Exception):
    """opencode did not do what the lab asked of it; the message holds what it said."""


class Process(NamedTuple):
    """A running opencode and the file that takes its output."""

    popen: subprocess.Popen[bytes]
    log: IO[bytes]

    def output(self) -> str:
        """What it has printed so far, standard error included."""
        return Path(self.log.name).read_text(encoding="utf-8", errors="replace")


class Lab:
    """A throwaway place to run opencode in; use it as a context manager.

    `root` gets `home/`, `project/` and `tmp/` and is left as it is at the end (`scratch_lab` cleans up).
    `delay` is seconds per streamed word. `config` makes opencode.json from the model's URL.
    """

    release = opencode_binary.V1

    def __init__(
        self,
        root: Path,
        binary: Path | None = None,
        *,
        delay: float = 0.005,
        script: Script | None = None,
        files: Mapping[str, str | bytes] | None = None,
        config: Callable[[str], dict[str, Any]] = lab_config,
        git: bool = True,
    ) -> None:
        self.binary = binary or opencode_binary.find(self.release)
        self.root = root
        self.home = root / "home"
        self.project = root / "project"
        self.data = self.home / ".local/share/opencode"
        self.base_url = ""
        self._processes: list[Process] = []
        for directory in (self.data, self.home / ".config/opencode", self.project, root / "tmp"):
            directory.mkdir(parents=True, exist_ok=True)
        self._make_project(project_files() if files is None else files, git)
        self.model = mock_model.start(script, delay)
        settings = json.dumps(config(self.model.url), indent=1)
        (self.home / ".config/opencode/opencode.json").write_text(settings)

    @property
    def db(self) -> Path:
        """The database that opencode writes (absent until it has started once)."""
        return self.data / "opencode.db"

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """A closed environment: every directory inside `root`, network features off, fixed commit dates."""
        home = str(self.home)
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": home,
            "SHELL": "/bin/sh",
            "TERM": "xterm",
            "LANG": "C.UTF-8",
            "USER": "dev",
            "TMPDIR": str(self.root / "tmp"),
            "XDG_DATA_HOME": f"{home}/.local/share",
            "XDG_CONFIG_HOME": f"{home}/.config",
            "XDG_STATE_HOME": f"{home}/.local/state",
            "XDG_CACHE_HOME": f"{home}/.cache",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        for who in ("AUTHOR", "COMMITTER"):
            environment[f"GIT_{who}_NAME"] = "Dev"
            environment[f"GIT_{who}_EMAIL"] = "dev@localhost"
            environment[f"GIT_{who}_DATE"] = "2026-01-01T00:00:00Z"
        for feature in NETWORK_FEATURES:
            environment[f"OPENCODE_DISABLE_{feature}"] = "1"
        return {**environment, **(extra or {})}

    def _make_project(self, files: Mapping[str, str | bytes], git: bool) -> None:
        for name, content in files.items():
            path = self.project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        if git and not (self.project / ".git").exists():
            for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
                subprocess.run(["git", *arguments], cwd=self.project, env=self.environment(), check=True)

    def spawn(self, *arguments: str, env: Mapping[str, str] | None = None) -> Process:
        """Start opencode in the project with its output in a file; `end` or `close` ends it."""
        log = open(self.root / "tmp" / f"output-{len(self._processes)}.txt", "wb")  # noqa: SIM115
        popen = subprocess.Popen(
            [self.binary, *arguments],
            cwd=self.project,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        process = Process(popen, log)
        self._processes.append(process)
        return process

    def run(self, prompt: str, *arguments: str, timeout: float = 120) -> str:
        """`opencode run PROMPT`, waited for; its output. Raises LabError on a non-zero exit or a timeout."""
        process = self.spawn("run", *arguments, prompt)
        try:
            code: int | str = process.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.end(process, signal.SIGKILL)
            code = f"a timeout after {timeout} s"
        if code != 0:
            raise LabError(f"opencode run {prompt!r} ended with {code}: {process.output()[-500:]}")
        return process.output()

    def end(self, process: Process, sig: signal.Signals = signal.SIGTERM) -> None:
        """Signal opencode (with SIGKILL also the tools it started) and wait for its end."""
        with contextlib.suppress(ProcessLookupError):
            if sig == signal.SIGKILL:
                os.killpg(process.popen.pid, sig)
            else:
                process.popen.send_signal(sig)
        try:
            process.popen.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.popen.pid, signal.SIGKILL)
            process.popen.wait(END_TIMEOUT_S)

    @contextlib.contextmanager
    def serve(self, stop: signal.Signals = signal.SIGTERM, **env: str) -> Iterator[Process]:
        """`opencode serve` on a free port of loopback; `api` and what uses it work inside this block."""
        process = self.spawn("serve", "--hostname", "127.0.0.1", "--port", "0", env=env)
        try:
            self.wait_for("a listening opencode", lambda: self._find_base_url(process), START_TIMEOUT_S)
            yield process
        finally:
            self.end(process, stop)
            self.base_url = ""

    def _find_base_url(self, process: Process) -> bool:
        if process.popen.poll() is not None:
            raise LabError(f"opencode serve ended: {process.output()[-500:]}")
        for line in process.output().splitlines(keepends=True):
            if "listening on " in line and line.endswith("\n"):
                self.base_url = line.split("listening on ")[1].split()[0]
        return bool(self.base_url)

    def headers(self) -> dict[str, str]:
        """What goes with every request."""
        return {"content-type": "application/json"}

    def api(self, method: str, path: str, body: Any = None, timeout: float = 120) -> Any:
        """One request to the running server: its JSON. Raises LabError when the server refuses."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base_url + path, data, self.headers(), method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                raw = response.read()
        except urllib.error.HTTPError as error:
            with error:
                raise LabError(f"{method} {path}: {error.code} {error.read()[:300]!r}") from None
        except OSError as error:
            raise LabError(f"{method} {path}: {error}") from error
        return json.loads(raw) if raw else None

    def session(self, **body: Any) -> str:
        """A new session; its id."""
        return str(self.api("POST", "/session", body)["id"])

    def prompt(self, session: str, text: str, *, wait: bool = True, model: str = "", **more: Any) -> Any:
        """Send a prompt; with `wait` return its last assistant message, else return at once."""
        body = {"parts": [{"type": "text", "text": text}], **more}
        if model:
            provider, name = model.split("/", 1)
            body["model"] = {"providerID": provider, "modelID": name}
        return self.api("POST", f"/session/{session}/{'message' if wait else 'prompt_async'}", body)

    def query(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Rows of the database, read-only; none while it or the table does not exist yet."""
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self.db}?mode=ro", uri=True)) as connection:
                return connection.execute(sql, arguments).fetchall()
        except sqlite3.OperationalError:
            return []

    def wait_for(self, what: str, test: Callable[[], object], timeout: float = 60) -> None:
        """Poll until `test` is true. Raises LabError naming `what` after `timeout` seconds."""
        until = time.monotonic() + timeout
        while not test():
            if time.monotonic() > until:
                raise LabError(f"never seen in {timeout} s: {what}")
            time.sleep(POLL_S)

    def wait_tool(self, session: str, status: str, tool: str = "bash", timeout: float = 60) -> None:
        """Until a call of `tool` in this session has the status (`pending` `running` `completed` `error`)."""
        sql = (
            "select 1 from part where session_id = ? and json_extract(data, '$.tool') = ?"
            " and json_extract(data, '$.state.status') = ?"
        )
        self.wait_for(f"{tool} {status}", lambda: self.query(sql, session, tool, status), timeout)

    def wait_idle(self, session: str, timeout: float = 120) -> None:
        """Until the server reports no work in this session."""
        self.wait_for(f"{session} idle", lambda: session not in self.api("GET", "/session/status"), timeout)

    def close(self) -> None:
        """End everything this lab started."""
        for process in self._processes:
            if process.popen.poll() is None:
                self.end(process, signal.SIGKILL)
            process.log.close()
        self.model.close()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


@contextlib.contextmanager
def scratch_lab(kind: type[Lab] = Lab, **options: Any) -> Iterator[Lab]:
    """A lab in a new temporary directory that is removed at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="opencode-lab-", ignore_cleanup_errors=True) as root,
        kind(Path(root), **options) as lab,
    ):
        yield lab


def copy_database(source: Path, target: Path) -> Path:
    """One consistent file with the WAL folded in, taken while opencode may be writing; returns `target`."""
    target.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=10)) as reader,
        contextlib.closing(sqlite3.connect(target)) as writer,
    ):
        reader.backup(writer)
        writer.execute("pragma journal_mode = delete")
    return target
