"""The demo player against its own recording: what ends up in the file, and when."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tui.demo.player import Player
from tui.demo.recording import Change, Recording, Step, Table, decode, encode, load, retime, row_key
from tui.demo.timeline import Timeline

NOW_S = 1_800_000_000.0
SUB_AGENTS_AT_S = 24.5
OPEN_QUESTION = 'select count(*) from part where data like \'%"tool":"question"%"status":"running"%\''


class FakeClock:
    """Time that passes only while somebody sleeps; can stop the player or do something at a moment."""

    def __init__(self) -> None:
        self.now = NOW_S
        self.events: list[tuple[float, Any]] = []

    def time(self) -> float:
        return self.now

    def at(self, seconds: float, action: Any) -> None:
        self.events.append((NOW_S + seconds, action))

    def sleep(self, stop: threading.Event, seconds: float) -> None:
        self.now += max(seconds, 0.0001)
        for due, action in [event for event in self.events if event[0] <= self.now]:
            self.events.remove((due, action))
            action()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def player(tmp_path: Path, clock: FakeClock) -> Iterator[Player]:
    with contextlib.closing(Player(tmp_path / "demo", clock=clock.time, sleep=clock.sleep)) as player:
        yield player


def rows(path: Path, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(sql, arguments).fetchall()


def content(path: Path, recording: Recording) -> dict[str, dict[Any, list[Any]]]:
    found = {}
    for name, table in recording.tables.items():
        read = [list(row) for row in rows(path, f'select * from "{name}"')]
        found[name] = {row_key(table, row): row for row in read}
    return found


def recorded_state(recording: Recording, start_ms: float) -> dict[str, dict[Any, list[Any]]]:
    """The final rows by replaying the changes in memory, independent of SQLite."""
    state: dict[str, dict[Any, list[Any]]] = {name: {} for name in recording.tables}
    for step in recording.steps:
        for change in step.changes:
            values = [retime(value, lambda offset: round(start_ms + offset)) for value in change.values]
            if change.put:
                state[change.table][row_key(recording.tables[change.table], values)] = values
            else:
                state[change.table].pop(tuple(values), None)
    return state


def statuses(path: Path) -> list[str]:
    sql = "select json_extract(data, '$.state.status') from part where json_extract(data, '$.type') = 'tool'"
    return [status for (status,) in rows(path, sql)]


def test_the_finished_database_equals_the_recording_row_for_row(player: Player):
    player.finish()
    recording = load()
    start_ms = NOW_S * 1000 - recording.duration
    assert content(player.path, recording) == recorded_state(recording, start_ms)


def test_playing_in_real_time_ends_in_the_same_rows_as_finishing_at_once(player: Player, clock: FakeClock):
    player.play(threading.Event())
    assert player.ended
    assert clock.now - NOW_S == pytest.approx(player.duration, abs=0.2)
    recording = load()
    assert content(player.path, recording) == recorded_state(recording, NOW_S * 1000)


def test_the_schema_is_the_one_that_opencode_made(player: Player):
    player.prepare()
    made = rows(player.path, "select sql from sqlite_master where sql is not null and name not like 'sqlite_%'")
    assert [sql for (sql,) in made] == load().schema
    assert rows(player.path, "pragma journal_mode") == [("wal",)]


def test_prepared_means_a_project_and_migrations_but_no_session(player: Player):
    player.prepare()
    assert rows(player.path, "select count(*) from session") == [(0,)]
    assert rows(player.path, "select worktree from project where id <> 'global'") == [("/home/dev/retry-lab",)]
    assert rows(player.path, "select count(*) from migration")[0][0] > 30


def test_half_way_two_sub_agents_have_run_and_tools_are_running(player: Player):
    player.skip_to(SUB_AGENTS_AT_S)
    running = rows(
        player.path,
        "select json_extract(data, '$.tool') from part where json_extract(data, '$.state.status') = 'running'",
    )
    assert sorted(tool for (tool,) in running) == ["bash", "question", "task"]
    agents = rows(player.path, "select agent from session where parent_id is not null")
    assert sorted(agent for (agent,) in agents) == ["explore", "general"]


def test_the_whole_run_shows_what_a_demo_must_show(player: Player):
    player.finish()
    assert rows(player.path, OPEN_QUESTION) == [(1,)]
    assert statuses(player.path).count("error") == 1
    exits = rows(player.path, "select json_extract(data, '$.state.metadata.exit') from part")
    assert (1,) in exits
    todos = rows(player.path, "select status from todo")
    assert todos == [("completed",)] * 4
    costs = rows(player.path, "select cost from session where title = 'Make the retry test stable'")
    assert costs[0][0] > 0.05


def test_foreign_keys_hold_at_every_moment(player: Player):
    for second in range(0, int(player.duration) + 2, 4):
        player.skip_to(second)
        assert rows(player.path, "pragma foreign_key_check") == []


def test_times_lie_between_the_start_and_now_and_never_run_backwards(player: Player):
    player.finish()
    start_ms, now_ms = (NOW_S - player.duration) * 1000, NOW_S * 1000
    for table in ("session", "message", "part"):
        for created, updated in rows(player.path, f"select time_created, time_updated from {table}"):
            assert start_ms <= created <= updated <= now_ms
    for (data,) in rows(player.path, "select data from part where json_extract(data, '$.state.time.end')"):
        spent = json.loads(data)["state"]["time"]
        assert start_ms <= spent["start"] <= spent["end"] <= now_ms


def test_twice_the_speed_takes_half_the_time_and_halves_every_duration(tmp_path: Path, clock: FakeClock):
    length = "select max(time_updated) - min(time_created) from part"
    with Player(tmp_path / "two", speed=2.0, clock=clock.time, sleep=clock.sleep) as player:
        player.play(threading.Event())
        assert clock.now - NOW_S == pytest.approx(player.duration / 2, abs=0.2)
        fast = rows(player.path, length)[0][0]
    with Player(tmp_path / "one", clock=clock.time) as player:
        player.finish()
        assert fast == pytest.approx(rows(player.path, length)[0][0] / 2, abs=2)


def test_a_change_of_speed_never_moves_times_that_were_written_before(player: Player, clock: FakeClock):
    before: list[tuple[Any, ...]] = []
    created = "select id, time_created from part where rowid <= 10 order by id"

    def faster() -> None:
        before.extend(rows(player.path, created))
        player.speed = 20.0

    clock.at(20, faster)
    player.play(threading.Event())
    assert len(before) == 10
    assert rows(player.path, created) == before
    assert clock.now - NOW_S == pytest.approx(20 + (player.duration - 20) / 20, abs=0.3)


def test_stopped_and_started_again_it_goes_on_where_it_was(player: Player, clock: FakeClock):
    stop = threading.Event()
    clock.at(10, stop.set)
    player.play(stop)
    assert not player.ended
    assert player.position == pytest.approx(10, abs=0.2)
    clock.now += 1000
    player.play(threading.Event())
    assert player.ended
    assert clock.now - NOW_S == pytest.approx(1000 + player.duration, abs=0.3)


def test_after_a_skip_the_run_goes_on_from_there(player: Player, clock: FakeClock):
    player.skip_to(30)
    player.play(threading.Event())
    assert clock.now - NOW_S == pytest.approx(player.duration - 30, abs=0.2)
    assert rows(player.path, "select max(time_updated) from part")[0][0] <= clock.now * 1000 + 1


def test_a_real_clock_and_a_reader_see_the_run_happen(tmp_path: Path):
    with Player(tmp_path / "demo", speed=100.0) as player:
        stop = threading.Event()
        thread = threading.Thread(target=player.play, args=(stop,))
        thread.start()
        seen: set[str] = set()
        while thread.is_alive():
            seen.update(statuses(player.path))
            thread.join(0.005)
        assert {"running", "completed"} <= seen
        assert player.ended


def test_its_own_directory_is_removed_and_a_given_one_is_kept(tmp_path: Path):
    given = Player(tmp_path / "given")
    given.prepare()
    given.close()
    assert given.path.exists()
    own = Player()
    own.prepare()
    assert own.path.exists()
    own.close()
    assert not own.path.parent.exists()


@pytest.mark.parametrize("speed", [0, 0.2, -1, 101, float("inf"), float("nan")])
def test_a_speed_out_of_range_is_refused(tmp_path: Path, speed: float):
    with pytest.raises(ValueError, match="is not between"):
        Player(tmp_path, speed=speed)
    assert list(tmp_path.iterdir()) == []


def test_the_recording_is_small_neutral_and_of_the_named_version():
    recording = load()
    data = encode(recording)
    assert len(data) < 150_000
    assert 40 <= recording.duration / 1000 <= 90
    text = json.dumps(recording)
    assert recording.opencode in text
    for word in ("/tmp", "/root", "/usr", "127.0.0.1", "localhost", "lab:"):
        assert word not in text


def test_encoding_is_stable_and_keeps_everything():
    recording = Recording(
        "1.2.3",
        ["create table t (id text primary key, at integer, note text)"],
        {"t": Table(["id", "at", "note"], ["id"])},
        [
            Step(0, [Change("t", True, ["a", {"ms": 5}, 'x\x1e7\x1e "\x1e0Z\x1e"'])]),
            Step(9, [Change("t", False, ["a"])]),
        ],
    )
    assert decode(encode(recording)) == recording
    assert encode(recording) == encode(recording)
    values = [
        retime(value, lambda offset: 1_800_000_000_000 + offset) for value in recording.steps[0].changes[0].values
    ]
    assert values == ["a", 1_800_000_000_005, 'x1800000000007 "2027-01-15T08:00:00.000Z"']


@pytest.mark.parametrize("data", [b"", b"no gzip", b"\x1f\x8b\x08\x00"])
def test_a_damaged_recording_is_a_value_error(data: bytes):
    with pytest.raises(ValueError, match="not a recording"):
        decode(data)


def test_a_timeline_keeps_the_past_and_squeezes_what_is_skipped():
    timeline = Timeline(0, 1000, 1.0)
    timeline.anchor(100, 1100, 2.0)
    timeline.anchor(200, 1150, float("inf"))
    timeline.anchor(300, 1150, 2.0)
    assert [timeline.wall(offset) for offset in (-50, 0, 50, 100, 150, 250, 300, 400)] == [
        950, 1000, 1050, 1100, 1125, 1150, 1150, 1200,
    ]  # fmt: skip
    assert timeline.offset(1200) == 400


def test_the_player_does_not_load_the_user_interface():
    code = "import sys, tui.demo.player; sys.exit('textual' in sys.modules or 'rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
