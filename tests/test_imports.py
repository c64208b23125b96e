"""The run-time twin of the import contracts: what each entry point really loads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adapter import corpus

PROBE = "import sys, runpy\n{action}\nprint(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"


def roots_after(action: str) -> set[str]:
    """Top-level modules in a fresh interpreter after running a statement."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(action=action)], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_adapter_loads_neither_the_ui_nor_a_terminal_library() -> None:
    loaded = roots_after("import adapter.local")
    assert "adapter" in loaded
    assert not loaded & {"tui", "textual", "rich"}


def test_model_loads_no_terminal_library_and_no_database() -> None:
    loaded = roots_after(
        "import tui.model.store.store, tui.model.tree.rows, tui.model.status.state, tui.commands.tree_json"
    )
    assert "tui" in loaded
    assert not loaded & {"textual", "rich", "aiosqlite", "sqlite3", "watchfiles"}


def test_render_loads_no_textual() -> None:
    loaded = roots_after(
        "import tui.render.rows.tree_row, tui.render.cards.detail, tui.render.bars.health, tui.render.bars.help"
    )
    assert "rich" in loaded
    assert "textual" not in loaded


@pytest.mark.parametrize("arguments", [["--help"], ["doctor", "--help"]])
def test_help_loads_almost_nothing(arguments: list[str]) -> None:
    action = f"from tui.cli import main\ntry:\n    main({arguments!r})\nexcept SystemExit:\n    pass"
    heavy = {"textual", "rich", "asyncio", "aiosqlite", "sqlite3", "msgspec", "watchfiles", "pathlib", "typing"}
    assert not roots_after(action) & heavy


def test_the_version_of_textual_is_told_without_loading_it() -> None:
    loaded = roots_after("from tui.cli import main\ntry:\n    main(['--version'])\nexcept SystemExit:\n    pass")
    assert not loaded & {"textual", "rich", "aiosqlite", "msgspec", "watchfiles"}


@pytest.mark.parametrize("command", ["events", "tree", "ls", "grep", "spend", "doctor", "show", "export", "otlp"])
def test_headless_commands_load_no_textual(command: str) -> None:
    own = {"show": ["opencode-sqlite://?part_id=x&field=y"], "export": ["ses_x"], "grep": ["x"]}
    argument = own.get(command, [])
    action = f"from tui.cli import main\nmain([{command!r}, '--db', '/nowhere/opencode.db', *{argument!r}])"
    loaded = roots_after(action)
    assert "adapter" in loaded
    assert not loaded & {"textual", "rich"}


def test_what_is_told_of_the_program_itself_loads_no_textual() -> None:
    loaded = roots_after("from tui.cli import main\nmain(['doctor', '--self'])")
    assert "platformdirs" in loaded
    assert not loaded & {"textual", "rich"}


ONCE = {"adapter", "msgspec", "tui", "typing_extensions"}
"""What reading once needs; msgspec takes `typing_extensions` where it is."""
BASE = ONCE | {"aiosqlite"}
"""What reading beside an event loop needs. Following takes `watchfiles`, too, when it begins to watch."""
OTLP = {
    "opentelemetry",
    "google",
    "requests",
    "urllib3",
    "certifi",
    "charset_normalizer",
    "idna",
    "psutil",
    "typing_extensions",
}
"""What the SDK and its exporter bring; `otlp` alone loads them."""
MODULES = """
import sys
from tui.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
ours = [name for name in sys.modules if name.partition(".")[0] in ("adapter", "tui")]
others = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names - {"__main__"}
print(len(ours), *(name for name in others if not name.startswith(("_", "cython_"))), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("command", "packages", "most"),
    [
        ("--help", {"tui"}, 4),
        ("doctor", ONCE | {"psutil"}, 89),
        ("events", BASE, 76),
        ("tree", ONCE, 110),
        ("ls", ONCE, 117),
        ("grep", ONCE, 120),
        ("spend", ONCE, 116),
        ("otlp", BASE | OTLP, 122),
    ],
)
def test_a_command_loads_no_more_than_it_needs(command: str, packages: set[str], most: int, tmp_path: Path) -> None:
    database = corpus.build("1.18.33/plain", tmp_path / "opencode.db")
    arguments = [command] if command == "--help" else [command, "--db", str(database)]
    arguments += ["word"] if command == "grep" else []
    nobody = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "0.1"}
    done = subprocess.run(
        [sys.executable, "-c", MODULES, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, **nobody},
    )
    count, *found = done.stderr.splitlines()[-1].split()
    # A package that is not listed costs milliseconds at every start.
    assert set(found) <= packages
    assert int(count) <= most


@pytest.mark.parametrize("command", ["doctor", "tree", "ls", "grep", "spend", "show", "export"])
def test_what_looks_once_needs_no_event_loop(command: str, tmp_path: Path) -> None:
    database = corpus.build("1.18.33/plain", tmp_path / "opencode.db")
    uri = "opencode-sqlite://?part_id=x&field=text"
    arguments = {"grep": ["plain"], "show": [uri], "export": ["ses_"]}.get(command, [])
    found = roots_after(f"from tui.cli import main\nmain([{command!r}, '--db', {str(database)!r}, *{arguments!r}])")
    assert "sqlite3" in found
    assert not found & {"asyncio", "aiosqlite", "watchfiles"}


def test_the_app_loads_no_more_than_it_needs() -> None:
    loaded = roots_after("import tui.start")
    # What the demo reads its recording with.
    assert not loaded & {"gzip", "watchfiles"}
    others = {name for name in loaded if not name.startswith("_")} - sys.stdlib_module_names - {"runpy"}
    assert others <= BASE | {"platformdirs", "rich", "textual", "typing_extensions"}


def test_the_app_starts_without_what_a_key_asks_for() -> None:
    probe = "import sys, tui.start\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True)
    later = {f"tui.screens.{name}" for name in ("help", "palette", "search", "spend")}
    later |= {"adapter.processes.table", "tui.config.bindings", "tui.terminal.notify_command", "tui.terminal.panes"}
    assert not later & set(done.stdout.split())


INTERRUPTED = """
import os, signal, sys
from importlib.abc import MetaPathFinder

class Interrupts(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

{before}
sys.meta_path.insert(0, Interrupts())
sys.argv[1:] = ["ls", "--db", "nowhere.db"]
{start}
"""
BEGINNINGS = {
    "module": ("import runpy", "runpy.run_module('tui', run_name='__main__')"),
    "command": (
        "from importlib.metadata import entry_points",
        "entry_points(group='console_scripts', name='opencode-viewer')['opencode-viewer'].load()()",
    ),
}
"""How the program begins: as `python -m tui`, as the command that an installer makes."""


@pytest.mark.parametrize("module", ["tui.cli", "argparse", "msgspec"])
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_ctrl_c_while_python_imports_ends_quietly_and_leaves_no_import_half_done(beginning: str, module: str) -> None:
    before, start = BEGINNINGS[beginning]
    words = INTERRUPTED.format(module=module, before=before, start=start)
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")
