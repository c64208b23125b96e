"""Consecutive reasoning parts of a step are one thought: providers send a long one in paragraphs, and some write a part
for every few letters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from msgspec.structs import replace

from tui.model.records import Op, Payload, Turn, op_id
from tui.text.sanitize import LABEL_LIMIT, label

PIECE = 40
"""Characters below which a part is a piece of a stream, and not a paragraph."""


def thoughts(turn: Turn) -> Iterator[list[Op]]:
    """The thoughts of a step, each as its parts in order."""
    for is_thought, ops in groupby(turn.ops.values(), key=lambda op: op.kind == "reasoning"):
        if is_thought:
            yield list(ops)


def thought_of(turn: Turn, op: Op) -> list[Op]:
    """All parts of the thought that a part belongs to; the part alone where it is of another kind, or gone."""
    if op.kind != "reasoning":
        return [op]
    return next((parts for parts in thoughts(turn) if any(part.part_id == op.part_id for part in parts)), [op])


def first_words(parts: Sequence[Op]) -> str:
    """What a thought is called: the label of its first part, or of the first parts where they are but pieces."""
    words: list[str] = []
    room = LABEL_LIMIT
    for part in parts:
        words.append(part.label)
        room -= len(part.label) + 1
        if len(part.label) > PIECE or room < 0:
            break
    return label(" ".join(filter(None, words)))


def heads(turn: Turn) -> dict[str, str]:
    """The id of each reasoning op of a step, and that of the first one of its thought, which has the row."""
    return {
        op_id(op.part_id, op.kind): op_id(parts[0].part_id, parts[0].kind) for parts in thoughts(turn) for op in parts
    }


def without_followers(ops: Iterable[Op]) -> list[Op]:
    """The ops of a step without the parts of a thought that follow its first."""
    found: list[Op] = []
    before = ""
    for op in ops:
        if not op.kind == before == "reasoning":
            found.append(op)
        before = op.kind
    return found


def texts_of(parts: Sequence[Op]) -> list[Payload]:
    """The references to what a thought, or any other op, is made of."""
    return [payload for op in parts for payload in op.payloads.values()]


def as_one(payloads: Sequence[Payload]) -> Payload:
    """The first of several references, with the size of all (-1 when that of one is not known)."""
    sizes = [payload.size for payload in payloads]
    return replace(payloads[0], size=-1 if min(sizes) < 0 else sum(sizes)) if len(payloads) > 1 else payloads[0]


def joined(texts: Sequence[str]) -> str:
    """The texts of the parts as one: pieces of a stream follow each other, paragraphs stand apart."""
    whole: list[str] = []
    before = ""
    for text in texts:
        apart = len(text) > PIECE and len(before) > PIECE and not before.endswith("\n") and not text.startswith("\n")
        whole += ["\n\n", text] if apart else [text]
        before = text
    return "".join(whole)
