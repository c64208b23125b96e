"""The tree as JSON and as text."""

from __future__ import annotations

import json

from adapter.events import Event, Usage
from tests.tui.model.builders import SOURCE, at, op, op_end, prompt, session, store_of, task, turn, turn_end
from tui.commands.tree_json import INDENT_LIMIT, tops, tree_objects, tree_text
from tui.model.store.store import Store
from tui.render.rows.tree_row import io

FAMILY: list[Event] = [
    session(
        title="Fix it", agent="build", model="opus", provider_alias="acme", extras={"cost": 0.5, "usage": {"input": 9}}
    ),
    prompt("u1", 2, "make it stable"),
    turn("a1", 1, 3, "u1"),
    op("p1", "a1", "llm", 1, 3),
    op("p2", "a1", "text", 2, 3, label="Let me look"),
    *task("p3", "a1", "kid", 3),
    session("kid", 5, parent_id="s1", root_id="s1", session_kind="sub_agent", agent="explore", model="haiku"),
    prompt("k1", 5, "find", session_id="kid"),
    turn("b1", 1, 6, "k1", session_id="kid"),
    op("q1", "b1", "tool", 1, 7, session_id="kid", name="grep", label="retry("),
    op_end("q1", "b1", "tool", 1, 8, session_id="kid"),
    turn_end("b1", 1, 9, session_id="kid", usage=Usage(input=10, output=2), delta=Usage(input=10, output=2), cost=0.25),
]


SESSION_FIELDS = """id source copies parent_id root_id kind title agent model provider_alias status state reason usage
cost subtree turns waiting"""


def test_the_object_has_the_planned_shape_parents_first() -> None:
    store = store_of(*FAMILY)
    told = json.loads(json.dumps(list(tree_objects(store, tops(store), at(10)))))
    top, kid = told
    assert (top["id"], kid["id"], kid["parent_id"], kid["root_id"], kid["kind"]) == (
        "s1",
        "kid",
        "s1",
        "s1",
        "sub_agent",
    )
    assert set(top) == set(SESSION_FIELDS.split())
    assert top["cost"] == 0.5
    assert top["subtree"] == {
        "usage": {"input": 19, "output": 2, "reasoning": 0, "cache_read": 0, "cache_write": 0},
        "cost": 0.75,
        "sessions": 2,
    }
    assert (top["status"], top["state"], kid["state"]) == (None, "tool", "idle")
    step = top["turns"][0]
    assert set(step) == set(["seq", "message_id", "prompt_id", "status", "usage", "delta", "cost", "copied", "ops"])
    assert [(item["seq"], item["kind"], item["child_session_id"]) for item in step["ops"]] == [
        (1, "llm", ""),
        (2, "text", ""),
        (3, "session", "kid"),
        (4, "tool", "kid"),
    ]
    assert set(step["ops"][0]) == {
        *("seq", "parent_seq", "part_id", "kind", "name", "tool", "status", "exit", "usage", "delta", "cost"),
        "child_session_id",
    }


def test_the_text_nests_a_sub_agent_under_its_call() -> None:
    store = store_of(*FAMILY)
    assert list(tree_text(store, tops(store), at(10))) == [
        "● Fix it  build  opus  in 19 out 2 $0.7500  [tool: task has run for 6s]",
        "  ● prompt: make it stable  in 10 out 2 $0.2500  [tool: task has run for 6s]",
        "    ● step 1  Let me look  in 10 out 2 $0.2500  [tool: task has run for 6s]",
        "      ● task  look around  explore  haiku  in 10 out 2 $0.2500  [tool: task has run for 6s]",
        "        ✓ prompt: find  in 10 out 2 $0.2500",
        "          ✓ step 1  in 10 out 2 $0.2500",
        "            ✓ grep  retry(",
    ]


def test_sessions_without_title_or_turns_and_uncalled_children_are_listed() -> None:
    store = store_of(session(), session("kid", 2, parent_id="s1", title="lost child"))
    assert list(tree_text(store, tops(store), at(10))) == ["◦ (no title)", "  ◦ lost child"]


def test_a_sum_below_what_the_steps_prove_has_a_question_mark() -> None:
    row = session(title="A run", extras={"cost": 0.03, "usage": {"input": 9}})
    end = op_end("p1", "a1", "llm", 1, usage=Usage(input=9), cost=0.45)
    store = store_of(row, turn("a1"), op("p1", "a1", "llm", 1), end)
    assert next(tree_text(store, tops(store), at(10))).partition("  [")[0] == "● A run  in 9 out 0 $0.0300?"


def test_in_and_out_are_those_of_the_screen() -> None:
    usage = Usage(input=9, output=20, reasoning=5, cache_read=1)
    store = store_of(session(title="A run"), turn("a1"), turn_end("a1", 1, 9, usage=usage))
    told = [line.partition("  in ")[2].split() for line in tree_text(store, tops(store), at(10))]
    assert {tuple(words[:3]) for words in told} == {("10", "out", "25")}
    assert io(usage) == "10/25"


def test_the_marks_are_those_of_the_screen_and_ascii_where_the_output_has_no_others() -> None:
    store = store_of(session(title="Größe"))
    assert list(tree_text(store, tops(store), at(10))) == ["◦ Größe"]
    assert list(tree_text(store, tops(store), at(10), ascii_marks=True)) == ["- Größe"]


def test_nothing_is_nothing() -> None:
    assert list(tree_objects(store_of(), tops(store_of()), 0)) == []
    assert list(tree_text(store_of(), [], 0)) == []


def test_a_cycle_and_great_depth_are_printed_once_and_within_the_screen() -> None:
    chain = [session(f"s{n:04}", n, parent_id=f"s{(n - 1) % 2000:04}", title=f"t{n}") for n in range(2000)]
    store = store_of(*chain)
    lines = list(tree_text(store, tops(store), at(9000)))
    assert len(lines) == len(set(lines)) == 2000
    assert max(len(line) - len(line.lstrip()) for line in lines) == 2 * INDENT_LIMIT
    assert len(list(tree_objects(store, tops(store), at(9000)))) == 2000


def test_text_of_strangers_is_harmless_in_both() -> None:
    evil = "a\x1b]52;c;AAAA\x07\u202e[/foo]\nb"
    store = store_of(
        session(title=evil), prompt("u1", text=evil), turn("a1", 1, 3, "u1"), op("p1", "a1", name=evil, label=evil)
    )
    lines = list(tree_text(store, tops(store), at(9000)))
    assert len(lines) == 4
    assert all(line.isprintable() and "[/foo]" in line for line in lines if "step" not in line)
    title = next(tree_objects(store, tops(store), at(9000)))["title"]
    assert title.isprintable()
    assert (SOURCE, "s1") in store.sessions


def test_a_doubt_about_a_sub_agent_is_one_about_the_prompt_and_the_step_that_called_it() -> None:
    store = Store()
    store.expect(SOURCE, "k1")
    row = session("k1", 5, parent_id="s1", title="Kid", extras={"cost": 0.001, "usage": Usage(input=1)})
    step = turn("c1", 1, 5, session_id="k1")
    billed = turn_end("c1", 1, cost=7.0, usage=Usage(input=9), session_id="k1")
    call = op("p1", "a1", "session", child="k1")
    store.apply([session(title="Top"), prompt("u1"), turn("a1", 1, 3, "u1"), call, row, step, billed])
    store.mark_loaded(SOURCE, "k1")
    lines = list(tree_text(store, tops(store), at(10)))
    assert [line.count("$0.0010?") for line in lines[:4]] == [1, 1, 1, 1]
