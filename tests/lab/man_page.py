"""`assets/opencode-viewer.1`, the page of `man opencode-viewer`, out of the parser and the help:

python -m tests.lab.man_page > assets/opencode-viewer.1
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from tui import __version__
from tui.cli import build_parser
from tui.config.bindings import key_groups
from tui.render.bars.help import sections

FILES = {
    "~/.local/share/opencode/opencode.db": "what opencode writes, and this program only reads",
    "~/.config/opencode-viewer/keymap.toml": "your own keys; see --keys",
    "~/.config/opencode-viewer/config.toml": "a command of your own for notices, and how they are given",
    "~/.local/state/opencode-viewer/": "what is remembered, and errors of the program's own; see doctor --self",
}
"""Where they are on Linux; on macOS and elsewhere `doctor --self` says it."""
ENVIRONMENT = {
    "OPENCODE_DB, OPENCODE_DISABLE_CHANNEL_DB, XDG_DATA_HOME": "where the databases are, as for opencode",
    "XDG_CONFIG_HOME, XDG_STATE_HOME": "where files of this program's own are",
    "NO_COLOR": "if not empty, no colours",
    "PAGER, VISUAL, EDITOR": "what v and V open a text with",
    "TERM, LC_ALL, LC_CTYPE, LANG": "what the terminal can show",
}


def page() -> str:
    """The whole page."""
    parser = build_parser()
    name = parser.prog
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    helps = {choice.dest: choice.help or "" for choice in commands._choices_actions}
    lines = [
        f'.TH {name.upper()} 1 "" "{name} {__version__}"',
        ".nh",
        ".ad l",
        ".SH NAME",
        rf"{_text(name)} \- watch opencode sessions live in the terminal, strictly read-only",
        ".SH SYNOPSIS",
        *_synopsis(name, parser),
        *(line for each in commands.choices.values() for line in (".br", *_synopsis(each.prog, each))),
        ".SH DESCRIPTION",
        *_prose(parser.description or ""),
        ".SH OPTIONS",
        *_arguments(parser),
        ".SH COMMANDS",
        "They need no screen. Each also takes --db and --no-watch.",
    ]
    for word, each in commands.choices.items():
        lines += [f".SS {word}", *_prose(each.description or helps[word]), *_arguments(each, but={"db", "no_watch"})]
        lines += [".PP", *_prose(each.epilog)] if each.epilog else []
    lines += [".SH SCREEN", "Keys are as they are without a keymap of yours; ? says all of this on the screen."]
    for section in sections(key_groups()):
        lines.append(f".SS {_text(section.title)}")
        lines += [
            line for term, _, meaning in section.entries for line in (".TP", rf"\fB{_text(term)}\fR", _text(meaning))
        ]
    lines += _sections(parser.epilog or "")
    for title, table in (("FILES", FILES), ("ENVIRONMENT", ENVIRONMENT)):
        lines += [f".SH {title}"]
        lines += [line for term, words in table.items() for line in (".TP", rf"\fB{_text(term)}\fR", _text(words))]
    return "\n".join(lines) + "\n"


def _synopsis(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """How a command is called, in one line: options that take a value, and what comes without one."""
    required = [action for action in parser._actions if not action.option_strings and action.dest != "command"]
    words = [
        rf"\fI{_text(str(each.metavar))}\fR" if each.nargs != "*" else rf"[\fI{each.metavar}\fR ...]"
        for each in required
    ]
    yield " ".join([rf"\fB{_text(name)}\fR", r"[\fIOPTION\fR ...]", *words])


def _arguments(parser: argparse.ArgumentParser, but: Iterable[str] = ()) -> Iterator[str]:
    """Each argument with its help."""
    for action in parser._actions:
        if action.dest in but or isinstance(action, (argparse._SubParsersAction, argparse._HelpAction)):
            continue
        value = action.metavar or ("{" + ",".join(map(str, action.choices)) + "}" if action.choices else "")
        names = ", ".join(rf"\fB{_text(name)}\fR" for name in action.option_strings)
        takes = rf"\fI{_text(str(value))}\fR" if value and action.nargs != 0 else ""
        yield from (".TP", f"{names} {takes}".strip(), _text((action.help or "") % vars(action)))


def _prose(words: str) -> Iterator[str]:
    """Paragraphs, tables of two columns and shapes, told from each other by how they are indented."""
    groups = [(key, list(lines)) for key, lines in groupby(words.splitlines(), lambda line: line.startswith("  "))]
    for number, (is_indented, lines) in enumerate(groups):
        rows = [re.split(r" {2,}", line.strip(), maxsplit=1) for line in lines]
        if not is_indented:
            yield from ([".PP"] if number else [])
            yield from map(_text, lines)
        elif any(len(row) == 2 for row in rows):
            for term, *meaning in rows:
                yield from (".TP" if meaning else ".PP", rf"\fB{_text(term)}\fR", *map(_text, meaning))
        else:
            yield from (".PP", ".nf", *map(_text, lines), ".fi")


def _sections(words: str) -> Iterator[str]:
    """What the help of the program ends with: some prose, then sections with a heading."""
    prose, *rest = re.split(r"^(Examples|Exit status):\s", words, flags=re.MULTILINE)
    yield from (".SH DATABASES", *_prose(prose))
    for heading, text in zip(rest[::2], rest[1::2], strict=True):
        yield from (f".SH {heading.upper()}", *_prose(text))


def _text(words: str) -> str:
    """Words as roff has to read them: as they are written."""
    words = words.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{words}" if words.startswith((".", "'")) else words


if __name__ == "__main__":
    print(page(), end="")
