"""What a readable document consists of, in the order of reading: headings with facts, and texts by reference.

A session, its prompts, under each the steps that answer it, in them what the model thought, said and called, and every
sub-agent under the call that started it. Pure; the texts are read by whoever writes the document.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from adapter.events import Usage
from tui.commands.export.reasons import dated
from tui.commands.export.texts import Texts
from tui.model.records import Op, Payload, Prompt, Session, Turn, op_id
from tui.model.status import state
from tui.model.status.outcome import exit_code
from tui.model.store.store import Store
from tui.model.sums import rollup
from tui.model.tree.children import called, outline, uncalled
from tui.model.tree.names import step_name
from tui.model.tree.thoughts import texts_of, thoughts, without_followers
from tui.render import numbers
from tui.text import sanitize
from tui.text.moments import duration, utc

Fact = tuple[str, str]
"""What it is called, and its words: one clean line that no markup has been applied to."""
Kind = Literal["session", "prompt", "step", "call"]
Look = Literal["words", "answer", "thought", "input", "output", "diff", "files", "todo", "attachment"]


class Begin(NamedTuple):
    """Opens a part of the document. `level` counts sessions, prompts and steps from 1 without a bound; `anchor` is
    the id of a session, as it came."""

    kind: Kind
    level: int
    title: str
    facts: list[Fact]
    anchor: str = ""


class Passage(NamedTuple):
    """A text of the part that is open. `words` are a person's, an `answer` and a `thought` a model's, which writes
    Markdown; the others are what they are called."""

    label: str
    look: Look
    payload: Payload
    more: tuple[Payload, ...] = ()


class End(NamedTuple):
    """Closes the newest part that is open."""

    kind: Kind


Block = Begin | Passage | End


class _Below(NamedTuple):
    """A sub-agent whose blocks come here."""

    session: Session
    level: int
    number: str


def blocks(store: Store, session: Session, texts: Texts, now_us: int, *, children: bool = True) -> Iterator[Block]:
    """The document of a session; its sub-agents too unless `children` is False. No recursion: how deep they are nested
    is a stranger's data."""
    writer = _Writer(store, texts, now_us, children)
    stack = [writer.session(_Below(session, 1, ""))]
    while stack:
        block = next(stack[-1], None)
        if block is None:
            stack.pop()
        elif isinstance(block, _Below):
            stack.append(writer.session(block))
        else:
            yield block


class _Writer:
    def __init__(self, store: Store, texts: Texts, now_us: int, children: bool) -> None:
        self.store = store
        self.texts = texts
        self.now_us = now_us
        self.children = children

    def session(self, below: _Below) -> Iterator[Block | _Below]:
        store, session = self.store, below.session
        whose = f"Sub-agent {below.number}" if below.number else ""
        title = self.texts.title(session) or sanitize.label(session.id)
        yield Begin(
            "session",
            below.level,
            f"{whose}: {title}" if whose else title,
            self._facts(session),
            session.id,
        )
        numbers_of = {
            child.key: f"{below.number}.{place}" if below.number else str(place)
            for place, child in enumerate(store.children_of(session) if self.children else (), start=1)
        }
        shape = outline(store, session)
        place = 0
        for node in shape.top:
            if isinstance(node, Prompt):
                place += 1
                yield from self._prompt(node, _title(whose, f"prompt {place}"), below.level + 1)
            turns = shape.answers[node.message_id] if isinstance(node, Prompt) else [node]
            for turn in turns:
                yield from self._turn(session, turn, whose, below.level + 2, numbers_of)
            if isinstance(node, Prompt):
                yield End("prompt")
        for child in uncalled(store, session) if self.children else ():
            yield _Below(child, below.level + 1, numbers_of[child.source, child.id])
        yield End("session")

    def _facts(self, session: Session) -> list[Fact]:
        store, free = self.store, self.texts.free
        now = state.session_state(store, session, self.now_us)
        own, tree = rollup.own(store, session), rollup.subtree(store, session)
        calls = [op for turn in session.turns.values() for op in turn.ops.values() if op.kind == "tool"]
        failed = sum(op.status == "failed" for op in calls)
        holds = [
            numbers.plural(len(session.prompts), "prompt"),
            numbers.plural(len(session.turns), "step"),
            numbers.plural(len(calls), "tool call") + (f" ({failed} failed)" if failed else ""),
        ]
        facts: list[Fact] = [
            ("state", self._state(now)),
            ("session", sanitize.label(session.id)),
            ("kind", {"sub_agent": "sub-agent"}.get(session.kind, session.kind)),
            ("agent", session.agent),
            ("model", _model(session.model, session.provider_alias)),
            ("directory", free(session.cwd)),
            ("opencode", session.version),
            ("started", utc(session.start_ts)),
            ("last activity", utc(max(session.last_ts, session.updated_ts))),
            ("holds", ", ".join(holds)),
            ("cost", money(own.cost)),
            ("tokens", tokens(own.usage)),
        ]
        if tree.sessions > 1:
            facts += [
                ("cost with sub-agents", f"{money(tree.cost)} in {tree.sessions} sessions"),
                ("tokens with sub-agents", tokens(tree.usage)),
            ]
        if session.error_class or session.error_message:
            facts.append(("error", self._error(session.error_class, session.error_message)))
        for log in sorted(session.logs.values(), key=lambda log: (log.ts, log.ref)):
            if log.severity in ("WRN", "ERR"):
                facts.append(("note", free(log.message)))
        return [fact for fact in facts if fact[1]]

    def _prompt(self, prompt: Prompt, title: str, level: int) -> Iterator[Block]:
        facts = [
            ("sent", utc(prompt.ts)),
            ("agent", prompt.agent),
            ("model", prompt.model),
            ("origin", "written by opencode" if prompt.synthetic else ""),
            ("waits", "not taken up yet" if prompt.waits else ""),
            ("asks for", "a compaction of the context" if prompt.extras.get("compaction") else ""),
        ]
        yield Begin("prompt", level, title, [fact for fact in facts if fact[1]])
        for payload in sorted(prompt.payloads.values(), key=lambda payload: payload.kind != "user_prompt"):
            yield from self._passage(payload)

    def _turn(
        self, session: Session, turn: Turn, whose: str, level: int, numbers_of: dict[tuple[str, str], str]
    ) -> Iterator[Block | _Below]:
        now = state.turn_state(self.store, session, turn, self.now_us)
        added = outline(self.store, session).growth.get(turn.message_id, 0)
        facts = [
            ("state", "" if now.name == "completed" else self._state(now)),
            ("began", utc(turn.start_ts)),
            ("took", duration(turn.end_ts - turn.start_ts) if turn.end_ts else ""),
            ("agent", turn.agent),
            ("model", _model(turn.model, turn.provider_alias)),
            ("tokens", tokens(turn.usage)),
            ("added to the context", f"{added:,}" if added else ""),
            ("cost", money(turn.cost) if turn.cost else ""),
            ("finish", turn.finish),
            ("error", self._error(turn.error_class, turn.error_message)),
        ]
        yield Begin("step", level, _title(whose, step_name(turn)), [fact for fact in facts if fact[1]])
        parts = {parts[0].part_id: parts for parts in thoughts(turn)}
        for op in without_followers(turn.ops.values()):
            if op.kind == "reasoning":
                found = texts_of(parts[op.part_id])
                if found:
                    yield from self._passage(found[0], more=tuple(found[1:]))
            elif op.kind == "tool" or (op.kind == "session" and op_id(op.part_id, "tool") not in turn.ops):
                yield from self._call(session, op, level, numbers_of)
            else:
                for payload in op.payloads.values():
                    yield from self._passage(payload)
        for payload in turn.payloads.values():
            yield from self._passage(payload)
        yield End("step")

    def _call(
        self, session: Session, op: Op, level: int, numbers_of: dict[tuple[str, str], str]
    ) -> Iterator[Block | _Below]:
        now = state.op_state(self.store, session, op, self.now_us)
        added, removed = op.extras.get("additions"), op.extras.get("deletions") or 0
        changed = isinstance(added, int) and isinstance(removed, int) and bool(added or removed)
        facts = [
            # Of a command that said no the exit code is said, which is its state.
            ("state", "" if now.name == "completed" or now.reason == f"exit {exit_code(op)}" else self._state(now)),
            ("began", utc(op.start_ts)),
            ("took", duration(op.end_ts - op.start_ts) if op.end_ts else ""),
            ("exit", str(op.extras["exit"]) if isinstance(op.extras.get("exit"), int) else ""),
            ("changed", f"+{added} -{removed} lines" if changed else ""),
            ("error", self._error(op.error_class, op.error_message)),
        ]
        # A `session` op has the description of its task for a name.
        name = "task" if op.kind == "session" else f"{op.namespace}: {op.name}" if op.namespace else op.name or op.kind
        subject = self.texts.free(op.label or op.title)
        title = f"{name}  {subject}" if subject else name
        yield Begin("call", level + 1, title, [fact for fact in facts if fact[1]])
        for payload in op.payloads.values():
            yield from self._passage(payload, op)
        child = called(self.store, session, op)
        if child is not None and child.key in numbers_of:
            yield _Below(child, level + 1, numbers_of[child.source, child.id])
        yield End("call")

    def _passage(self, payload: Payload, op: Op | None = None, more: tuple[Payload, ...] = ()) -> Iterator[Passage]:
        match payload.kind:
            case "user_prompt":
                yield Passage("prompt", "words", payload)
            case "llm_response":
                yield Passage("answer", "answer", payload)
            case "llm_reasoning":
                yield Passage("reasoning", "thought", payload, more)
            case "tool_request":
                todo = op is not None and op.tool == "todowrite"
                yield Passage("todo" if todo else "input", "todo" if todo else "input", payload)
            case "tool_response":
                plain = op is not None and op.tool in ("bash", "task")
                yield Passage("output", "output" if plain or payload.format != "diff" else "diff", payload)
            case "diff":
                named = payload.format == "diff"
                label = f"diff of {self.texts.free(payload.preview)}" if named and payload.preview else "diff"
                yield Passage(label if named else "changed files", "diff" if named else "files", payload)
            case _ if payload.format == "text":
                # What opencode adds for @files and the like; a real file has a MIME type.
                yield Passage("text added by opencode" if payload.extras.get("synthetic") else "text", "words", payload)
            case _:
                about = ", ".join(part for part in (self.texts.free(payload.preview), payload.format) if part)
                yield Passage(f"attachment: {about}" if about else "attachment", "attachment", payload)

    def _state(self, now: state.State) -> str:
        """The state and why; reasons quote errors and what a person was asked, so a redacted document has none."""
        name = now.name + ("?" if now.inferred else "")
        # The reason of a failure is its error, which is a fact of its own.
        if self.texts.redact or now.name == "failed" or not now.reason:
            return name
        return f"{name}: {dated(now, self.now_us)}"

    def _error(self, name: str, message: str) -> str:
        return ": ".join(part for part in (name, self.texts.free(message)) if part)


def _title(whose: str, what: str) -> str:
    return f"{whose}, {what}" if whose else what.capitalize()


def _model(model: str, alias: str) -> str:
    return f"{model} ({alias})" if model and alias else model or alias


def money(dollars: float) -> str:
    """Dollars to the hundredth of a cent."""
    return f"${dollars:,.4f}"


def tokens(usage: Usage) -> str:
    """All counters that hold anything, exactly."""
    counts = [
        ("in", usage.input),
        ("cache read", usage.cache_read),
        ("cache write", usage.cache_write),
        ("out", usage.output),
        ("reasoning", usage.reasoning),
    ]
    return ", ".join(f"{count:,} {name}" for name, count in counts if count)
