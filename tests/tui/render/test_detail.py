"""The Overview says every fact once, and each tab knows which texts belong on it."""

from __future__ import annotations

from adapter.events import LogEntry, SessionStarted, Usage
from tests.tui import story
from tests.tui.story import NOW, SOURCE, at, session
from tui.model.nodes import Key
from tui.model.store import Store
from tui.render import detail, tabs
from tui.render.lines import plain

NOW_US = NOW * 1_000_000


def store_of(events: list) -> Store:
    store = Store()
    store.apply(events)
    return store


def said(store: Store, key: Key) -> list[str]:
    return [plain(line).rstrip() for line in detail.overview(store, key, NOW_US)]


RETRY = Key(SOURCE, "session", "ses_retry", "ses_retry")
STEP = Key(SOURCE, "turn", "ses_retry", "msg_ses_retry_2")
BASH = Key(SOURCE, "op", "ses_retry", "prt_ses_retry_1_3:tool")
TASK = Key(SOURCE, "op", "ses_retry", "prt_ses_retry_3_2:tool")


def test_a_session_with_its_own_money_and_that_of_its_sub_agents() -> None:
    lines = said(store_of(story.everything()), RETRY)
    assert lines[:2] == ["Fix the flaky retry test", "build · opus-4.5 (anthropic)"]
    assert any(line.startswith("state     ► tool grep for 36s") for line in lines)
    assert "money     own $0.45   sub-agents $0.32 (2)   total $0.77" in lines
    assert "tokens    in 14k   cache 12k (46 %)   out 91" in lines
    assert "holds     1 prompt, 3 steps" in lines
    assert "context   14k  limit unknown  ▇█" in lines
    assert "changed   1 file +12 -4" in lines
    assert "          src/retry.ts  +12 -4" in lines
    assert "resume    opencode -s ses_retry   Y copies" in lines


def test_a_session_of_which_only_the_row_is_known_says_so() -> None:
    changed = {"additions": 120, "deletions": 44, "files": 7, "cost": 0.5, "usage": Usage(input=10)}
    lines = said(
        store_of([session("ses_x", "Row only", 100, extras=changed)]), RETRY._replace(session_id="ses_x", id="ses_x")
    )
    assert any("not read yet" in line for line in lines)
    assert "changed   7 files +120 -44" in lines


def test_remarks_of_the_adapter_stand_below_the_session() -> None:
    remark = LogEntry(
        source=SOURCE, ts=at(5), session_id="ses_retry", severity="WRN", message="unknown part", ref="prt_1"
    )
    lines = said(store_of([*story.everything(), remark]), RETRY)
    assert "note      WRN unknown part" in lines


def test_a_step_with_what_it_added() -> None:
    lines = said(store_of(story.everything()), STEP)
    assert lines[0] == "Step 2  The back-off never resets between the attempts"
    assert "added     +1.9k to the context" in lines
    assert "finish    tool-calls" in lines
    assert "holds     3 tool calls" in lines


def test_a_failed_call_names_its_error_once() -> None:
    lines = said(store_of(story.failed_tool()), Key(SOURCE, "op", "ses_arm", "prt_ses_arm_1_1:tool"))
    assert lines[0] == "bash  cargo zigbuild --target aarch64"
    assert sum("command not found" in line for line in lines) == 1
    assert "exit      127" in lines
    assert "texts     tool request  62 B" in lines


def test_a_call_of_a_sub_agent_says_who_it_is() -> None:
    lines = said(store_of(story.everything()), TASK)
    assert "sub-agent find every caller" in lines
    assert any("explore · haiku-4.5" in line for line in lines)
    assert "          1 step, 2 tool calls   0 tokens   $0" in lines


def test_a_prompt_counts_its_steps() -> None:
    lines = said(store_of(story.everything()), Key(SOURCE, "prompt", "ses_retry", "usr_1"))
    assert lines[0] == "make the retry test stable"
    assert "holds     3 steps" in lines


def test_a_node_that_is_gone_has_nothing_to_say() -> None:
    for key in (RETRY, STEP, BASH):
        assert detail.overview(Store(), key, NOW_US) == []
        assert tabs.tabs_of(Store(), key) == {}
        assert tabs.record(Store(), key) == ""


def test_a_session_without_a_title_is_called_by_its_id() -> None:
    event: SessionStarted = session("ses_y", "", 10)
    assert said(store_of([event]), RETRY._replace(session_id="ses_y", id="ses_y"))[0] == "ses_y"
