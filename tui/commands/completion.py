"""Completion in bash, zsh and fish: of options and commands, of sessions, databases, and terms of the filter.

The shell asks the program itself, by argcomplete, each time that tab is pressed: what it reads for that it reads as
`ls` does, and where SQLite would have to make a file for it, it reads nothing.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from argcomplete.finders import CompletionFinder
from argcomplete.shell_integration import shellcode

from tui.text import sanitize

if TYPE_CHECKING:
    from adapter.events import Event, SessionStarted

PATIENCE_S = 3.0
"""Seconds within which a database has to be read: somebody waits at a prompt."""
LISTED = "63"
"""What bash calls the second tab (`COMP_TYPE`, the code of a question mark), which only lists."""
TITLE_WIDTH = 60
"""Characters of a title beside the id of its session."""
EXAMPLES = {"cost>": "cost>1", "tokens>": "tokens>10k"}
"""A shell puts a blank behind what it has completed, which would be between the sign and the number."""
DAYS = {"today": "", "yesterday": "", "7d": "today and the six days before", "2w": "two weeks", "2026-01": "a month"}
TIMES = {"today": "", "12h": "twelve hours", "7d": "seven times 24 hours"}
_HARMLESS = re.compile(r"[A-Za-z0-9_-]+")
"""Ids that opencode makes; one that would have to be quoted is a stranger's."""

Completer = Callable[..., dict[str, str]]


def script(shell: str) -> str:
    """What a shell has to evaluate, once, to ask this program for completions."""
    return shellcode(["opencode-viewer"], shell=shell)


def answer(
    parser: argparse.ArgumentParser, output: TextIO | None = None, end: Callable[[int], object] = os._exit
) -> None:
    """Answers the shell that has started the program to ask, by the descriptor that it gives it, and ends it."""
    parsers = [parser]
    for each in parsers:
        for action in each._actions:
            if isinstance(action, argparse._SubParsersAction):
                parsers += action.choices.values()
            elif action.choices is not None:
                # Else each would have the help of the argument beside it.
                action.completer = partial(only, words=dict.fromkeys(action.choices, ""))  # type: ignore[attr-defined]
            elif completer := COMPLETERS.get(action.dest):
                action.completer = completer  # type: ignore[attr-defined]
    Finder()(parser, always_complete_options=False, output_stream=output, exit_method=end)


class Finder(CompletionFinder):
    """Lists the sessions with their titles in bash, too, which has no place for them but behind the word: an id says
    nothing, and what is only listed is not typed."""

    def collect_completions(
        self, active_parsers: list[argparse.ArgumentParser], parsed_args: argparse.Namespace, cword_prefix: str
    ) -> list[str]:
        """The words that fit. Behind `--` a minus begins no option, but a term that must not hold."""
        behind = cword_prefix.startswith("-") and " -- " in os.environ["COMP_LINE"]
        if not behind:
            return super().collect_completions(active_parsers, parsed_args, cword_prefix)
        found = super().collect_completions(active_parsers, parsed_args, cword_prefix[1:])
        self._display_completions |= {f"-{name}": self._display_completions.get(name, "") for name in found}
        return [f"-{name}" for name in found]

    def quote_completions(
        self, completions: list[str], cword_prequote: str, last_wordbreak_pos: int | None
    ) -> list[str]:
        """The words as the shell has to read them."""
        quoted = super().quote_completions(completions, cword_prequote, last_wordbreak_pos)
        if os.environ.get("COMP_TYPE") != LISTED or len(quoted) < 2:
            return quoted
        said = map(self._display_completions.get, completions)
        return [f"{word}  ({words})" if words else word for word, words in zip(quoted, said, strict=True)]


def sessions(*, parsed_args: argparse.Namespace, **_: Any) -> dict[str, str]:
    """Every session with its title, those that began last first."""
    rows = sorted(_rows(parsed_args), key=lambda row: -row.ts)
    return {
        row.session_id: sanitize.label(row.title, TITLE_WIDTH) for row in rows if _HARMLESS.fullmatch(row.session_id)
    }


def databases(*, prefix: str, **_: Any) -> dict[str, str]:
    """Those that opencode would use, and files."""
    if prefix:
        return files(prefix=prefix)
    from adapter.opencode.discover import locate
    from tui.commands.sources import home

    located = locate(os.environ, home())
    there = [str(path) for path in [*located.paths, *located.backups] if path.exists()]
    return dict.fromkeys(filter(_printable, there), "a database of opencode's") | files(prefix=prefix)


def files(*, prefix: str, **_: Any) -> dict[str, str]:
    """Files and directories whose path begins so."""
    directory, name = os.path.split(prefix)
    try:
        with os.scandir(os.path.expanduser(directory) or ".") as entries:
            found = sorted((entry.name, entry.is_dir()) for entry in entries if entry.name.startswith(name))
    except OSError:
        return {}
    shown = [one for one in found if name.startswith(".") or not one[0].startswith(".")]
    return {os.path.join(directory, one) + "/" * is_dir: "" for one, is_dir in shown if _printable(one)}


def terms(*, prefix: str, parsed_args: argparse.Namespace, **_: Any) -> dict[str, str]:
    """Terms of the filter, and the values of one that are known without opening a session."""
    from tui.model.filter.cards import Index
    from tui.model.filter.folding import fold
    from tui.model.filter.language import MEANINGS, TEXTS, choices
    from tui.model.status.table import TABLE
    from tui.model.store.store import Store

    field, colon = fold(prefix).partition(":")[:2]
    store = Store()
    index = Index(store)
    if colon and field in TEXTS:
        store.apply(_rows(parsed_args))
        index.fill(0)  # no value depends on the time
    # A value is known in small letters, and what has been typed stays as it is.
    typed = len(prefix)
    meanings = MEANINGS | {f"is:{status.name}": status.meaning for status in TABLE}
    known = {prefix + one[typed:]: one for one in choices(prefix, index) if fold(prefix) == one[:typed]}
    return {EXAMPLES.get(name, name): meanings.get(one, "") for name, one in known.items() if _printable(name)}


def kinds(*, prefix: str, **_: Any) -> dict[str, str]:
    """One more kind of text behind those that have been typed."""
    from adapter.contract import HIT_KINDS

    before = prefix[: prefix.rfind(",") + 1]
    return {before + kind: "" for kind in HIT_KINDS if kind not in before.split(",")}


def only(*, words: dict[str, str], **_: Any) -> dict[str, str]:
    """These words; none where only a person knows what comes."""
    return words


COMPLETERS: dict[str, Completer] = {
    "db": databases,
    "session": sessions,
    "filter": terms,
    "kinds": kinds,
    "cursor": files,
    "output": files,
    "since": partial(only, words=DAYS),
    "until": partial(only, words=DAYS),
    "begun": partial(only, words=TIMES),
    "endpoint": partial(only, words={}),
    "header": partial(only, words={}),
    "pattern": partial(only, words={}),
    "uri": partial(only, words={}),
    "max_text": partial(only, words={}),
    "demo_speed": partial(only, words={}),
}
"""Of each argument that takes more than one of a few words, by its name in the parser."""


def _rows(arguments: argparse.Namespace) -> list[SessionStarted]:
    import asyncio

    from adapter.events import SessionStarted

    return [event for event in asyncio.run(_catalogues(arguments)) if isinstance(event, SessionStarted)]


async def _catalogues(arguments: argparse.Namespace) -> list[Event]:
    import asyncio

    from adapter.contract import AdapterError
    from adapter.local import OpencodeSource
    from adapter.opencode.discover import distinct, locate
    from tui.commands.sources import home

    paths: Iterable[Path] = getattr(arguments, "db", None) or locate(os.environ, home()).paths
    found: list[Event] = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            for path in _quiet(distinct(paths)):
                try:
                    async with OpencodeSource(path, watch=False) as source:
                        found += await source.catalogue()
                except (AdapterError, OSError):
                    pass  # what cannot be read is said by the command
    except TimeoutError:
        pass
    return found


def _quiet(paths: Iterable[Path]) -> Iterator[Path]:
    """The databases of which SQLite has to make no file to read them."""
    from adapter.contract import AdapterError
    from adapter.sqlite.files import MADE_SHM, rungs, signature

    for path in paths:
        try:
            if MADE_SHM not in dict(rungs(path, signature(path))):
                yield path
        except AdapterError:
            pass


def _printable(name: str) -> bool:
    """Whether a name can be typed and shown as it is."""
    return sanitize.label(name, 10_000) == name
