"""The model: applies canonical events and says what changed.

Applying is idempotent (an event twice, or a whole session again, changes nothing and reports nothing) and tolerant of
order between nodes: a turn may come before its session, an op before its turn, a child before its parent. Of one
node the events have to come in the order in which they were made. Three rules keep a followed store equal to a
freshly loaded one:

- A start that says something new about a turn or an op resets it: its end and the references of its part are
  forgotten, because the adapter tells a changed node whole and they follow if they still hold. A start that says what
  is known already is a repetition and resets nothing. An end, or a reference, that comes before its start waits for
  it. The `user_prompt` reference of a message replaces the one before.
- A session is archived when its row says so (`archived_ts`), failed or aborted when its newest known turn is. Only
  while no turn is known, or opencode itself has written that nothing goes on (`told_idle`), does `session_finalized`
  decide, and a later `session_started` without one takes it back. So an old failure ends with the first newer turn,
  whatever order the two arrive in.
- A session whose prompts or turns arrive counts as loaded: the adapter sends sessions whole. One that comes in pieces
  is announced (`expect`), and partial until its end.

What lies in several sources is one session here, its newest copy (`copies.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from adapter.events import Event, SessionFinalized
from adapter.processes.facts import Processes
from tui.model.records import ChangeSet, Key, Log, Op, Prompt, Session, SessionKey, Turn, op_id, op_key, session_key
from tui.model.status.state import is_open, open_nodes
from tui.model.store.apply import take, unload
from tui.model.store.batch import Batch
from tui.model.store.copies import Copies, choose
from tui.model.store.links import Links
from tui.model.store.remarks import LogBook
from tui.model.store.settle import settle
from tui.model.store.unnamed import infer_calls, may_call
from tui.model.sums.window import Limits, no_limits

if TYPE_CHECKING:
    from tui.model.store.remnant import Remnant
    from tui.model.sums.rollup import Own, Subtree
    from tui.model.tree.children import Calls, Outline


class Store:
    """Sessions by (source, session id), with prompts by (ts, id), turns by seq and ops by seq below them. `copies` has
    those that are shown from another source.

    `links`, `finals` and `homes` (the message of each op) belong to `apply.py`. `kids` is a cache of `children_of`,
    `usages`, `subtrees`, `called`, `outlines` and `steps` (by message) are caches of `sums/rollup.py` and
    `tree/children.py`; they are emptied where something changed. `limits` knows the context windows of models.
    `processes` are those of the newest look, by source, and `cut` since when (µs) a source is not seen any more, 0
    while it is.
    """

    def __init__(self, limits: Limits = no_limits) -> None:
        self.limits = limits
        self.sessions: dict[SessionKey, Session] = {}
        self.copies = Copies()
        self.processes: dict[str, Processes] = {}
        self.cut: dict[str, int] = {}
        self.books: dict[str, LogBook] = {}
        self.kids: dict[SessionKey, list[Session]] = {}
        self.usages: dict[SessionKey, Own] = {}
        self.given_back: dict[SessionKey, Remnant] = {}
        self.subtrees: dict[SessionKey, Subtree] = {}
        self.called: dict[SessionKey, dict[str, Subtree]] = {}
        self.outlines: dict[SessionKey, Outline] = {}
        self.steps: dict[SessionKey, dict[str, Calls]] = {}
        self.homes: dict[SessionKey, dict[str, str]] = {}
        self.arriving: set[SessionKey] = set()
        self.links = Links()
        self.finals: dict[SessionKey, SessionFinalized] = {}

    # -- reading ------------------------------------------------------------------------------------------------

    def held(self, key: SessionKey) -> Session | None:
        """The session of a source, shown or a copy that waits."""
        return self.sessions.get(key) or self.copies.aside.get(key)

    def session_of(self, key: Key) -> Session | None:
        """The session a node belongs to."""
        return self.sessions.get(key.owner)

    def prompt(self, key: Key) -> Prompt | None:
        """The prompt of a key, None when it is gone or the key names something else."""
        session = self.session_of(key)
        return session.prompts.get(key.id) if session and key.kind == "prompt" else None

    def turn(self, key: Key) -> Turn | None:
        """The turn of a key, None when it is gone or the key names something else."""
        session = self.session_of(key)
        return session.turns.get(key.id) if session and key.kind == "turn" else None

    def op(self, key: Key) -> Op | None:
        """The op of a key, None when it is gone or the key names something else."""
        found = self.turn_of_op(key)
        return found.ops.get(key.id) if found else None

    def turn_of_op(self, key: Key) -> Turn | None:
        """The turn that holds the op of a key."""
        message_id = self.homes.get(key.owner, {}).get(key.id)
        session = self.session_of(key)
        return session.turns.get(message_id) if session and message_id and key.kind == "op" else None

    def top_of(self, session: Session) -> Session:
        """The top-level session of the tree that a session is shown in."""
        return self.sessions[self.links.top(session.key)]

    def is_top(self, key: SessionKey) -> bool:
        """True for a known session that has no parent in the tree."""
        return key in self.sessions and self.links.top(key) == key

    def tops(self) -> Iterator[SessionKey]:
        """Every top-level session, in no order."""
        return (key for key in self.sessions if self.links.top(key) == key)

    def parent_of(self, session: Session) -> Session | None:
        """The parent in the tree; None at the top and where the parent is not known."""
        parent = self.links.parent(session.key)
        return self.sessions.get(parent) if parent else None

    def children_of(self, session: Session) -> list[Session]:
        """The sessions below, oldest first. Safe to descend: cycles are cut (see `links.py`)."""
        key = session.key
        kids = self.kids.get(key)
        if kids is None:
            kids = [self.sessions[child] for child in self.links.children(key) if child in self.sessions]
            kids.sort(key=lambda child: (child.start_ts, child.id))
            self.kids[key] = kids
        return kids

    def task_op_of(self, session: Session) -> Op | None:
        """The `session` op of the parent that this session hangs under: the newest one that names it, because a
        resumed task names its session again; else the `tool` op that is taken to have started it. None for a top, and
        while there is no such call."""
        caller = self._caller(session.key)
        return self.op(caller) if caller else None

    def call_key(self, session: Session) -> Key | None:
        """The key of the row that shows this session as a call: its `tool` op, or the `session` op alone."""
        caller = self._caller(session.key)
        if caller is None:
            return None
        tool = caller._replace(id=op_id(caller.id.rpartition(":")[0], "tool"))
        return tool if self.op(tool) else caller

    def called_by(self, session: Session, op: Op) -> Session | None:
        """The session that an op started or resumed, if it is a child of `session` and known; of an op that names none
        the one that it is taken to have started (`unnamed.py`)."""
        if may_call(op):
            started = self.links.started_by(op_key(session, op))
            return self.sessions.get(started) if started is not None else None
        if not op.child_session_id:
            return None
        child = self.sessions.get((session.source, op.child_session_id))
        return child if child is not None and self.parent_of(child) is session else None

    def forget_sums(self, key: SessionKey) -> None:
        """Empties the caches of a session, and the sums of what is above it. A cached sum implies cached sums below
        (`rollup.subtree`), so the walk may end at the first session that has none."""
        self.usages.pop(key, None)
        self.outlines.pop(key, None)
        self.subtrees.pop(key, None)
        self.called.pop(key, None)
        if not self.subtrees and not self.called:
            return
        for above in self.links.above(key):
            self.called.pop(above, None)
            if self.subtrees.pop(above, None) is None:
                return

    @property
    def logs(self) -> dict[str, list[Log]]:
        """All kept remarks of each source, oldest first."""
        return {source: list(book.entries.values()) for source, book in self.books.items()}

    @property
    def warnings(self) -> dict[str, list[Log]]:
        """The kept warnings of each source, oldest first."""
        return {source: book.of("WRN") for source, book in self.books.items()}

    @property
    def errors(self) -> dict[str, list[Log]]:
        """The kept errors of each source, oldest first."""
        return {source: book.of("ERR") for source, book in self.books.items()}

    def log_counts(self, source: str) -> Counter[str]:
        """How many different remarks of each severity the source has made, kept or not."""
        book = self.books.get(source)
        return Counter(book.counts) if book else Counter()

    # -- applying -----------------------------------------------------------------------------------------------

    def apply(self, events: Iterable[Event]) -> ChangeSet:
        """Takes events in and says what became different; nothing that was known already is reported."""
        batch = Batch()
        for event in events:
            take(self, event, batch)
        return settle(self, batch)

    def expect(self, source: str, session_id: str) -> None:
        """Says that a session begins to arrive, more than one `apply` may take in; `mark_loaded` says when it is over.
        One that is there already stays as it is."""
        session = self.held((source, session_id))
        if session is None or not session.loaded:
            self.arriving.add((source, session_id))

    def meet(self, source: str, processes: Processes) -> ChangeSet:
        """Takes in which processes run opencode now. What was read of a session may be judged otherwise by that; what
        was not says how it ended."""
        changes = ChangeSet(roots=set(), dirty=set())
        before = self.processes.get(source)
        if processes is before or (before is None and not processes.looked):
            return changes
        self.processes[source] = processes
        self._judge_again(source, changes)
        return changes

    def lose_sight(self, source: str, cut_us: int) -> ChangeSet:
        """Takes in since when (µs) nobody sees what goes on in a source, 0 while it is seen: what was at work then is
        judged as it was then."""
        changes = ChangeSet(roots=set(), dirty=set())
        if cut_us != self.cut.get(source, 0):
            self.cut[source] = cut_us
            self._judge_again(source, changes)
        return changes

    def _judge_again(self, source: str, changes: ChangeSet) -> None:
        for key, session in self.sessions.items():
            if session.loaded and key[0] == source and is_open(session):
                changes.dirty |= open_nodes(session)
                changes.dirty |= {session_key(self.sessions[above]) for above in self.links.above(key)}

    def mark_loaded(self, source: str, session_id: str) -> ChangeSet:
        """Says that all there is of a session has been applied, also when that is nothing."""
        batch = Batch()
        self.arriving.discard((source, session_id))
        session = self.held((source, session_id))
        if session is not None and not session.whole:
            session.loaded, session.partial = True, False
            self.given_back.pop((source, session_id), None)
            batch.change((source, session_id)).layout = True
        return settle(self, batch)

    def unload(self, source: str, session_id: str) -> ChangeSet:
        """Drops what is below a session: it is again as it was before it was read, but for what a `Remnant` keeps.
        Whatever changes in it makes the adapter tell it whole."""
        batch = Batch()
        session = self.held((source, session_id))
        if session is not None and session.loaded:
            # Who gives nothing back does not load it.
            from tui.model.store.remnant import remnant

            self.given_back[source, session_id] = remnant(self, session)
        unload(self, (source, session_id), batch)
        return settle(self, batch)

    def is_named(self, session: Session) -> bool:
        """Whether a call of the parent names a session."""
        key = session.key
        parent = self.links.parent(key)
        return parent is not None and self._naming(key, parent) is not None

    def forget(self, source: str) -> None:
        """Drops all that is known of a source, in whatever state an error has left it. Says nothing of what changed:
        who has made anything of the store makes it anew."""
        of_sessions: list[dict[SessionKey, Any]] = [self.sessions, self.homes, self.finals, self.given_back]
        for known in of_sessions:
            for key in [key for key in known if key[0] == source]:
                del known[key]
        # Which call started a session of another source is found anew, and sums follow from that.
        for made in (self.usages, self.subtrees, self.called, self.outlines, self.steps):
            made.clear()
        self.arriving = {key for key in self.arriving if key[0] != source}
        self.books.pop(source, None)
        self.kids.clear()
        self.copies.forget(source)
        waited = {session_id for _, session_id in self.copies.aside}
        self.sessions |= self.copies.aside
        self.copies.aside.clear()
        self.links = Links()
        for key, session in self.sessions.items():
            self.links.place(key, (session.source, session.parent_id) if session.parent_id else None)
        for session in self.sessions.values():
            for turn in session.turns.values():
                for op in turn.ops.values():
                    self.links.ask(session.key, op_key(session, op), may_call(op))
                    if op.kind == "session" and op.child_session_id:
                        self.links.call((session.source, op.child_session_id), op_key(session, op))
        batch = Batch()
        batch.rows |= waited
        batch.changed |= self.sessions.keys()
        choose(self, batch)
        infer_calls(self, batch)

    def _caller(self, child: SessionKey) -> Key | None:
        """The op of the parent that a child hangs under."""
        parent = self.links.parent(child)
        if parent is None:
            return None
        return self._naming(child, parent) or self.links.inferred(parent, child)

    def _naming(self, child: SessionKey, parent: SessionKey) -> Key | None:
        """The newest `session` op of the parent that names a child. Calls of other sessions do not count: a fork
        copies the calls of its original, children and all."""
        ranked = []
        for key in self.links.callers(child):
            if key.owner != parent:
                continue
            turn = self.turn_of_op(key)
            if turn is not None:
                op = turn.ops[key.id]
                ranked.append(((turn.seq, op.seq, key.id), key))
        return max(ranked)[1] if ranked else None
