"""The Overview says every fact once, and each tab knows which texts belong on it."""

from __future__ import annotations

from adapter.events import LogEntry, SessionStarted, Usage
from tests.adapter import corpus
from tests.tui import story
from tests.tui.model import builders
from tests.tui.story import NOW, SOURCE, at, session
from tui.model.records import Key, Row, Session, op_key, prompt_key
from tui.model.store.store import Store
from tui.render.cards import detail, tabs
from tui.render.lines import plain
from tui.render.rows.tree_row import cells_of

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
    assert any(line.startswith("state     ◐ waits for its agents grep  sub-agent") for line in lines)
    at = lines.index(next(line for line in lines if line.startswith("agents")))
    assert lines[at + 1].startswith("● find every caller         expl grep retry(")
    assert "sub-agent" in lines[3]
    assert "money     own $0.45   agents $0.32 (2)   total $0.77" in lines
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
    assert "          1 step, 2 tool calls" in lines
    assert "          0 tokens   $0" in lines


def recorded(name: str) -> tuple[Store, Session]:
    """A real run, and its oldest root."""
    store = store_of(corpus.load(name).events)
    roots = [one for one in store.sessions.values() if not one.parent_id]
    return store, min(roots, key=lambda one: one.start_ts)


def test_a_call_of_a_sub_agent_says_what_was_asked_and_answered_and_what_it_took() -> None:
    store, root = recorded("1.18.33/nested")
    op = next(op for turn in root.turns.values() for op in turn.ops.values() if op.name == "task")
    lines = said(store, op_key(root, op))
    at = lines.index("sub-agent Delegate further (@nester subagent)")
    assert lines[at : at + 7] == [
        "sub-agent Delegate further (@nester subagent)",
        "          nester · mock-1 (mock)",
        "          ◦ idle",
        "          2 steps, 1 tool call",
        "          168k tokens   $0.46   with 1 sub-agent of its own",
        "asked     lab:child-nest Delegate once more.",
        "answered  Child answer: the grandchild is done.",
    ]


def test_failed_calls_of_a_sub_agent_are_counted() -> None:
    events = [
        builders.session(), builders.turn("a1"), *builders.task("p2", "a1", "kid", 2),
        builders.session("kid", 4, parent_id="s1"), builders.turn("b1", session_id="kid"),
        builders.op("q1", "b1", session_id="kid", name="bash"),
        builders.op_end("q1", "b1", status="failed", session_id="kid"),
    ]  # fmt: skip
    lines = said(store_of(events), Key(builders.SOURCE, "op", "s1", "p2:tool"))
    assert "          1 step, 1 tool call (1 failed)" in lines


def test_a_prompt_names_what_came_with_it() -> None:
    store, root = recorded("1.18.33/attach")
    prompt = next(iter(root.prompts.values()))
    lines = said(store, prompt_key(root, prompt))
    assert 'texts     user prompt  26 B  "lab:attach look at these"' in lines
    assert "          attachment  122 B  image/png  picture.png" in lines
    assert "          attachment  29 B  text/plain  hello.txt" in lines
    assert sum(line.startswith("          added text  ") for line in lines) == 4
    titles = [text.title for text in tabs.tabs_of(store, prompt_key(root, prompt))["Input"]]
    assert titles[0] == "user prompt"
    assert titles[-1] == "attachment  picture.png  image/png"
    assert titles.count("added text") == 4
    row = Row(prompt_key(root, prompt), 1, "open")
    assert "  +2 files" in plain(cells_of(store, row, NOW_US).flags)


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
