"""Sessions of other machines on the screen: the host stands with them, and nothing of them is used on this machine."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from adapter.contract import VIA
from adapter.events import Event, Usage
from adapter.health import Health
from adapter.processes.facts import Pane, Process, Processes
from tests.tui.model.builders import op, prompt, session, store_of, turn, turn_end
from tui import resume
from tui.files import CursorFile, Protected
from tui.model.filter.cards import Index
from tui.model.filter.language import parse, search
from tui.model.records import ChangeSet, Row, session_key
from tui.model.status.life import runner
from tui.model.status.notices import Notice, Notices
from tui.model.status.state import session_state
from tui.model.status.whereabouts import find
from tui.model.store.store import Store
from tui.model.sums.rollup import context
from tui.model.tree.headings import directory, heading_key, name
from tui.model.tree.sorting import Arrangement, group
from tui.render.bars.breadcrumb import databases
from tui.render.bars.health import health_lines
from tui.render.bars.status import problem_lines
from tui.render.cards.session_card import session_card
from tui.render.rows.tree_row import cells_of
from tui.render.spend.words import Names
from tui.terminal.notify_command import facts as notice_facts

NOW = 107_000_000
FAR = f"{VIA}box"


def there(*events: Event, source: str = FAR) -> list[Event]:
    """The same events from another machine."""
    return [msgspec.structs.replace(event, source=source) for event in events]


RUN: list[Event] = [
    session("s1", 100, title="A thing", cwd="/far/app", version="1.18.33"),
    prompt("u1", 101),
    turn("a1", 1, 102, "u1"),
    op("p1", "a1", "tool", 1, 103, name="bash", tool="bash", running=True),
]


def text(lines: object) -> str:
    """What stands in some lines."""
    return "\n".join("".join(part for part, _ in line) for line in lines)  # type: ignore[attr-defined]


def test_the_host_stands_before_a_session_and_in_its_card() -> None:
    store = store_of(*there(*RUN))
    one = store.sessions[FAR, "s1"]
    cells = cells_of(store, Row(session_key(one), 0, "closed"), NOW)
    assert text([cells.words]) == "box A thing"
    assert "host      box" in text(session_card(store, one, NOW))
    here = store_of(*RUN)
    cells = cells_of(here, Row(session_key(next(iter(here.sessions.values()))), 0, "closed"), NOW)
    assert text([cells.words]) == "A thing"


def test_host_is_a_field_of_the_filter() -> None:
    here = session("s0", 100)
    store = store_of(here, *there(*RUN), *there(session("s2", 100), source=f"{VIA}lab:/x/two.db"))
    index = Index(store)
    index.fill(NOW)

    def found(words: str) -> set[str]:
        return {source for source, _ in search(parse(words, NOW), index.cards.values()).cards}

    assert found("host:box") == {FAR}
    assert found("host:la") == {f"{VIA}lab:/x/two.db"}
    assert len(found("-host:box")) == 2
    assert set(index.values("host")) == {"box", "lab"}


def test_a_database_is_called_by_its_host_where_that_has_one() -> None:
    healths = [
        Health("opencode:/a/opencode.db", "/a/opencode.db"),
        Health(FAR, "box:/far/opencode.db", host="box"),
        Health(f"{VIA}lab", "lab:/far/opencode.db", host="lab"),
        Health(f"{VIA}lab:/far/two.db", "lab:/far/two.db", host="lab"),
    ]
    names = databases(healths)
    assert names[FAR] == "box"
    assert names["opencode:/a/opencode.db"] != names[f"{VIA}lab"]
    assert names[f"{VIA}lab:/far/two.db"] == "far/two.db"


def test_what_is_not_live_and_since_when_and_what_its_clock_says_is_told() -> None:
    health = Health(FAR, "box:/far/opencode.db", "waiting", "box: the line is cut; not live since 10:00:00", host="box")
    assert "not live since 10:00:00" in text(problem_lines([health], "", 100))
    ahead = Health(FAR, "box:/far/opencode.db", "ok", host="box", ahead_s=90.0)
    assert "its clock is 1m30 ahead" in text(health_lines(ahead))


def test_the_command_for_another_machine_looks_at_nothing_here(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    store = store_of(*there(session("s1", 100, cwd=str(tmp_path / "far"), version="1.18.33")))
    command, missing = resume.command(store.sessions[FAR, "s1"], {"OPENCODE_DB": "/mine.db"}, tmp_path)
    assert command == f"cd {tmp_path}/far && opencode -s s1"
    assert missing == "for box: run it there"
    other = store_of(*there(session("s1", 100, cwd="/gone", version="1.18.33"), source=f"{VIA}box:/x/two.db"))
    command, _ = resume.command(other.sessions[f"{VIA}box:/x/two.db", "s1"], {}, tmp_path)
    assert command == "cd /gone && OPENCODE_DB=/x/two.db opencode -s s1"


def test_a_configuration_in_a_directory_of_another_machine_is_not_looked_for_here() -> None:
    asked: list[str] = []

    class Limits:
        def __call__(self, provider: str, model: str) -> int:
            return 0

        def inside(self, directory: str) -> Limits:
            asked.append(directory)
            return self

    events = [*RUN[:3], turn_end("a1", 1, 105, usage=Usage(input=9, output=9))]
    for made in (there(*events), events):
        store = Store(Limits())
        store.apply(made)
        for one in store.sessions.values():
            context(store, one)
    assert asked == ["", "/far/app"]


def test_who_works_on_a_session_over_there_is_told_by_what_its_database_is_called_here() -> None:
    store = store_of(*there(*RUN))
    pane = Pane("/tmp/sock", "%1", "main", 0, "w", 0)
    process = Process(7, 50, directory="/far/app", role="tui", databases=["box"], terminal="/dev/pts/1", pane=pane)
    store.meet(FAR, Processes(106, True, "", 60, [process], [], asked=106))
    one = store.sessions[FAR, "s1"]
    assert runner(store, one).process == process
    assert find(store, one).process == process


def test_a_notice_names_the_host() -> None:
    store = store_of(*there(*RUN))
    told = notice_facts([Notice("waiting", 1, (FAR, "s1"), "A thing")], store)
    assert told["notices"][0]["host"] == "box"


@pytest.mark.parametrize("name", ["bash", "question"])
def test_of_a_machine_that_is_not_seen_nothing_is_said_to_be_stuck_or_left_behind(name: str) -> None:
    store = store_of(*there(*RUN[:3], op("p1", "a1", "tool", 1, 103, name=name, tool=name, running=True)))
    process = Process(7, 50, directory="/far/app", role="tui", databases=["box"])
    store.meet(FAR, Processes(106, True, "", 60, [process], [], asked=106))
    one = store.sessions[FAR, "s1"]
    before = session_state(store, one, NOW)
    changes = store.lose_sight(FAR, 106_000_000)
    assert session_key(one) in changes.dirty
    assert store.lose_sight(FAR, 106_000_000).dirty == set()
    later = session_state(store, one, NOW + 3600_000_000)
    assert (later.name, later.inferred) == (before.name, True)
    assert "when it was seen last at" in later.reason
    notices = Notices(store, 0)
    notices.update(ChangeSet({(FAR, "s1")}, set()), NOW + 3600_000_000)
    assert {one.kind for one in notices.due(NOW + 3700_000_000)} <= {"waiting"}
    store.lose_sight(FAR, 0)
    assert session_state(store, one, NOW).inferred is before.inferred


def test_a_cursor_file_holds_positions_of_other_machines(tmp_path: Path) -> None:
    file = tmp_path / "cursor"
    cursors = CursorFile(file, Protected([], tmp_path / "opencode"))
    assert cursors.begin() == {}
    cursors.keep({FAR: "one", "opencode:/x": "two"})
    cursors.keep({FAR: "three"})
    assert CursorFile(file, Protected([], tmp_path / "opencode")).begin() == {FAR: "three"}


def test_the_time_of_a_row_that_nobody_sees_any_more_stands_still() -> None:
    store = store_of(*there(*RUN))
    row = Row(session_key(store.sessions[FAR, "s1"]), 0, "closed")
    before = cells_of(store, row, NOW).columns["time"]
    store.lose_sight(FAR, NOW)
    assert cells_of(store, row, NOW + 600_000_000).columns["time"] == before


def test_projects_of_two_machines_are_two_projects_though_they_lie_in_one_directory() -> None:
    store = store_of(session("s0", 100, cwd="/far/app"), *there(*RUN))
    by_projects = Arrangement(grouping="projects")
    groups = [group(one, None, by_projects, is_news=False) for one in store.sessions.values()]
    names = [(name(heading_key(one)), directory(heading_key(one))) for one in groups]
    assert names == [("app", "/far/app"), ("app", "box:/far/app")]
    places = [one.place for one in store.sessions.values()]
    assert [Names(store, (), places).of("project", place) for place in places] == places
    assert Names(store).of("session", (FAR, "s1")) == "box A thing"
