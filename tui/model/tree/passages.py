"""A session as it was lived: its prompts, what was thought, said and called, and what went wrong, in the order of time.

A passage is one thing that a reader opens, copies or jumps to. It names the row of the tree that it is; what it says is
looked up when it is drawn. Sub-agents stand where they were called, with the passages of their own session inside while
they are open, to any depth and without recursion: how deep they are nested is a stranger's data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from tui.model.records import (
    Key,
    Log,
    Op,
    Payload,
    Prompt,
    Session,
    SessionKey,
    Turn,
    op_id,
    op_key,
    prompt_key,
    session_key,
    turn_key,
)
from tui.model.status.outcome import went_wrong
from tui.model.store.store import Store
from tui.model.store.unnamed import may_call
from tui.model.tree.children import called, outline, uncalled
from tui.model.tree.thoughts import without_followers

Kind = Literal[
    "prompt",
    "answer",
    "thought",
    "summary",
    "call",
    "agents",
    "agent",
    "files",
    "compaction",
    "remark",
    "error",
    "rest",
]


_SAID = frozenset({"text", "reasoning", "compaction"})
"""Kinds of ops that are a passage of their own, beside calls."""
_WRITERS = frozenset({"edit", "write", "apply_patch"})
"""Tools whose calls show themselves what they change."""


class Passage(NamedTuple):
    """One thing of a session. `depth` counts the sub-agents around it. `agents` are several that were called one after
    the other, `agent` is one; `files` are those that a step changed by commands alone; a `summary` is the answer that
    takes the place of the context; a `remark` is one of the
    adapter (`note` names it), an `error` the end of a step, and of a session that is not whole the `rest` is on its
    way."""

    kind: Kind
    key: Key
    depth: int = 0
    note: str = ""

    @property
    def name(self) -> tuple[str, Key, str]:
        """What names the passage, whatever comes and goes around it."""
        return self.kind, self.key, self.note


_UNKNOWN: tuple[int, list[Passage]] = (-1, [])

Name = tuple[str, Key, str]
IsOpen = Callable[[Passage], bool]


class Passages:
    """The passages of sessions; those of a step are kept until it changes (`forget`)."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._steps: dict[SessionKey, dict[str, tuple[int, list[Passage]]]] = {}
        """By session and step, how many ops it had."""

    def forget(self, dirty: set[Key]) -> None:
        """Drops what is kept of the steps among these nodes, and of those that these calls are in."""
        homes = self.store.homes
        for key in dirty:
            if key.kind == "turn":
                self._steps.get(key.owner, {}).pop(key.id, None)
            elif key.kind == "op" and (message_id := homes.get(key.owner, {}).get(key.id)) is not None:
                self._steps.get(key.owner, {}).pop(message_id, None)

    def of(self, root: Session, is_open: IsOpen) -> Iterator[list[Passage]]:
        """The passages of a session in order, with those inside of every sub-agent that is open. They come in blocks,
        none of them empty: a step that calls no sub-agent is one, and the same list until it changes."""
        stack = [self._session(root, 0)]
        inside = {root.key}
        levels: list[SessionKey | None] = [root.key]
        while stack:
            block = next(stack[-1], None)
            if block is None:
                stack.pop()
                if (left := levels.pop()) is not None:
                    inside.discard(left)
                continue
            yield block
            passage = block[0]
            if passage.kind == "agents":
                if is_open(passage):
                    stack.append([one] for one in self.members(passage))
                    levels.append(None)
            elif passage.kind == "agent" and is_open(passage):
                child = self.child(passage)
                # A cycle is cut in `links`; a session is never inside of itself here either.
                if child is not None and child.key not in inside:
                    stack.append(self._session(child, passage.depth + 1))
                    inside.add(child.key)
                    levels.append(child.key)

    def child(self, passage: Passage) -> Session | None:
        """The session of an `agent`."""
        store = self.store
        if passage.key.kind == "session":
            return store.session_of(passage.key)
        session, op = store.session_of(passage.key), store.op(passage.key)
        return called(store, session, op) if session is not None and op is not None else None

    def members(self, passage: Passage) -> list[Passage]:
        """The sub-agents of `agents`, each a passage of its own."""
        store, key = self.store, passage.key
        session, turn = store.session_of(key), store.turn_of_op(key)
        if session is None or turn is None:
            return []
        found: list[Passage] = []
        for op in without_followers(turn.ops.values()):
            if self._is_call(turn, op) and called(store, session, op) is not None:
                found.append(Passage("agent", op_key(session, op), passage.depth))
            elif self._is_call(turn, op) or op.kind in _SAID:
                if any(one.key == key for one in found):
                    break
                found.clear()
        return found

    def _session(self, session: Session, depth: int) -> Iterator[list[Passage]]:
        store = self.store
        shape = outline(store, session)
        logs = _remarks(session)
        told = 0
        steps = self._steps.setdefault(session.key, {})
        for node in shape.top:
            if isinstance(node, Prompt):
                yield [Passage("prompt", prompt_key(session, node), depth)]
            for turn in shape.answers[node.message_id] if isinstance(node, Prompt) else [node]:
                while told < len(logs) and logs[told].ts < turn.start_ts:
                    yield [self._remark(session, logs[told].ref, logs[told].message, depth)]
                    told += 1
                count, known = steps.get(turn.message_id, _UNKNOWN)
                if count == len(turn.ops) and (not known or known[0].depth == depth):
                    if known:
                        yield known
                else:
                    yield from self._step(session, turn, depth)
        for log in logs[told:]:
            yield [self._remark(session, log.ref, log.message, depth)]
        for child in uncalled(store, session):
            yield [Passage("agent", session_key(child), depth)]
        if not session.whole:
            yield [Passage("rest", session_key(session), depth)]

    def _remark(self, session: Session, ref: str, message: str, depth: int) -> Passage:
        return Passage("remark", session_key(session), depth, f"{ref} {message}")

    def _step(self, session: Session, turn: Turn, depth: int) -> Iterable[list[Passage]]:
        """The blocks of a step of which none are kept."""
        # Which call has a sub-agent depends on other steps and sessions as well, and is found anew each time.
        calls = any(op.child_session_id or may_call(op) for op in turn.ops.values())
        made = list(self._make(session, turn, depth, calls))
        if calls:
            return ([one] for one in made)
        self._steps[session.key][turn.message_id] = len(turn.ops), made
        return (made,) if made else ()

    def _is_call(self, turn: Turn, op: Op) -> bool:
        """Whether an op is a call: a `task` has two ops, of which the `session` op is told by the `tool` op."""
        return op.kind == "tool" or (op.kind == "session" and op_id(op.part_id, "tool") not in turn.ops)

    def _make(self, session: Session, turn: Turn, depth: int, calls: bool) -> Iterator[Passage]:
        """`calls`: one of the calls may have a sub-agent."""
        agents: list[Key] = []
        for op in without_followers(turn.ops.values()):
            key = op_key(session, op)
            is_call = self._is_call(turn, op)
            if calls and is_call and called(self.store, session, op) is not None:
                agents.append(key)
                continue
            if is_call or op.kind in _SAID:
                yield from _together(agents, depth)
                agents = []
            if is_call:
                yield Passage("call", key, depth)
            elif op.kind == "text":
                yield Passage("summary" if turn.compacts else "answer", key, depth)
            elif op.kind == "reasoning":
                yield Passage("thought", key, depth)
            elif op.kind == "compaction":
                yield Passage("compaction", key, depth)
        yield from _together(agents, depth)
        if changed_files(turn) and not any(op.tool in _WRITERS for op in turn.ops.values()):
            yield Passage("files", turn_key(session, turn), depth)
        if turn.error_class or turn.error_message or turn.status == "aborted":
            yield Passage("error", turn_key(session, turn), depth)


def changed_files(turn: Turn) -> list[Payload]:
    """The lists of the files that a step has changed: 1.x writes them behind it, 2.x with the model's own op."""
    of_model = (payload for op in turn.ops.values() if op.kind == "llm" for payload in op.payloads.values())
    return [*turn.payloads.values(), *of_model]


def _remarks(session: Session) -> list[Log]:
    """The remarks on a session by time, but for those on what stands there anyway: attachments and compactions."""
    if not session.logs:
        return []
    shown = {payload.part_id for prompt in session.prompts.values() for payload in prompt.payloads.values()}
    for turn in session.turns.values():
        for op in turn.ops.values():
            if op.kind == "compaction":
                shown |= {op.part_id, op.message_id}
    found = (log for log in session.logs.values() if not (log.severity == "INF" and log.ref in shown))
    return sorted(found, key=lambda log: (log.ts, log.ref))


def _together(agents: list[Key], depth: int) -> Iterator[Passage]:
    if agents:
        yield Passage("agents" if len(agents) > 1 else "agent", agents[0], depth)


def place_of(passages: list[Passage], store: Store, key: Key) -> int:
    """The place of the passage that a row of the tree is, or the first one in it; -1 where there is none."""
    if key.kind == "session":
        return len(passages) - 1
    turn = store.turn(key)
    if turn is not None:
        session = store.session_of(key)
        assert session is not None
        wanted = {op_key(session, op) for op in turn.ops.values()} | {key}
        return next((at for at, one in enumerate(passages) if one.key in wanted), -1)
    return next((at for at, one in enumerate(passages) if one.key == key), -1)


def failed(store: Store, passage: Passage) -> bool:
    """Whether a reader who looks for failures stops here."""
    if passage.kind == "error":
        return True
    op = store.op(passage.key) if passage.kind in ("call", "agent") else None
    return op is not None and went_wrong(op)
