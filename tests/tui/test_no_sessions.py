"""The screen without a session: one good sentence, also where only files of an opencode before 1.2 lie, and the tree as
soon as there is one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from adapter.health import Health
from tests.tui import story
from tests.tui.stage import FakeSource, feed, health, screen_text, until
from tests.tui.story import NOW, SOURCE
from tests.tui.test_terminal import COMMAND
from tui import no_sessions as module
from tui.app import ViewerApp
from tui.feed.queue import Arrival
from tui.no_sessions import NONE_YET, NoSessions, no_sessions
from tui.render.bars.empty import empty_lines
from tui.render.lines import plain, width_of

HOME = Path("/home/ada")
DATA = "~/.local/share/opencode"


def old_session(data: Path, name: str = "ses_1", layout: str = "storage/session/global") -> None:
    """A session as opencode before 1.2 wrote it."""
    file = data / layout / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{}")


@pytest.mark.parametrize(
    ("env", "named", "looked"),
    [
        ({}, [], f"Looked in {DATA}"),
        ({"XDG_DATA_HOME": "/srv"}, [], "Looked in /srv/opencode"),
        ({"OPENCODE_DB": "mine.db"}, [], f"Looked in {DATA}/mine.db"),
        ({}, [HOME / "a.db", Path("/b.db")], "Looked at ~/a.db, /b.db"),
    ],
)
def test_it_says_where_it_was_looked(env: dict[str, str], named: list[Path], looked: str) -> None:
    words = no_sessions(env, HOME, named)
    assert words.looked == looked
    assert words.headline == "No opencode session yet"


def test_other_machines_that_were_looked_at_are_named_and_what_is_wrong_with_them_stays() -> None:
    assert no_sessions({}, HOME, hosts=["box", "lab"]).looked == f"Looked in {DATA}, and on box, lab"
    assert no_sessions({}, HOME, [HOME / "a.db"], ["box"]).looked == "Looked at ~/a.db, and on box"


async def test_why_another_machine_is_not_there_stands_above_the_sentence() -> None:
    app = ViewerApp([FakeSource()], clock=lambda: NOW, no_sessions=no_sessions({}, HOME, hosts=["box"]))
    async with app.run_test(size=(100, 24)) as pilot:
        waiting = Health("via:box", "box", "waiting", "box: the machine cannot be reached", host="box")
        here = Health(SOURCE, "/x/opencode.db", "waiting", "there is no file")
        app.feed.arrivals.offer(Arrival("via:box", (), health=waiting))
        app.feed.arrivals.offer(Arrival(SOURCE, (), health=here))
        await until(pilot, lambda: "and on box" in "\n".join(screen_text(app)))
        text = "\n".join(screen_text(app))
        assert "box: the machine cannot be reached" in text
        assert "there is no file" not in text


def test_a_database_in_memory_is_told() -> None:
    assert "writes no file" in no_sessions({"OPENCODE_DB": ":memory:"}, HOME).advice


@pytest.mark.parametrize("layout", ["storage/session/global", "project/home-ada/storage/session/info"])
def test_sessions_of_before_the_database_are_named_with_what_to_do(layout: str, tmp_path: Path) -> None:
    data = tmp_path / ".local/share/opencode"
    for name in ("ses_1", "ses_2"):
        old_session(data, name, layout)
    words = no_sessions({}, tmp_path)
    assert words.headline == "No opencode database yet, but 2 sessions as JSON files"
    assert "from 1.2 to 1.15" in words.advice
    (data / "opencode.db").touch()
    assert no_sessions({}, tmp_path).headline == NONE_YET.headline


def test_no_more_of_them_are_counted_than_needs_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_COUNTED", 2)
    for number in range(5):
        old_session(tmp_path / "opencode", f"ses_{number}")
    assert "more than 2 sessions" in no_sessions({"XDG_DATA_HOME": str(tmp_path)}, HOME).headline


def test_the_commands_say_so_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("OPENCODE_DB", raising=False)
    old_session(tmp_path / "opencode")
    said = subprocess.run([COMMAND, "ls"], capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "1 session as JSON files" in said.stderr
    assert "from 1.2 to 1.15" in said.stderr


@pytest.mark.parametrize("width", [1, 20, 60, 80, 250])
@pytest.mark.parametrize("height", [0, 3, 40])
def test_the_sentences_fit_and_are_harmless(width: int, height: int) -> None:
    words = NoSessions("\x1b[2Jhead", "[/red] " * 30, "/" + "x" * 5000)
    lines = empty_lines(words, width, height)
    assert len(lines) <= height
    assert all(width_of(line) <= max(width, 1) for line in lines)
    assert all(plain(line).isprintable() for line in lines)


async def test_one_sentence_stays_until_a_session_comes_and_then_the_keys_go_to_the_tree() -> None:
    waiting = health(state="waiting", message="no database at /data/opencode.db")
    source = FakeSource(state=waiting)
    words = NoSessions(looked="Looked in /data")
    app = ViewerApp([source], clock=lambda: NOW, no_sessions=words)
    async with app.run_test(size=(100, 24)) as pilot:
        app.feed.arrivals.offer(Arrival(SOURCE, (), health=waiting))
        await until(pilot, lambda: app.main.empty.display)
        await pilot.press("plus", "plus", "minus", "equals_sign")
        assert "no sessions yet, and no panes" in "\n".join(screen_text(app))
        await pilot.press("j", "tab", "slash", "escape", "question_mark", "escape")
        await pilot.pause()
        text = "\n".join(screen_text(app))
        assert text.count("/data") == 1
        assert "No opencode session yet" in text
        assert "!" not in text
        feed(app, story.everything())
        app.feed.arrivals.offer(Arrival(SOURCE, (), health=health()))
        await until(pilot, lambda: not app.main.empty.display)
        await pilot.press("G")
        await pilot.pause()
        text = "\n".join(screen_text(app))
        assert "No opencode session yet" not in text
        assert app.main.sessions.has_focus
        assert app.main.sessions.cursor is not None


async def test_a_source_in_trouble_is_told_instead() -> None:
    app = ViewerApp([], clock=lambda: NOW)
    async with app.run_test(size=(100, 24)) as pilot:
        app.feed.arrivals.offer(Arrival(SOURCE, (), health=health(state="error", message="not permitted")))
        app.feed.arrivals.apply()
        await pilot.pause()
        assert not app.main.empty.display
        assert any("not permitted" in line for line in screen_text(app))
