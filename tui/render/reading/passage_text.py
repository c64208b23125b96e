"""One passage of a transcript as a text: a line that says what it is, and below it what was said, printed or changed.

Which texts of the database it needs says `wanted`; `drawn` makes do with those that are there. Everything is a function
of the model, the texts, the width and the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tui.model.records import Op, Prompt, Session
from tui.model.status import state
from tui.model.status.outcome import exit_code
from tui.model.status.table import ACTIVE
from tui.model.store.store import Store
from tui.model.sums import rollup
from tui.model.sums.copied import uncounted
from tui.model.sums.timing import ended
from tui.model.tree.children import outline
from tui.model.tree.names import prompt_name
from tui.model.tree.passages import Name, Passage, Passages, changed_files
from tui.model.tree.thoughts import first_words, thought_of
from tui.render import numbers
from tui.render.cards import tabs
from tui.render.cards.payload import Shown
from tui.render.glyphs import GLYPHS, mark
from tui.render.lines import Line, Span, folded, spread
from tui.render.rows import summaries
from tui.render.rows.doing import doing, state_words
from tui.render.text.document import Head, Indented, Joined, Painted, Tail, Text
from tui.text import moments

TAIL = 3
"""Last lines that are shown of the output of a call that failed or goes on while it is folded."""
LONG = 40
"""Lines of a prompt or of a summary beyond which it is folded: nobody reads a pasted file twice."""
DEEPEST = 6
"""Sub-agents around a passage that move it to the right; what is deeper stays there, so that words have room."""
PER_LINE = 60
"""Characters that a line of a text is taken to have as long as it has not been read."""
MOST_LINES = 30
"""Lines that are kept free for a text that has not been read."""

ESTIMATED = frozenset({"thought", "summary"})
"""Kinds of passages that are taken to have more lines while they are open."""

_FOLDED = frozenset({"thought", "call", "agents", "agent", "summary", "files", "compaction"})


class Read(NamedTuple):
    """A text that was asked for: what there is of it, or why there is nothing."""

    shown: Shown | None
    note: str = ""


Texts = Mapping[str, Read]
"""What has been read, by `tabs.Text.slot`."""


def foldable(store: Store, passage: Passage, texts: Texts) -> bool:
    """Whether something of the passage can be hidden: of a prompt what came along with it, and what is long."""
    if passage.kind == "compaction":
        op = store.op(passage.key)
        return op is not None and bool(op.payloads)
    if passage.kind != "prompt":
        return passage.kind in _FOLDED
    prompt = store.prompt(passage.key)
    if prompt is not None and any(one.kind == "attachment" for one in prompt.payloads.values()):
        return True
    read = [texts.get(text.slot) for text in wanted(store, passage, False)]
    return sum(len(one.shown) for one in read if one is not None and one.shown is not None) > LONG


def opens_by_itself(store: Store, passage: Passage) -> bool:
    """Whether a passage is open before anybody has chosen: what is said is, and a question that waits."""
    if passage.kind not in _FOLDED:
        return passage.kind != "prompt"
    op = store.op(passage.key) if passage.kind == "call" else None
    return op is not None and op.tool == "question" and op.status == "running"


def wanted(store: Store, passage: Passage, is_open: bool) -> list[tabs.Text]:
    """The texts that the passage shows, in their order."""
    session = store.session_of(passage.key)
    if session is None:
        return []
    if passage.kind == "prompt":
        found = tabs.tabs_of(store, passage.key).get(tabs.INPUT, [])
        # Files that came along are named; they are read when somebody opens them.
        return [text for text in found if is_open or text.payload.kind == "user_prompt"]
    op = store.op(passage.key)
    if passage.kind == "compaction" and op is not None and is_open:
        return [tabs.text_of(payload, "markdown") for payload in op.payloads.values()]
    if passage.kind in ("answer", "thought", "summary", "files"):
        if passage.kind != "answer" and not is_open:
            return []
        turn = store.turn(passage.key)
        if turn is not None:
            return [tabs.text_of(payload, "") for payload in changed_files(turn)]
        return tabs.tabs_of(store, passage.key).get(tabs.OUTPUT, [])
    if passage.kind != "call" or op is None:
        return []
    return _of_call(store, session, passage, op, is_open)


def _of_call(store: Store, session: Session, passage: Passage, op: Op, is_open: bool) -> list[tabs.Text]:
    known = tabs.tabs_of(store, passage.key)
    output = [text for text in known.get(tabs.OUTPUT, ()) if text.payload.kind == "tool_response"]
    if not is_open:
        tail = output[0] if output and _shows_tail(op) and output[0].payload.size <= tabs.TAIL_LIMIT else None
        return [tail] if tail is not None else []
    if op.tool == "todowrite" and known.get(tabs.TODO):
        return [*known[tabs.TODO], *known.get(tabs.OUTPUT, ())]
    # What was changed is what a reader looks for; the arguments are the same once more, and the result only says so.
    return [*known.get(tabs.DIFF, ()), *known.get(tabs.INPUT, ()), *known.get(tabs.OUTPUT, ())]


def _shows_tail(op: Op) -> bool:
    return bool(exit_code(op)) or (op.status == "running" and op.tool == "bash")


def goes_on(store: Store, name: Name, now_us: int) -> bool:
    """Whether time alone changes what the passage of a name says: what is at work in it says for how long."""
    kind, key, _ = name
    if kind == "prompt":
        session, prompt = store.session_of(key), store.prompt(key)
        if session is None or prompt is None:
            return False
        return state.prompt_state(store, session, prompt, now_us).name in ACTIVE
    op = store.op(key)
    return kind in ("agents", "agent") or (op is not None and op.status == "running")


def estimate(store: Store, passage: Passage, is_open: bool) -> int:
    """How many lines the passage is likely to have while its texts have not been read."""
    if passage.kind in ("prompt", "answer") or (is_open and passage.kind in ESTIMATED):
        node = store.prompt(passage.key) or store.turn(passage.key) or store.op(passage.key)
        size = sum(max(0, payload.size) for payload in node.payloads.values()) if node is not None else 0
        return 2 + min(MOST_LINES, 1 + size // PER_LINE)
    return 1


class Drawing(NamedTuple):
    """What lines are made for: cells, the time in µs, and whether long lines are broken."""

    width: int
    now_us: int
    wrap: bool = True


def drawn(passages: Passages, passage: Passage, texts: Texts, is_open: bool, how: Drawing) -> Text:
    """The lines of a passage. Where a text has not been read its first words stand, and room for the rest."""
    store = passages.store
    session = store.session_of(passage.key)
    prefix: list[Span] = [("│ " * min(passage.depth, DEEPEST), "dim")] if passage.depth else []
    inside = how._replace(width=max(10, how.width - 2 * min(passage.depth, DEEPEST)))
    text = _GONE if session is None else _drawn(passages, session, passage, texts, is_open, inside)
    return Indented(text, prefix) if prefix else text


_GONE = Painted([[("(gone)", "dim")]])


def _drawn(passages: Passages, session: Session, passage: Passage, texts: Texts, is_open: bool, how: Drawing) -> Text:
    store = passages.store
    op = store.op(passage.key)
    match passage.kind:
        case "prompt":
            prompt = store.prompt(passage.key)
            return _prompt(store, session, passage, prompt, texts, is_open, how) if prompt is not None else _GONE
        case "answer":
            return Joined([Painted([[]]), _bodies(store, passage, texts, is_open, how)])
        case "files":
            line: Text = Painted([[("* ", "dim"), ("files were changed", "dim")]])
            return Joined([line, _bodies(store, passage, texts, is_open, how)]) if is_open else line
        case "summary" | "thought":
            return _folding(store, session, passage, texts, is_open, how)
        case "call" if op is not None:
            return _call(store, session, passage, op, texts, is_open, how)
        case "agents":
            return Painted([_agents(passages, passage, how)])
        case "agent":
            return Painted([_agent(passages, session, passage, how)])
        case "compaction" if op is not None:
            words = f"{GLYPHS.compaction} {op.label or 'context compacted'} "
            rule = Painted([[], [(words, "accent"), ("─" * max(0, how.width - len(words)), "dim")]])
            return Joined([rule, _bodies(store, passage, texts, is_open, how)]) if is_open and op.payloads else rule
        case "error":
            return _error(store, session, passage, how)
        case "remark":
            return Painted([[("! ", "warn"), (passage.note.partition(" ")[2], "dim")]])
        case "rest":
            return Painted([[("… the rest of this session is being read", "dim")]])
    return _GONE


def _prompt(
    store: Store, session: Session, passage: Passage, prompt: Prompt, texts: Texts, is_open: bool, how: Drawing
) -> Text:
    who = "opencode" if prompt.synthetic else "its caller" if session.parent_id else "you"
    name = prompt_name(prompt)
    head: list[Span] = [(f"{GLYPHS.prompt} ", "accent"), (who, "strong"), (f" {_when(prompt.ts, how.now_us)}", "dim")]
    if name != "prompt":
        head.append((f"  {name}", "warn" if prompt.waits else "dim"))
    now = state.prompt_state(store, session, prompt, how.now_us)
    if now.name in ("failed", "aborted"):
        head.append((f"  {mark(now.name).glyph} {mark(now.name).word}", mark(now.name).role))
    about = " · ".join(part for part in (prompt.agent, prompt.model) if part)
    body = _bodies(store, passage, texts, is_open, how)
    if not is_open and foldable(store, passage, texts) and len(body) > LONG:
        body = Joined([Head(body, LONG), Painted([[(f"  … {len(body) - LONG:,} more lines", "dim")]])])
    files = [] if is_open else [one for one in prompt.payloads.values() if one.kind == "attachment"]
    named: list[Line] = [
        [("  + ", "accent"), (one.preview or "text added by opencode", "text"), (f"  {numbers.size(one.size)}", "dim")]
        for one in files
    ]
    right = [(about, "dim"), *_came_of(store, session, prompt, now.name in ACTIVE, how.now_us)]
    return Joined([Painted([[], spread(head, right, how.width)]), body, Painted(named)])


def _came_of(store: Store, session: Session, prompt: Prompt, running: bool, now_us: int) -> Line:
    """How long the answer to a prompt took and what it cost with its sub-agents, as its row in the tree says it."""
    turns = outline(store, session).answers.get(prompt.message_id, [])
    end = now_us if running else max((turn.end_ts for turn in turns), default=0)
    below = rollup.called_by(store, session, {turn.message_id for turn in turns})
    cost = numbers.money(sum(turn.cost for turn in turns) + below.cost)
    doubt = "?" if cost and below.doubt.cost else ""
    took = moments.duration(end - prompt.ts) if 0 < prompt.ts < end else ""
    copied = "copied" if uncounted(session, prompt) else ""
    words = [(copied, "dim"), (took, "active" if running else "dim"), (cost + doubt, "text")]
    return [(f"  {text}", role) for text, role in words if text]


def _folding(store: Store, session: Session, passage: Passage, texts: Texts, is_open: bool, how: Drawing) -> Text:
    """A thought, or what takes the place of a context: one line, and the text below it while it is open."""
    op, turn = store.op(passage.key), store.turn_of_op(passage.key)
    parts = thought_of(turn, op) if op is not None and turn is not None else [op] if op is not None else []
    label = "thought" if passage.kind == "thought" else "summary"
    running = any(part.status == "running" for part in parts)
    head: list[Span] = [(f"{GLYPHS.reasoning} ", "dim"), (f"{mark('thinking').word if running else label}", "dim")]
    words = first_words(parts) if parts else ""
    if not is_open and words:
        head.append((f"  {words}", "dim"))
    took = moments.duration(max(part.end_ts for part in parts) - parts[0].start_ts) if parts and not running else ""
    line: Text = Painted([spread(head, [(took, "dim")], how.width)])
    return Joined([line, _bodies(store, passage, texts, is_open, how)]) if is_open else line


def _call(store: Store, session: Session, passage: Passage, op: Op, texts: Texts, is_open: bool, how: Drawing) -> Text:
    now = state.op_state(store, session, op, how.now_us)
    look = mark(now.name)
    head: list[Span] = [] if now.name == "completed" else [(f"{look.glyph} ", look.role)]
    if op.tool == "bash" and op.label:
        head += [("$ ", "dim"), (op.label, "text")]
        head += [(f"  {op.title}", "dim")] if summaries.described(op) else []
    else:
        head += summaries.op_summary(op)
    right: list[Span] = [*summaries.tail(op)]
    if now.inferred or now.name in ("waiting", "permission", "stalled", "cancelled", "aborted"):
        right.append((f"  {state_words(now, op.name)}", look.role))
    active = now.name in ACTIVE
    end = how.now_us if active else op.end_ts
    if 0 < op.start_ts <= end:
        right.append((f"  {moments.duration(end - op.start_ts)}", "active" if active else "dim"))
    line: Text = Painted([spread(head, right, how.width)])
    if is_open:
        return Joined([line, *_error_of_call(op, how), _bodies(store, passage, texts, is_open, how)])
    if op.status == "failed":
        return Joined([line, *_error_of_call(op, how)])
    output = wanted(store, passage, False)
    read = texts.get(output[0].slot) if output else None
    if read is None or read.shown is None or not len(read.shown):
        return line
    end_of_it = Tail(_laid_out(read.shown, how, 4), TAIL)
    above: list[Line] = [[("  │ ", "dim"), (f"… {end_of_it.above:,} lines above", "dim")]] if end_of_it.above else []
    return Joined([line, Painted(above), Indented(end_of_it, [("  │ ", "dim")])])


def _error_of_call(op: Op, how: Drawing) -> list[Text]:
    """What a failed call says, in full where there is room."""
    words = summaries.error_of(op) if op.status == "failed" else ""
    if not words:
        return []
    return [Painted([[("  │ ", "dim"), *line] for line in folded([(words, "bad")], how.width - 4, 0)])]


def _agents(passages: Passages, passage: Passage, how: Drawing) -> Line:
    """Several sub-agents in a line: how many, for how long, for how much, and how each of them stands."""
    store = passages.store
    members = [(one, passages.child(one)) for one in passages.members(passage)]
    children = [child for _, child in members if child is not None]
    cost = sum(rollup.subtree(store, child).cost for child in children)
    began = [child.start_ts for child in children if child.start_ts > 0]
    running = any(state.session_state(store, child, how.now_us).name in ACTIVE for child in children)
    until = how.now_us if running else max((ended(child) for child in children), default=0)
    head: list[Span] = [(f"{GLYPHS.agent} ", "accent"), (numbers.plural(len(members), "agent"), "strong")]
    for place, child in enumerate(children):
        op = store.op(members[place][0].key)
        now = state.session_state(store, child, how.now_us)
        look = mark("completed" if now.name == "idle" else now.name)
        name = (summaries.subject_of(op) if op is not None else "") or child.agent or child.name
        head += [("  · " if place else "  ", "dim"), (name, "text"), (f" {look.glyph}", look.role)]
    took = moments.duration(until - min(began)) if began and until > 0 else ""
    return spread(head, [(took, "active" if running else "dim"), (f"  {numbers.money(cost)}", "text")], how.width)


def _agent(passages: Passages, session: Session, passage: Passage, how: Drawing) -> Line:
    store = passages.store
    child, op = passages.child(passage), store.op(passage.key)
    if child is None:
        return [("(gone)", "dim")]
    now = state.session_state(store, child, how.now_us)
    running = now.name in ACTIVE
    look = mark("completed" if now.name == "idle" and op is not None and op.status == "completed" else now.name)
    told = doing(store, child, now, how.now_us)
    subject = (summaries.subject_of(op) if op is not None else "") or child.name
    head: list[Span] = [(f"{GLYPHS.agent} ", "accent"), (f"{look.glyph} ", look.role)]
    head += [(f"{child.agent}  ", "dim")] if child.agent else []
    head += [(subject, "text"), *told.flags, *(told.words if running or now.name == "failed" else ())]
    head += summaries.rest(op) if op is not None and op.status == "failed" else []
    began = op.start_ts if op is not None and op.start_ts > 0 else child.start_ts
    until = how.now_us if running else ended(child)
    took = moments.duration(until - began) if 0 < began <= until else ""
    tree = rollup.subtree(store, child)
    money = numbers.money(tree.cost) + ("?" if tree.doubt.cost else "")
    return spread(head, [(took, "active" if running else "dim"), (f"  {money}" if money else "", "text")], how.width)


def _error(store: Store, session: Session, passage: Passage, how: Drawing) -> Text:
    turn = store.turn(passage.key)
    if turn is None:
        return _GONE
    look = mark(state.turn_state(store, session, turn, how.now_us).name)
    words = summaries.error_of(turn) or look.word
    role = "bad" if turn.status == "failed" else look.role
    return Painted(folded([(f"{look.glyph} ", look.role), (words, role)], how.width, 2))


def _bodies(store: Store, passage: Passage, texts: Texts, is_open: bool, how: Drawing) -> Text:
    """The texts of a passage one below the other, as far as they are there."""
    found = wanted(store, passage, is_open)
    rail = "  │ " if passage.kind == "call" else "  "
    op = store.op(passage.key)
    if not found:
        if op is not None and op.status == "running" and op.kind == "text":
            return Painted([[(rail, "dim"), ("writing: opencode stores an answer when it is complete", "active")]])
        return Painted([[(rail, "dim"), ("(no text)", "dim")]])
    parts: list[Text] = []
    for text in found:
        if len(found) > 1:
            parts.append(Painted([[(f"── {text.title} {numbers.size(text.payload.size)}".rstrip(), "dim")]]))
        read = texts.get(text.slot)
        if read is None:
            parts.append(_placeholder(store, passage, text, is_open))
            continue
        if read.shown is not None:
            empty = not len(read.shown)
            parts.append(Painted([[("(empty)", "dim")]]) if empty else _laid_out(read.shown, how, len(rail)))
        if read.note:
            parts.append(Painted([[(read.note, "warn")]]))
    return Indented(Joined(parts), [(rail, "dim")])


def _placeholder(store: Store, passage: Passage, text: tabs.Text, is_open: bool) -> Text:
    """The first words of a text that has not been read, and as much room as it is likely to take."""
    op, prompt = store.op(passage.key), store.prompt(passage.key)
    words = op.label if op is not None and passage.kind == "answer" else prompt.label if prompt is not None else ""
    room = estimate(store, passage, is_open) - 2 if passage.kind in ("answer", "prompt", "thought", "summary") else 1
    return Painted([[(words or f"loading… {numbers.size(text.payload.size)}", "dim")], *([[]] * (room - 1))])


def _laid_out(shown: Shown, how: Drawing, indent: int) -> Text:
    return shown.wrapped(max(10, how.width - indent)) if how.wrap else shown


def _when(ts: int, now_us: int) -> str:
    """A moment without its date where that is today's."""
    words = moments.date_and_time(ts)
    return moments.clock(ts) if words[:10] == moments.date_and_time(now_us)[:10] else words[:16]
