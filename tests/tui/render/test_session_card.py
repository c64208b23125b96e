"""The card of a session: money, whether the sums agree, context, time."""

from __future__ import annotations

import msgspec
import pytest
from rich.cells import cell_len

from adapter.events import Event, Usage
from tests.tui.model.builders import SOURCE, at, op, op_end, prompt, session, store_of, turn, turn_end
from tui.model.sums.window import Limits, no_limits
from tui.render.cards.session_card import agent_lines, session_card
from tui.render.lines import plain
from tui.render.sparkline import sparkline
from tui.text import moments


def card(*events: Event, limits: Limits = no_limits, loaded: bool = True) -> list[str]:
    store = store_of(*events)
    store.limits = limits
    if loaded:
        store.mark_loaded(SOURCE, "s1")
    lines = session_card(store, store.sessions[SOURCE, "s1"], at(100))
    return [plain(line).rstrip() for line in lines]


def answered(recorded: Usage, cost: float, ts: float = 1, apart: bool = False, **fields: object) -> list[Event]:
    usage = Usage(input=1000, output=200, cache_read=3000)
    extras = {"usage": recorded, "cost": cost, "sums_apart": apart}
    return [
        session(ts=ts, extras=extras, **fields), prompt("u1", 2), turn("a1", ts=3),
        op("p0", "a1", "llm", 1, ts=3), op_end("p0", "a1", "llm", 1, ts=12, usage=usage, cost=0.5),
        op("p1", "a1", seq=2, ts=5, name="bash"), op_end("p1", "a1", seq=2, ts=8),
        turn_end("a1", ts=12, usage=usage, cost=0.5),
    ]  # fmt: skip


WHOLE = Usage(input=1000, output=200, cache_read=3000)


def test_a_session_whose_sums_agree() -> None:
    lines = card(*answered(WHOLE, 0.5))
    assert "money     own $0.50" in lines
    assert "tokens    in 1.0k   cache 3.0k (75 %)   out 200" in lines
    assert "          reconciles with opencode's own sum" in lines
    assert "context   4.2k  limit unknown" in lines
    assert "time      model 6.0s   tools 3.0s   idle 1.0s   wall 10s" in lines
    assert "resume    opencode -s s1   Y copies" in lines


@pytest.mark.parametrize(
    ("recorded", "cost", "words"),
    [
        (Usage(input=5000, output=200, cache_read=3000), 0.5, "4,000 tokens more"),
        (WHOLE, 0.75, "$0.2500 more"),
        (Usage(input=5000, output=200, cache_read=3000), 0.75, "4,000 tokens more and $0.2500 more"),
    ],
)
def test_a_session_whose_own_sum_is_more_says_by_how_much(recorded: Usage, cost: float, words: str) -> None:
    assert f"          opencode's own sum has {words} than its steps" in card(*answered(recorded, cost))


@pytest.mark.parametrize(
    ("recorded", "cost", "columns", "steps"),
    [
        (WHOLE, 0.03, "$0.03", "$0.50"),
        (WHOLE, 0.4996, "$0.4996", "$0.5000"),
        (Usage(input=1000), 0.5, "1,000 tokens", "4,200 tokens"),
        (Usage(), 0.03, "0 tokens and $0.03", "4,200 tokens and $0.50"),
        (Usage(input=1000), 0.75, "1,000 tokens and $0.75", "4,200 tokens and $0.50"),
    ],
)
def test_a_session_whose_own_sum_is_less_than_its_steps_is_doubted(
    recorded: Usage, cost: float, columns: str, steps: str
) -> None:
    lines = card(*answered(recorded, cost))
    assert f"          columns say {columns}, steps add up to {steps}" in lines
    assert any(line.startswith("money ") and line.endswith("?") for line in lines) is (cost < 0.49 or cost == 0.4996)


def test_a_doubt_is_still_said_when_the_steps_are_given_back() -> None:
    store = store_of(*answered(WHOLE, 0.03))
    store.unload(SOURCE, "s1")
    lines = [plain(line) for line in session_card(store, store.sessions[SOURCE, "s1"], at(100))]
    assert "money     own $0.03?" in lines
    assert "          columns say less than its steps add up to" in lines


def test_without_steps_the_messages_are_the_proof() -> None:
    row = session(extras={"usage": WHOLE, "cost": 0.03})
    lines = card(row, turn("a1"), turn_end("a1", usage=WHOLE, cost=0.45))
    assert "          columns say $0.03, messages add up to $0.45" in lines


def test_a_total_is_doubted_with_what_is_below() -> None:
    top = session("top", 0.5, extras={"usage": WHOLE, "cost": 1.0})
    store = store_of(top, *answered(WHOLE, 0.03, parent_id="top"))
    lines = [plain(line) for line in session_card(store, store.sessions[SOURCE, "top"], at(100))]
    assert "money     own $1.00   agents $0.03 (1)   total $1.03?" in lines


def test_what_2x_counts_beside_the_steps_is_said_without_a_doubt() -> None:
    store = store_of(*answered(Usage(input=1208, output=200, cache_read=3000), 0.5007, apart=True))
    lines = session_card(store, store.sessions[SOURCE, "s1"], at(100))
    assert [("          ", "dim"), ("with 208 tokens ($0.0007) beside the steps", "dim")] in lines
    assert not any("?" in plain(line) for line in lines)


def test_a_fork_of_2x_that_did_nothing_costs_nothing() -> None:
    lines = card(*answered(Usage(), 0.0, ts=50, apart=True, session_kind="fork"))
    assert "money     own $0" in lines
    assert "          beside $0.50 of 1 step that the fork copied" in lines
    assert not any("less than" in line or "beside the steps" in line for line in lines)


def test_nothing_is_compared_before_the_steps_have_been_read() -> None:
    lines = card(session(extras={"usage": WHOLE, "cost": 0.5}), loaded=False)
    assert not any("own sum" in line for line in lines)
    assert any("not read yet" in line for line in lines)


def test_the_context_against_a_limit_that_is_known() -> None:
    lines = card(*answered(WHOLE, 0.5), limits=lambda provider, model: 5000)
    assert "context   4.2k of 5.0k  84 %" in lines


def test_after_a_compaction_the_context_is_not_given_as_full() -> None:
    summary = turn("a2", 2, 13, extras={"summary": True})
    done = turn_end("a2", 2, 14, usage=Usage(input=182_000, output=1200))
    lines = card(*answered(WHOLE, 0.5), summary, done, limits=lambda provider, model: 200_000)
    assert "context   compacted: not known until the next request  ▁█" in lines
    assert not any("%" in line for line in lines if line.startswith(("context", "flag")))


def test_more_than_any_window_holds_is_called_implausible() -> None:
    lines = card(*answered(WHOLE, 0.5), limits=lambda provider, model: 100)
    assert "context   4.2k of 100: not plausible, the limit or the count is wrong" in lines


def test_what_a_fork_copied_is_said_only_where_it_is_certain() -> None:
    lines = card(*answered(WHOLE, 0.5, ts=50, session_kind="fork"))
    assert "          of it $0.50 copied by the fork, with 1 step" in lines
    assert not any(line.startswith("time ") for line in lines)
    unread = card(session(session_kind="fork", extras={"usage": WHOLE, "cost": 0.5}), loaded=False)
    assert "          a fork: includes what it copied" in unread
    assert not any("fork" in line for line in card(*answered(WHOLE, 0.5, ts=50)))


def test_no_times_are_given_of_a_session_that_is_still_being_read() -> None:
    store = store_of(session())
    store.unload(SOURCE, "s1")
    store.expect(SOURCE, "s1")
    store.apply(answered(WHOLE, 0.5)[1:])
    lines = [plain(line) for line in session_card(store, store.sessions[SOURCE, "s1"], at(100))]
    assert not any(line.startswith("time ") for line in lines)


def test_many_changed_files_are_counted_and_the_first_are_named() -> None:
    events = [session(), turn("a1")]
    for seq in range(1, 13):
        events.append(op(f"p{seq}", "a1", seq=seq, name="edit", label=f"f{seq}", additions=2, deletions=1))
        events.append(op_end(f"p{seq}", "a1", seq=seq))
    lines = card(*events)
    assert "changed   12 files +24 -12" in lines
    assert "          f8  +2 -1" in lines
    assert "          and 4 more: see the diffs" in lines


@pytest.mark.parametrize(
    ("values", "width", "top", "bars"),
    [
        ([], 5, 0, ""),
        ([1, 2, 3, 4, 5, 6, 7, 8], 8, 0, "▁▂▃▄▅▆▇█"),
        ([0, 0, 8], 3, 0, "▁▁█"),
        ([1, 9, 1, 1, 1, 1], 3, 0, "█▁▁"),
        ([4], 5, 8, "▄"),
        ([4, 8], 0, 0, ""),
    ],
)
def test_a_curve(values: list[int], width: int, top: int, bars: str) -> None:
    assert sparkline(values, width, top) == bars


def below(name: str, parent: str, call: str, ts: float, *, done: bool = True, cost: float = 0.02) -> list[Event]:
    """A sub-agent that a call of its parent has started."""
    where = {"session_id": name}
    step = turn(f"a-{name}", 1, ts, f"u-{name}", **where)
    inner = op(f"p-{name}", f"a-{name}", "tool", 1, ts + 1, name="bash", label="sleep 14", running=True, **where)
    ended = [op_end(f"p-{name}", f"a-{name}", "tool", 1, ts + 8, **where)] if done else []
    said = [op(f"t-{name}", f"a-{name}", "text", 2, ts + 8, label="All four callers found", **where)] if done else []
    ended += [op_end(f"t-{name}", f"a-{name}", "text", 2, ts + 9, **where)] if done else []
    ended += [turn_end(f"a-{name}", 1, ts + 10, finish="stop", **where)] if done else []
    row = session(name, ts, parent_id=parent, title=f"{call} (@general subagent)", agent="general")
    return [row, prompt(f"u-{name}", ts, session_id=name), step, inner, *said, *ended]


@pytest.mark.parametrize("width", [44, 60, 80, 120])
def test_the_agents_of_a_session_stand_in_a_table_with_what_each_does(width: int) -> None:
    store = store_of(
        session("top", 1), prompt("u", 2, session_id="top"), turn("a", 1, 3, "u", session_id="top"),
        *below("k1", "top", "Find callers", 10), *below("k2", "top", "Bisect", 20, done=False),
        *below("k3", "k2", "Run the suite", 30, done=False),
    )  # fmt: skip
    lines = [plain(line).rstrip() for line in agent_lines(store, store.sessions[SOURCE, "top"], at(40), width)]
    assert lines[0].split() == ["agents", "doing", "time", "cost"]
    assert [line[:4] for line in lines[1:4]] == ["● Bi", "└ ● ", "◦ Fi"]
    assert "bash sle" in lines[1]
    assert "10s" in lines[3]
    assert all(cell_len(line) <= width for line in lines)
    if width >= 80:
        assert "All four callers found" in lines[3]


def test_a_session_without_sub_agents_has_no_table_and_of_many_the_rest_is_counted() -> None:
    events: list[Event] = [session("top", 1), prompt("u", 2, session_id="top")]
    store = store_of(*events)
    assert agent_lines(store, store.sessions[SOURCE, "top"], at(40), 80) == []
    for n in range(40):
        events += below(f"k{n}", "top", f"Part {n}", 10 + n)
    store = store_of(*events)
    lines = [plain(line) for line in agent_lines(store, store.sessions[SOURCE, "top"], at(400), 80)]
    assert lines[-2] == "and 28 more"
    assert lines[1].startswith("◦ Part 39")


def test_a_retry_is_told_once() -> None:
    waits = {"retry": 3, "retry_at": at(112), "retry_error": "overloaded"}
    lines = card(session(), prompt("u1", 2), turn("a1", ts=75, prompt_id="u1", extras=waits))
    assert "state     ● starting for 25s  retrying, attempt 3, next in 12s: overloaded" in lines


def test_a_session_in_several_files_says_where_the_older_copies_lie() -> None:
    older = "opencode:/data/opencode-backup.db"
    store = store_of(session(extras={"time_updated": at(90)}))
    store.apply([msgspec.structs.replace(session(extras={"time_updated": at(60)}), source=older)])
    lines = [plain(line).rstrip() for line in session_card(store, store.sessions[SOURCE, "s1"], at(100))]
    as_of = moments.date_and_minute(at(60))
    assert [line for line in lines if "opencode-backup" in line] == [
        f"also in   /data/opencode-backup.db  older, as of {as_of}"
    ]
