"""Every recorded database of the 2.x preview, field by field: what the adapter and the model make of it against a plain
reading of its rows (`reference_2x.py`), and by hand for those that tell most."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from adapter.events import LogEntry, SourceError, TurnFinalized
from adapter.health import Health
from tests.adapter import corpus, reference_2x
from tests.adapter.reference_2x import NO_TOKENS, Session, Tokens
from tests.adapter.seen_2x import Seen
from tests.lab.scenarios import SUMMARY, expected
from tui.model.status.at_work import State
from tui.model.status.state import session_state
from tui.model.status.table import ACTIVE, WAITING
from tui.model.status.thresholds import MINUTE
from tui.model.sums.rollup import subtree

every_dump = pytest.mark.parametrize("name", [name.split("/")[1] for name in corpus.NAMES_2X])


class Both(NamedTuple):
    """A database by a plain reading and as it is shown."""

    rows: dict[str, Session]
    shown: dict[str, Session]
    seen: Seen


@cache
def both(name: str) -> Both:
    """Reads a dump of the preview in both ways. Not to be called while an event loop runs."""
    with tempfile.TemporaryDirectory() as directory:
        path = corpus.build(f"{corpus.PREVIEW}/{name}", Path(directory) / "opencode-next.db")
        seen = asyncio.run(Seen.of(path))
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return Both(reference_2x.read(connection), seen.sessions(), seen)


def pairs(name: str) -> list[tuple[Session, Session]]:
    """(by its rows, as it is shown) of each session."""
    rows, shown, _ = both(name)
    assert rows
    assert rows.keys() == shown.keys()
    return [(rows[key], shown[key]) for key in rows]


def health(name: str) -> Health:
    return corpus.load(f"{corpus.PREVIEW}/{name}").health


# -- everything, by the plain reading


@every_dump
def test_is_read_without_a_complaint_and_without_a_trace(name: str) -> None:
    loaded = corpus.load(f"{corpus.PREVIEW}/{name}")
    loud = [e for e in loaded.of(LogEntry) if e.severity in ("WRN", "ERR")]
    assert (loaded.of(SourceError), loud, loaded.health.warnings, loaded.health.state) == ([], [], {}, "ok")
    assert loaded.before == loaded.after


@every_dump
def test_a_session_is_what_its_row_says(name: str) -> None:
    for row, shown in pairs(name):
        for field in ("parent", "title", "directory", "version", "fork_of", "revert_to"):
            assert getattr(shown, field) == getattr(row, field), field


@every_dump
def test_a_session_cost_what_its_columns_say(name: str) -> None:
    for row, shown in pairs(name):
        assert (shown.tokens, shown.cost) == (row.tokens, pytest.approx(row.cost))


@every_dump
def test_every_prompt_is_there_in_order_and_word_for_word(name: str) -> None:
    for row, shown in pairs(name):
        assert [(p.id, p.synthetic) for p in shown.prompts] == [(p.id, p.synthetic) for p in row.prompts]
        words = {prompt.id: prompt.text for prompt in shown.prompts}
        assert {p.id: words[p.id] for p in row.prompts if p.text is not None} == {
            p.id: p.text for p in row.prompts if p.text is not None
        }


@every_dump
def test_every_step_is_there_in_order_with_its_end_and_what_it_used(name: str) -> None:
    for row, shown in pairs(name):
        assert [(s.id, s.kind) for s in shown.steps] == [(s.id, s.kind) for s in row.steps]
        for wanted, found in zip(row.steps, shown.steps, strict=True):
            for field in ("status", "agent", "model", "provider", "finish", "error", "tokens", "cost"):
                if field == "error" and (wanted.status, wanted.finish) == ("aborted", ""):
                    # A server that died leaves no words; ours say so.
                    assert "nobody knows when" in found.error
                    continue
                assert getattr(found, field) == getattr(wanted, field), (wanted.id, field)


@every_dump
def test_a_step_answers_the_prompt_before_it(name: str) -> None:
    for row, shown in pairs(name):
        assert shown.answered_by == row.answered_by


@every_dump
def test_texts_and_thoughts_are_word_for_word_those_of_the_row(name: str) -> None:
    for row, shown in pairs(name):
        for wanted, found in zip(row.steps, shown.steps, strict=True):
            if wanted.texts is not None:
                assert found.texts == wanted.texts, wanted.id


@every_dump
def test_a_call_has_its_input_its_output_its_error_and_its_sub_agent(name: str) -> None:
    for row, shown in pairs(name):
        for wanted, found in zip(row.steps, shown.steps, strict=True):
            if wanted.calls is not None:
                assert found.calls == wanted.calls, wanted.id


@every_dump
def test_every_sub_agent_hangs_under_a_call(name: str) -> None:
    """`upgrade.before` and what was upgraded from 1.18 included: there, too, each was called by a step."""
    store = both(name).seen.store
    for session in store.sessions.values():
        if session.parent_id and session.kind != "fork":
            assert store.task_op_of(session) is not None, session.id


@every_dump
def test_prompts_that_wait_are_shown_as_waiting(name: str) -> None:
    for row, shown in pairs(name):
        assert shown.waits == row.waits


@every_dump
def test_a_session_that_will_go_on_by_itself_is_known(name: str) -> None:
    for row, shown in pairs(name):
        assert shown.suspended == row.suspended


@every_dump
def test_health_counts_the_rows_that_are_there(name: str) -> None:
    for table in ("session", "message", "part", "session_message"):
        ((count,),) = corpus.table(f"{corpus.PREVIEW}/{name}", f"SELECT count(*) FROM {table}")
        assert health(name).counts[f"{table}s"] == count
    versions = corpus.table(f"{corpus.PREVIEW}/{name}", "SELECT DISTINCT version FROM session")
    assert set(health(name).versions) == {version for (version,) in versions}
    assert (health(name).migration_table, health(name).migration_count) == (
        "migration",
        38 if name == "upgrade.before" else 55,
    )


def test_the_corpus_holds_what_the_tests_are_about() -> None:
    """A plain reading that finds nothing would agree with everything."""
    sessions = [s for name in corpus.NAMES_2X for s in both(name.split("/")[1]).rows.values()]
    steps = [step for session in sessions for step in session.steps if step.kind == "assistant"]
    calls = [call for step in steps for call in step.calls or ()]
    assert {step.status for step in steps} == {"running", "completed", "failed", "aborted"}
    assert {call.status for call in calls} == {"running", "completed", "failed", "cancelled"}
    assert {step.kind for session in sessions for step in session.steps} == {"assistant", "shell", "compaction"}
    assert len(steps) > 200
    assert sum(bool(call.child) for call in calls) > 15
    assert sum(call.status == "running" and bool(call.child) for call in calls) >= 2
    assert sum(len(session.waits) for session in sessions) == 3
    assert sum(session.suspended for session in sessions) >= 2
    assert sum(bool(session.revert_to) for session in sessions) >= 2
    assert any(prompt.synthetic for session in sessions for prompt in session.prompts)


# -- states


def newest_end(name: str) -> dict[str, str]:
    """What the newest `session.execution` row says of each session: started, succeeded, failed or interrupted."""
    sql = "SELECT aggregate_id, type FROM event WHERE type LIKE 'session.execution.%' ORDER BY aggregate_id, seq"
    found = corpus.table(f"{corpus.PREVIEW}/{name}", sql)
    return {str(session): str(kind).split(".")[2] for session, kind in found}


def state(name: str, session: Session, later_us: int = 1_000_000) -> State:
    """What is said of a session so long after the last thing that it or anything below it wrote."""
    store = both(name).seen.store
    found = next(one for one in store.sessions.values() if one.id == session.id)
    return session_state(store, found, subtree(store, found).last_ts + later_us)


STATES = {"succeeded": {"idle"}, "failed": {"failed"}, "interrupted": {"aborted"}, "started": ACTIVE}
WORKED_ON_BESIDE = {"shell.running", "background.shell-running", "background.child-running"}
"""A command of the user runs, one in the background, and a sub-agent there: for none is an execution of it going on."""


@every_dump
def test_a_state_is_what_opencode_wrote_about_its_work(name: str) -> None:
    ends = newest_end(name)
    for row, _ in pairs(name):
        if row.id not in ends or row.suspended or name in WORKED_ON_BESIDE or not row.prompts:
            continue
        assert state(name, row).name in STATES[ends[row.id]], (row.title, ends[row.id], state(name, row))
        if ends[row.id] == "started":
            # Nobody closes the rows of a server that was killed.
            assert state(name, row, 7 * 24 * 60 * MINUTE).name == "orphaned", row.title
        else:
            assert state(name, row, 7 * 24 * 60 * MINUTE).name == state(name, row).name, row.title


@pytest.mark.parametrize(
    ("name", "title", "which", "wanted"),
    [
        ("shell.running", "New session", 0, "tool"),
        ("background.shell-running", "Lab shellback", 0, "tool"),
        ("background.shell-running", "Lab background", 0, "idle"),
        ("background.child-running", "Lab background", 0, "delegating"),
        ("background.child-running", "Work aside", 0, "tool"),
        ("background", "Lab shellback", 0, "idle"),
        ("service-resume.suspended", "to be resumed", 0, "suspended"),
        ("service-resume.resumed", "to be resumed", 0, "between"),
        ("service-client", "New session", 0, "aborted"),
        ("service-client", "New session", 1, "suspended"),
        ("crash", "slowtool", 0, "tool"),
        ("crash", "taskslow", 0, "delegating"),
        ("crash", "retrylong", 0, "starting"),
        ("crash", "long", 0, "writing"),
        ("crash-args", "silent", 0, "writing"),
        ("crash-args", "arguments", 0, "writing"),
        ("question", "New session", 0, "aborted"),
        ("question", "New session", 1, "waiting"),
        ("retry-end", "New session", 0, "failed"),
        ("cut", "New session", 0, "failed"),
        ("overflow", "New session", 0, "failed"),
        ("error400", "New session", 0, "failed"),
        # There was nothing to compact; opencode says that it succeeded in finding that out.
        ("compact-api", "New session", 0, "idle"),
        ("lifecycle.reverted", "Lab files", 0, "idle"),
        ("upgrade", "Lab plain", 0, "idle"),
        ("upgrade", "Lab task", 0, "idle"),
    ],
)
def test_what_is_said_of_a_session_a_second_after_its_last_row(name: str, title: str, which: int, wanted: str) -> None:
    assert state(name, titled(name, title, which)).name == wanted


@pytest.mark.parametrize("name", ["ask.pending-once", "ask.pending-reject", "ask.pending-child"])
def test_a_running_call_may_wait_for_a_permission_and_no_bell_rings(name: str) -> None:
    """2.x writes nothing between the call and its end, so the words name both and nobody is called."""
    running = [row for row, _ in pairs(name) if newest_end(name)[row.id] == "started"]
    assert running
    for row in running:
        found = state(name, row, 5 * MINUTE)
        assert found.name not in WAITING
        assert "permission" in found.reason
        assert "no output" not in found.reason


# -- by hand: the numbers follow from the script (see tests/lab/scenarios.py), the words are opencode's


def titled(name: str, title: str, which: int = 0) -> Session:
    """The session whose title begins with these words, as it is shown; of several the which-th."""
    found = [shown for _, shown in pairs(name) if shown.title.startswith(title)]
    return found[which]


def steps(session: Session) -> list[tuple[str, str, str]]:
    """(kind, status, finish) of each step."""
    return [(step.kind, step.status, step.finish) for step in session.steps]


def calls(session: Session) -> list[tuple[str, str, str]]:
    """(name, status, error) of each call."""
    return [(call.name, call.status, call.error) for step in session.steps for call in step.calls or ()]


def words(session: Session) -> list[str | None]:
    return [prompt.text for prompt in session.prompts]


def reported(*scenarios: str, own: Tokens = NO_TOKENS) -> Tokens:
    """What the model said that these scenarios used, with requests of opencode's own."""
    rows = [row for scenario in scenarios for row in expected(scenario)]
    sums = (sum(row[key] for row in rows) for key in ("uncached_input", "visible_output", "reasoning", "cached"))
    return Tokens(*(a + b for a, b in zip((*sums, 0), own, strict=True)))


TITLE, COMPACTION = Tokens(200, 8), Tokens(900, 40)
SLOWTOOL = Tokens(20700, 45, 5, 2300)
"""Its first step only: the second is never asked for."""
ENDS_WITH_TOOLS, DONE = ("assistant", "completed", "tool-calls"), ("assistant", "completed", "stop")
STOPPED = ("assistant", "aborted", "error")


def test_two_prompts_wait_behind_a_command_of_a_server_that_was_killed() -> None:
    session = titled("queue-kill9.killed", "first")
    assert words(session) == ["lab:slowtool one"]
    assert steps(session) == [("assistant", "running", "")]
    assert calls(session) == [("shell", "running", "")]
    assert [(waits.text, waits.delivery) for waits in session.waits] == [
        ("lab:plain two, steers", "steer"),
        ("lab:plain three, queued", "queue"),
    ]
    assert (session.tokens, session.cost) == (NO_TOKENS, 0.0)


def test_the_next_server_takes_them_up_and_closes_the_dead_step() -> None:
    session = titled("queue-kill9", "first")
    assert words(session) == [
        "lab:slowtool one",
        "lab:plain two, steers",
        "lab:plain four, after the kill",
        "lab:plain three, queued",
    ]
    assert session.waits == []
    assert steps(session) == [("assistant", "aborted", ""), DONE, DONE]
    assert calls(session) == [("shell", "cancelled", "Tool execution interrupted: shell")]
    dead, following = session.steps[:2]
    assert (dead.tokens, dead.cost) == (NO_TOKENS, 0.0)
    # Its `completed` is the moment at which the next step began; when it really ended nobody knows.
    ends = {e.message_id: e.end_ts for e in corpus.load(f"{corpus.PREVIEW}/queue-kill9").of(TurnFinalized)}
    began = both("queue-kill9").seen.started[following.id].ts
    assert ends[dead.id] < began
    # The title was asked for by the first turn and died with it.
    assert session.tokens == reported("plain", "plain")
    assert session.cost == pytest.approx(2 * 0.00348)


@pytest.mark.parametrize(
    ("name", "prompt", "end", "used"),
    [
        ("abort-int", '"lab:long abort me"', [], NO_TOKENS),
        ("abort-kill9", '"lab:long kill me"', [], NO_TOKENS),
        ("tool-kill9", '"lab:slowtool kill me"', [("shell", "cancelled", "Tool execution interrupted")], SLOWTOOL),
    ],
)
def test_a_client_that_went_away_closed_its_step(
    name: str, prompt: str, end: list[tuple[str, str, str]], used: Tokens
) -> None:
    ((_, session),) = pairs(name)
    assert words(session) == [prompt]
    assert steps(session) == [STOPPED]
    assert session.steps[0].error == "Step interrupted"
    assert calls(session) == end
    assert (session.tokens, session.steps[0].tokens) == (used, used)
    assert state(name, session).name == "aborted"
    if not end:
        # What the model had written until then.
        kinds = [kind for kind, _ in session.steps[0].texts or ()]
        assert kinds == ["reasoning", "text"]


def test_a_stopped_sub_agent_stays_under_its_call() -> None:
    parent, child = titled("task-kill9", "New session"), titled("task-kill9", "Slow work")
    (call,) = parent.steps[0].calls or ()
    assert (call.name, call.status, call.child) == ("subagent", "cancelled", child.id)
    assert child.parent == parent.id
    assert calls(child) == [("shell", "cancelled", "Tool execution interrupted")]
    assert [state("task-kill9", one).name for one in (parent, child)] == ["aborted", "aborted"]


def test_a_session_goes_on_after_its_client_was_killed() -> None:
    ((_, session),) = pairs("killed-then-on")
    assert words(session) == ['"lab:slowtool kill me"', '"lab:plain go on"']
    assert steps(session) == [STOPPED, DONE]
    assert session.tokens == Tokens(21600, 90, 10, 2400)
    assert session.cost == pytest.approx(0.06354 + 0.00348)
    assert state("killed-then-on", session).name == "idle"


def test_a_server_that_was_stopped_in_order_goes_on_by_itself() -> None:
    suspended = titled("service-resume.suspended", "to be resumed")
    assert suspended.suspended
    assert steps(suspended) == [STOPPED]
    resumed = titled("service-resume.resumed", "to be resumed")
    assert not resumed.suspended
    assert state("service-resume.resumed", resumed).name in ACTIVE
    after = titled("service-resume", "Lab slowtool")
    assert words(after) == ["lab:slowtool one"], "without a prompt of its own"
    assert steps(after) == [STOPPED, DONE]
    assert set(after.answered_by.values()) == {after.prompts[0].id}
    assert after.tokens == Tokens(20700 + 20800 + 200, 45 + 46 + 8, 10, 2300 + 2300)


def test_a_sub_agent_in_the_background_outlives_its_call() -> None:
    parent, child = titled("background.child-running", "Lab background"), titled("background.child-running", "Work")
    (call,) = [call for step in parent.steps for call in step.calls or ()]
    assert (call.name, call.status, call.child) == ("subagent", "completed", child.id)
    assert steps(parent) == [ENDS_WITH_TOOLS, DONE]
    assert calls(child) == [("shell", "running", "")]
    assert state("background.child-running", child).name in ACTIVE
    # Title and steps are in the columns of the parent, nothing of the child.
    assert parent.tokens == reported("background", own=TITLE)
    assert (child.tokens, child.cost) == (NO_TOKENS, 0.0)


def test_the_end_in_the_background_is_a_notice_and_no_prompt_of_the_user() -> None:
    parent, command = titled("background", "Lab background"), titled("background", "Lab shellback")
    for session, begin in ((parent, "<subagent id="), (command, "<shell id=")):
        asked, notice = session.prompts
        assert (asked.synthetic, notice.synthetic) == (False, True)
        assert (notice.text or "").startswith(begin)
        assert steps(session) == [ENDS_WITH_TOOLS, DONE, DONE]
        assert session.answered_by[session.steps[2].id] == notice.id
    (call,) = [call for step in command.steps for call in step.calls or ()]
    assert (call.name, call.status, call.output[0]) == (
        "shell",
        "completed",
        "The command was moved to the background.",
    )
    running = titled("background.shell-running", "Lab shellback")
    assert [prompt.synthetic for prompt in running.prompts] == [False]


def test_permissions_given_refused_refused_with_words_and_open() -> None:
    refused, with_words = titled("ask", "New session"), titled("ask", "Lab ask", 1)
    assert calls(titled("ask", "Lab ask")) == [("shell", "completed", "")]
    assert calls(refused) == [("shell", "failed", "The user declined this tool call")]
    assert steps(refused) == [STOPPED]
    assert calls(with_words) == [("shell", "failed", "Unable to execute command: touch asked.txt")]
    assert steps(with_words) == [ENDS_WITH_TOOLS, DONE]
    parent, child = titled("ask", "Lab taskask"), titled("ask", "Ask")
    (call,) = [call for step in parent.steps for call in step.calls or ()]
    assert (call.child, call.output) == (child.id, ["Child answer: allowed or not."])
    assert [calls(titled("ask", "New session", n)) for n in (1, 2)] == [
        [("shell", "running", "")],
        [("write", "running", "")],
    ]
    # While the child asks, its parent's call does not name it yet.
    parent, child = titled("ask.pending-child", "New session", 1), titled("ask.pending-child", "Ask")
    assert [(call.status, call.child) for call in parent.steps[0].calls or ()] == [("running", child.id)]


def test_a_compaction_is_in_the_columns_and_in_no_step() -> None:
    before, after = titled("compact-api.before", "Lab tools"), titled("compact-api.after", "Lab tools")
    assert before.tokens == reported("tools", "plain", own=TITLE)
    assert after.tokens == reported(
        "tools", "plain", own=Tokens(*(a + b for a, b in zip(TITLE, COMPACTION, strict=True)))
    )
    last = after.steps[-1]
    assert (last.kind, last.status, last.tokens, last.texts) == (
        "compaction",
        "completed",
        NO_TOKENS,
        [("text", SUMMARY)],
    )
    session, empty = titled("compact-api", "Lab tools"), titled("compact-api", "New session")
    assert [step.kind for step in session.steps] == ["assistant"] * 4 + ["compaction", "assistant"]
    assert [(step.kind, step.status, step.error) for step in empty.steps] == [
        ("compaction", "failed", "Nothing to compact yet")
    ]


def test_reverts_are_staged_cleared_committed_and_gone_on_from() -> None:
    reverted, after = both("lifecycle.reverted").shown, both("lifecycle").shown
    files = [key for key, session in reverted.items() if session.title == "Lab files"]
    staged, cleared, committed = sorted(files, key=lambda key: both("lifecycle.reverted").seen.rows[key].ts)
    asked = {key: [prompt.id for prompt in reverted[key].prompts] for key in files}
    assert reverted[staged].revert_to == asked[staged][0]
    assert [reverted[key].revert_to for key in (cleared, committed)] == [asked[key][-1] for key in (cleared, committed)]
    assert all(len(reverted[key].prompts) == 2 for key in files), "what is staged is still there"
    assert (after[staged].revert_to, after[cleared].revert_to, after[committed].revert_to) == (asked[staged][0], "", "")
    assert [words(after[key]) for key in (cleared, committed)] == [
        ["lab:files work", "lab:plain more"],
        ["lab:files work"],
    ]
    # What was taken back has been paid for.
    assert after[committed].tokens == reported("files", "plain", own=TITLE)
    on = titled("lifecycle", "Lab plain")
    assert words(on) == ["lab:plain work", "lab:plain on after the revert"]
    assert on.tokens == reported("plain", "plain", "plain", own=TITLE)
    gone = reverted.keys() - after.keys()
    assert sorted(reverted[key].title for key in gone) == ["Lab plain", "Lab task", "Read the file"]
    assert titled("lifecycle", "renamed").title == "renamed [bold]now[/bold] 日本語"


def test_a_retry_leaves_one_step_and_is_no_fault_of_the_data() -> None:
    ((_, session),) = pairs("retry429")
    assert steps(session) == [DONE]
    assert session.tokens == reported("retry429", own=TITLE)
    ((_, given_up),) = pairs("retry-end")
    assert steps(given_up) == [("assistant", "failed", "error")]
    assert "HTTP 503" in given_up.steps[0].error
    assert (given_up.tokens, state("retry-end", given_up).name) == (NO_TOKENS, "failed")
    waits = titled("crash", "retrylong")
    turn = both("crash").seen.started[waits.steps[0].id]
    assert turn.extras["retry"] == 3
    assert "HTTP 503" in turn.extras["retry_error"]


def test_commands_skills_and_notes_of_the_user_in_one_session() -> None:
    session = titled("shell", "Lab tools")
    assert [(prompt.text, prompt.synthetic) for prompt in session.prompts] == [
        ("lab:tools now", False),
        ("lab:plain now", False),
        ("lab:plain Do what the skill says.\n", True),
        ("lab:plain made by nobody", True),
    ]
    assert [waits.text for waits in session.waits] == ["lab:plain without an answer"]
    commands = [step for step in session.steps if step.kind == "shell"]
    assert [call.input for step in commands for call in step.calls or ()] == [
        "echo from the user; ls",
        "echo to-stdout; echo to-stderr >&2; exit 3",
        "for i in 1 2 3 4 5 6; do echo tick $i; sleep 0.5; done",
    ]
    assert [session.answered_by[step.id] for step in commands] == ["", "", ""]
    exits = {op.extras.get("exit") for op in both("shell").seen.calls.values() if op.part_id.endswith(":shell")}
    assert exits == {0, 3}


def test_a_session_of_1_18_that_2_x_went_on_with_is_one_session_with_all_of_both() -> None:
    session = titled("upgrade", "Lab plain")
    assert session.version == "1.18.33"
    assert steps(session) == [ENDS_WITH_TOOLS, ENDS_WITH_TOOLS, DONE, DONE]
    assert len(session.prompts) == 2
    assert words(session)[1] == '"lab:plain the new one goes on in an old session"'
    assert session.tokens == reported("tools", "plain", own=TITLE)
    # What 1.18 had driven by its own /api was emptied when 2.x opened the file, and is gone.
    assert steps(titled("given-v2-api.opened", "")) == []
    assert steps(titled("given-v2-api", "Lab tools")) == [ENDS_WITH_TOOLS, ENDS_WITH_TOOLS, DONE]


def test_a_tool_that_exits_with_a_failure_or_is_timed_out_has_completed() -> None:
    ((_, failing),) = pairs("fail")
    assert [(name, status) for name, status, _ in calls(failing)] == [("read", "failed"), ("shell", "completed")]
    (_, command) = [call for step in failing.steps for call in step.calls or ()]
    assert command.output == ["to-stdout\nto-stderr\n", "Command exited with code 3."]
    ((_, timed_out),) = pairs("shelltimeout")
    (call,) = [call for step in timed_out.steps for call in step.calls or ()]
    assert (call.status, call.output[1]) == ("completed", "Command timed out before completion.")
    assert call.input == {"command": "echo before; sleep 20", "timeout": 1000}
    ((_, broken),) = pairs("badjson")
    (call,) = [call for step in broken.steps for call in step.calls or ()]
    assert (call.name, call.status, call.input) == ("read", "failed", {})
    assert call.error.startswith("Tool call arguments were malformed JSON")
