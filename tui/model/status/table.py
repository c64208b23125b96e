"""THE table of the states: what each is called, how urgent it is, how it looks and what it means.

Whatever knows states by name takes them from here: the rules that choose one, the ranks, the bands and counts, glyphs,
words and colours, the words behind `is:`, the help. `StateName` makes a name that does not exist an error of type.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

StateName = Literal[
    "archived",
    "completed",
    "idle",
    "cancelled",
    "truncated",
    "aborted",
    "suspended",
    "failed",
    "orphaned",
    "delegating",
    "between",
    "starting",
    "compacting",
    "thinking",
    "writing",
    "tool",
    "stalled",
    "permission",
    "waiting",
]
FlagName = Literal["looping", "failing", "long", "full"]
"""What is odd about a session although its state is fine, the most telling first."""
Group = Literal["over", "work", "stuck", "person"]
"""Nothing goes on; opencode is at work; something should go on and nothing comes; only a person ends it."""


class Status(NamedTuple):
    """One state. `glyph` is one cell wide and `ascii` stands for it where there is no Unicode; `role` names its colour
    (`tui.render.lines.ROLES`); `meaning` explains it, "" where the word says all."""

    name: StateName
    group: Group
    glyph: str
    ascii: str
    word: str
    role: str
    meaning: str = ""


_AT_WORK = ("●", "*")

TABLE: Final[tuple[Status, ...]] = (
    Status("archived", "over", "∎", ".", "archived", "dim", "archived in opencode"),
    Status("completed", "over", "✓", "+", "done", "good"),
    Status("idle", "over", "◦", "-", "idle", "dim", "ready for the next prompt"),
    Status("cancelled", "over", "⊘", "/", "cancelled", "dim", "begun and not carried out"),
    Status("truncated", "over", "⊘", "/", "truncated", "warn", "cut at the output limit"),
    Status("aborted", "over", "⊘", "/", "aborted", "dim", "stopped by a person"),
    Status("suspended", "over", "⊚", "@", "suspended", "warn", "its server was stopped: the next start goes on"),
    Status("failed", "over", "✗", "X", "failed", "bad", "ended with an error; a command with its exit code"),
    Status("orphaned", "over", "☓", "x", "orphaned", "warn", "marked running, but nobody writes"),
    Status("delegating", "work", "◐", "o", "waits for its agents", "active", "its sub-agents are at work"),
    Status("between", "work", *_AT_WORK, "between steps", "active", "a step ended, the next one follows"),
    Status("starting", "work", *_AT_WORK, "starting", "active", "the model has not answered yet"),
    Status("compacting", "work", *_AT_WORK, "compacting", "active", "the context is being summed up"),
    Status("thinking", "work", *_AT_WORK, "thinking", "active"),
    Status("writing", "work", *_AT_WORK, "writing", "active"),
    Status("tool", "work", *_AT_WORK, "tool", "active", "a tool runs"),
    Status("stalled", "stuck", "!", "!", "stalled", "warn", "marked running, but nothing comes"),
    Status("permission", "person", "?", "?", "permission", "warn", "probably waits for a permission"),
    Status("waiting", "person", "?", "?", "waiting", "warn", "a question waits for its answer"),
)
"""All states, from the least to the most urgent: their ranks are their places here."""

ORDER: Final[tuple[StateName, ...]] = tuple(status.name for status in TABLE)
BY_NAME: Final[dict[str, Status]] = {status.name: status for status in TABLE}
FLAGS: Final[tuple[FlagName, ...]] = get_args(FlagName)
LOOP: Final = ("↻", "&", "warn")
"""Glyph, ASCII and role of what does the same again and again: the one flag that the bar counts."""

_RANKS: Final[dict[str, int]] = {name: rank for rank, name in enumerate(ORDER)}


def _those(*groups: Group) -> frozenset[StateName]:
    return frozenset(status.name for status in TABLE if status.group in groups)


ACTIVE: Final = _those("work", "stuck", "person")
"""States in which something is going on, or is waiting to go on."""
WAITING: Final = _those("person")
"""States that only a person ends."""
WORKING: Final = _those("work")
"""States in which opencode itself is at work."""


def urgency(name: str) -> int:
    """The rank of a state for sorting and for what a folded row shows: the greater, the more it needs to be seen."""
    return _RANKS.get(name, -1)


def end_of(status: str) -> StateName:
    """The state of a step or call that has ended, by the word of its event; a word of a later version is `completed`,
    which is all that is certain then."""
    known = BY_NAME.get(status)
    return known.name if known is not None and known.group == "over" else "completed"
