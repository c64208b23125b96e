"""The user's own keys: what a file may say, what is told about one that cannot be meant, and that the keys work."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from textual.command import CommandPalette

from tests.tui import story
from tests.tui.stage import feed, screen_text
from tests.tui.story import NOW
from tui.app import ViewerApp
from tui.config import keymap
from tui.config.bindings import EVERY, SCOPES, key_groups
from tui.config.keymap import Keymap, parse
from tui.screens.help import HelpScreen


def test_other_keys_replace_those_of_a_binding_unless_something_else_has_them() -> None:
    found = parse('"tree.up" = "w"\n"jump.sort" = "ctrl+s, *"\n', SCOPES)
    assert found.keys == {"jump.sort": "ctrl+s,asterisk"}
    assert found.problems == ("w is 'go to the next that is for you' already: tree.up keeps up,k",)


def test_a_table_is_a_prefix() -> None:
    assert parse('[tree]\nup = "f6"\ndown = "f7"\n', SCOPES).keys == {"tree.up": "f6", "tree.down": "f7"}
    assert parse('tree.up = "f6"\n', SCOPES).keys == {"tree.up": "f6"}


def test_two_bindings_can_change_places() -> None:
    found = parse('"tree.up" = "j"\n"tree.down" = "k"\n', SCOPES)
    assert found == Keymap({"tree.up": "j", "tree.down": "k"})


def test_a_key_that_is_freed_can_be_taken() -> None:
    assert parse('"jump.waiting" = "U"\n"tree.up" = "w"\n', SCOPES).problems == ()


def test_of_two_new_bindings_on_one_key_the_first_has_it() -> None:
    found = parse('"tree.up" = "f6"\n"tree.down" = "f7,f6"\n', SCOPES)
    assert found == Keymap({"tree.up": "f6"}, ("f6 is 'row up' already: tree.down keeps down,j",))


def test_the_keys_that_move_among_what_was_found_are_not_to_be_had() -> None:
    found = parse('"search.line" = "down"\n"search.close" = "pagedown,f9"\n', SCOPES)
    assert found.keys == {}
    assert sorted(found.problems) == [
        "down is 'move among what was found' already: search.line keeps tab,shift+tab",
        "pagedown is 'move among what was found' already: search.close keeps escape",
    ]


def test_of_a_binding_that_is_there_twice_the_first_counts() -> None:
    found = parse('"tree.up" = "f6"\n[tree]\nup = "f7"\n', SCOPES)
    assert found == Keymap({"tree.up": "f6"}, ("tree.up is there twice: f6 counts",))


def test_the_same_key_may_mean_one_thing_in_the_tree_and_another_in_a_text() -> None:
    assert parse('"tree.up" = "f6"\n"text.up" = "f6"\n', SCOPES).problems == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('"tree.upp" = "w"', "there is no tree.upp"),
        ('"tree.up" = 5', 'tree.up: a text with keys is wanted, as "up,k"'),
        ('"tree.up" = ""', 'tree.up: a text with keys is wanted, as "up,k"'),
        ('"tree.up" = ["w"]', 'tree.up: a text with keys is wanted, as "up,k"'),
        ('"tree.up" = "ctl+w"', "tree.up: there is no key ctl+w"),
        ('"tree.up" = "upp"', "tree.up: there is no key upp"),
        ('"tree.up" = "f6,,f7"', "tree.up: there is no key "),
        ('"\\u001b]0;x\\u0007" = "w"', "there is no "),
    ],
)
def test_what_cannot_be_meant_is_told_and_the_rest_counts(text: str, problem: str) -> None:
    found = parse(f'{text}\n"health" = "f9"\n', SCOPES)
    assert found.keys == {"health": "f9"}
    (told,) = found.problems
    assert told.startswith(problem)
    assert told.isprintable()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('"tree.up" = "ctrl+p"', "ctrl+p is 'open the command palette' already: tree.up keeps up,k"),
        ('"tree.up" = "ctrl+q"', "ctrl+q is 'quit, whatever is selected' already: tree.up keeps up,k"),
        ('"filter.keep" = "ctrl+c"', "ctrl+c is 'quit, from anywhere' already: filter.keep keeps enter"),
        ('"filter.keep" = "ctrl+z"', "ctrl+z is 'go to the shell; fg comes back' already: filter.keep keeps enter"),
        ('"help.close" = "ctrl+c"', "ctrl+c is 'quit, from anywhere' already: help.close keeps escape,question_mark,q"),
        ('"filter.keep" = "left"', "left is 'Move cursor left' already: filter.keep keeps enter"),
        ('"filter.keep" = "k"', "filter.keep: k is typed into the line there; it keeps enter"),
        ('"filter.keep" = "f5,?"', "filter.keep: question_mark is typed into the line there; it keeps enter"),
        ('"filter.keep" = "space"', "filter.keep: space is typed into the line there; it keeps enter"),
        ('"filter.keep" = "/"', "filter.keep: slash is typed into the line there; it keeps enter"),
        ('"filter.keep" = "plus"', "filter.keep: plus is typed into the line there; it keeps enter"),
        ('"filter.drop" = "-"', "filter.drop: minus is typed into the line there; it keeps escape"),
        ('"filter.drop" = "@"', "filter.drop: at is typed into the line there; it keeps escape"),
        ('"tree.up" = "shift+slash"', "tree.up: no terminal sends shift+slash; it keeps up,k"),
        ('"suspend" = "Z"', "suspend: Z is typed into the line there; it keeps ctrl+z"),
        ('"tree.up" = "shift+a"', "tree.up: for shift+a a terminal sends A; it keeps up,k"),
        ('"tree.up" = "shift+1"', "tree.up: no terminal sends shift+1; it keeps up,k"),
        ('"tree.up" = "ctrl+A"', "tree.up: for ctrl+A a terminal sends ctrl+a; it keeps up,k"),
        ('"tree.up" = "ctrl+i"', "tree.up: for ctrl+i most terminals send tab; it keeps up,k"),
        ('"tree.up" = "ctrl+m"', "tree.up: for ctrl+m most terminals send enter; it keeps up,k"),
    ],
)
def test_a_key_that_would_do_nothing_is_refused_with_the_reason(line: str, problem: str) -> None:
    assert parse(line, SCOPES) == Keymap({}, (problem,))


@pytest.mark.parametrize(
    ("name", "key"),
    [("palette", "f2"), ("quit.now", "f10"), ("suspend", "f8"), ("help.close", "x")],
)
async def test_what_works_everywhere_can_have_another_key_and_the_old_one_is_free(name: str, key: str) -> None:
    file = f'"{name}" = "{key}"\n"tree.up" = "ctrl+p"\n' if name == "palette" else f'"{name}" = "{key}"\n'
    found = parse(file, SCOPES)
    assert found.problems == ()
    app = ViewerApp([], clock=lambda: NOW, keymap=found)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        feed(app, story.everything())
        await pilot.pause()
        if name == "help.close":
            await pilot.press("question_mark")
            assert isinstance(app.screen, HelpScreen)
        await pilot.press(key)
        await pilot.pause()
        happened = {
            "palette": lambda: isinstance(app.screen, CommandPalette),
            "quit.now": lambda: not app.is_running,
            "suspend": lambda: any("no shell" in line for line in screen_text(app)),
            "help.close": lambda: app.screen is app.main,
        }
        assert happened[name]()


@pytest.mark.parametrize("key", ["w", "?", "question_mark", "less_than_sign", "ctrl+shift+f5", "pageup", "ß", "space"])
def test_keys_have_the_names_that_the_help_and_textual_give_them(key: str) -> None:
    assert (
        parse(
            f'"jump.before" = "{key}"\n"jump.waiting" = "f12"\n"help.open" = "f1"\n"tree.page_up" = "f6"'
            '\n"tree.fold"="f7"\n"detail.previous" = "f8"',
            SCOPES,
        ).problems
        == ()
    )


@pytest.mark.parametrize("content", [b"tree.up = ", b"\xff\xfe", b"[" * 30_000, b"a = " + b"[" * 30_000])
def test_a_file_that_is_no_toml_is_told_in_a_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keymap.toml"
    path.write_bytes(content)
    found = keymap.read(path, lambda: SCOPES)
    assert found.keys == {}
    assert len(found.problems) == 1


def test_without_a_file_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert keymap.read(tmp_path / "keymap.toml", lambda: SCOPES) == Keymap()
    assert len(keymap.read(tmp_path, lambda: SCOPES).problems) == 1


def test_every_binding_has_an_id_of_its_own() -> None:
    ids = [binding.id for binding in EVERY]
    assert all(ids)
    assert len(ids) == len(set(ids))


def test_the_listing_is_a_keymap_that_changes_nothing() -> None:
    listed = keymap.listing(EVERY)
    assert tomllib.loads(listed) == {binding.id: binding.key for binding in EVERY}
    found = parse(listed, SCOPES)
    assert found.problems == ()
    assert set(found.keys) == {binding.id for binding in EVERY}


async def test_the_users_keys_work_and_the_old_ones_do_not() -> None:
    keys = parse('"tree.down" = "f6"\n"quit" = "Q"\n"health" = "f9"', SCOPES)
    app = ViewerApp([], clock=lambda: NOW, keymap=keys)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        feed(app, story.everything())
        await pilot.pause()
        first = app.main.sessions.cursor
        await pilot.press("j")
        assert app.main.sessions.cursor == first
        await pilot.press("f6")
        assert app.main.sessions.cursor != first
        await pilot.press("f9")
        assert app.main.query_one("#health").display
        await pilot.press("q")
        assert app.is_running
        await pilot.press("question_mark")
        await pilot.pause()
        assert app.is_running
        text = "\n".join(screen_text(app))
        assert "f9 open the health of the database" in " ".join(text.split())
        await pilot.press("escape")


async def test_the_footer_shows_the_users_keys() -> None:
    keys = parse('"health" = "f9"\n"help.open" = "f1"\n"filter.open" = "F"\n"quit" = "Q,ctrl+x"', SCOPES)
    app = ViewerApp([], clock=lambda: NOW, keymap=keys)
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.pause()
        footer = screen_text(app)[-1]
        for shown in ("f9 health", "f1 help", "F filter", "Q quit"):
            assert shown in footer


async def test_what_is_wrong_with_the_keymap_is_told_once_and_stays_in_the_help() -> None:
    app = ViewerApp([], clock=lambda: NOW, keymap=Keymap({}, ("there is no tree.upp", "there is no tree.downn")))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "keymap: there is no tree.upp (and 1 more: see the help)" in "\n".join(screen_text(app))
        await pilot.press("question_mark")
        await pilot.pause()
        assert any("there is no tree.downn" in line for line in screen_text(app)[:8])


def test_the_help_names_the_users_keys() -> None:
    groups = dict(key_groups(Keymap({"tree.up": "f6"})))
    assert ("f6", "row up") in groups["In the tree"]
    assert [keys for keys, words in groups["In the tree"] if words == "row up"] == ["f6"]
