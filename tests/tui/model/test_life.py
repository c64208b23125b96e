"""What follows from the processes of a source: who works on a session, whether he lives, and which state that gives."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from adapter.events import Event
from adapter.processes.facts import NOT_KNOWN, Ended, Process, Processes
from tests.tui.model.builders import SOURCE, at, op, op_end, prompt, session, store_of, task, turn, turn_end
from tui.model.records import ChangeSet, session_key
from tui.model.status.life import runner
from tui.model.status.notices import Notices
from tui.model.status.state import State, own_state, session_state
from tui.model.store.store import Store

PATH = SOURCE.partition(":")[2]
HOME = "/home/ada/app"
MINUTE = 60
RUNS: list[Event] = [
    session(cwd=HOME),
    prompt("u1", 100),
    turn("a1", 1, 101, "u1"),
    op("p1", "a1", "llm", 1, 101),
    op("p2", "a1", "tool", 2, 104, name="bash", tool="bash", running=True),
]
NEW: list[Event] = [session("s1", 100, cwd=HOME), *RUNS[1:]]
ASKS: list[Event] = [*RUNS[:4], op("p2", "a1", "tool", 2, 104, name="question", tool="question")]
THINKS: list[Event] = [*RUNS[:4], op("p2", "a1", "reasoning", 2, 104)]
WAITS: list[Event] = [session(cwd=HOME), prompt("u1", 100)]
BETWEEN: list[Event] = [*RUNS[:4], op_end("p1", "a1", "llm", 1, 104), turn_end("a1", 1, 104, finish="tool-calls")]


def process(pid: int, started: float = 50, **fields: Any) -> Process:
    """An opencode that has the database open."""
    return Process(pid, started, **{"directory": HOME, "role": "tui", "databases": [PATH], "cpu": 0.3, **fields})


def known(*running: Process, ended: list[Ended] | None = None, since: float = 60, looked: float = 106) -> Processes:
    """A look at all of them, the last of many."""
    return Processes(looked, True, "", since, list(running), ended or [], asked=looked)


def told(events: list[Event], processes: Processes) -> Store:
    store = store_of(*events)
    store.meet(SOURCE, processes)
    return store


def state(events: list[Event], processes: Processes, now: float = 107) -> State:
    store = told(events, processes)
    return session_state(store, store.sessions[SOURCE, "s1"], at(now))


def judged(events: list[Event], processes: Processes, now: float = 107) -> tuple[str, bool]:
    found = state(events, processes, now)
    return found.name, found.inferred


@pytest.mark.parametrize(
    "events", [RUNS, ASKS, THINKS, WAITS, BETWEEN], ids=["tool", "question", "model", "prompt", "-"]
)
def test_nobody_has_the_database_open_and_what_runs_is_orphaned_at_once_and_for_certain(events: list[Event]) -> None:
    assert judged(events, NOT_KNOWN)[0] != "orphaned"
    found = state(events, known())
    assert (found.name, found.inferred) == ("orphaned", False)
    assert "no opencode has the database open" in found.reason


def test_since_when_is_the_last_sign_or_the_end_that_was_seen() -> None:
    assert state(RUNS, known()).since == at(104)
    found = state(RUNS, known(ended=[Ended(process(7), 105.5)]))
    assert found.since == at(105.5)
    assert "its opencode (pid 7) ended at" in found.reason


def test_a_question_of_which_the_opencode_was_killed_waits_no_more() -> None:
    found = state(ASKS, known(ended=[Ended(process(7), 105.5)]))
    assert (found.name, found.inferred) == ("orphaned", False)
    assert found.reason.endswith("while a question waits")
    permission = [*RUNS[:4], op("p2", "a1", "tool", 2, 101, name="bash", tool="bash")]
    assert state(permission, known(process(7))).name == "permission"
    assert state(permission, known()).reason.startswith("a call waits for permission, and no opencode has the")


def test_what_is_over_stays_as_it_was() -> None:
    done = [*BETWEEN[:-1], turn_end("a1", 1, 104)]
    assert judged(done, known()) == ("idle", False)


def test_steps_that_ended_long_ago_are_not_called_orphans_because_nobody_is_there_now() -> None:
    assert judged(BETWEEN, known(looked=1000), 1001) == ("idle", True)


def test_an_opencode_that_began_later_cannot_work_on_it() -> None:
    found = state(RUNS, known(process(7, started=110), looked=112), 113)
    assert (found.name, found.inferred) == ("orphaned", False)
    assert "no opencode that was there then is left" in found.reason


def test_a_start_from_before_the_clock_was_set_says_nothing() -> None:
    alive = msgspec.structs.replace(known(process(7, started=110), looked=112), dated=111)
    assert judged(RUNS, alive, 113)[0] == "tool"
    assert judged(RUNS, msgspec.structs.replace(alive, dated=110), 113) == ("orphaned", False)


def test_the_clock_may_have_moved_a_little_since_a_process_began() -> None:
    assert judged(RUNS, known(process(7, started=106)))[0] == "tool"


@pytest.mark.parametrize(
    "why",
    [
        Processes(106, False, "another user", 60, [], []),
        NOT_KNOWN,
        known(looked=99),
        msgspec.structs.replace(known(), asked=99),
        msgspec.structs.replace(known(process(7, started=110), looked=112), asked=99),
    ],
    ids=["not all are seen", "nobody looked", "written since", "not all were asked since", "nor beside a later one"],
)
def test_what_is_not_known_stays_as_it_was(why: Processes) -> None:
    for events, now in ((RUNS, 107), (RUNS, 104 + 6 * MINUTE), (ASKS, 104 + 40 * MINUTE), (WAITS, 104 + 11 * MINUTE)):
        assert state(events, why, now) == state(events, NOT_KNOWN, now)


def test_a_tool_whose_opencode_lives_is_not_doubted_however_long_it_is_silent() -> None:
    alive = known(process(7), looked=104 + 40 * MINUTE)
    assert judged(RUNS, NOT_KNOWN, 104 + 40 * MINUTE) == ("orphaned", True)
    found = state(RUNS, alive, 104 + 40 * MINUTE)
    assert (found.name, found.inferred) == ("tool", False)
    assert found.reason.endswith("silent for 40m, its opencode uses 0.3 % CPU")


def test_a_model_that_is_silent_is_stuck_for_certain_and_never_orphaned_while_its_opencode_lives() -> None:
    now = 104 + 12 * MINUTE
    found = state(THINKS, known(process(7), looked=now), now)
    assert (found.name, found.inferred, found.was) == ("stalled", False, "thinking")
    assert "silent for 12m, its opencode uses 0.3 % CPU" in found.reason


def test_a_model_is_not_stuck_so_soon_while_its_opencode_is_busy() -> None:
    busy = process(7, cpu=40.0)
    assert judged(THINKS, known(busy, looked=104 + 5 * MINUTE), 104 + 5 * MINUTE) == ("thinking", False)
    assert judged(THINKS, known(busy, looked=104 + 11 * MINUTE), 104 + 11 * MINUTE) == ("stalled", False)


def test_a_question_waits_as_long_as_its_opencode_lives() -> None:
    now = 104 + 13 * 60 * MINUTE
    assert judged(ASKS, NOT_KNOWN, now) == ("orphaned", True)
    found = state(ASKS, known(process(7), looked=now), now)
    assert (found.name, found.inferred) == ("waiting", False)
    assert "unless" not in found.reason


def test_who_was_there_before_anybody_looked_is_only_likely() -> None:
    now = 104 + 40 * MINUTE
    late = known(process(7), since=now, looked=now)
    assert state(ASKS, late, now) == state(ASKS, NOT_KNOWN, now)
    store = told(ASKS, late)
    life = runner(store, store.sessions[SOURCE, "s1"])
    assert (life.lives, life.certain, life.process) == (True, False, process(7))


# -- which one of several ----------------------------------------------------------------------------------------

ELSEWHERE: dict[str, Any] = {"directory": "/home/ada/web"}
MAPPING = [
    # who is there; who it is, and whether that is certain
    ("the only one", [process(7)], (7, True)),
    ("the only one, elsewhere, seen while it was written", [process(7, **ELSEWHERE)], (7, True)),
    ("named by -s, the other elsewhere", [process(7, session_id="s1"), process(8, **ELSEWHERE)], (7, True)),
    ("named by -s, the other in its directory", [process(7, session_id="s1"), process(8)], (7, False)),
    ("named by -s, beside a server", [process(7, session_id="s1"), process(8, role="serve", **ELSEWHERE)], (7, False)),
    ("named twice", [process(7, session_id="s1"), process(8, session_id="s1")], (None, False)),
    ("by its directory", [process(7), process(8, **ELSEWHERE)], (7, False)),
    ("two in one directory", [process(7), process(8)], (None, False)),
    ("two elsewhere", [process(7, **ELSEWHERE), process(8, **ELSEWHERE)], (None, False)),
    ("beside a run of another session", [process(7), process(8, role="run", session_id="s9")], (7, True)),
    ("beside a run elsewhere", [process(7), process(8, role="run", **ELSEWHERE)], (7, True)),
    ("beside a run that began later than the session", [process(7), process(8, 20, role="run")], (7, True)),
    ("beside a run that goes on with the newest", [process(7), process(8, role="run", continues=True)], (None, False)),
    ("a server", [process(7, role="serve", **ELSEWHERE), process(8, **ELSEWHERE)], (7, False)),
    ("a client has nothing open", [process(7, role="service"), process(8, role="client", databases=[])], (7, True)),
    ("beside one that began later", [process(7), process(8, 120)], (7, True)),
    ("beside one with another database", [process(7), process(8, databases=["/tmp/other.db"])], (7, True)),
]


@pytest.mark.parametrize(("running", "expected"), [row[1:] for row in MAPPING], ids=[str(row[0]) for row in MAPPING])
def test_a_session_to_its_process(running: list[Process], expected: tuple[int | None, bool]) -> None:
    # The session was made at 1: only a run that names it, or one that was there before, can have it.
    store = told(RUNS, known(*running))
    life = runner(store, store.sessions[SOURCE, "s1"])
    assert (life.process.pid if life.process else None, life.process is not None and life.certain) == expected


def test_one_of_two_in_different_directories_is_killed() -> None:
    gone = Ended(process(7), 105.0)
    other = process(8, **ELSEWHERE)
    assert judged(RUNS, known(other, ended=[gone])) == ("orphaned", True)
    named = Ended(process(7, session_id="s1"), 105.0)
    assert judged(RUNS, known(other, ended=[named])) == ("orphaned", False)


def test_one_of_two_in_one_directory_is_killed_and_it_is_said_that_it_may_be_either() -> None:
    both = known(process(8), ended=[Ended(process(7), 105.0)])
    for events in (RUNS, ASKS):
        found = state(events, both)
        assert (found.name, found.inferred) == (state(events, NOT_KNOWN).name, True)
        assert "one of the 2 opencodes that may work on it ended (pid 7) at" in found.reason
    # What is written after that is the other's.
    on = [*RUNS, op_end("p2", "a1", "tool", 2, 108), op("p3", "a1", "tool", 3, 109, name="bash", running=True)]
    both = known(process(8), ended=[Ended(process(7), 105.0)], looked=110)
    store = told(on, both)
    life = runner(store, store.sessions[SOURCE, "s1"])
    assert (life.process, life.certain) == (process(8), True)


def test_both_of_two_are_killed() -> None:
    gone = [Ended(process(7), 105.0), Ended(process(8), 106.0)]
    found = state(RUNS, known(ended=gone))
    assert (found.name, found.inferred, found.since) == ("orphaned", False, at(106))
    assert "the last of 2 opencodes that may have worked on it (pid 8) ended at" in found.reason


def test_two_that_live_and_were_seen_all_the_time_are_as_good_as_one() -> None:
    now = 104 + 40 * MINUTE
    both = [process(7), process(8)]
    assert judged(RUNS, known(*both, looked=now), now) == ("tool", False)
    assert judged(RUNS, known(*both, looked=now, since=now), now) == ("orphaned", True)


def test_what_was_seen_to_end_stays_certain_after_a_time_without_looks() -> None:
    ended = [Ended(process(7), 105.0)]
    assert judged(RUNS, known(process(8, 300), ended=ended, since=310, looked=320), 321) == ("orphaned", False)


def test_a_sub_agent_lives_and_dies_with_the_process_of_its_parent() -> None:
    events = [
        *RUNS[:4],
        *task("p2", "a1", "s2", 2, ts=104),
        session("s2", 104, parent_id="s1", root_id="s1", cwd=HOME),
        prompt("u2", 104, session_id="s2"),
        turn("a2", 1, 105, "u2", session_id="s2"),
        op("p9", "a2", "tool", 1, 106, session_id="s2", name="bash", running=True),
    ]
    named = [process(7, session_id="s1"), process(8, **ELSEWHERE)]
    store = told(events, known(*named, looked=107))
    child = store.sessions[SOURCE, "s2"]
    assert runner(store, child).process == named[0]
    store.meet(SOURCE, known(named[1], ended=[Ended(named[0], 107.0)], looked=107))
    for one in (child, store.sessions[SOURCE, "s1"]):
        assert session_state(store, one, at(108)).name == "orphaned"


def test_a_service_that_began_later_may_go_on_with_what_is_claimed() -> None:
    claimed = {"claimed": True, "claimed_ts": at(100), "resume_attempts": 1}
    events = [session(cwd=HOME, extras=claimed), prompt("u1", 100), turn("a1", 1, 101, "u1"), turn_end("a1", 1, 102)]
    later = process(7, 110, role="service")
    assert judged(events, known(later, looked=112), 113) == ("between", False)
    assert judged(events, known(looked=112), 113) == ("orphaned", False)


@pytest.mark.parametrize(("started", "is_news"), [(103, True), (105, False)])
def test_what_was_left_behind_before_we_began_is_no_news(started: float, is_news: bool) -> None:
    store = store_of(*RUNS)
    notices = Notices(store, at(started))
    notices.update(ChangeSet(roots={(SOURCE, "s1")}, dirty=set()), at(106))
    notices.update(store.meet(SOURCE, known()), at(107))
    assert bool(notices.ended) == is_news


def test_what_is_open_is_judged_again_when_the_processes_are_others() -> None:
    store = store_of(*RUNS)
    assert store.meet(SOURCE, NOT_KNOWN).dirty == set()
    changes = store.meet(SOURCE, known(process(7)))
    assert session_key(store.sessions[SOURCE, "s1"]) in changes.dirty
    assert {key.kind for key in changes.dirty} == {"session", "prompt", "turn", "op"}
    done = store_of(*[*BETWEEN[:-1], turn_end("a1", 1, 104)])
    assert done.meet(SOURCE, known(process(7))).dirty == set()
    assert own_state(done, done.sessions[SOURCE, "s1"], at(107)) is not None


def test_one_that_went_in_another_directory_casts_no_doubt_while_others_are_left_in_this() -> None:
    elsewhere = Ended(process(9, directory="/home/ada/else"), 105.5)
    assert judged(RUNS, known(process(7), process(8), ended=[elsewhere])) == ("tool", False)
    assert judged(RUNS, known(process(7), process(8), ended=[Ended(process(9), 105.5)])) == ("tool", True)


def test_a_client_that_has_the_database_open_is_somebody() -> None:
    assert judged(RUNS, known(process(7, role="client")))[0] == "tool"
    assert judged(RUNS, known(process(7, role="launcher")))[0] == "tool"
    assert judged(RUNS, known(process(7, role="client", databases=[]))) == ("orphaned", False)


def test_a_session_that_its_opencode_has_left_is_told_once_and_by_silence_alone_never() -> None:
    store = told(RUNS, known(process(7)))
    notices = Notices(store, at(60))
    everything = ChangeSet({(SOURCE, "s1")}, set())
    notices.update(everything, at(105))
    store.meet(SOURCE, known(ended=[Ended(process(7), 105.5)]))
    notices.update(everything, at(107))
    assert [(one.kind, one.session) for one in notices.due(at(107))] == [("died", (SOURCE, "s1"))]
    notices.update(everything, at(117))
    assert notices.due(at(127)) == []
    silent = told(RUNS, NOT_KNOWN)
    notices = Notices(silent, at(60))
    notices.update(everything, at(105))
    notices.update(everything, at(104 + 3600))
    assert session_state(silent, silent.sessions[SOURCE, "s1"], at(104 + 3600)).name == "orphaned"
    assert [one.kind for one in notices.due(at(104 + 3600))] == []


def test_a_fork_of_a_session_that_is_named_is_another_session() -> None:
    forks = process(7, 98, role="run", session_id="old", arguments=["run", "-s", "old", "--fork"])
    store = told(NEW, known(forks, process(8, 50, directory="/else")))
    whose = runner(store, store.sessions[SOURCE, "s1"]).process
    assert whose is not None
    assert whose.pid == 7
    killed = known(process(8, 50, directory="/else"), ended=[Ended(forks, 105.5)])
    assert judged(NEW, killed) == ("orphaned", True)


def test_who_was_started_a_moment_before_a_session_began_is_likely() -> None:
    began, other = process(7, 97), process(8, 50)
    store = told(NEW, known(began, other))
    life = runner(store, store.sessions[SOURCE, "s1"])
    assert (life.process, life.certain) == (began, False)
    # The private server of a client that was killed, beside a service of the same user.
    private = process(9, 97, role="private")
    service = process(8, 50, role="service", directory="/home/ada")
    assert judged(NEW, known(service, ended=[Ended(private, 105.5)])) == ("orphaned", True)
    early = process(9, 60, role="private")
    assert judged(NEW, known(service, ended=[Ended(early, 105.5)])) == ("tool", True)


def test_where_nobody_is_open_in_its_directory_there_is_doubt() -> None:
    elsewhere = process(7, directory="/else")
    found = state(ASKS, known(elsewhere, process(8, directory="/there"), since=120))
    assert (found.name, found.inferred) == ("waiting", True)
    assert found.reason.endswith("; no opencode is open in its directory")
    assert judged(ASKS, known(elsewhere, process(8), since=120)) == ("waiting", False)


def test_a_notice_that_waits_is_not_lost_by_another_look_at_what_is_as_it_was() -> None:
    store = told(RUNS, known(process(7)))
    notices = Notices(store, at(60))
    everything = ChangeSet({(SOURCE, "s1")}, set())
    notices.update(everything, at(105))
    store.meet(SOURCE, known(ended=[Ended(process(7), 105.5)]))
    notices.update(everything, at(107))
    notices.update(everything, at(108))
    notices.tick(at(109))
    notices.update(everything, at(110))
    assert [one.kind for one in notices.due(at(120))] == ["died"]
    store = told(RUNS, known(process(7)))
    notices = Notices(store, at(60))
    notices.update(everything, at(105))
    store.apply([op_end("p2", "a1", "tool", 2, 106), turn_end("a1", 1, 106)])
    for seconds in (107, 108, 109):
        notices.update(everything, at(seconds))
    assert [one.kind for one in notices.due(at(120))] == ["finished"]
    store.apply([prompt("u2", 121)])
    notices.update(everything, at(121))
    assert notices.due(at(140)) == []
