"""A node has the tabs on which it has something, and every text is read as what it is."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from adapter.events import Event, PayloadRef
from tests.tui import story
from tests.tui.story import SOURCE, Step, session
from tui.model.records import Key
from tui.model.store.store import Store
from tui.render.cards import tabs
from tui.render.lines import plain

RETRY = Key(SOURCE, "session", "ses_retry", "ses_retry")
STEP = Key(SOURCE, "turn", "ses_retry", "msg_ses_retry_2")
BASH = Key(SOURCE, "op", "ses_retry", "prt_ses_retry_1_3:tool")


def store_of(events: list[Event]) -> Store:
    store = Store()
    store.apply(events)
    return store


def looks(store: Store, key: Key, name: str) -> list[tuple[str, str]]:
    return [(text.payload.kind, text.look) for text in tabs.tabs_of(store, key)[name]]


def working() -> list[Event]:
    """A session that edits, plans, thinks and answers, with a sub-agent that edits too."""
    first = Step("ses_a", 1, "usr_a", 50)
    first.op("reasoning", "", 49, 1, refs={"llm_reasoning": "hm"})
    first.op("text", "", 48, 1, refs={"llm_response": "early"})
    first.op("tool", "edit", 47, 1, label="a.py", refs={"tool_request": "{}", "tool_response": "ok", "diff": "-a"})
    first.op("tool", "todowrite", 46, 1, refs={"tool_request": "{}"})
    first.op("tool", "task", 45, None, child="ses_b", refs={"tool_request": "{}"})
    last = Step("ses_a", 2, "usr_a", 40).op("text", "", 39, 1, refs={"llm_response": "the answer"})
    child = Step("ses_b", 1, "usr_b", 44).op("text", "", 43, 1, refs={"llm_response": "of the child"})
    child.op("tool", "edit", 42, 1, label="b.py", refs={"diff": "-b"})
    return [
        session("ses_a", "A", 60), story.prompt("ses_a", "usr_a", "ask", 55), *map(diff_format, first.events),
        *last.events, session("ses_b", "B", 45, parent_id="ses_a"), *map(diff_format, child.events),
    ]  # fmt: skip


def diff_format(event: Event) -> Event:
    if isinstance(event, PayloadRef) and event.payload_kind == "diff":
        return replace(event, format="diff")
    return event


def node(kind: str, name: str, of: str = "ses_a") -> Key:
    return Key(SOURCE, kind, of, name)


OF_THE_SESSION = {name for name, key in tabs.KEYS.items() if not key.isdigit()}


def of_the_row(store: Store, key: Key) -> list[str]:
    """The tabs of a node but for those that every node of a session has."""
    names = list(tabs.tabs_of(store, key))
    assert set(names) >= OF_THE_SESSION
    return [name for name in names if name not in OF_THE_SESSION]


def test_a_shell_command_has_arguments_and_output() -> None:
    store = store_of(story.everything())
    assert of_the_row(store, BASH) == ["Overview", "Input", "Output", "Raw"]
    assert looks(store, BASH, "Input") == [("tool_request", "fields")]
    assert looks(store, BASH, "Output") == [("tool_response", "terminal")]
    assert looks(store, BASH, "Raw") == [("row", "json")]


def test_an_edit_has_its_diff() -> None:
    store = store_of(working())
    edit = node("op", "prt_ses_a_1_3:tool")
    assert of_the_row(store, edit) == ["Overview", "Input", "Output", "Diff", "Raw"]
    (text,) = tabs.tabs_of(store, edit)["Diff"]
    assert (text.look, text.title, text.payload.part_id) == ("diff", "a.py", "prt_ses_a_1_3")


def test_a_patch_of_many_files_has_the_diff_of_each() -> None:
    step = Step("ses_p", 1, "usr_p", 50).op("tool", "apply_patch", 47, 1, label="a.py, b.py", refs={"diff": "-a"})
    (ref,) = (event for event in step.events if isinstance(event, PayloadRef))
    diffs = [
        replace(ref, uri=f"{ref.uri}.files.{number}.patch", format="diff", preview=name)
        for number, name in enumerate(("a.py", "b.py"))
    ]
    events = [event for event in step.events if event is not ref]
    store = store_of([session("ses_p", "P", 60), story.prompt("ses_p", "usr_p", "ask", 55), *events, *diffs])
    for key in (node("op", "prt_ses_p_1_1:tool", "ses_p"), node("session", "ses_p", "ses_p")):
        shown = tabs.tabs_of(store, key)["Diff"]
        assert [(text.title, text.payload.uri) for text in shown] == [(one.preview, one.uri) for one in diffs]
        assert len({text.slot for text in shown}) == 2


def test_the_texts_of_one_result_are_told_apart() -> None:
    """In 2.x a command's output and its exit code are two, and each is read for itself."""
    step = Step("ses_p", 1, "usr_p", 50).op("tool", "bash", 47, 1, label="false", refs={"tool_response": "out"})
    (ref,) = (event for event in step.events if isinstance(event, PayloadRef))
    second = replace(ref, uri=f"{ref.uri}.1")
    store = store_of([session("ses_p", "P", 60), story.prompt("ses_p", "usr_p", "ask", 55), *step.events, second])
    shown = tabs.tabs_of(store, node("op", "prt_ses_p_1_1:tool", "ses_p"))["Output"]
    assert [text.payload.uri for text in shown] == [ref.uri, second.uri]
    assert len({text.slot for text in shown}) == 2


def test_a_todo_list_is_on_its_call_and_on_everything_above() -> None:
    store = store_of(working())
    for key in (
        node("op", "prt_ses_a_1_4:tool"),
        node("turn", "msg_ses_a_1"),
        node("prompt", "usr_a"),
        node("session", "ses_a"),
    ):
        assert [text.payload.part_id for text in tabs.tabs_of(store, key)["Todo"]] == ["prt_ses_a_1_4"]
    assert "Todo" not in tabs.tabs_of(store, node("turn", "msg_ses_a_2"))


def test_a_session_shows_its_first_prompt_its_last_answer_and_all_diffs() -> None:
    store = store_of(working())
    found = tabs.tabs_of(store, node("session", "ses_a"))
    assert [name for name in found if name not in OF_THE_SESSION] == [
        "Overview",
        "Input",
        "Output",
        "Diff",
        "Todo",
        "Raw",
    ]
    assert [text.payload.preview for text in found["Input"]] == ["ask"]
    assert [text.payload.part_id for text in found["Output"]] == ["prt_ses_a_2_1"]
    assert [text.title for text in found["Diff"]] == ["a.py"]
    assert found["Raw"] == []


def test_the_answer_of_a_prompt_is_the_last_text_of_its_last_step() -> None:
    found = tabs.tabs_of(store_of(working()), node("prompt", "usr_a"))["Output"]
    assert [(text.payload.part_id, text.look) for text in found] == [("prt_ses_a_2_1", "markdown")]


def test_a_step_shows_what_the_model_wrote_the_answer_before_the_thought() -> None:
    store = store_of(working())
    assert looks(store, node("turn", "msg_ses_a_1"), "Output") == [
        ("llm_response", "markdown"), ("llm_reasoning", "markdown"),
    ]  # fmt: skip
    assert "Output" not in tabs.tabs_of(store_of(story.failed_tool()), node("turn", "msg_ses_arm_1", "ses_arm"))


def test_a_running_sub_agent_shows_what_it_said_last_and_what_it_changed() -> None:
    store = store_of(working())
    task = next(name for name in store.sessions[(SOURCE, "ses_a")].turns["msg_ses_a_1"].ops if name.endswith("_5:tool"))
    found = tabs.tabs_of(store, node("op", task))
    assert [text.payload.part_id for text in found["Output"]] == ["prt_ses_b_1_1"]
    assert [text.title for text in found["Diff"]] == ["b.py"]


def test_no_more_diffs_than_a_person_reads() -> None:
    step = Step("ses_m", 1, "", 90)
    for n in range(tabs.DIFF_LIMIT + 20):
        step.op("tool", "edit", 80, 1, label=f"file{n}", refs={"diff": "-x"})
    store = store_of([session("ses_m", "Many", 99), *map(diff_format, step.events)])
    titles = [text.title for text in tabs.tabs_of(store, node("session", "ses_m", "ses_m"))["Diff"]]
    assert titles == [f"file{n}" for n in range(20, tabs.DIFF_LIMIT + 20)]


def test_only_a_call_that_runs_grows() -> None:
    store = store_of(story.everything())
    assert not tabs.grows(store, BASH)
    assert tabs.grows(store, node("op", "prt_ses_find_1_2:tool", "ses_find"))
    assert not tabs.grows(store, STEP)


def test_a_text_keeps_its_place_when_it_moves_to_another_field() -> None:
    store = store_of(story.everything())
    (text,) = tabs.tabs_of(store, BASH)["Output"]
    moved = text._replace(payload=replace(text.payload, uri="opencode-sqlite://?part_id=x&field=elsewhere"))
    assert text.slot == moved.slot


def test_the_record_is_the_node_without_its_children() -> None:
    record = json.loads(tabs.record(store_of(story.everything()), STEP))
    assert record["message_id"] == "msg_ses_retry_2"
    assert "ops" not in record


@pytest.mark.parametrize("width", [46, 58, 80, 120])
def test_every_tab_stands_in_its_place_whatever_the_node_has(width: int) -> None:
    every = tabs.tab_line(tabs.NAMES, "Overview", "", width)
    few = tabs.tab_line(["Overview", "Raw"], "Overview", "", width)
    assert plain(few) == plain(every)
    roles = {
        tabs.tab_at(few, plain(few).index(text) + text.count(" ") // 2): role for text, role in few if text.strip()
    }
    assert (roles["Overview"], roles["Input"], roles["Raw"]) == ("tab", "dim", "text")


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (100, "  1 Overview   t Transcript   i Timeline   2 Input   3 Output   4 Diff   5 Todo   6 Raw"),
        (84, " 1 Overview  t Transcript  i Timeline  2 Input  3 Output  4 Diff  5 Todo  6 Raw"),
        (76, " 1 Overview t Transcript i Timeline 2 Input 3 Output 4 Diff 5 Todo 6 Raw"),
        (68, " Overview  Transcript  Timeline  Input  Output  Diff  Todo  Raw"),
        (45, " Over Read Time In Output Diff Todo Raw"),
        (32, " 1  t  i  2  3 Output  4  5  6"),
    ],
)
def test_the_tabs_fit_and_a_click_finds_them(width: int, line: str) -> None:
    shown = tabs.tab_line(tabs.NAMES, "Output", "", width)
    assert plain(shown).rstrip() == line
    assert [role for text, role in shown if "Output" in text] == ["tab"]
    found = {tabs.tab_at(shown, at) for at, letter in enumerate(line) if letter != " "}
    assert found == set(tabs.NAMES)
    for name in tabs.NAMES:
        at = max(line.find(f" {word}") for word in (tabs.KEYS[name], name, tabs.BRIEF.get(name, name)))
        assert tabs.tab_at(shown, at + 1) == name
    assert tabs.tab_at(shown, 0) == tabs.tab_at(shown, width) == ""
