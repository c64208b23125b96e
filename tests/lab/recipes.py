"""Databases by name: a scripted scenario sent as one prompt, or one of the longer drives below."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.lab.config import asking_config
from tests.lab.driver import Lab
from tests.lab.scenarios import SCENARIOS

Recipe = Callable[[Lab], None]
ENDLESS = {"retrylong", "hang", "question", "ask"}
"""Scenarios that do not come to an end as a single prompt; as drives below, or not at all."""


def make(name: str, root: Path, binary: Path | None = None) -> Path:
    """Run one drive or scenario for real under `root`; the path of its database, WAL beside it.

    Raises KeyError for an unknown name, LabError when opencode does not play along.
    """
    if name not in DRIVES and (name not in SCENARIOS or name in ENDLESS):
        raise KeyError(name)
    options: dict[str, Any] = {"config": asking_config} if name == "ask" else {}
    with Lab(root, binary, **options) as lab:
        if name in DRIVES:
            DRIVES[name](lab)
        else:
            with lab.serve():
                lab.prompt(lab.session(), f"lab:{name} please")
        return lab.db


def lifecycle(lab: Lab) -> None:
    """Renamed, archived, reverted, un-reverted, deleted sessions; titles say which is which."""
    with lab.serve():
        made = {}
        for name in (
            "renamed",
            "archived",
            "reverted",
            "unreverted",
            "reverted-on",
            "deleted",
            "deleted-parent",
        ):
            made[name] = session = lab.session(title=f"to be {name}")
            work = "task" if name == "deleted-parent" else "files" if "revert" in name else "plain"
            lab.prompt(session, f"lab:{work} work")
            lab.prompt(session, "lab:plain more")
        lab.api("PATCH", f"/session/{made['renamed']}", {"title": "renamed [bold]now[/bold] 日本語"})
        lab.api("PATCH", f"/session/{made['archived']}", {"time": {"archived": int(time.time() * 1000)}})
        for name in ("reverted", "unreverted", "reverted-on"):
            prompts = user_messages(lab, made[name])
            back_to = prompts[0 if name == "reverted" else -1]
            lab.api("POST", f"/session/{made[name]}/revert", {"messageID": back_to})
        lab.api("POST", f"/session/{made['unreverted']}/unrevert", {})
        lab.prompt(made["reverted-on"], "lab:plain on after the revert")
        lab.api("DELETE", f"/session/{made['deleted']}")
        lab.api("DELETE", f"/session/{made['deleted-parent']}")


def delete_parts(lab: Lab) -> None:
    """One tool part and one message deleted through the API."""
    with lab.serve():
        session = lab.session()
        lab.prompt(session, "lab:tools first")
        lab.prompt(session, "lab:plain second")
        messages = lab.api("GET", f"/session/{session}/message")
        tool = next(part for m in messages for part in m["parts"] if part["type"] == "tool")
        lab.api("DELETE", f"/session/{session}/message/{tool['messageID']}/part/{tool['id']}")
        lab.api("DELETE", f"/session/{session}/message/{messages[-1]['info']['id']}")


def fork(lab: Lab) -> None:
    """A session with a sub-agent, forked as a whole and at its second prompt; the second fork goes on."""
    with lab.serve():
        session = lab.session()
        for text in ("lab:tools first", "lab:task second", "lab:plain third"):
            lab.prompt(session, text)
        second = user_messages(lab, session)[1]
        lab.api("POST", f"/session/{session}/fork", {})
        part = lab.api("POST", f"/session/{session}/fork", {"messageID": second})
        lab.prompt(part["id"], "lab:plain in the fork")


def compact(lab: Lab) -> None:
    """A compaction asked for by a person between two prompts."""
    with lab.serve():
        session = lab.session()
        lab.prompt(session, "lab:tools first")
        lab.api("POST", f"/session/{session}/summarize", {"providerID": "mock", "modelID": "mock-1"})
        lab.wait_idle(session)
        lab.prompt(session, "lab:plain second")


def question(lab: Lab) -> None:
    """A question answered, one rejected, one still open when opencode is killed."""
    with lab.serve(signal.SIGKILL, OPENCODE_ENABLE_QUESTION_TOOL="1"):
        session, asked = waiting(lab, "question", "lab:question answered")
        lab.api("POST", f"/question/{asked}/reply", {"answers": [["Blue"]]})
        lab.wait_idle(session)
        session, asked = waiting(lab, "question", "lab:question rejected")
        lab.api("POST", f"/question/{asked}/reject", {})
        lab.wait_idle(session)
        waiting(lab, "question", "lab:question left open")


def ask(lab: Lab) -> None:
    """A permission given once, one refused, one still open when opencode is killed."""
    with lab.serve(signal.SIGKILL):
        for reply in ("once", "reject"):
            session, asked = waiting(lab, "permission", f"lab:ask {reply}")
            lab.api("POST", f"/permission/{asked}/reply", {"reply": reply})
            lab.wait_idle(session)
        waiting(lab, "permission", "lab:ask left open")


def abort(lab: Lab) -> None:
    """An orderly abort of a running tool, then of a sub-agent's running tool."""
    with lab.serve():
        session = lab.session()
        lab.prompt(session, "lab:slowtool abort me", wait=False)
        lab.wait_tool(session, "running")
        lab.api("POST", f"/session/{session}/abort", {})
        lab.wait_idle(session)
        session = lab.session()
        lab.prompt(session, "lab:taskslow abort me", wait=False)
        child = "select id from session where parent_id = ?"
        lab.wait_for("a sub-agent", lambda: lab.query(child, session))
        lab.wait_tool(lab.query(child, session)[0][0], "running")
        lab.api("POST", f"/session/{session}/abort", {})
        lab.wait_idle(session)


def killed(lab: Lab) -> None:
    """SIGKILL while a tool runs: the rows say running for ever."""
    with lab.serve(signal.SIGKILL):
        session = lab.session()
        lab.prompt(session, "lab:slowtool kill me", wait=False)
        lab.wait_tool(session, "running")


def user_messages(lab: Lab, session: str) -> list[str]:
    """The ids of a session's prompts, oldest first."""
    messages = lab.api("GET", f"/session/{session}/message")
    return [m["info"]["id"] for m in messages if m["info"]["role"] == "user"]


def waiting(lab: Lab, kind: str, prompt: str) -> tuple[str, str]:
    """Send a prompt that ends in an open `question` or `permission`: (session id, request id)."""
    session = lab.session()
    lab.prompt(session, prompt, wait=False)
    found: list[str] = []

    def asked() -> bool:
        found.extend(item["id"] for item in lab.api("GET", f"/{kind}") if item["sessionID"] == session)
        return bool(found)

    lab.wait_for(f"an open {kind}", asked)
    return session, found[0]


DRIVES: dict[str, Recipe] = {
    "lifecycle": lifecycle,
    "delete-parts": delete_parts,
    "fork": fork,
    "compact": compact,
    "question": question,
    "ask": ask,
    "abort": abort,
    "killed": killed,
}
