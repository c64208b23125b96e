"""`tree` reads, prints and forgets one tree after the other: it says what a store of everything would."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from adapter.contract import SourceUnavailable
from adapter.events import Event
from adapter.local import OpencodeSource
from adapter.pace import at_once
from tests.adapter import corpus
from tui.cli import build_parser
from tui.commands import tree as module
from tui.commands.timeline import timeline_text
from tui.commands.tree_json import family, tops, tree_objects, tree_text
from tui.model.store.store import Store

NOW_US = int(corpus.NOW * 1e6)
NESTED = "1.18.33/nested"
TOGETHER = [NESTED, "1.18.33/plain", "1.15.13/plain", "2.0-next-16350/task"]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_now_us", lambda: NOW_US)
    monkeypatch.setenv("COLUMNS", "100")


def run(paths: Sequence[Path], *words: str) -> int:
    arguments = build_parser().parse_args(["tree", *words])
    arguments.hosts, arguments.backups, arguments.no_watch = [], [], True
    return at_once(module.tree(arguments, list(paths)))


async def _all(paths: Sequence[Path]) -> Store:
    store = Store()
    for path in paths:
        async with OpencodeSource(path) as source:
            async for batch in source.stream():
                store.apply(batch.events)
                for session_id in batch.loaded:
                    store.mark_loaded(source.source, session_id)
    return store


def everything(paths: Sequence[Path]) -> Store:
    """A store that has all of all sessions at once."""
    return asyncio.run(_all(paths))


def compare(paths: Sequence[Path], capsys: pytest.CaptureFixture[str]) -> None:
    store = everything(paths)
    assert run(paths) == 0
    assert capsys.readouterr().out.splitlines() == list(tree_text(store, tops(store), NOW_US))
    assert run(paths, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sources"] == [f"opencode:{path}" for path in paths]
    assert told["sessions"] == json.loads(json.dumps(list(tree_objects(store, tops(store), NOW_US))))
    assert run(paths, "--timeline") == 0
    drawn = ["\n".join(timeline_text(store, top, NOW_US, 100, letters=False)) for top in tops(store)]
    assert capsys.readouterr().out == "\n\n".join(drawn) + "\n"


@pytest.mark.parametrize("name", [*corpus.NAMES, *corpus.NAMES_2X])
def test_one_tree_after_the_other_says_what_all_at_once_would(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare([corpus.build(name, tmp_path / "opencode.db")], capsys)


def together(directory: Path) -> list[Path]:
    """Several databases, one of them a copy of another in which one session went on."""
    paths = [corpus.build(name, directory / f"{number}.db") for number, name in enumerate(TOGETHER)]
    copy = directory / "copy.db"
    copy.write_bytes(paths[0].read_bytes())
    with sqlite3.connect(copy) as plain:
        plain.execute(
            "UPDATE session SET time_updated = time_updated + 1000, title = 'newer' WHERE parent_id IS NOT NULL"
        )
    plain.close()
    return [*paths, copy]


def test_so_it_is_of_several_databases_and_of_copies_in_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = together(tmp_path)
    store = everything(paths)
    assert store.copies.aside
    assert {session.source for session in store.sessions.values()} > {f"opencode:{path}" for path in paths[1:-1]}
    compare(paths, capsys)


def test_one_session_comes_with_all_below_it_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = corpus.build(NESTED, tmp_path / "opencode.db")
    store = everything([path])
    child = next(session for session in store.sessions.values() if session.parent_id)
    assert run([path], "--json", "--session", child.id) == 0
    told = [one["id"] for one in json.loads(capsys.readouterr().out)["sessions"]]
    assert told == [member.id for member in family(store, child)]
    assert run([path], "--session", "ses_none") == 2
    assert "no session ses_none" in capsys.readouterr().err


async def _held(path: Path) -> list[int]:
    store = Store()
    async with OpencodeSource(path, inline=True) as source:
        store.apply(await source.catalogue())
        return [
            len(store.homes.keys() - {one.key for one in family(store, top)})
            async for top in module.Trees(store, [source])
        ]


def test_no_more_than_one_tree_is_held(tmp_path: Path) -> None:
    path = corpus.build("1.18.33/plain", tmp_path / "opencode.db")
    with sqlite3.connect(path) as plain:
        columns = [name for _, name, *_ in plain.execute("PRAGMA table_info(session)") if name != "id"]
        rest = ", ".join(columns)
        for number in range(20):
            plain.execute(f"INSERT INTO session (id, {rest}) SELECT 'ses_{number}', {rest} FROM session LIMIT 1")
    plain.close()
    held = at_once(_held(path))
    assert held == [0] * 21


def spoilt(monkeypatch: pytest.MonkeyPatch, session_id: str, error: Exception | None) -> None:
    """Has the reading of one session fail, or find that it is gone."""
    load = OpencodeSource.load

    async def fails(self: OpencodeSource, wanted: str, *, texts: bool = True) -> list[Event]:
        if wanted != session_id:
            return await load(self, wanted, texts=texts)
        if error is not None:
            raise error
        return []

    monkeypatch.setattr(OpencodeSource, "load", fails)


@pytest.mark.parametrize(
    ("error", "status", "shown", "words"),
    [
        (None, 0, False, ""),
        (SourceUnavailable("it has gone"), 2, False, "it has gone"),
        (ValueError("ours"), 1, True, "internal error"),
    ],
)
def test_what_cannot_be_read_any_more_costs_its_tree(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception | None,
    status: int,
    shown: bool,
    words: str,
) -> None:
    path = corpus.build("1.18.33/plain", tmp_path / "opencode.db")
    (only,) = everything([path]).sessions.values()
    spoilt(monkeypatch, only.id, error)
    assert run([path], "--json") == status
    told = capsys.readouterr()
    assert [one["id"] for one in json.loads(told.out)["sessions"]] == [only.id] * shown
    assert words in told.err
