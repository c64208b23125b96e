"""What a document is made of, and in which order."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adapter.events import Event
from tests.tui.model.builders import SOURCE, at, op, op_end, prompt, session, store_of, task, turn, turn_end
from tui.commands.export.blocks import Begin, End, blocks
from tui.commands.export.html import Html
from tui.commands.export.markdown import Markdown
from tui.commands.export.reasons import dated
from tui.commands.export.texts import REDACTED, Texts
from tui.model.status import state
from tui.model.store.store import Store
from tui.text import sanitize


def whole(store: Store, root: str = "s1", *, children: bool = True, redact: bool = False) -> list[Begin | End]:
    """The headings of a document and their ends; its texts are not read."""

    async def unread(uri: str, limit: int) -> None:
        raise AssertionError(uri)

    fetch: Callable[..., object] = unread
    found = blocks(store, store.sessions[SOURCE, root], Texts(fetch, 0, redact=redact), at(100), children=children)
    return [block for block in found if isinstance(block, Begin | End)]


def titles(store: Store, **options: bool) -> list[str]:
    return [block.title for block in whole(store, **options) if isinstance(block, Begin)]


FAMILY: list[Event] = [
    session(title="Parent"), prompt("u1", 2), turn("a1", 1, 3, "u1"), *task("p2", "a1", "kid", 1),
    op("p3", "a1", "tool", 3, 4, name="bash", label="npm test"), op_end("p3", "a1", "tool", 3, 5),
    turn_end("a1", 1, 9), prompt("u2", 10), turn("a2", 2, 11, "u2"),
    session("kid", 4, parent_id="s1", title="Child"), turn("b1", 1, 5, session_id="kid"),
    session("lost", 6, parent_id="s1", title="Nobody calls me"),
]  # fmt: skip


def test_sub_agents_stand_under_their_call_and_those_without_one_at_the_end() -> None:
    assert titles(store_of(*FAMILY)) == [
        "Parent", "Prompt 1", "Step 1", "task  look around", "Sub-agent 1: Child", "Sub-agent 1, step 1",
        "bash  npm test", "Prompt 2", "Step 2", "Sub-agent 2: Nobody calls me",
    ]  # fmt: skip
    assert titles(store_of(*FAMILY), children=False) == [
        "Parent", "Prompt 1", "Step 1", "task  look around", "bash  npm test", "Prompt 2", "Step 2",
    ]  # fmt: skip


def test_every_part_that_begins_ends_inside_the_one_around_it() -> None:
    open_parts: list[str] = []
    for block in whole(store_of(*FAMILY)):
        if isinstance(block, Begin):
            open_parts.append(block.kind)
        else:
            assert open_parts.pop() == block.kind
    assert open_parts == []


def test_nesting_of_any_depth_needs_no_recursion() -> None:
    events: list[Event] = []
    for n in range(600):
        me = f"s{n}"
        events += [session(me, n, parent_id=f"s{n - 1}" if n else None), turn(f"a{n}", session_id=me)]
        events += task(f"p{n}", f"a{n}", f"s{n + 1}", session_id=me)
    found = [block for block in whole(store_of(*events), "s0") if isinstance(block, Begin) and block.kind == "session"]
    assert len(found) == 600
    assert found[3].title == "Sub-agent 1.1.1: s3"


def test_redacted_headings_keep_names_and_numbers() -> None:
    assert titles(store_of(*FAMILY), redact=True)[:7] == [
        REDACTED, "Prompt 1", "Step 1", f"task  {REDACTED}", f"Sub-agent 1: {REDACTED}",
        "Sub-agent 1, step 1", f"bash  {REDACTED}",
    ]  # fmt: skip


def state_of(now: float) -> str:
    """The state that a document of `FAMILY`, made at a time, tells of its root."""

    async def unread(uri: str, limit: int) -> None:
        raise AssertionError(uri)

    fetch: Callable[..., object] = unread
    store = store_of(*FAMILY, turn_end("a2", 2, 20), turn_end("b1", 1, 8, session_id="kid"))
    root = next(iter(blocks(store, store.sessions[SOURCE, "s1"], Texts(fetch, 0, redact=False), at(now))))
    assert isinstance(root, Begin)
    return dict(root.facts)["state"]


def test_a_document_tells_when_and_not_how_long_ago() -> None:
    assert state_of(50) == state_of(5_000_000) == "idle: it answered at 1970-01-01 00:00:20 UTC"


@pytest.mark.parametrize("passed", [1, 40, 400, 100_000])
def test_no_reason_in_a_document_tells_an_age(passed: int) -> None:
    stories = [[prompt("u1", 2)], [prompt("u1", 2), turn("a1", 1, 3, "u1")]]
    stories += [[*stories[1], op("p1", "a1", "tool", 1, 4, name=name)] for name in ("bash", "read", "question", "edit")]
    stories += [[*stories[1], turn_end("a1", 1, 5, finish=finish)] for finish in ("stop", "tool-calls")]
    for events in stories:
        store = store_of(session(), *events)
        now = state.session_state(store, store.sessions[SOURCE, "s1"], at(5 + passed))
        assert now.reason
        words = dated(now, at(5 + passed))
        assert " ago" not in words
        if now.name not in ("stalled", "idle"):
            assert " UTC" in words


def test_an_id_of_strangers_is_harmless_in_heading_facts_and_anchor() -> None:
    evil = "ses_a\x1b]52;c;AAAA\x07\x9b31m\u202e\nb<i>"
    store = store_of(session(evil), session(f"{evil}2", 3, parent_id=evil, title="Child"))
    sections = [block for block in whole(store, evil) if isinstance(block, Begin)]
    assert [block.title for block in sections] == ["ses_a b<i>", "Sub-agent 1: Child"]
    for writer in (Markdown(), Html()):
        written = "".join(writer.begin(block) for block in sections)
        assert sanitize.block(written) == written
        assert "AAAA" not in written
        assert "<i>" not in written.replace("\\<", "")
        assert written.count("ses_a b") >= 3
