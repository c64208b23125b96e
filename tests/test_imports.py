"""The run-time twin of the import contracts: what each entry point really loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROBE = "import sys, runpy\n{action}\nprint(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"


def roots_after(action: str) -> set[str]:
    """Top-level modules in a fresh interpreter after running a statement."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(action=action)], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_adapter_loads_neither_the_ui_nor_a_terminal_library() -> None:
    loaded = roots_after("import adapter.source")
    assert "adapter" in loaded
    assert not loaded & {"tui", "textual", "rich"}


def test_model_loads_no_terminal_library_and_no_database() -> None:
    loaded = roots_after("import tui.model.store, tui.model.rows, tui.model.state, tui.model.tree_json")
    assert "tui" in loaded
    assert not loaded & {"textual", "rich", "aiosqlite", "sqlite3", "watchfiles"}


def test_render_loads_no_textual() -> None:
    loaded = roots_after("import tui.render.tree_row, tui.render.detail, tui.render.health, tui.render.help")
    assert "rich" in loaded
    assert "textual" not in loaded


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["doctor", "--help"]])
def test_help_and_version_load_almost_nothing(arguments: list[str]) -> None:
    action = f"from tui.cli import main\ntry:\n    main({arguments!r})\nexcept SystemExit:\n    pass"
    assert not roots_after(action) & {"textual", "rich", "asyncio", "aiosqlite", "sqlite3", "msgspec", "watchfiles"}


@pytest.mark.parametrize("command", ["events", "tree", "ls", "doctor", "show", "export"])
def test_headless_commands_load_no_textual(command: str) -> None:
    argument = {"show": ["opencode-sqlite://?part_id=x&field=y"], "export": ["ses_x"]}.get(command, [])
    action = f"from tui.cli import main\nmain([{command!r}, '--db', '/nowhere/opencode.db', *{argument!r}])"
    loaded = roots_after(action)
    assert "adapter" in loaded
    assert not loaded & {"textual", "rich"}
