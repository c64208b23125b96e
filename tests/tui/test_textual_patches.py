"""What of Textual is overridden has one home, is described there, and can be turned off where it is for speed."""

from __future__ import annotations

import ast
import asyncio
import importlib
import json
import pkgutil
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import textual
from textual import timer
from textual.app import ComposeResult
from textual.message import Message

import tui
from tui import textual_patches
from tui.textual_patches import driver
from tui.textual_patches.contained import Contained, ContainedApp
from tui.textual_patches.stock import PATCHES, turned_off

OURS = Path(tui.__file__).parent
HOME = Path(textual_patches.__file__).parent


def private(name: str) -> bool:
    """Whether a name is meant for its own module or class only."""
    return name.startswith("_") and not name.endswith("__")


@cache
def names_in(path: Path) -> dict[str, frozenset[str]]:
    """The private names that each class of a file defines or sets on itself; "" has those of all of them."""
    found: dict[str, frozenset[str]] = {"": frozenset()}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            names = {name for name in defined(node) if private(name)}
            found[node.name] = frozenset(names)
            found[""] |= names
    return found


def defined(owner: ast.ClassDef) -> Iterator[str]:
    """What a class has by its own doing: methods, values, and what its methods set on `self`."""
    for node in owner.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))
    for each in ast.walk(owner):
        if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store) and of_self(each):
            yield each.attr


def of_self(node: ast.Attribute) -> bool:
    """Whether an attribute is one of `self`, or of what `self` was made from."""
    value = node.value
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id == "super"
    return isinstance(value, ast.Name) and value.id in ("self", "cls")


TEXTUALS = frozenset[str]().union(
    *(names_in(path)[""] for path in Path(textual.__file__).parent.rglob("*.py") if "demo" not in path.parts)
)


def inherited(module: str, name: str) -> frozenset[str]:
    """The private names that a class of ours has from Textual's."""
    kind = getattr(importlib.import_module(module), name, None)
    found: frozenset[str] = frozenset()
    for parent in getattr(kind, "__mro__", ()):
        if parent.__module__.split(".")[0] == "textual":
            file = sys.modules[parent.__module__].__file__
            assert file is not None
            found |= names_in(Path(file)).get(parent.__name__, frozenset())
    return found


def touched(path: Path, module: str) -> Iterator[str]:
    """Each private part of Textual that a module of ours reads, sets or overrides."""
    # Of something else than itself a module may touch what one of its own classes has.
    others = TEXTUALS - names_in(path)[""]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom | ast.Import):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from (name for name in names if re.match(r"textual\b.*\._", name))
        elif isinstance(node, ast.ClassDef) and (of_textual := inherited(module, node.name)):
            yield from (f"{node.name}: {name}" for name in defined(node) if name in of_textual)
            yield from (
                f"{node.name}: {each.attr}"
                for each in ast.walk(node)
                if isinstance(each, ast.Attribute) and of_self(each) and each.attr in of_textual
            )
        elif isinstance(node, ast.Attribute) and not of_self(node) and node.attr in others:
            yield node.attr


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the program that could know Textual."""
    for found in pkgutil.walk_packages([str(OURS)], "tui."):
        path = OURS.joinpath(*found.name.split(".")[1:])
        path = path / "__init__.py" if found.ispkg else path.with_suffix(".py")
        if "textual" in path.read_text():
            yield found.name, path


def test_private_parts_of_textual_are_touched_in_one_package_only() -> None:
    where = {name: sorted(set(touched(path, name))) for name, path in modules()}
    at_home = {name for name, found in where.items() if found and name.startswith("tui.textual_patches.")}
    elsewhere = {name: found for name, found in where.items() if found and name not in at_home}
    assert elsewhere == {}
    # What the search has to find, so that finding nothing says something.
    assert {f"tui.textual_patches.{name}" for name in ("compositor", "contained", "driver", "keys_in_turn")} <= at_home
    assert "ContainedApp: _handle_exception" in where["tui.textual_patches.contained"]
    assert "SparseCompositor: _cuts" in where["tui.textual_patches.compositor"]
    assert {"textual._xterm_parser", "_post_message"} <= set(where["tui.textual_patches.driver"])


def test_the_readme_describes_every_patch() -> None:
    words = (HOME / "README.md").read_text()
    files = {path.name for path in HOME.glob("*.py")} - {"__init__.py"}
    named = set(re.findall(r"`(\w+\.py)`", words))
    tests = {name for name in named if name.startswith("test_")}
    assert named - tests == files
    assert [name for name in tests if not (Path(__file__).parent / name).exists()] == []
    switches = words.split("## For speed")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", switches, re.MULTILINE)) == PATCHES


@pytest.mark.parametrize(
    ("value", "off"),
    [
        ("", frozenset()),
        ("0", frozenset()),
        ("1", PATCHES),
        ("pen", {"pen"}),
        ("pen,lines", {"pen", "lines"}),
        ("penn", PATCHES),
    ],
)
def test_the_switch_turns_off_what_it_names_and_else_everything(value: str, off: frozenset[str]) -> None:
    assert turned_off(value) == off


class Asked(Message):
    """What a widget is sent."""


class Stumbling(Contained):
    """Raises over every second message."""

    heard = 0

    def on_asked(self) -> None:
        self.heard += 1
        if self.heard % 2:
            raise RuntimeError("planted")


class Holding(ContainedApp):
    """Goes on after every error."""

    def __init__(self) -> None:
        super().__init__()
        self.contained: list[tuple[str, str]] = []

    def compose(self) -> ComposeResult:
        yield Stumbling()

    def contain(self, error: Exception, stage: str) -> bool:
        self.contained.append((stage, str(error)))
        return True


async def test_a_widget_hears_the_next_message_after_an_error_in_its_handler() -> None:
    app = Holding()
    async with app.run_test() as pilot:
        widget = app.query_one(Stumbling)
        for count in (1, 2, 3):
            widget.post_message(Asked())
            await pilot.pause()
            assert widget.heard == count
    assert app.contained == [("passing a message on", "planted")] * 2


class Late:
    """The time as Textual's timers ask for it, which jumps once it has been asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.again = asyncio.Event()

    def get_time(self) -> float:
        self.asked += 1
        if self.asked > 1:
            self.again.set()
        return 0.0 if self.asked == 1 else 10.0


@pytest.mark.parametrize("of", ["widget", "app"])
async def test_a_timer_that_is_late_for_its_only_moment_runs_out(of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = Holding()
    async with app.run_test() as pilot:
        rung: list[str] = []
        late = Late()
        monkeypatch.setattr(timer, "_time", late)
        where = app if of == "app" else app.query_one(Stumbling)
        where.set_timer(0.002, lambda: rung.append(of))
        await late.again.wait()
        monkeypatch.undo()
        await pilot.pause()
        assert rung == [of]


MEASURE = """
import asyncio, json
from tests.bench import patches
print(json.dumps(asyncio.run(patches.measure(1, patches.SETTINGS))))
"""


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, Any]]:
    """What each action took with all patches, without each of them, and with none; in a process of its own, because it
    counts in classes of Textual's."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], cwd=OURS.parent, capture_output=True, text=True, timeout=240, check=True
    )
    results: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return {
        action: {setting: counters for setting, [(_, counters)] in taken.items()} for action, taken in results.items()
    }


@pytest.mark.parametrize(
    ("patch", "action", "counter", "least"),
    [
        ("regions", "two renamed", "lines", 200),
        ("bar", "one more above", "lines", 20),
        ("bar", "from end to end", "lines", 20),
        ("pen", "two renamed", "bytes", 100),
        ("length", "one more above", "layouts", 1),
        ("input", "a letter", "layouts", 1),
    ],
)
def test_without_a_patch_so_much_more_is_done(
    patch: str, action: str, counter: str, least: float, measured: dict[str, dict[str, Any]]
) -> None:
    taken = measured[action]
    assert taken[f"without `{patch}`"][counter] - taken["all patches"][counter] >= least


def test_what_is_drawn_is_the_same_with_textuals_own_way_of_making_lines(measured: dict[str, dict[str, Any]]) -> None:
    # With some of the rows that come above the thumb of the scroll bar moves, with others not.
    for action in measured.keys() - {"one more above"}:
        taken = measured[action]
        assert taken["without `lines`"] == taken["all patches"], action


def test_who_waits_for_keys_is_woken_to_stop_and_by_nothing_else() -> None:
    leave = driver._Exit()

    def is_told() -> bool:
        return bool(select.select([leave.told], (), (), 0)[0])

    for _ in range(3):
        assert not is_told()
        leave.set()
        leave.set()
        assert is_told()
        leave.clear()
        leave.clear()
    assert not is_told()
    assert not leave.is_set()
