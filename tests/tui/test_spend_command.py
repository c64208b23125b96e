"""`opencode-viewer spend`: the same sum whatever it is by, JSON, CSV, filters, days, what is said beside."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from wcwidth import wcswidth

from adapter.local import OpencodeSource
from tests.adapter import corpus
from tui.cli import main
from tui.model.spend.book import Sum
from tui.model.spend.days import named
from tui.model.spend.ledger import MEASURES, Tables
from tui.model.spend.looking import Looking
from tui.model.store.store import Store


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path, status: int = 0) -> str:
    assert main(["spend", *map(str, arguments)]) == status
    return capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(told(capsys, *arguments, "--json"))
    return found


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return corpus.build("1.18.33/task", tmp_path / "opencode.db")


@pytest.mark.parametrize("name", ["1.2.1/task", "1.17.11/fork", "2.0-next-16350/plain", "2.0-next-16350/task"])
def test_every_table_adds_up_to_the_columns(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = corpus.build(name, tmp_path / "opencode.db")
    documents = [as_json(capsys, "--db", path, "--by", measure) for measure in MEASURES]
    for document in documents:
        assert document["total"] == pytest.approx(documents[0]["total"])
        for figure, whole in document["total"].items():
            assert sum(row[figure] for row in document["rows"]) == pytest.approx(whole)
    if not name.startswith("1.2"):
        with sqlite3.connect(path) as connection:
            (cost,) = connection.execute("SELECT sum(cost) FROM session").fetchone()
        connection.close()
        left_out = documents[0]["left_out"]["forks"]["cost"] if name.startswith("1.") else 0.0
        assert documents[0]["total"]["cost"] + left_out == pytest.approx(cost)
        assert ("fork" in name) == any("forks copied" in words for words in documents[0]["notes"])


def figures(cost: float, *tokens: int) -> tuple[float, ...]:
    """Dollars to the millionth, as sums of the same floats in another order differ, and tokens by kind. How many of
    them have no price only the steps tell, and a row that suffices has none."""
    return (round(cost, 6), *tokens)


async def looked_at(path: Path) -> Tables:
    """What the screen shows of all time, when all has been read."""
    async with OpencodeSource(path, watch=False) as source:
        store = Store()
        store.apply(await source.catalogue())
        looking = Looking(store, int(time.time() * 1e6))
        looking.ledger.span(source.source, await source.spans())
        looking.show(named("all time", looking.today))
        while (page := looking.next_page()) is not None:
            looking.take(*page, await source.spending(page[1]))
        looking.add_up()
        return looking.tables


@pytest.mark.parametrize("version", [*corpus.VERSIONS, corpus.PREVIEW])
def test_the_command_says_what_the_screen_shows_of_every_dump(
    version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [name for name in corpus.NAMES + corpus.NAMES_2X if name.startswith(f"{version}/")]
    for number, name in enumerate(names):
        path = corpus.build(name, tmp_path / f"{number}.db")
        shown = asyncio.run(looked_at(path))
        # One table of each: what is read for it differs by the table, not by the dump.
        measure = MEASURES[number % len(MEASURES)]
        found = as_json(capsys, "--db", path, "--by", measure)
        assert found["total"]["cost"] == pytest.approx(shown.total.cost), name
        assert found["sessions"] == shown.sessions, name
        rows = [figures(*(row[each] for each in Sum.__struct_fields__[:-1])) for row in found["rows"]]
        on_screen = [figures(*msgspec.structs.astuple(amount)[:-1]) for amount in shown.rows[measure].values()]
        assert sorted(rows) == sorted(on_screen), (name, measure)


def test_text_has_a_line_a_row_and_one_for_all(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    *rows, total, shared = told(capsys, "--db", database, "--by", "tool").splitlines()
    assert any(row.startswith("task") and "#" in row and "$" in row for row in rows)
    assert total.startswith("total  all time, 2 sessions")
    assert "a share, not a bill" in shared
    assert len({line.index("$") + len(line.split("$")[1].split()[0]) for line in [*rows, total]}) == 1


def test_days_narrow_it(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = as_json(capsys, "--db", database)["rows"]
    on = rows[0]["name"]
    assert as_json(capsys, "--db", database, "--since", on, "--until", on)["rows"] == rows
    assert as_json(capsys, "--db", database, "--until", "2020-01")["rows"] == []
    assert told(capsys, "--db", database, "--since", "soon", status=2) == ""


def test_a_filter_counts_what_it_finds_with_its_sub_agents(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = as_json(capsys, "--db", database)
    assert as_json(capsys, "--db", database, "is:root")["total"] == whole["total"]
    child = as_json(capsys, "--db", database, "is:subagent")
    assert 0 < child["total"]["cost"] < whole["total"]["cost"]
    assert child["sessions"] == 1
    assert told(capsys, "--db", database, "cost>much", status=2) == ""


def test_a_spreadsheet_takes_no_name_for_a_formula(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute('UPDATE session SET title = \'=HYPERLINK("http://x")\n,"y"\' WHERE parent_id IS NULL')
    connection.close()
    head, *rows = csv.reader(io.StringIO(told(capsys, "--db", database, "--by", "session", "--csv")))
    assert head[:3] == ["session", "session_id", "cost"]
    assert rows[0][0].startswith("'=HYPERLINK")
    assert float(rows[0][2]) > 0
    assert all(len(row) == len(head) for row in rows)


def test_text_of_strangers_does_not_reach_the_terminal(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(database) as connection:
        evil = "\x1b]0;x\x07\x9b31m\u202e"
        connection.execute("UPDATE session SET title = ?, agent = ?, directory = ?", (evil, evil, evil))
        for table, field in (("message", "agent"), ("message", "modelID"), ("part", "tool")):
            sql = (
                f"UPDATE {table} SET data = json_set(data, '$.{field}', ?) WHERE json_extract(data, '$.{field}') != ''"
            )
            connection.execute(sql, (f"{evil}{field}",))
    connection.close()
    for measure in MEASURES:
        for shape in ((), ("--csv",)):
            out = told(capsys, "--db", database, "--by", measure, *shape)
            assert not set(out) & {"\x1b", "\x07", "\x9b", "\u202e"}


def test_where_nothing_can_be_read_the_status_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "--db", tmp_path / "none.db", status=2) == ""
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database" * 100)
    good = corpus.build("1.18.33/plain", tmp_path / "opencode.db")
    assert "total" in told(capsys, "--db", good, "--db", broken, status=1)


def test_a_session_in_two_files_is_counted_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (corpus.build("1.18.33/plain", tmp_path / name) for name in ("opencode.db", "other.db"))
    alone, both = as_json(capsys, "--db", one), as_json(capsys, "--db", one, "--db", two)
    assert both["total"] == alone["total"]
    assert both["left_out"]["copies"]["cost"] == pytest.approx(alone["total"]["cost"])
    assert any("older copies" in words for words in both["notes"])


@pytest.mark.parametrize("command", [["spend", "--by", "session"], ["ls"]])
def test_columns_stand_below_each_other_whatever_the_letters(
    command: list[str], database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE session SET title = '日本語のタイトル é👩', agent = '日本' WHERE parent_id IS NULL")
    assert main([*command, "--db", str(database)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "$" in line]
    assert any("日本" in line for line in lines)
    before = "ses_" if command == ["ls"] else "$"
    ends = {wcswidth(line[: line.index(before)]) for line in lines if before in line}
    assert len(ends) == 1
    if command == ["ls"]:
        assert len({wcswidth(line[: line.index("mock-1")]) for line in lines}) == 1
