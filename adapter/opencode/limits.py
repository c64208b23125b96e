"""How big the context window of a model is, where opencode's own files say it.

The database does not know. opencode merges `provider.*.models.*.limit` of its configuration (config.py) over its cached
catalogue (`<cache>/opencode/models.json`, which is missing where fetching is disabled); both are read here once, when
first asked, and never written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from adapter.opencode.config import DIRECTORIES, OpencodeConfig, entry, items

Known = dict[tuple[str, str], int]
LARGEST = 10**12
"""Tokens above which a limit is no limit of anything."""


class ModelLimits:
    """Provider and model -> tokens of the context window, 0 when no file says it."""

    def __init__(self, environ: Mapping[str, str], home: Path) -> None:
        self.config = OpencodeConfig(environ, home)
        self._catalogue: Known | None = None
        self._known: dict[str, Known] = {}
        self._odd: list[str] = []

    def __call__(self, provider: str, model: str) -> int:
        return self._in("").get((provider, model), 0)

    def inside(self, directory: str) -> Callable[[str, str], int]:
        """The limits for a session in this directory, whose project may have a configuration of its own."""
        known = self._in(directory)
        return lambda provider, model: known.get((provider, model), 0)

    @property
    def problems(self) -> list[str]:
        """What cannot be understood, each `<path>: <why>`; of projects those that have been asked for."""
        self._in("")
        return [*self.config.problems, *self._odd]

    def mcp_servers(self, directory: str = "") -> frozenset[str]:
        """The MCP servers that are configured for a session in this directory."""
        return self.config.mcp_servers(directory)

    def _in(self, directory: str) -> Known:
        if directory not in self._known:
            if len(self._known) >= DIRECTORIES:
                self._known.clear()
            self._known[directory] = self._read(directory)
        return self._known[directory]

    def _read(self, directory: str) -> Known:
        if self._catalogue is None:
            self._catalogue = self._limits(self.config.read(self.config.catalogue_path))
        known = dict(self._catalogue)
        for layer in self.config.layers(directory):
            known.update(self._limits(entry(layer, "provider")))
        return known

    def _limits(self, providers: Any) -> Known:
        """The limits that a table of providers names; entries of another shape are passed over."""
        found: Known = {}
        for provider, facts in items(providers):
            for model, about in items(entry(facts, "models")):
                context = entry(entry(about, "limit"), "context")
                if isinstance(context, bool) or not isinstance(context, int | float) or not context > 0:
                    continue
                if context <= LARGEST:
                    found[provider, model] = int(context)
                elif (problem := f"{provider}/{model}"[:80] + ": the limit is out of range") not in self._odd:
                    self._odd.append(problem)
        return found
