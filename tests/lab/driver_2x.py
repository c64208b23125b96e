"""The laboratory with opencode 2.x in it: a server with a password, and all that it is asked below `/api`.

A preview names its database after its channel (`opencode-next.db`). Prompts are taken at once and worked on later, one
after the other; the server says when a session has come to rest, and its own `event` rows say so, too.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.lab import opencode_binary
from tests.lab.config_2x import lab_config
from tests.lab.driver import Lab

PASSWORD = "lab"
ENDS = ("session.execution.succeeded", "session.execution.failed", "session.execution.interrupted")


class Lab2x(Lab):
    """A throwaway place to run the 2.x preview in; the same as `Lab` in everything that is not said here."""

    release = opencode_binary.V2

    def __init__(
        self,
        root: Path,
        binary: Path | None = None,
        *,
        config: Callable[[str], dict[str, Any]] = lab_config,
        **options: Any,
    ) -> None:
        super().__init__(root, binary, config=config, **options)

    @property
    def db(self) -> Path:
        """The database of the preview's channel (absent until a server has started once)."""
        return self.data / "opencode-next.db"

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """That of `Lab`, with the server's password and the working directory, which 2.x takes from PWD."""
        return {**super().environment(extra), "OPENCODE_PASSWORD": PASSWORD, "PWD": str(self.project)}

    def run(self, prompt: str, *arguments: str, timeout: float = 120) -> str:
        """`opencode2 run PROMPT` with a private server, every permission given; its output."""
        return super().run(prompt, "--standalone", "--auto", *arguments, timeout=timeout)

    def headers(self) -> dict[str, str]:
        """Who asks, and for which directory."""
        secret = base64.b64encode(f"opencode:{PASSWORD}".encode()).decode()
        place = {"x-opencode-directory": str(self.project)}
        return {**super().headers(), "authorization": f"Basic {secret}", **place}

    def api(self, method: str, path: str, body: Any = None, timeout: float = 120) -> Any:
        """One request below `/api`: the JSON, without the envelope around a single result."""
        answer = super().api(method, f"/api{path}", body, timeout)
        return answer["data"] if isinstance(answer, dict) and list(answer) == ["data"] else answer

    def session(self, *, title: str = "", model: str = "mock/mock-1", **body: Any) -> str:
        """A new session; its id."""
        provider, name = model.split("/", 1)
        where = {"location": {"directory": str(self.project)}, "agent": "build"}
        made = self.api("POST", "/session", {**where, "model": {"providerID": provider, "id": name}, **body})
        if title:
            self.api("POST", f"/session/{made['id']}/rename", {"title": title})
        return str(made["id"])

    def prompt(self, session: str, text: str, *, wait: bool = True, model: str = "", **more: Any) -> Any:
        """Hand in a prompt (`delivery="queue"`: for when the turn is over, else it steers what goes on); with `wait`
        return when the session has come to rest. The model is the session's."""
        assert not model, "2.x takes the model from the session"
        taken = self.api("POST", f"/session/{session}/prompt", {"text": text, **more})
        if wait:
            self.wait_idle(session)
        return taken

    def interrupt(self, session: str) -> None:
        """What the user does with escape; returns when the session has come to rest."""
        self.api("POST", f"/session/{session}/interrupt", {})
        self.wait_idle(session)

    def wait_tool(self, session: str, status: str, tool: str = "shell", timeout: float = 60) -> None:
        """Until a call of `tool` in this session has the status (`streaming` `running` `completed` `error`)."""
        sql = (
            "select 1 from session_message m, json_each(m.data, '$.content') c"
            " where m.session_id = ? and m.type = 'assistant' and json_extract(c.value, '$.name') = ?"
            " and json_extract(c.value, '$.state.status') = ?"
        )
        self.wait_for(f"{tool} {status}", lambda: self.query(sql, session, tool, status), timeout)

    def wait_idle(self, session: str, timeout: float = 120) -> None:
        """Until the server reports no work in this session and the end of it is in the file."""
        self.api("POST", f"/session/{session}/wait", {}, timeout)
        self.wait_for(f"{session} idle", lambda: self.is_idle(session), timeout)

    def is_idle(self, session: str) -> bool:
        """Whether the newest thing that the file says of this session's work is its end."""
        sql = (
            "select type from event where aggregate_id = ? and type like 'session.execution.%'"
            " order by seq desc limit 1"
        )
        return any(name.startswith(ENDS) for (name,) in self.query(sql, session))

    def child_of(self, session: str) -> str:
        """The id of the first sub-agent of a session; waits for its row."""
        sql = "select id from session where parent_id = ? order by time_created"
        self.wait_for("a sub-agent", lambda: self.query(sql, session))
        return str(self.query(sql, session)[0][0])
