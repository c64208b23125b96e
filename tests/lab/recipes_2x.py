"""Databases of the 2.x preview by name: what a person does with its sessions, and what happens to its server."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.lab.config_2x import asking_config
from tests.lab.driver_2x import Lab2x
from tests.lab.recipes import ENDLESS
from tests.lab.scenarios import SCENARIOS

Recipe = Callable[[Lab2x], None]


def make(name: str, root: Path, binary: Path | None = None) -> Path:
    """Run one drive or scenario for real under `root`; the path of its database, WAL beside it.

    Raises KeyError for an unknown name, LabError when opencode does not play along.
    """
    if name not in DRIVES and (name not in SCENARIOS or name in ENDLESS):
        raise KeyError(name)
    options: dict[str, Any] = {"config": asking_config} if name == "ask" else {}
    with Lab2x(root, binary, **options) as lab:
        if name in DRIVES:
            DRIVES[name](lab)
        else:
            with lab.serve():
                lab.prompt(lab.session(), f"lab:{name} please")
        return lab.db


def waiting(lab: Lab2x) -> None:
    """Prompts that wait behind a running tool when the server is killed: one that steers, one in the queue."""
    with lab.serve(signal.SIGKILL):
        session = lab.session(title="first")
        lab.prompt(session, "lab:slowtool one", wait=False)
        lab.wait_tool(session, "running")
        lab.prompt(session, "lab:plain two, steers", wait=False)
        lab.prompt(session, "lab:plain three, queued", wait=False, delivery="queue")
        lab.wait_for("two waiting prompts", lambda: pending(lab, session) == 2)


def killed_on(lab: Lab2x) -> None:
    """SIGKILL of the server while a tool and a sub-agent's tool run; the next server goes on with both sessions."""
    with lab.serve(signal.SIGKILL):
        alone, delegates = lab.session(title="alone"), lab.session(title="delegates")
        lab.prompt(alone, "lab:slowtool kill me", wait=False)
        lab.prompt(delegates, "lab:taskslow kill me", wait=False)
        lab.wait_tool(alone, "running")
        lab.wait_tool(lab.child_of(delegates), "running")
    with lab.serve():
        for session in (alone, delegates):
            lab.prompt(session, "lab:plain go on")


def abort(lab: Lab2x) -> None:
    """An orderly interruption of a running tool, then of a sub-agent's running tool; the second session goes on."""
    with lab.serve():
        session = lab.session()
        lab.prompt(session, "lab:slowtool abort me", wait=False)
        lab.wait_tool(session, "running")
        lab.interrupt(session)
        session = lab.session()
        lab.prompt(session, "lab:taskslow abort me", wait=False)
        lab.wait_tool(lab.child_of(session), "running")
        lab.interrupt(session)
        lab.prompt(session, "lab:plain after the abort")


def lifecycle(lab: Lab2x) -> None:
    """Renamed, reverted (staged, cleared, committed, gone on from) and deleted sessions; titles say which is which."""
    with lab.serve():
        made = {}
        for name in ("renamed", "staged", "cleared", "committed", "reverted-on", "deleted", "deleted-parent"):
            made[name] = session = lab.session(title=f"to be {name}")
            work = "task" if name == "deleted-parent" else "files" if name in ("staged", "committed") else "plain"
            lab.prompt(session, f"lab:{work} work")
            lab.prompt(session, "lab:plain more")
        lab.api("POST", f"/session/{made['renamed']}/rename", {"title": "renamed [bold]now[/bold] 日本語"})
        for name in ("staged", "cleared", "committed", "reverted-on"):
            back_to = user_messages(lab, made[name])[0 if name == "staged" else -1]
            lab.api("POST", f"/session/{made[name]}/revert/stage", {"messageID": back_to, "files": True})
        lab.api("POST", f"/session/{made['cleared']}/revert/clear", {})
        lab.api("POST", f"/session/{made['committed']}/revert/commit", {})
        lab.prompt(made["reverted-on"], "lab:plain on after the revert")
        lab.api("DELETE", f"/session/{made['deleted']}")
        lab.api("DELETE", f"/session/{made['deleted-parent']}")


def fork(lab: Lab2x) -> None:
    """A session with a sub-agent, forked as a whole and at its second prompt; the second fork goes on."""
    with lab.serve():
        session = lab.session(title="the source")
        for text in ("lab:tools first", "lab:task second", "lab:plain third"):
            lab.prompt(session, text)
        second = user_messages(lab, session)[1]
        lab.api("POST", f"/session/{session}/fork", {})
        part = lab.api("POST", f"/session/{session}/fork", {"messageID": second})
        lab.prompt(part["id"], "lab:plain in the fork")


def compact(lab: Lab2x) -> None:
    """A compaction asked for by a person between two prompts, and one where there is nothing to compact."""
    with lab.serve():
        session, empty = lab.session(), lab.session()
        lab.prompt(session, "lab:tools first")
        lab.prompt(session, "lab:plain second")
        for one in (session, empty):
            lab.api("POST", f"/session/{one}/compact", {})
            lab.wait_for("the end of a compaction", lambda one=one: compacted(lab, one))
        lab.prompt(session, "lab:plain third")


def question(lab: Lab2x) -> None:
    """A question answered, one dismissed, one still open when the server is killed."""
    with lab.serve(signal.SIGKILL):
        session, asked = asked_for(lab, "form", "lab:question answered")
        lab.api("POST", f"/session/{session}/form/{asked}/reply", {"answer": {"q0": "Blue"}})
        lab.wait_idle(session)
        session, asked = asked_for(lab, "form", "lab:question dismissed")
        lab.api("POST", f"/session/{session}/form/{asked}/cancel", {})
        lab.wait_idle(session)
        asked_for(lab, "form", "lab:question left open")


def ask(lab: Lab2x) -> None:
    """A permission given once, one refused, one still open when the server is killed."""
    with lab.serve(signal.SIGKILL):
        for reply in ("once", "reject"):
            session, asked = asked_for(lab, "permission", f"lab:ask {reply}")
            lab.api("POST", f"/session/{session}/permission/{asked}/reply", {"reply": reply})
            lab.wait_idle(session)
        asked_for(lab, "permission", "lab:ask left open")


def background(lab: Lab2x) -> None:
    """A sub-agent and a command in the background; the end of each wakes its session."""
    woken = "select 1 from session_message where session_id = ? and type = 'synthetic'"
    with lab.serve():
        for name in ("background", "shellback"):
            session = lab.session(title=name)
            lab.prompt(session, f"lab:{name} please", wait=False)
            lab.wait_for("news from the background", lambda s=session: lab.query(woken, s))
            lab.wait_idle(session)


def pending(lab: Lab2x, session: str) -> int:
    """How many prompts of a session wait."""
    return int(lab.query("select count(*) from session_pending where session_id = ?", session)[0][0])


def compacted(lab: Lab2x, session: str) -> bool:
    """Whether a compaction of the session has ended, in whatever way."""
    sql = (
        "select 1 from session_message where session_id = ? and type = 'compaction'"
        " and json_extract(data, '$.status') <> 'running'"
    )
    return bool(lab.query(sql, session))


def user_messages(lab: Lab2x, session: str) -> list[str]:
    """The ids of a session's prompts, oldest first."""
    sql = "select id from session_message where session_id = ? and type = 'user' order by seq"
    return [str(found) for (found,) in lab.query(sql, session)]


def asked_for(lab: Lab2x, kind: str, prompt: str) -> tuple[str, str]:
    """Send a prompt that ends in an open `form` (a question) or `permission`: (session id, request id)."""
    session = lab.session()
    lab.prompt(session, prompt, wait=False)
    found: list[str] = []

    def asked() -> bool:
        found.extend(item["id"] for item in lab.api("GET", f"/session/{session}/{kind}"))
        return bool(found)

    lab.wait_for(f"an open {kind}", asked)
    return session, found[0]


DRIVES: dict[str, Recipe] = {
    "waiting": waiting,
    "killed-on": killed_on,
    "abort": abort,
    "lifecycle": lifecycle,
    "fork": fork,
    "compact": compact,
    "question": question,
    "ask": ask,
    "background": background,
}
