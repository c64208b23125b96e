"""Every state, read off rows that real opencode wrote: dumps taken while it ran, or after it was killed, or of a whole
run from which what came later is taken away again."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.adapter import corpus
from tests.adapter.writer_2x import Writer2x, call, step
from tests.tui.model.builders import at
from tui.model.status.state import State, session_state
from tui.model.status.table import ORDER
from tui.model.store.store import Store

MINUTE, HOUR = 60, 3600
SUMMARY = "(SELECT time_created FROM message WHERE json_extract(data, '$.summary') = 1)"
BEFORE_SUMMARY = [f"DELETE FROM message WHERE time_created >= {SUMMARY}"]
DURING_SUMMARY = [
    f"DELETE FROM message WHERE time_created > {SUMMARY}",
    "DELETE FROM part WHERE message_id = (SELECT id FROM message WHERE json_extract(data, '$.summary') = 1)",
    "UPDATE message SET data = json_remove(data, '$.time.completed', '$.finish') "
    "WHERE json_extract(data, '$.summary') = 1",
]
LAST_STEP = "(SELECT id FROM message ORDER BY time_created DESC LIMIT 1)"
REASONING = f"(SELECT id FROM part WHERE message_id = {LAST_STEP} AND json_extract(data, '$.type') = 'reasoning')"
DURING_REASONING = [
    f"DELETE FROM part WHERE message_id = {LAST_STEP} AND id > {REASONING}",
    f"UPDATE part SET data = json_remove(json_set(data, '$.text', ''), '$.time.end') WHERE id = {REASONING}",
    f"UPDATE message SET data = json_remove(data, '$.time.completed', '$.finish') WHERE id = {LAST_STEP}",
]
# What an abort writes (session/processor.ts, observed with 1.18.33): the error, the time, and bash as completed.
ABORTED = [
    f"""UPDATE message SET data = json_set(data, '$.time.completed', time_created + 9000, '$.error',
        json('{{"name": "MessageAbortedError", "data": {{"message": "The operation was aborted."}}}}'))
        WHERE id = {LAST_STEP}""",
    f"""UPDATE part SET data = json_set(data, '$.state.status', 'completed', '$.state.output', 'User aborted',
        '$.state.metadata.exit', null, '$.state.time.end', time_created + 2000)
        WHERE message_id = {LAST_STEP} AND json_extract(data, '$.type') = 'tool'""",
]

TABLE = [
    # scenario; changes to its rows; seconds after the last sign; state; inferred; what the reason says
    ("abort-kill9", [], 9, "writing", False, "the model has been writing for 9s"),
    ("args-kill9", [], 9, "writing", False, "the model has been writing the arguments of write for 9s"),
    ("think", DURING_REASONING, 1, "thinking", False, "the model has been thinking for"),
    ("tool-kill9", [], 9, "tool", False, "bash has run for 9s"),
    ("v2-api.running", [], 9, "tool", True, "bash was called 9s ago: it runs, or waits for permission"),
    ("task-kill9", [], 9, "delegating", False, "sub-agent general: bash has run for"),
    ("question.pending", [], 9, "waiting", False, "question has waited for an answer for 9s"),
    ("ask.pending-once", [], 1, "tool", False, "bash has run for 1s with no output"),
    ("ask.pending-once", [], 9, "permission", True, "bash was called 9s ago and has not begun"),
    ("retry-kill9", [], 9, "starting", False, "the model has not answered for 9s"),
    ("shell", [], 9, "starting", False, "the prompt has had no answer for 9s"),
    ("compact-api", BEFORE_SUMMARY, 9, "compacting", False, "the context is to be compacted, asked for"),
    ("compact-api", DURING_SUMMARY, 9, "compacting", False, "the context has been compacted for"),
    ("v2-api", [], 3, "between", False, "a step ended 3s ago, the next one follows"),
    ("abort-kill9", [], 5 * MINUTE, "stalled", True, "writing for 5m; no commit for 5m"),
    ("tool-kill9", [], 5 * MINUTE, "stalled", True, "bash has run for 5m; no commit for 5m"),
    ("tool-kill9", [], HOUR, "orphaned", True, "no commit for 1h while bash is marked running: opencode was probably"),
    ("task-kill9", [], HOUR, "orphaned", True, "sub-agent general: no commit for"),
    ("question.pending", [], 13 * HOUR, "orphaned", True, "after so long opencode was probably closed"),
    ("tool-int", ABORTED, 9, "aborted", False, "The operation was aborted."),
    ("error400", [], 9, "failed", False, "APIError: mock: the request is bad"),
    ("error401", [], 9, "failed", False, "APIError: mock: no such key"),
    ("length", [], 9, "idle", False, "its answer was cut at the output limit"),
    ("killed-then-on", [], 9, "idle", False, "it answered 9s ago"),
    ("plain", [], 9, "idle", False, "it answered 9s ago"),
    ("plain", ["UPDATE session SET time_archived = time_updated"], 9, "archived", False, "archived"),
]


def state_of(name: str, changes: list[str], seconds: float, path: Path) -> State:
    """The state of the oldest root of a scenario, so long after the last time that its rows name."""
    with sqlite3.connect(corpus.build(f"1.18.33/{name}", path)) as database:
        before = database.total_changes
        for sql in changes:
            database.execute(sql)
        assert not changes or database.total_changes >= before + len(changes)
    database.close()
    events, _ = asyncio.run(corpus.read(path))
    store = Store()
    store.apply(events)
    root = min((one for one in store.sessions.values() if not one.parent_id), key=lambda one: one.start_ts)
    return session_state(store, root, max(one.last_ts for one in store.sessions.values()) + at(seconds))


@pytest.mark.parametrize(("scenario", "changes", "seconds", "name", "inferred", "reason"), TABLE)
def test_the_state_of_rows_that_opencode_wrote(
    scenario: str, changes: list[str], seconds: float, name: str, inferred: bool, reason: str, tmp_path: Path
) -> None:
    state = state_of(scenario, changes, seconds, tmp_path / "opencode.db")
    assert (state.name, state.inferred) == (name, inferred), state.reason
    assert reason in state.reason


T0 = 1_795_000_000_000
"""When everything of 2.x below happens, unix milliseconds."""
CLAIMED = {"time_suspended": T0}
WRITE = call("running", "write", created=T0, ran=T0, input={"path": "a.txt", "content": "a"}, metadata={})
STOPPED = {"type": "aborted", "message": "Step interrupted"}
RETRY = {"attempt": 3, "at": T0 + 60_000, "error": {"type": "api", "message": "overloaded"}}
OF_2X = [
    # the last step; columns of the session; seconds later; state; inferred; what the reason says
    (step(created=T0, retry=RETRY), CLAIMED, 48, "starting", False, "retrying, attempt 3, next in 12s: overloaded"),
    (step(created=T0, retry=RETRY), CLAIMED, 63, "starting", False, "retrying, attempt 3: overloaded"),
    (step(created=T0, retry=RETRY), CLAIMED, HOUR, "orphaned", True, "no commit for 59m while a retry is due"),
    (
        step(created=T0),
        {"idle_outcome": "interrupted"},
        9,
        "aborted",
        False,
        "opencode says that it was interrupted 9s ago",
    ),
    (step(created=T0), {"idle_outcome": "failed"}, 9, "failed", False, "opencode says that it failed 9s ago"),
    (
        step(created=T0, completed=T0, finish="tool-calls"),
        {"idle_outcome": "succeeded"},
        9,
        "idle",
        False,
        "opencode says that it succeeded 9s ago",
    ),
    (step(created=T0), {**CLAIMED, "idle_outcome": "succeeded"}, 9, "starting", False, "has not answered"),
    (step(created=T0, completed=T0, finish="error", error=STOPPED), CLAIMED, 9, "suspended", True, "the next start"),
    (step(created=T0), CLAIMED, 9, "starting", False, "the model has not answered for 9s"),
    (step(WRITE, created=T0), CLAIMED, 9, "tool", True, "write was called 9s ago: it runs, or waits for permission"),
    (step(WRITE, created=T0), CLAIMED, HOUR, "orphaned", True, "it still runs, waits for permission, or its server is"),
    (step(created=T0), {}, 9, "orphaned", False, "no turn is going on"),
]


@pytest.mark.parametrize(("last", "columns", "seconds", "name", "inferred", "reason"), OF_2X)
def test_the_state_of_rows_of_2x(
    last: dict[str, Any],
    columns: dict[str, Any],
    seconds: float,
    name: str,
    inferred: bool,
    reason: str,
    tmp_path: Path,
) -> None:
    path = tmp_path / "opencode.db"
    with Writer2x(path, ms=T0) as opencode:
        session = opencode.session()
        opencode.prompt(session)
        opencode.add(session, "assistant", last)
        if columns:
            opencode.change_session(session, **{"time_idle": T0 if "idle_outcome" in columns else None, **columns})
    events, _ = asyncio.run(corpus.read(path))
    store = Store()
    store.apply(events)
    (only,) = store.sessions.values()
    state = session_state(store, only, T0 * 1000 + at(seconds))
    assert (state.name, state.inferred) == (name, inferred), state.reason
    assert reason in state.reason
    # In 2.x the wait to be sent again stands on the row.
    assert "a retry would leave no trace" not in state.reason


def test_every_state_of_a_session_is_among_them() -> None:
    # What a call or a step alone can be is no state of a session.
    assert {row[3] for row in (*TABLE, *OF_2X)} == set(ORDER) - {"completed", "cancelled", "truncated"}
