"""Canonical events of whole scenarios as readable lines, to be looked at in a diff when the mapping changes.

python -m tests.adapter.golden        writes tests/adapter/golden/*.jsonl anew
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from adapter.events import Event, SourceProgress
from tests.adapter import corpus

GOLDEN = Path(__file__).parent / "golden"
SCENARIOS = ("1.2.1/task", "1.18.33/task", "1.18.33/files", "1.18.33/fail", "1.18.33/question", "1.18.33/compact-api")


def golden_file(name: str) -> Path:
    """Where the events of `VERSION/SCENARIO` are kept."""
    return GOLDEN / f"{name.replace('/', '-')}.jsonl"


def line(event: Event) -> str:
    """An event as one line of JSON, without the name of the source, which is a path."""
    fields = msgspec.to_builtins(event)
    del fields["source"]
    return msgspec.json.encode(fields).decode()


def lines(name: str) -> list[str]:
    """The events of a scenario but for the cursors, which hold an inode."""
    return [line(event) for event in corpus.load(name).events if not isinstance(event, SourceProgress)]


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for scenario in SCENARIOS:
        golden_file(scenario).write_text("\n".join(lines(scenario)) + "\n", "utf-8")
