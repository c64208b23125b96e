"""What the program remembers from one run to the next, in one small JSON file of its own.

The file is `settings.json` in the user's state directory (`~/.local/state/opencode-viewer` on Linux). It is written
when the user chooses something and never otherwise; what cannot be read or written costs one remark and nothing else.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Literal

import msgspec
import platformdirs

from tui import files
from tui.model.tree.sorting import Arrangement, Grouping, Order

APP = "opencode-viewer"
SIZE_LIMIT = 64_000
"""Bytes beyond which the file is not ours: all fields together take less than 1 kB, a filter included."""

LOOKS = frozenset({"theme", "glyphs", "mouse", "tree_width", "wrap"})
"""What the demo takes over and keeps, too: how things look, and whose the mouse is. A filter or an order for the
demo's sessions is of no use to the user's own."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every choice that is remembered; a default means that nothing has been chosen."""

    theme: str = ""
    glyphs: Literal["", "unicode", "ascii"] = ""
    mouse: Literal["", "on", "off"] = ""
    """Off leaves the mouse to the terminal, which selects and copies with it."""
    tree_width: int = 0
    """The tree's share of the columns, in percent; 0 for the one we would choose."""
    wrap: Literal["", "on", "off"] = ""
    """Off leaves long lines of texts whole: they are cut at the border of the pane, and moved sideways."""
    filter: str = ""
    order: Order = "activity"
    grouping: Grouping = "bands"
    hint_seen: bool = False

    @property
    def arrangement(self) -> Arrangement:
        """The order of the trees, and their groups."""
        return Arrangement(self.order, self.grouping)


DEFAULTS = Settings()


class Memory:
    """The settings of this run, and the file behind them.

    Without a path nothing outlives the run. With `only` the other fields stay as they are in the file, and are not
    taken from it. `problem` says in words what went wrong last, "" for nothing.
    """

    def __init__(self, path: Path | None = None, only: frozenset[str] | None = None) -> None:
        self.path = path
        self.problem = ""
        self._only = only
        stored = _valid(self._stored())
        self.settings = Settings(**{name: value for name, value in stored.items() if self._kept(name)})

    def remember(self, **changes: Any) -> None:
        """Takes a choice over and writes it down. The file is read again before: another viewer may have written its
        own choices, those of another version among them, and they are not ours to undo."""
        self.settings = msgspec.structs.replace(self.settings, **changes)
        lasting = {name: value for name, value in changes.items() if self._kept(name)}
        if self.path is None or not lasting:
            return
        stored = self._stored()
        names = {field.name for field in msgspec.structs.fields(Settings)}
        unknown = {name: value for name, value in stored.items() if name not in names}
        content = unknown | msgspec.to_builtins(Settings(**{**_valid(stored), **lasting}))
        try:
            files.make_directory(self.path)
            with files.replacing(self.path) as file:
                file.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
        except OSError as error:
            self.problem = f"your choices are not remembered: {files.problem(error)}"

    def _kept(self, name: str) -> bool:
        return self._only is None or name in self._only

    def _stored(self) -> dict[str, Any]:
        """What the file holds, whatever that is."""
        if self.path is None:
            return {}
        try:
            return msgspec.json.decode(files.read(self.path, SIZE_LIMIT), type=dict[str, Any])
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError, files.TooLarge):
            self.problem = f"{self.path} is damaged: nothing of it is used, and your next choice replaces it"
            return {}
        except OSError as error:
            self.problem = f"settings not read: {files.problem(error)}"
            return {}


def _valid(stored: dict[str, Any]) -> dict[str, Any]:
    """The fields that are what they should be; the others have no effect."""
    known: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        if field.name in stored:
            # A value from a later version, or from an editor, must not cost the others.
            with contextlib.suppress(msgspec.ValidationError):
                known[field.name] = msgspec.convert(stored[field.name], field.type)
    return known


def state_directory() -> Path:
    """Where the files are that the program writes; nothing is created by asking."""
    return Path(platformdirs.user_state_dir(APP, appauthor=False))


def settings_file() -> Path:
    """Where the settings are."""
    return state_directory() / "settings.json"


def saved_directory() -> Path:
    """Where texts are saved of a user who has no directory for downloads."""
    return state_directory() / "saved"


def wishes_file() -> Path:
    """Where what the user wishes beyond keys is looked for; we never write there."""
    return keymap_file().with_name("config.toml")


def keymap_file() -> Path:
    """Where the user's own keys are looked for; we never write there."""
    return Path(platformdirs.user_config_dir(APP, appauthor=False)) / "keymap.toml"
