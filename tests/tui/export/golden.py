"""Exports of real sessions as files to be looked at in a diff when the documents change.

python -m tests.tui.export.golden        writes tests/tui/export/golden/ anew
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

import pytest

from adapter.local import OpencodeSource
from tests.adapter import corpus
from tui.commands.export.command import document, find
from tui.commands.export.texts import Texts
from tui.model.store.store import Store

GOLDEN = Path(__file__).parent / "golden"
DOCUMENTS = (
    ("1.18.33/nested", "md", False),
    ("1.18.33/fail", "md", False),
    ("1.18.33/files", "html", False),
    ("1.18.33/task", "json", False),
    ("1.18.33/todo", "md", False),
    ("1.18.33/attach", "md", False),
    ("1.18.33/question.pending", "md", False),
    ("1.18.33/task", "md", True),
    ("1.18.33/task", "json", True),
)
"""Scenario, format, redacted."""


def golden_file(name: str, form: str, redact: bool) -> Path:
    """Where the document of a scenario is kept."""
    return GOLDEN / f"{name.replace('/', '-')}{'-redacted' if redact else ''}.{form}"


def exported(
    path: Path, form: str, *, redact: bool = False, max_text: int = 0, session: str = "", children: bool = True
) -> str:
    """The document of a session of a file, by default its oldest root, at the corpus' own time."""
    return asyncio.run(_export(path, form, redact, max_text, session, children))


async def _export(path: Path, form: str, redact: bool, max_text: int, session: str, children: bool) -> str:
    async with OpencodeSource(path, clock=lambda: corpus.NOW, watch=False) as source:
        rows = [event for event in await source.catalogue() if not getattr(event, "parent_id", None)]
        root = session or min((row.ts, row.session_id) for row in rows)[1]  # type: ignore[attr-defined]
        _, family, _ = await find([source], root, pytest.fail)
        store = Store()
        store.apply(family)
        for row in family:
            store.apply(await source.load(row.session_id))
            store.mark_loaded(source.source, row.session_id)
        told = [store.sessions[source.source, row.session_id] for row in family]
        texts = Texts(source.payload, max_text, redact=redact)
        chunks = document(store, told if children else told[:1], texts, form, int(corpus.NOW * 1e6), max_text)
        return b"".join([chunk async for chunk in chunks]).decode()


def export(name: str, form: str, redact: bool) -> str:
    """The document of `VERSION/SCENARIO`, without the path of its file."""
    with tempfile.TemporaryDirectory() as directory:
        path = corpus.build(name, Path(directory) / "opencode.db")
        words = exported(path, form, redact=redact).replace(str(path), "opencode.db")
    return json.dumps(json.loads(words), indent=1) + "\n" if form == "json" else words


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for scenario in DOCUMENTS:
        golden_file(*scenario).write_text(export(*scenario), "utf-8")
