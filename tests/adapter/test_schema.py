"""Tables and columns as they are: nothing is inferred from versions, and what is missing is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.contract import NotOpencode
from adapter.opencode.schema import Schema, introspect
from adapter.sqlite.reader import Reader
from tests.adapter import corpus
from tests.adapter.writer import Writer

NEEDED = {
    "session": ("title", "time_created", "time_updated"),
    "message": ("session_id", "time_created", "time_updated", "data"),
    "part": ("message_id", "session_id", "time_created", "time_updated", "data"),
}
LATE = ("cost", "tokens_input", "agent", "model")
"""Columns of a session that not every version has."""


async def schema_of(path: Path) -> Schema:
    reader = Reader(path)
    try:
        return await reader.call(introspect)
    finally:
        await reader.close()


@pytest.fixture(params=corpus.VERSIONS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return corpus.build(f"{request.param}/plain", tmp_path / "opencode.db")


async def test_a_select_names_all_wanted_columns_and_only_existing_ones(database: Path) -> None:
    schema = await schema_of(database)
    columns = schema.select("session", ("title", *LATE))
    reader = Reader(database)
    rows = await reader.call(lambda snapshot: snapshot.rows(f"SELECT {', '.join(columns)} FROM session"))
    await reader.close()
    assert [row[0] for row in rows] == ["Lab plain"]
    for value, name in zip(rows[0][1:], LATE, strict=True):
        assert (value is None) == (f"session.{name}" in schema.missing)


async def test_the_feed_is_known_by_its_table(database: Path) -> None:
    schema = await schema_of(database)
    assert schema.has_events == ("event" in schema.tables)
    assert schema.family == "v1"


@pytest.mark.parametrize("table", NEEDED)
async def test_a_table_that_is_needed_is_named(database: Path, table: str) -> None:
    with Writer(database) as writer:
        writer.run("PRAGMA foreign_keys=OFF")
        writer.run(f"DROP TABLE {table}")
        with pytest.raises(NotOpencode, match=f"has no table {table}"):
            await schema_of(database)


@pytest.mark.parametrize(("table", "column"), [(t, c) for t, columns in NEEDED.items() for c in columns])
async def test_a_column_that_is_needed_is_named(tmp_path: Path, table: str, column: str) -> None:
    path = corpus.build("1.18.33/plain", tmp_path / "opencode.db")
    with Writer(path) as writer:
        writer.run(f"ALTER TABLE {table} RENAME COLUMN {column} TO gone")
        with pytest.raises(NotOpencode, match=rf"has no column {table}\.{column}, which is required"):
            await schema_of(path)


async def test_a_column_that_only_helps_is_listed_and_read_as_nothing(tmp_path: Path) -> None:
    path = corpus.build("1.18.33/plain", tmp_path / "opencode.db")
    with Writer(path) as writer:
        writer.run("ALTER TABLE session RENAME COLUMN cost TO price")
        schema = await schema_of(path)
        assert schema.missing == ["session.cost"]
        events, health = await corpus.read(path)
        assert health.missing_columns == ["session.cost"]
        assert any(type(event).__name__ == "TurnFinalized" for event in events)


async def test_the_cookie_moves_with_a_migration(tmp_path: Path) -> None:
    path = corpus.build("1.18.33/plain", tmp_path / "opencode.db")
    with Writer(path) as writer:
        writer.run("CREATE INDEX one ON todo (content)")
        before = (await schema_of(path)).version
        writer.run("ALTER TABLE session ADD COLUMN mood TEXT")
        assert (await schema_of(path)).version != before
