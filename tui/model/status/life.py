"""Which process works on a session, and whether it lives: what the processes of a source (`Processes`) say of it.

Certain is what cannot be otherwise: nobody who can write the database was there when the work began, or the only one
who was there has gone or lives. With several, `-s ID`, the directory and the kind of command tell them apart; where
that leaves doubt the process is likely, and nothing follows from it but words. A process that was there before us may
have had others beside it that are gone: it is certain only of what was written while somebody looked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from adapter.processes.facts import ANY_SESSION, Ended, Process
from tui.model.records import Session
from tui.model.status.thresholds import STARTED_LEEWAY
from tui.model.store.facts import updated_at
from tui.model.sums.rollup import subtree

if TYPE_CHECKING:
    from tui.model.store.store import Store


TOGETHER_S = 15.0
"""Seconds that opencode takes at most from its start to the session of the prompt that it was started with: 2 to 8
observed, on a loaded machine."""


class Life(NamedTuple):
    """`lives`: True when the process that works on the session lives, False when it is gone, None when that is not
    known. `certain`: it cannot be otherwise. `process`: which one it is, or was. `since` (µs): when it went, or where
    nobody saw that, the last sign of it. `words`: a clause for people about what is gone."""

    lives: bool | None = None
    certain: bool = False
    process: Process | None = None
    since: int = 0
    words: str = ""
    seen_to_end: bool = False
    among: tuple[Process, ...] = ()


UNKNOWN = Life()


def life_of(store: Store, session: Session, began_us: int) -> Life:
    """What the processes say of something in a session that began at this time."""
    known = store.processes.get(session.source)
    if known is None or not known.looked:
        return UNKNOWN
    path = session.source.partition(":")[2]
    sign, latest = last_sign(store, session), (began_us + STARTED_LEEWAY) / 1e6
    living = [one for one in known.holders(path) if one.started <= latest or one.started < known.dated]
    gone = [
        one
        for one in known.ended
        if path in one.process.databases
        and (one.process.started <= latest or one.process.started < known.dated)
        and one.missed * 1e6 >= sign
    ]
    watched = known.complete and 0 < known.since * 1e6 <= sign + STARTED_LEEWAY
    whose, certain = _choose([*living, *gone], session, store.top_of(session), watched)
    if isinstance(whose, Process):
        # Who is named has said so himself; else all have to be known.
        return Life(known.complete or None, certain and known.complete, whose)
    if sign > known.looked * 1e6 or not known.complete:
        return UNKNOWN
    if isinstance(whose, Ended):
        return _gone(whose, certain or not living)
    if not living and not gone and sign > known.asked * 1e6:
        return UNKNOWN  # who wrote that may not have been asked since
    if not living:
        return _all_gone(gone, sign, bool(known.holders(path)))
    among = tuple(living)
    if gone and any(_is_near(one, session) for one in living):
        # One that went in another directory is hardly the one, while others are left in this.
        gone = [one for one in gone if _is_near(one.process, session)]
        if not gone:
            return Life(among=among)
    if gone:
        newest = max(gone, key=lambda one: one.missed)
        count = f"one of the {len(living) + len(gone)} opencodes that may work on it"
        return Life(words=f"{count} ended (pid {newest.process.pid})", since=int(newest.missed * 1e6), among=among)
    if watched:
        # Whoever it is of them, he lives.
        return Life(True, True, among=among)
    # One may have gone before anybody looked.
    near = any(_is_near(one, session) for one in living)
    return Life(words="" if near else "no opencode is open in its directory", among=among)


def runner(store: Store, session: Session) -> Life:
    """The process that works on a session, or would: by its newest step, or by the prompt that waits for one."""
    turn = next(reversed(session.turns.values()), None)
    prompt = session.newest_prompt
    times = [turn.start_ts if turn is not None else 0, prompt.ts if prompt is not None else 0]
    return life_of(store, session, max(times) or session.last_ts)


def _gone(whose: Ended, certain: bool) -> Life:
    words = f"its opencode (pid {whose.process.pid}) ended"
    return Life(False, certain, whose.process, int(whose.missed * 1e6), words, True)


def _all_gone(gone: list[Ended], sign: int, has_others: bool) -> Life:
    if gone:
        newest = max(gone, key=lambda one: one.missed)
        words = f"the last of {len(gone)} opencodes that may have worked on it (pid {newest.process.pid}) ended"
        return Life(False, True, None, int(newest.missed * 1e6), words, True)
    nobody = "no opencode that was there then is left" if has_others else "no opencode has the database open"
    return Life(False, True, None, sign, nobody)


def _choose(
    candidates: list[Process | Ended], session: Session, top: Session, watched: bool
) -> tuple[Process | Ended | None, bool]:
    """The one of these that works on a session below `top`, None where that is not known, and whether it is certain."""
    ids = (session.id, top.id)
    possible = [one for one in candidates if _can(_process(one), session, ids)]
    if watched and len(possible) == 1:
        return possible[0], True
    named = [one for one in possible if _process(one).session_id in ids]
    here = [one for one in possible if _is_near(_process(one), session)]
    if len(named) == 1:
        return named[0], not [one for one in here if one is not named[0]]
    began = [one for one in possible if _began_with(_process(one), top)]
    if len(began) == 1:
        return began[0], False
    return (here[0], False) if len(here) == 1 else (None, False)


def _can(process: Process, session: Session, ids: tuple[str, ...]) -> bool:
    """Whether a process can work on a session at all: `run` works on one, the one that it names or one of its own, as a
    fork of another is."""
    if process.role != "run" or process.continues:
        return True
    if process.session_id and "--fork" not in process.arguments:
        return process.session_id in ids
    at_home = process.directory == session.cwd or "--dir" in process.arguments
    return at_home and session.start_ts + STARTED_LEEWAY >= process.started * 1e6


def _began_with(process: Process, top: Session) -> bool:
    """Whether a process was started in the directory of a session a moment before that began, as by a prompt that is
    given on the command line."""
    earlier = top.start_ts / 1e6 - process.started
    return process.directory == top.cwd and -STARTED_LEEWAY / 1e6 <= earlier <= TOGETHER_S


def _is_near(process: Process, session: Session) -> bool:
    """Whether a process works where the session lies, or everywhere."""
    return process.role in ANY_SESSION or process.directory == session.cwd


def _process(one: Process | Ended) -> Process:
    return one.process if isinstance(one, Ended) else one


def last_sign(store: Store, session: Session) -> int:
    """When (µs) a session, or anything below it, gave the last sign of being at work. What a person writes into a step
    that is under way is none."""
    turn = next(reversed(session.turns.values()), None)
    prompt = next(reversed(session.prompts.values()), None)
    if turn is None or turn.status != "running" or prompt is None or prompt.ts <= turn.start_ts:
        return subtree(store, session).last_ts
    times = [turn.start_ts, updated_at(turn.extras)]
    for op in turn.ops.values():
        times += (op.start_ts, op.end_ts, updated_at(op.extras))
    return max(*times, *(subtree(store, child).last_ts for child in store.children_of(session)))
