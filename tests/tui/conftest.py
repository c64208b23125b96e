"""What the tests of the screen share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from textual.drivers.headless_driver import HeadlessDriver

from tui.error_log import ErrorLog
from tui.terminal import clipboard
from tui.widgets.fixed_lines import FixedLines
from tui.widgets.line_view import LineView
from tui.widgets.session_tree import SessionTree


@pytest.fixture
def faults() -> list[tuple[str, BaseException]]:
    """The errors of our own that the program has contained, with the stage of each."""
    return []


@pytest.fixture(autouse=True)
def no_other_faults(
    request: pytest.FixtureRequest, faults: list[tuple[str, BaseException]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """An error that is contained is an error all the same, except where a test plants it."""
    write = ErrorLog.write

    def noted(self: ErrorLog, stage: str, error: BaseException) -> None:
        faults.append((stage, error))
        write(self, stage, error)

    monkeypatch.setattr(ErrorLog, "write", noted)
    yield
    assert request.node.get_closest_marker("faulty") is not None or not faults, faults


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the lines that each kind of widget draws."""
    counts: Counter[str] = Counter()
    for kind, method in ((SessionTree, "_draw"), (LineView, "render_line"), (FixedLines, "render_line")):
        original = getattr(kind, method)

        def counting(self: Any, *line: Any, kind: type = kind, original: Any = original) -> Any:
            counts[kind.__name__] += 1
            return original(self, *line)

        monkeypatch.setattr(kind, method, counting)
    return counts


@pytest.fixture(autouse=True)
def nobodys_clipboard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests keeps what is in the clipboard, and they do not depend on whose terminal it is."""
    monkeypatch.setattr(clipboard, "tools", lambda _environ: [])
    monkeypatch.setattr(clipboard, "deaf", lambda _environ: "")
    for name in ("TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


class Recording(HeadlessDriver):
    """A terminal that keeps what is written to it. Textual sends nothing to one that is headless."""

    written: ClassVar[list[str]] = []

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        self.written.append(data)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> type[Recording]:
    """The driver of every app from now on, which keeps what it is given."""
    monkeypatch.setattr("textual.drivers.headless_driver.HeadlessDriver", Recording)
    monkeypatch.setattr(Recording, "written", [])
    return Recording
