"""Labelled lines of the Overview that more than one kind of node has."""

from __future__ import annotations

from adapter.events import Usage
from tui.model.records import Payload
from tui.model.status.state import State
from tui.model.status.table import ACTIVE
from tui.render import numbers
from tui.render.glyphs import mark
from tui.render.lines import Line, Span
from tui.text import moments

LABEL_WIDTH = 10
"""Cells of the names at the left; values that go on do so behind them."""


def row(label: str, *spans: Span | str) -> Line:
    """A labelled line; plain strings are ordinary text."""
    return [
        (label.ljust(LABEL_WIDTH), "dim"),
        *((span, "text") if isinstance(span, str) else span for span in spans),
    ]


def state_line(now: State, now_us: int) -> Line:
    """The state, how long it has lasted, and why we say so."""
    look = mark(now.name)
    word = look.word + ("?" if now.inferred else "")
    if now.name == "failed":
        return row("state", (f"{look.glyph} {word}", look.role))  # the lines of the error follow
    lasted = now.since > 0 and now.name in ACTIVE and moments.age(now_us - now.since) not in now.reason
    since = f" for {moments.duration(now_us - now.since)}" if lasted else ""
    why = f"  {now.reason}" if now.reason else ""
    # What starts again, and why it went no further, is in the reason too.
    subject = f" {now.subject}" if now.subject and now.name not in ("starting", "idle") else ""
    return row("state", (f"{look.glyph} {word}", look.role), subject + since, (why, "dim"))


def money_line(own: float, below: float, agents: int, own_doubt: str = "", doubt: str = "") -> Line:
    """Dollars: of the node itself, of the `agents` below it, and of both; each doubt is a mark behind its sum."""
    spans: list[Span | str] = [f"own {numbers.money(own) or '$0'}{own_doubt}"]
    if agents:
        spans.append(f"   agents {numbers.money(below) or '$0'} ({agents})")
        spans.append((f"   total {numbers.money(own + below) or '$0'}{doubt}", "strong"))
    return row("money", *spans)


def usage_lines(usage: Usage, added: int = 0) -> list[Line]:
    """Tokens with the share of the prompt that came out of the cache, and what a step added to the context."""
    if not usage.total:
        return []
    spans: list[Span | str] = [f"in {numbers.tokens(usage.input)}"]
    if usage.cache_read or usage.cache_write:
        share = numbers.percent(usage.cache_read, usage.context)
        spans.append(f"   cache {numbers.tokens(usage.cache_read)} ({share})")
        if usage.cache_write:
            spans.append(f"   written {numbers.tokens(usage.cache_write)}")
    spans.append(f"   out {numbers.tokens(usage.output)}")
    if usage.reasoning:
        spans.append(f"   reasoning {numbers.tokens(usage.reasoning)}")
    lines = [row("tokens", *spans)]
    if added:
        lines.append(row("added", (numbers.delta(added), "accent"), " to the context"))
    return lines


def error_lines(error_class: str, error_message: str) -> list[Line]:
    """The class of an error and what it says."""
    if not (error_class or error_message):
        return []
    lines: list[Line] = [row("error", (error_class or "failed", "bad"))]
    if error_message:
        lines.append(row("", (error_message, "bad")))
    return lines


def payload_lines(payloads: list[Payload]) -> list[Line]:
    """Which texts there are, how big, and how they begin."""
    lines: list[Line] = []
    for payload in payloads:
        label = "texts" if not lines else ""
        size = numbers.size(payload.size) or "size unknown"
        name = payload_name(payload)
        mime = f"  {payload.format}" if name == "attachment" and payload.format else ""
        preview = f"  {payload.preview}" if payload.preview else ""
        lines.append(row(label, name, (f"  {size}{mime}{preview}", "dim")))
    return lines


def payload_name(payload: Payload) -> str:
    """What a text is called. Texts that opencode adds to a prompt, for @files, are attachments without a MIME type."""
    if payload.kind == "attachment" and payload.format == "text":
        return "added text"
    return payload.kind.replace("_", " ")


def model_words(model: str, alias: str) -> str:
    """A model and the provider under which it was called."""
    return f"{model} ({alias})" if model and alias else model or alias


def time_lines(start: int, end: int, now_us: int, running: bool) -> list[Line]:
    """When it started, how long it took or has taken, when it ended."""
    lines: list[Line] = []
    if start > 0:
        lines.append(row("started", moments.date_and_time(start)))
    stop = now_us if running else end
    if stop >= start > 0:
        ended = "" if running else f"   ended {moments.date_and_time(stop)}"
        lines.append(row("time", moments.duration(stop - start), (ended, "dim")))
    return lines
