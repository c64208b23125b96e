"""What is odd about a session although its state is fine: it does the same, or fails, again and again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tui.model.nodes import Op, Session, find_payload

LOOPING_FROM = 4
"""Equal calls in a row. opencode's own guard asks at three within one message and does not look over messages."""
FAILING_FROM = 3
"""Failed calls in a row; two are an everyday retry."""
REPEATABLE = frozenset({"task", "subagent", "todowrite", "todoread", "question", "plan_exit"})
"""Tools that are rightly called in the same words again."""


class Flag(NamedTuple):
    """`name` is `looping` or `failing`, `subject` the tool, `times` the calls in a row."""

    name: str
    subject: str
    times: int


def flag_of(session: Session) -> Flag | None:
    """The flag of a session by its newest calls. Looks back only as far as they are alike."""
    repeated = _repeated(session)
    if repeated is not None:
        return repeated
    failed = 0
    last = ""
    for op in _calls_back(session):
        if op.status == "running":
            continue
        if op.status != "failed":
            break
        failed += 1
        last = last or op.name
    return Flag("failing", last, failed) if failed >= FAILING_FROM else None


def _repeated(session: Session) -> Flag | None:
    first: Op | None = None
    count = 0
    for op in _calls_back(session):
        if op.name in REPEATABLE or not op.label:
            break
        if first is None:
            first = op
        elif _input(op) != _input(first):
            break
        count += 1
    return Flag("looping", first.name, count) if first is not None and count >= LOOPING_FROM else None


def _input(op: Op) -> tuple[str, str, str, int]:
    """What tells one call from another without reading its input: the label is cut, so the input's size helps."""
    request = find_payload(op, "tool_request")
    return (op.namespace, op.name, op.label, request.size if request is not None else op.bytes_in)


def _calls_back(session: Session) -> Iterator[Op]:
    for turn in reversed(session.turns.values()):
        for op in reversed(turn.ops.values()):
            if op.kind == "tool":
                yield op
