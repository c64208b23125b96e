"""How big the context window of a model is, where opencode's own files say it.

The database does not know. opencode merges `provider.*.models.*.limit` of its config over its cached catalogue
(`<cache>/opencode/models.json`, which is missing where fetching is disabled); both are read here once, when
first asked, and never written. Only global config files in plain JSON are understood; anything else is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

CONFIGS = ("config.json", "opencode.json", "opencode.jsonc")
"""opencode's names for its global config, later ones over earlier ones."""
FILE_LIMIT = 64_000_000
"""Bytes above which a catalogue is not read: the real one has 2 MB."""


class ModelLimits:
    """Provider and model -> tokens of the context window, 0 when no file says it."""

    def __init__(self, environ: Mapping[str, str], home: Path) -> None:
        self._catalogue = Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "opencode" / "models.json"
        directory = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "opencode"
        self._configs = [directory / name for name in CONFIGS]
        if environ.get("OPENCODE_CONFIG"):
            self._configs.append(Path(environ["OPENCODE_CONFIG"]))
        self._known: dict[tuple[str, str], int] | None = None

    def __call__(self, provider: str, model: str) -> int:
        if self._known is None:
            self._known = self._read()
        return self._known.get((provider, model), 0)

    def _read(self) -> dict[tuple[str, str], int]:
        known = _limits(_parsed(self._catalogue))
        for path in self._configs:
            known.update(_limits(_entry(_parsed(path), "provider")))
        return known


def _parsed(path: Path) -> Any:
    try:
        if path.stat().st_size > FILE_LIMIT:
            return None
        return msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _entry(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _limits(providers: Any) -> dict[tuple[str, str], int]:
    """The limits that a table of providers names; entries of another shape are passed over."""
    found: dict[tuple[str, str], int] = {}
    for provider, facts in _items(providers):
        for model, about in _items(_entry(facts, "models")):
            context = _entry(_entry(about, "limit"), "context")
            if isinstance(context, int | float) and context > 0:
                found[provider, model] = int(context)
    return found
