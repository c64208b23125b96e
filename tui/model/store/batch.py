"""What the events of one `Store.apply` have touched so far: the notes between taking in and settling."""

from __future__ import annotations

import msgspec

from tui.model.records import Key, Op, Payload, Session, SessionKey, Turn, turn_key


class Touch(msgspec.Struct):
    """What there is to do for one session when all events are in.

    `layout`: nodes came, went or moved. `recount`: something went, so times and sums can be smaller. `refs`: payload
    references by message. `prompts`, `ops`: messages whose prompt, or whose ops, have to be put in order.
    """

    layout: bool = False
    recount: bool = False
    turns: bool = False
    prompts: set[str] = msgspec.field(default_factory=set)
    ops: set[str] = msgspec.field(default_factory=set)
    refs: dict[str, dict[str, Payload]] = msgspec.field(default_factory=dict)


class Batch:
    """`touched` sessions, `tops` of trees whose shape changed (also those that are gone), `dirty` nodes, `shrunk`
    sessions below which something went, `changed` sessions of which a fact is different, `new` what began, `read`
    sessions of which nothing was known but the row, `rows` the ids of sessions whose row came, changed or went. `turn`
    is that of which something was told last, with its session and that one's key, None when that may have gone."""

    def __init__(self) -> None:
        self.touched: dict[SessionKey, Touch] = {}
        self.changed: set[SessionKey] = set()
        self.tops: set[SessionKey] = set()
        self.dirty: set[Key] = set()
        self.shrunk: set[SessionKey] = set()
        self.rows: set[str] = set()
        self.new: set[Key] = set()
        self.read: set[SessionKey] = set()
        self.turn: tuple[SessionKey, Session, Turn] | None = None
        self._noted: tuple[Turn | None, str] = (None, "")
        self._made: dict[int, Op] = {}

    def touch(self, session: SessionKey) -> Touch:
        """The notes about a session."""
        touch = self.touched.get(session)
        if touch is None:
            touch = self.touched[session] = Touch()
        return touch

    def change(self, session: SessionKey, *keys: Key) -> Touch:
        """Notes that something of a session is different: the nodes named, and the session's line."""
        self.changed.add(session)
        self.dirty.update(keys)
        return self.touch(session)

    def change_turn(self, session: Session, turn: Turn) -> None:
        """Notes that a turn is different. A turn is told op by op: what was noted last is not noted again."""
        if self._noted[0] is not turn or self._noted[1] != turn.prompt_id:
            self._noted = turn, turn.prompt_id
            self.dirty.update(keys_of_turn(session, turn))

    def made(self, op: Op) -> None:
        """Notes an op that was not there: nobody else has it yet."""
        self._made[id(op)] = op

    def is_made(self, op: Op) -> bool:
        """Whether an op is of this batch, as it lies in its turn: what is told of it on may be written into it."""
        return self._made.get(id(op)) is op

    def began(self, session: Session, key: Key) -> None:
        """Notes a node that was not there; in a session that is only now being read it says nothing."""
        if session.whole and session.key not in self.read:
            self.new.add(key)


def keys_of_turn(session: Session, turn: Turn) -> list[Key]:
    """A turn and the prompt that it answers."""
    keys = [turn_key(session, turn)]
    if turn.prompt_id:
        keys.append(Key(session.source, "prompt", session.id, turn.prompt_id))
    return keys
