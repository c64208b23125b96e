"""The user's own keys: a TOML file of `id = "keys"`, read once at the start and never written.

    "tree.up" = "up,k"        the same as   [tree]
                                            up = "up,k"

What cannot be meant - an id or a key that does not exist, one key for two things, a key that no terminal sends, a
letter where letters are typed - is told and has no effect; the rest of the file has.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from textual.binding import Binding
from textual.keys import KEY_NAME_REPLACEMENTS, KEY_TO_UNICODE_NAME, Keys, key_to_character

from tui import files
from tui.text import sanitize

SIZE_LIMIT = 64_000
"""Bytes beyond which a file is no keymap; one with every id is about 5 kB."""

_MODIFIERS = {"ctrl", "alt", "shift", "super", "hyper", "meta"}
_NAMED = {name.value.rpartition("+")[2] for name in Keys} | {*KEY_NAME_REPLACEMENTS.values(), *KEY_TO_UNICODE_NAME}

_UNICODE_NAMES = {short: name for name, short in KEY_NAME_REPLACEMENTS.items()}
"""The names that Unicode has for the keys that Textual calls otherwise: its own `key_to_character` knows only those."""

_SAME_BYTE = {"ctrl+i": "tab", "ctrl+m": "enter", "ctrl+h": "backspace", "ctrl+left_square_bracket": "escape"}
"""Keys for which a terminal sends what it sends for another one, unless it speaks the protocol of kitty."""


class Scope(NamedTuple):
    """Bindings that are asked for the same key press; where letters are `typed`, none of them sees a letter. Those
    without an id are not the user's to change."""

    bindings: Sequence[Binding]
    typed: bool = False


class Keymap(NamedTuple):
    """Other keys by the id of their binding, in Textual's spelling, and what is wrong with the file, in words."""

    keys: Mapping[str, str] = {}
    problems: tuple[str, ...] = ()

    def of(self, binding: Binding) -> str:
        """The keys of a binding, the user's where there are any."""
        return self.keys.get(binding.id or "", binding.key)


NONE = Keymap()


def read(path: Path, scopes: Callable[[], Sequence[Scope]]) -> Keymap:
    """The keymap in a file, an empty one where there is none, and then nobody asks for the scopes. Raises nothing:
    problems are part of the answer."""
    try:
        return parse(files.read(path, SIZE_LIMIT).decode(), scopes())
    except FileNotFoundError:
        return Keymap()
    except OSError as error:
        return Keymap(problems=(files.problem(error),))
    except UnicodeDecodeError:
        return Keymap(problems=(f"{path} is no UTF-8 text",))


def parse(text: str, scopes: Sequence[Scope]) -> Keymap:
    """The keymap that a text describes, as far as the bindings allow it."""
    import tomllib  # 3 ms, and few have a keymap

    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return Keymap(problems=(f"not TOML: {sanitize.label(str(error), 100)}",))
    known = {binding.id: binding for scope in scopes for binding in scope.bindings if binding.id}
    typed = {binding.id for scope in scopes for binding in scope.bindings if scope.typed}
    problems: list[str] = []
    wanted: dict[str, str] = {}
    for name, value in flat(table):
        shown = sanitize.label(name, 60)
        if name not in known:
            problems.append(f"there is no {shown}")
        elif not isinstance(value, str) or not value.strip():
            problems.append(f'{shown}: a text with keys is wanted, as "{known[name].key}"')
        elif name in wanted:
            problems.append(f"{shown} is there twice: {wanted[name]} counts")
        elif strange := [key for key in _split(value) if not _exists(key)]:
            problems.append(f"{shown}: there is no key {sanitize.label(strange[0], 30)}")
        else:
            keys = [spelled.key for spelled in Binding.make_bindings([Binding(value, "")])]
            if dead := next(filter(None, (_dead(key, name in typed) for key in keys)), ""):
                problems.append(f"{shown}: {dead}; it keeps {known[name].key}")
            else:
                wanted[name] = ",".join(keys)
    while clash := _clash(scopes, wanted):
        key, loser, other = clash
        del wanted[loser]
        problems.append(f"{key} is {other.description!r} already: {loser} keeps {known[loser].key}")
    return Keymap(wanted, tuple(problems))


def listing(bindings: Iterable[Binding]) -> str:
    """A keymap file that changes nothing: every id with its keys and what it does."""
    lines = ["# Keys of opencode-viewer: change what you like, leave out the rest."]
    lines += [f'"{binding.id}" = "{binding.key}"  # {binding.description}' for binding in bindings]
    return "\n".join(lines) + "\n"


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a TOML table by their dotted names."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _split(keys: str) -> list[str]:
    return [key.strip() for key in keys.split(",")]


def _exists(key: str) -> bool:
    """Whether a terminal could send a key of this name."""
    *modifiers, base = key.split("+") if len(key) > 1 else [key]
    if not set(modifiers) <= _MODIFIERS or not base:
        return False
    if len(base) == 1:
        return base.isprintable() and base != " "
    try:
        return base in _NAMED or bool(unicodedata.lookup(base.replace("_", " ").upper()))
    except KeyError:
        return False


def _dead(key: str, typed: bool) -> str:
    """Why a key that exists would do nothing, in words; "" for no reason."""
    *modifiers, base = key.split("+") if len(key) > 1 else [key]
    letter = key_to_character(_UNICODE_NAMES.get(base, base)) or ""
    if modifiers == ["shift"] and letter.isprintable() and letter.strip():
        return f"for {key} a terminal sends {letter.upper()}" if letter.isalpha() else f"no terminal sends {key}"
    if "ctrl" in modifiers and letter.isalpha() and letter != letter.lower():
        return f"for {key} a terminal sends {key.lower()}"
    if key in _SAME_BYTE:
        return f"for {key} most terminals send {_SAME_BYTE[key]}"
    if typed and not modifiers and letter.isprintable() and letter:
        return f"{key} is typed into the line there"
    return ""


def _clash(scopes: Sequence[Scope], wanted: Mapping[str, str]) -> tuple[str, str, Binding] | None:
    """A key that two bindings of a scope would share because of the file: the key, the id that has to give way (the
    later one of the file), the other. Bindings that share a key without the file are meant to."""
    order = {name: place for place, name in enumerate(wanted)}
    for scope in scopes:
        for one, other in combinations(scope.bindings, 2):
            if one.id == other.id or not {one.id, other.id} & wanted.keys():
                continue
            shared = _keys(one, wanted) & _keys(other, wanted) - (_keys(one, {}) & _keys(other, {}))
            if shared:
                first, second = sorted((one, other), key=lambda binding: order.get(binding.id or "", -1))
                return min(shared), second.id or "", first
    return None


def _keys(binding: Binding, wanted: Mapping[str, str]) -> set[str]:
    return {spelled.key for spelled in Binding.make_bindings([Binding(wanted.get(binding.id or "", binding.key), "")])}
