"""What every test stands on: no animation, a fixed time zone, and snapshots in the top-level `snapshots/`."""

from __future__ import annotations

import os
import time
from pathlib import Path

# Textual reads these once, when it is imported.
os.environ["TEXTUAL_ANIMATIONS"] = "none"
os.environ.pop("NO_COLOR", None)
os.environ.pop("TEXTUAL_THEME", None)
os.environ["TZ"] = "UTC"
time.tzset()
# What users have is compiled once, and not by each of a thousand processes that tests start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import pytest  # noqa: E402
import pytest_textual_snapshot  # noqa: E402
from syrupy.location import PyTestLocation  # noqa: E402

ROOT = Path(__file__).parent.parent
LONGEST = (
    "tests/tui/test_every_key.py",
    "tests/test_end_to_end.py",
    "tests/tui/test_killed.py",
    "tests/tui/otlp/test_texts.py",
    "tests/tui/otlp/test_corpus.py",
    "tests/test_end_to_end_2x.py",
    "tests/adapter/test_slow_machine.py",
    "tests/lab/test_lab.py",
    "tests/tui/test_hostile_text.py",
    "tests/tui/test_no_stale_line.py",
    "tests/tui/test_terminal.py",
    "tests/adapter/test_stress.py",
    "tests/adapter/test_lying_gate.py",
    "tests/tui/test_terminal_edges.py",
    "tests/tui/test_faults_in_a_terminal.py",
    "tests/tui/test_reading.py",
    "tests/lines/test_commands.py",
    "tests/lines/test_ssh.py",
)
"""Files that take longest, which are begun first: one that is begun last is waited for by everybody. How many tests a
file has, by which xdist would order them, says nothing of that; `--durations` does."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


class TopLevelSnapshots(pytest_textual_snapshot.SVGImageExtension):
    """Puts `tests/tui/test_x.py::test_y` into `snapshots/tui/test_x/test_y.svg`; neither syrupy nor the plugin has an
    option for it. The module's name has to be part of the path, or syrupy cannot tell whose file it is."""

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        test_file = Path(test_location.filepath)
        return str(ROOT / "snapshots" / test_file.relative_to(ROOT / "tests").with_suffix(""))


@pytest.fixture(autouse=True)
def snapshots_at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytest_textual_snapshot, "SVGImageExtension", TopLevelSnapshots)


@pytest.fixture(autouse=True)
def nothing_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings and keymap of a test, and of every process it starts, are in its own directory."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home" / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / "config"))
