"""The Overview of a session: its state and why, money, tokens, context, time, changed files."""

from __future__ import annotations

from tui.model.records import Session
from tui.model.status import state
from tui.model.status.flags import flags
from tui.model.status.last_words import last_words
from tui.model.status.life import runner
from tui.model.status.table import ACTIVE
from tui.model.store.copies import path_of, updated
from tui.model.store.store import Store
from tui.model.sums import rollup
from tui.model.sums.copied import copied_turns, uncounted
from tui.model.sums.timing import Timing, ended, timing
from tui.render import numbers, processes
from tui.render.cards.labelled import (
    error_lines,
    model_words,
    money_line,
    row,
    state_line,
    time_lines,
    usage_lines,
)
from tui.render.glyphs import mark
from tui.render.lines import Line, Span, pad, width_of
from tui.render.rows.doing import act_words
from tui.render.sparkline import sparkline
from tui.resume import program
from tui.text import moments, sanitize

CURVE = 24
"""Most bars of the curve of the context."""
FILES = 8
"""Most changed files that are named."""

LEAST = 50_000
"""µs below which a share of the time is not worth a word."""


def session_card(store: Store, session: Session, now_us: int, width: int = 80) -> list[Line]:
    """All facts of a session, each only where there is one; the table of its agents fits the width."""
    now = state.session_state(store, session, now_us)
    active = now.name in ACTIVE
    agent_and_model = (session.agent, model_words(session.model, session.provider_alias))
    lines: list[Line] = [
        [(session.name, "strong")],
        [(" · ".join(part for part in agent_and_model if part), "dim")],
        [],
        state_line(now, now_us),
    ]
    if known := store.processes.get(session.source):
        process = processes.spans(runner(store, session), int(known.looked * 1e6), now_us)
        lines += [row("process", *process)] if process else []
    for flag in flags(store, session, now_us, active):
        lines.append(row("flag", (flag.name, "warn"), (f"  {flag.reason}", "dim")))
    lines += error_lines(session.error_class, session.error_message)
    lines += agent_lines(store, session, now_us, width)
    lines += _money(store, session)
    lines += _tokens(store, session)
    lines += _context(store, session)
    lines += _time(timing(session, now_us, active)) if session.whole else []
    lines += time_lines(session.start_ts, 0, now_us, active)[:1]
    lines += _changed(session)
    if session.partial:
        lines.append(row("holds", ("being read", "dim")))
    elif session.loaded:
        counts = f"{numbers.plural(len(session.prompts), 'prompt')}, {numbers.plural(len(session.turns), 'step')}"
        lines.append(row("holds", counts))
    else:
        lines.append(row("holds", ("not read yet: open it to read it", "dim")))
    lines += [row("host", session.host)] if session.host else []
    lines += [row("directory", session.cwd)] if session.cwd else []
    lines += [row("version", f"opencode {session.version}")] if session.version else []
    for copy in store.copies.of(session):
        lines.append(row("also in", path_of(copy.source), (f"  {_age(copy, session)}", "dim")))
    lines.append(row("resume", f"{program(session)} -s {sanitize.label(session.id)}", ("   Y copies", "dim")))
    for log in sorted(session.logs.values(), key=lambda log: log.ts):
        role = {"ERR": "bad", "WRN": "warn"}.get(log.severity, "dim")
        lines.append(row("note", (f"{log.severity} ", role), log.message))
    return lines


def _age(copy: Session, session: Session) -> str:
    """How old another copy of a session is. That of a sub-agent may be newer, where that of its parent is not."""
    there, here = updated(copy), updated(session)
    word = "the same" if there == here else "older" if there < here else "newer"
    return f"{word}, as of {moments.date_and_minute(there)}" if there else word


def agent_lines(store: Store, session: Session, now_us: int, width: int) -> list[Line]:
    """A table of the sub-agents: who, what each does or how it ended, for how long, for how much; those below an agent
    are moved in. Those at work come first; of very many the rest is counted."""
    found: list[tuple[int, Session]] = []
    stack = [(0, child) for child in reversed(_newest_first(store, session, now_us))]
    while stack and len(found) < AGENTS:
        depth, child = stack.pop()
        found.append((depth, child))
        stack += [(depth + 1, one) for one in reversed(_newest_first(store, child, now_us))]
    if not found:
        return []
    name = max(_AGENT, min(2 * _AGENT, width * 2 // 5))
    doing = max(8, min(3 * _AGENT, width - name - 2 - _TIME - _COST))
    head = f"{'doing':<{doing}}{'time':>{_TIME}}{'cost':>{_COST}}"
    lines: list[Line] = [[("agents".ljust(name + 1), "dim"), (head, "dim")]]
    for depth, child in found:
        lines.append(_agent(store, child, depth, now_us, name, doing))
    more = rollup.subtree(store, session).sessions - 1 - len(found)
    return [*lines, *([[(f"and {more:,} more", "dim")]] if more > 0 else []), []]


AGENTS = 12
"""Most sub-agents that are listed."""
_AGENT, _TIME, _COST = 18, 6, 7
"""Cells of the columns of that list, at least those of the name."""


def _newest_first(store: Store, session: Session, now_us: int) -> list[Session]:
    """The newest AGENTS sub-agents directly below, those in which something goes on first."""
    children = store.children_of(session)[: -AGENTS - 1 : -1]
    return sorted(children, key=lambda child: state.session_state(store, child, now_us).name not in ACTIVE)


def _agent(store: Store, child: Session, depth: int, now_us: int, width: int, doing: int) -> Line:
    now = state.session_state(store, child, now_us)
    look = mark(now.name)
    if now.name in ACTIVE:
        words = act_words(store, child, now, now_us)
        began = max((one.ts for one in child.prompts.values()), default=child.start_ts)
        took = now_us - began
    else:
        words = last_words(store, child) if now.name == "idle" else now.reason if now.name == "failed" else look.word
        took = ended(child) - child.start_ts
    branch = "  " * max(0, depth - 1) + ("└ " if depth else "")
    call = store.task_op_of(child)
    name = (call.label if call is not None else "") or child.name
    agent = f" {child.agent[:4]}" if child.agent else ""
    room = width - len(branch) - 2
    kind = min(width_of([(agent, "dim")]), 8)
    return [
        (branch, "dim"),
        (f"{look.glyph} ", look.role),
        (pad(name, max(4, room - kind)), "text"),
        (pad(agent, kind), "dim"),
        (" " + pad(words, doing), look.role if now.name in ACTIVE else "dim"),
        (pad(moments.duration(took) if took > 0 else "", _TIME, right=True), "dim"),
        (pad(numbers.money(rollup.subtree(store, child).cost), _COST, right=True), "text"),
    ]


def _money(store: Store, session: Session) -> list[Line]:
    cost, tree = rollup.own(store, session).cost, rollup.subtree(store, session)
    copied = copied_turns(session)
    if not (tree.cost or cost or copied):
        return []
    own_doubt = "?" if rollup.own(store, session).doubt.cost else ""
    doubt = "?" if tree.doubt.cost else ""
    lines = [money_line(cost, tree.cost - cost, tree.sessions - 1, own_doubt, doubt)]
    if copied:
        dollars = numbers.money(sum(turn.cost for turn in copied)) or "$0"
        steps = numbers.plural(len(copied), "step")
        words = f"of it {dollars} copied by the fork, with {steps}"
        if uncounted(session, copied[0]):
            words = f"beside {dollars} of {steps} that the fork copied"
        lines.append(row("", (words, "dim")))
    elif session.kind == "fork" and not session.extras.get("sums_apart"):
        lines.append(row("", ("a fork: includes what it copied", "dim")))
    return lines


def _tokens(store: Store, session: Session) -> list[Line]:
    own = rollup.own(store, session)
    lines = usage_lines(own.usage)
    if own.doubt != rollup.NO_DOUBT:
        return [*lines, _doubt(session, own)]
    differs = rollup.difference(session)
    if lines and own.origin in ("steps", "messages"):
        lines.append(row("", (f"added up from {own.origin}: the session row has no totals", "dim")))
    elif lines and differs == rollup.Difference(0, 0.0):
        lines.append(row("", ("reconciles with opencode's own sum", "dim")))
    elif lines and differs is not None:
        tokens = f"{abs(differs.tokens):,} tokens {'more' if differs.tokens > 0 else 'less'}" if differs.tokens else ""
        dollars = f"${abs(differs.cost):.4f} {'more' if differs.cost > 0 else 'less'}" if differs.cost else ""
        words = " and ".join(part for part in (tokens, dollars) if part)
        if not session.extras.get("sums_apart"):
            lines.append(row("", (f"opencode's own sum has {words} than its steps", "warn")))
        elif differs.tokens > 0:
            # 2.x counts the requests for a title and a summary, and what was taken back stays billed.
            dollars = f" (${differs.cost:.4f})" if differs.cost > 0 else ""
            lines.append(row("", (f"with {numbers.plural(differs.tokens, 'token')}{dollars} beside the steps", "dim")))
    return lines


def _doubt(session: Session, own: rollup.Own) -> Line:
    """The session row and its steps side by side, where the row says less than is proven or was there then."""
    if not session.whole:
        return row("", ("columns say less than its steps add up to", "warn"))
    usage, cost, origin = rollup.proven(session)
    said, proven = [], []
    if own.usage.total != usage.total:
        said.append(f"{own.usage.total:,} tokens")
        proven.append(f"{usage.total:,} tokens")
    if abs(own.cost - cost) > rollup.CENT_SHARE:
        places = 2 if f"{own.cost:.2f}" != f"{cost:.2f}" else 4
        said.append(f"${own.cost:.{places}f}")
        proven.append(f"${cost:.{places}f}")
    return row("", (f"columns say {' and '.join(said)}, {origin} add up to {' and '.join(proven)}", "warn"))


def _context(store: Store, session: Session) -> list[Line]:
    sizes = rollup.contexts(session)
    if not sizes:
        return []
    now = rollup.context(store, session)
    used, limit = now.used, now.window
    spans: list[Span | str] = [numbers.tokens(used)]
    if now.compacted:
        spans = [("compacted: not known until the next request", "dim")]
    elif now.share:
        role = "bad" if now.share >= 0.9 else "warn" if now.share >= 0.75 else "text"
        spans += [f" of {numbers.tokens(limit)}  ", (numbers.percent(used, limit), role)]
    elif limit and used:
        spans.append((f" of {numbers.tokens(limit)}: not plausible, the limit or the count is wrong", "dim"))
    elif used:
        spans.append(("  limit unknown", "dim"))
    else:
        spans = [("not known yet", "dim")]
    if len(sizes) > 1:
        spans.append((f"  {sparkline(sizes, CURVE, limit)}", "accent"))
    return [row("context", *spans)]


def _time(times: Timing) -> list[Line]:
    if not times.wall:
        return []
    parts = [("model", times.model), ("tools", times.tools), ("waiting", times.waiting), ("idle", times.idle)]
    words = [f"{word} {moments.duration(us)}   " for word, us in parts if us >= LEAST]
    return [row("time", *words, f"wall {moments.duration(times.wall)}")]


def _changed(session: Session) -> list[Line]:
    files = rollup.changed_files(session)
    added, removed = session.extras.get("additions"), session.extras.get("deletions")
    count = session.extras.get("files")
    by_calls = not (added or removed)
    if by_calls:
        added, removed = sum(file.added for file in files), sum(file.removed for file in files)
        count = len(files)
    if not (added or removed):
        return []
    words = f"{numbers.plural(count, 'file')} " if isinstance(count, int) and count else ""
    lines = [row("changed", words, (f"+{added or 0}", "added"), (f" -{removed or 0}", "removed"))]
    for file in files[:FILES]:
        lines.append(row("", file.name, (f"  +{file.added}", "added"), (f" -{file.removed}", "removed")))
    if len(files) > FILES:
        lines.append(row("", (f"and {len(files) - FILES} more: see the diffs", "dim")))
    return lines
