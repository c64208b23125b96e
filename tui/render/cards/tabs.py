"""Which tabs a node has, which texts stand on each, and how each text is to be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from adapter.references import build
from tui.model.records import Key, Op, Payload, Session, Turn, find_payload
from tui.model.store.store import Store
from tui.model.tree.children import Calls, called, calls_of, outline
from tui.model.tree.thoughts import as_one, texts_of, thought_of, thoughts
from tui.render.cards.labelled import payload_name
from tui.render.lines import Line, Span, width_of

NAMES = ("Overview", "Transcript", "Timeline", "Input", "Output", "Diff", "Todo", "Raw")
OVERVIEW, TRANSCRIPT, TIMELINE, INPUT, OUTPUT, DIFF, TODO, RAW = NAMES
"""All tabs in their order."""
KEYS = {OVERVIEW: "1", TRANSCRIPT: "t", TIMELINE: "i", INPUT: "2", OUTPUT: "3", DIFF: "4", TODO: "5", RAW: "6"}
"""The key of each tab, the same on every node: a number for what is of the row, a letter for what is of the session."""
BRIEF = {OVERVIEW: "Over", TRANSCRIPT: "Read", TIMELINE: "Time", INPUT: "In", OUTPUT: "Out"}
"""What a tab that is not picked is called where there is little room."""

DIFF_LIMIT = 50
"""Most diffs on one tab, the newest: a session of a day has thousands, and each is read from the database."""

TAIL_LIMIT = 500_000
"""Bytes of an output beyond which nobody reads it for its last lines."""

MARKDOWN_TOOLS = frozenset({"webfetch", "plan_exit", "skill"})


class Text(NamedTuple):
    """One text of a tab: where it is and its look (see `payload.py`); `title` is what it is called among others. `more`
    are the references to what goes on in it: a thought may be of many parts. `place` is its number among those of its
    kind: a call of 2.x can have several."""

    payload: Payload
    look: str
    title: str
    more: tuple[str, ...] = ()
    place: int = 0

    @property
    def slot(self) -> str:
        """What stays the same when a running call ends and its text moves to another field."""
        payload = self.payload
        if payload.kind in ("attachment", "diff", "user_prompt"):
            return payload.uri
        return f"{payload.part_id} {payload.kind} {self.look} {self.place}"


Tabs = dict[str, list[Text]]
"""The tabs a node has, by name, in order."""


def tabs_of(store: Store, key: Key) -> Tabs:
    """Overview, Timeline and Raw of every node, and of the others those that have something on them."""
    session = store.session_of(key)
    if session is None:
        return {OVERVIEW: []} if key.kind == "heading" else {}
    row = row_payload(store, key)
    tabs: Tabs = {
        OVERVIEW: [],
        TRANSCRIPT: [],
        TIMELINE: [],
        INPUT: _input(store, session, key),
        OUTPUT: _output(store, session, key),
        DIFF: _diffs(store, session, key),
        TODO: _todo(store, session, key),
        RAW: [Text(row, "json", "row")] if row else [],
    }
    return {name: texts for name, texts in tabs.items() if texts or name in (OVERVIEW, TRANSCRIPT, TIMELINE, RAW)}


def tail_of(store: Store, key: Key, known: Tabs) -> Text | None:
    """The output of which the Overview of a call shows the end; None where there is none, or one that would have to be
    read whole although it is big."""
    session, op = store.session_of(key), store.op(key)
    if session is None or op is None or op.kind != "tool" or called(store, session, op) is not None:
        return None
    texts = [text for text in known.get(OUTPUT, ()) if text.payload.kind == "tool_response"]
    return texts[0] if len(texts) == 1 and texts[0].payload.size <= TAIL_LIMIT else None


def tab_line(names: Sequence[str], picked: str, note: str, width: int) -> Line:
    """The numbers and names of all tabs in one line, each in its place whatever the node is: those that it has not
    (`names` are those that it has) are dim. The picked one is marked, a note comes behind. With little room the numbers
    go first, then all names but that of the picked one."""
    wide = (partial(_numbered, " ", " "), partial(_numbered, "", "  "), partial(_numbered, "", " "))
    forms = (*wide, partial(_named, {}), partial(_named, BRIEF), _short)
    for form in forms:
        spans = [(" ", "dim"), *form(names, picked)]
        if width_of([*spans, (note, "dim")]) <= width:
            break
    return [*spans, (note, "dim")]


def _role(name: str, names: Sequence[str], picked: str) -> str:
    return "tab" if name == picked else "text" if name in names else "dim"


def _numbered(around: str, gap: str, names: Sequence[str], picked: str) -> list[Span]:
    spans: list[Span] = []
    for name in NAMES:
        spans += [(f"{around}{KEYS[name]} {name}{around}", _role(name, names, picked)), (gap, "dim")]
    return spans


def _named(brief: Mapping[str, str], names: Sequence[str], picked: str) -> list[Span]:
    gap = " " if brief else "  "
    called = {name: name if name == picked else brief.get(name, name) for name in NAMES}
    return [span for name in NAMES for span in ((called[name], _role(name, names, picked)), (gap, "dim"))]


def _short(names: Sequence[str], picked: str) -> list[Span]:
    tabs = [(f"{KEYS[name]} {name}" if name == picked else KEYS[name], _role(name, names, picked)) for name in NAMES]
    return [span for tab in tabs for span in (tab, ("  ", "dim"))]


def tab_at(line: Line, x: int) -> str:
    """The tab of a `tab_line` at a column; "" between and behind them."""
    at = 0
    for text, _ in line:
        if at <= x < at + len(text):
            # A key, a name, or both.
            word = text.strip().partition(" ")[0]
            return next((name for name in NAMES if word and word in (KEYS[name], name, BRIEF.get(name))), "")
        at += len(text)
    return ""


def grows(store: Store, key: Key) -> bool:
    """Whether the output of a node is still being written, so that its end is what matters."""
    op = store.op(key)
    return op is not None and op.status == "running" and op.kind == "tool"


def row_payload(store: Store, key: Key) -> Payload | None:
    """The reference to the row behind a prompt, a turn or an op, as opencode wrote it; None for a session, whose
    row has no JSON of its own."""
    op = store.op(key)
    if op is not None and op.part_id != op.message_id:
        named = ("part_id", op.part_id)
    elif op is not None or key.kind in ("prompt", "turn"):
        named = ("message_id", op.message_id if op else key.id)
    else:
        return None
    return Payload(kind="row", uri=build(*named, ""), format="json", size=-1, preview="", part_id=named[1])


def record(store: Store, key: Key) -> str:
    """The model's own record of the node as JSON, children left out; "" when the node is gone."""
    node = {"session": store.session_of, "prompt": store.prompt, "turn": store.turn, "op": store.op}[key.kind](key)
    if node is None:
        return ""
    # `directory` is as the row has it, with whatever is in it; `cwd` is the same for people.
    below = {"prompts", "turns", "ops", "logs", "directory"}
    return msgspec.json.encode(
        {name: getattr(node, name) for name in node.__struct_fields__ if name not in below}
    ).decode()


# --- the texts of a node ---------------------------------------------------------------------------------------


def _input(store: Store, session: Session, key: Key) -> list[Text]:
    if key.kind == "op":
        op = store.op(key)
        look = "question" if op is not None and op.tool == "question" else "fields"
        return [text_of(p, look) for p in op.payloads.values() if p.kind == "tool_request"] if op else []
    if key.kind == "prompt":
        prompt = store.prompt(key)
    elif key.kind == "session":
        prompt = next(iter(session.prompts.values()), None)
    else:
        return []
    if prompt is None:
        return []
    texts = sorted(prompt.payloads.values(), key=lambda payload: payload.kind != "user_prompt")
    return [text_of(payload, "plain" if payload.kind == "user_prompt" else "attachment") for payload in texts]


def _output(store: Store, session: Session, key: Key) -> list[Text]:
    if key.kind == "op":
        op = store.op(key)
        return _output_of_op(store, session, op) if op is not None else []
    if key.kind == "turn":
        turn = store.turn(key)
        return _said(turn) if turn is not None else []
    return _answer(_turns(store, session, key)[1])


def _output_of_op(store: Store, session: Session, op: Op) -> list[Text]:
    turn = session.turns.get(op.message_id)
    if op.kind == "reasoning" and turn is not None:
        return _thought(thought_of(turn, op))
    if op.kind in ("text", "reasoning"):
        return [text_of(p, "markdown") for p in op.payloads.values() if p.kind in ("llm_response", "llm_reasoning")]
    results = [payload for payload in op.payloads.values() if payload.kind == "tool_response"]
    texts = [text_of(result, _look_of(op))._replace(place=place) for place, result in enumerate(results)]
    texts += [text_of(p, "attachment") for p in op.payloads.values() if p.kind == "attachment"]
    child = called(store, session, op)
    if not texts and child is not None:
        texts = _answer(list(child.turns.values()))
    return texts


def _look_of(op: Op) -> str:
    if op.tool == "task":
        return "task"
    if op.tool in MARKDOWN_TOOLS:
        return "markdown"
    return "terminal" if op.tool in ("bash", "read") else ""


def _said(turn: Turn) -> list[Text]:
    """What the model wrote in a step: its answer, then its thoughts."""
    return _answers(turn) + [text for parts in thoughts(turn) for text in _thought(parts)]


def _answers(turn: Turn) -> list[Text]:
    """What the model told the user in a step."""
    said = [op for op in turn.ops.values() if op.kind == "text"]
    return [text_of(p, "markdown") for p in texts_of(said) if p.kind == "llm_response"] if said else []


def _thought(parts: list[Op]) -> list[Text]:
    """The text of a thought, one whatever it is made of."""
    payloads = [payload for payload in texts_of(parts) if payload.kind == "llm_reasoning"]
    if not payloads:
        return []
    return [text_of(as_one(payloads), "markdown")._replace(more=tuple(payload.uri for payload in payloads[1:]))]


def _answer(turns: list[Turn]) -> list[Text]:
    """The last text of the last step that has one."""
    for turn in reversed(turns):
        texts = _answers(turn)
        if texts:
            return texts[-1:]
    return []


def _turns(store: Store, session: Session, key: Key) -> tuple[Session, list[Turn]]:
    """The steps of a session, of a prompt, of the sub-agent that a call started, or the one step; and whose they
    are."""
    if key.kind == "session":
        return session, list(session.turns.values())
    if key.kind == "prompt":
        return session, outline(store, session).answers.get(key.id, [])
    if key.kind == "turn":
        turn = store.turn(key)
        return session, [turn] if turn is not None else []
    op = store.op(key)
    child = called(store, session, op) if op is not None else None
    return (child, list(child.turns.values())) if child is not None else (session, [])


def _with_calls(store: Store, owner: Session, turns: Sequence[Turn]) -> Iterator[tuple[Turn, Calls]]:
    return zip(turns, calls_of(store, owner, turns), strict=True)


def _newest_calls(turns: Sequence[Turn]) -> Iterator[Op]:
    for turn in reversed(turns):
        for op in reversed(turn.ops.values()):
            if op.kind == "tool":
                yield op


def _diffs(store: Store, session: Session, key: Key) -> list[Text]:
    """The changes of a call, or of all calls below a node, oldest first."""
    own = store.op(key)
    found = _diffs_of(own) if own is not None else []
    if found:
        return found[::-1][:DIFF_LIMIT]
    owner, turns = _turns(store, session, key)
    for op in _newest_calls([turn for turn, calls in _with_calls(store, owner, turns) if calls.diff]):
        if len(found) >= DIFF_LIMIT:
            break
        found += _diffs_of(op)
    return found[DIFF_LIMIT - 1 :: -1]


def _diffs_of(op: Op) -> list[Text]:
    """The diffs of a call, one for all its files or one for each, the last file first."""
    diffs = [payload for payload in op.payloads.values() if payload.kind == "diff" and payload.format == "diff"]
    return [Text(payload, "diff", payload.preview or op.label or op.title) for payload in reversed(diffs)]


def _todo(store: Store, session: Session, key: Key) -> list[Text]:
    """The list that a call wrote, or the newest one below a node."""
    own = store.op(key)
    owner, turns = _turns(store, session, key)
    told = _newest_calls([turn for turn, calls in _with_calls(store, owner, turns) if calls.todo])
    for op in [own] if own is not None and own.tool == "todowrite" else told:
        if op.tool == "todowrite" and (payload := find_payload(op, "tool_request")) is not None:
            return [text_of(payload, "todo")]
    return []


def text_of(payload: Payload, look: str) -> Text:
    """A payload as a text in a look, by its name."""
    title = payload_name(payload)
    if title == "attachment":
        title = "  ".join(part for part in (title, payload.preview[:80], payload.format) if part)
    return Text(payload, look, title)
