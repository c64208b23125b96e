"""To which process's terminal one goes for a session: whose shows it, for certain or likely, or why none."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.processes.facts import Ended, Pane, Process, Processes, Role
from tests.tui.model.builders import SOURCE, prompt, session, store_of, turn, turn_end
from tui.model.status.whereabouts import find
from tui.model.store.store import Store

PATH = SOURCE.partition(":")[2]


def process(pid: int, role: Role = "tui", **fields: Any) -> Process:
    """One that was there before the session, in its directory, in a terminal, with the database open."""
    known = {"directory": "/project", "terminal": f"/dev/pts/{pid}", "databases": [PATH], "started": 50.0}
    return Process(pid=pid, role=role, **{**known, **fields})


def client(pid: int, **fields: Any) -> Process:
    return process(pid, "client", databases=[], major=2, **fields)


def service(pid: int, role: Role = "service", **fields: Any) -> Process:
    return process(pid, role, terminal="", directory="/", major=2, **fields)


def stage(*running: Process, **fields: Any) -> Store:
    """A session that has answered, its sub-agent, and what was seen of processes since before."""
    store = store_of(
        *(session("s1", 100, cwd="/project"), prompt("u1", 101), turn("a1", 1, 102, "u1"), turn_end("a1", 1, 105)),
        session("kid", 103, parent_id="s1", root_id="s1", cwd="/project"),
    )
    seen: dict[str, Any] = {
        "looked": 200.0,
        "asked": 200.0,
        "complete": True,
        "since": 60.0,
        "running": list(running),
        **fields,
    }
    store.meet(SOURCE, Processes(**seen))
    return store


def found(store: Store, session_id: str = "s1") -> tuple[int, bool] | str:
    one = find(store, store.sessions[SOURCE, session_id])
    return (one.process.pid, one.certain) if one.process is not None else one.words


def test_the_only_one_that_works_on_the_database_is_certain() -> None:
    assert found(stage(process(1))) == (1, True)
    assert found(stage(process(1)), "kid") == (1, True)


def test_who_was_started_for_the_session_is_it_whatever_else_runs() -> None:
    assert found(stage(process(1), process(2, session_id="s1"), process(3))) == (2, True)
    assert found(stage(process(1), process(2, session_id="s1")), "kid") == (2, True)


def test_who_works_on_it_is_gone_to_before_those_who_resumed_it_beside_him() -> None:
    # A permission that 1.x asks for is only on the screen of the process that asks.
    later = [process(pid, session_id="s1", started=150.0) for pid in (2, 3)]
    assert found(stage(process(1), *later)) == (1, True)


def test_of_two_that_were_started_for_it_the_later_is_likely() -> None:
    assert found(stage(process(1, session_id="s1"), process(2, session_id="s1", started=90.0))) == (2, False)


def test_the_only_one_in_its_directory_is_likely() -> None:
    assert found(stage(process(1), process(2, directory="/elsewhere"), since=150.0)) == (1, False)


def test_several_that_may_have_it_are_named() -> None:
    pane = Pane("/tmp/sock", "%3", "work", 1, "sh", 0)
    words = "2 opencodes may have it: pid 1 (pts/1), pid 2 (tmux work:1.0)"
    assert found(stage(process(1), process(2, pane=pane))) == words


def test_who_is_left_of_two_is_not_gone_to_as_if_it_were_his() -> None:
    gone = Ended(process(2), 150.0)
    words = "one of the 2 opencodes that may work on it ended (pid 2); left: pid 1 (pts/1)"
    assert found(stage(process(1), ended=[gone])) == words


def test_a_client_shows_what_a_service_works_on() -> None:
    assert found(stage(service(1), client(2, session_id="s1"))) == (2, True)
    assert found(stage(service(1), client(2), client(3, directory="/elsewhere"))) == (2, False)


def test_the_client_that_started_its_own_server_shows_it() -> None:
    assert found(stage(service(1, "private", parent=2), client(2, directory="/elsewhere"))) == (2, True)


@pytest.mark.parametrize(
    ("running", "fields", "words"),
    [
        ((), {"looked": 0.0}, "nothing is known of the processes of this database"),
        ((), {}, "nobody works on it: no opencode has the database open"),
        ((service(1, "serve"),), {}, "opencode serve, pid 1, works on it and has no terminal"),
        (
            (client(2, directory="/elsewhere"),),
            {"complete": False, "unknown": "files of \x1b[2Jothers are hidden"},
            "which opencode has it is not known: files of others are hidden",
        ),
    ],
)
def test_where_there_is_none_it_is_said_why(running: tuple[Process, ...], fields: dict[str, Any], words: str) -> None:
    assert found(stage(*running, **fields)) == words


def test_a_store_that_has_seen_no_processes_says_so() -> None:
    store = store_of(session("s1", 100))
    assert found(store) == "nothing is known of the processes of this database"
