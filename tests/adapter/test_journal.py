"""The migration journal: names in order from whichever table there is, and one hash that names the set."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from adapter.opencode.journal import Journal, hash_names, read_journal, timestamp_name
from adapter.opencode.schema import introspect
from adapter.sqlite.reader import Reader
from tests.adapter import corpus
from tests.adapter.writer import Writer

LATEST = {
    "1.2.1": "20260213144116",
    "1.3.2": "20260312043431_session_message_cursor",
    "1.15.13": "20260511173437_session-metadata",
    "1.17.11": "20260622202450_simplify_session_input",
    "1.18.33": "20260622202450_simplify_session_input",
}


async def journal_of(path: Path) -> Journal:
    reader = Reader(path)
    try:
        return await reader.call(lambda snapshot: read_journal(snapshot, introspect(snapshot)))
    finally:
        await reader.close()


@pytest.mark.parametrize("version", corpus.VERSIONS)
def test_every_version_has_the_same_hash_in_every_database(version: str) -> None:
    health = [corpus.load(name).health for name in corpus.NAMES if name.startswith(f"{version}/")]
    assert len({found.migration_hash for found in health}) == 1
    assert len(health[0].migration_hash) == 64
    assert {found.migration_latest for found in health} == {LATEST[version]}


def test_versions_with_other_migrations_have_other_hashes() -> None:
    hashes = {version: corpus.load(f"{version}/plain").health.migration_hash for version in corpus.VERSIONS}
    assert hashes["1.17.11"] == hashes["1.18.33"]
    assert len(set(hashes.values())) == 4


def test_the_hash_is_sha256_over_length_and_name() -> None:
    raw = b"\0\0\0\x01a\0\0\0\x03\xc3\xa9b"
    assert hash_names(("a", "éb")) == hashlib.sha256(raw).hexdigest()
    assert hash_names(()) == hashlib.sha256(b"").hexdigest()


def test_no_two_lists_of_names_run_into_each_other() -> None:
    lists = [("ab", "c"), ("a", "bc"), ("abc",), ("c", "ab"), ("ab", "c", "")]
    assert len({hash_names(names) for names in lists}) == len(lists)


async def test_the_new_table_wins_where_both_are(tmp_path: Path) -> None:
    path = corpus.build("1.3.2/plain", tmp_path / "opencode.db")
    before = await journal_of(path)
    with Writer(path) as writer:
        writer.run("CREATE TABLE migration (id TEXT PRIMARY KEY, time_completed INTEGER NOT NULL)")
        writer.commit(*[("INSERT INTO migration VALUES (?, 1)", (name,)) for name in (*before.names, "2027_new")])
        after = await journal_of(path)
    assert (before.table, after.table) == ("__drizzle_migrations", "migration")
    assert after.names == (*before.names, "2027_new")
    assert after.latest == "2027_new"


async def test_the_old_table_without_names_is_named_by_its_times(tmp_path: Path) -> None:
    journal = await journal_of(corpus.build("1.2.1/plain", tmp_path / "opencode.db"))
    assert journal.names == ("20260127222353", "20260211171708", "20260213144116")


async def test_without_any_journal_there_is_no_hash(tmp_path: Path) -> None:
    path = corpus.build("1.18.33/plain", tmp_path / "opencode.db")
    with Writer(path) as writer:
        writer.run("DROP TABLE migration")
        assert await journal_of(path) == Journal("", (), "")


@pytest.mark.parametrize("moment", [None, "soon", 10**30, -(10**30)])
def test_a_time_that_is_none_is_named_all_the_same(moment: object) -> None:
    assert timestamp_name(moment) == f"unknown {moment}"
