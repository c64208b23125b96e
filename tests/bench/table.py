"""The lines of the table: what was measured, against which target, and whether figures of two machines compare."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

Kind = Literal["time", "ratio", "counter", "memory"]
"""`time` (also CPU time and rates) depends on the machine and on what else it does; `ratio` compares two times of one
run; `counter` is exact; `memory` depends on the platform only."""


class Line(NamedTuple):
    """One line: met when `measured` is at most `target`, or at least where `more` is better."""

    what: str
    kind: Kind
    measured: float
    target: float
    unit: str = "ms"
    note: str = ""
    more: bool = False

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return self.measured >= self.target if self.more else self.measured <= self.target


def machine() -> str:
    """What the figures were taken on, and how busy it is."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, load average {load}"


def figure(value: float, unit: str) -> str:
    """A number with as many digits as tell something."""
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def table(lines: Iterable[Line]) -> str:
    """All lines as a Markdown table, in columns that line up."""
    head = ("what", "target", "measured", "", "kind", "note")
    rows = [head, ("---",) * len(head)]
    for line in lines:
        sign = ">=" if line.more else "<="
        target = f"{sign} {figure(line.target, line.unit)}"
        verdict = "ok" if line.met else "MISSED"
        rows.append((line.what, target, figure(line.measured, line.unit), verdict, line.kind, line.note))
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    return "\n".join(
        "| " + " | ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    )
