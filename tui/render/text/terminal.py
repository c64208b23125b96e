"""What a command printed, in its colours: SGR sequences become roles, everything else of the terminal is gone.

A role is `sgr FLAGS/FOREGROUND/BACKGROUND`; colours are palette numbers or `#rrggbb`. Colours last until they are
reset, over any number of lines, so one pass by `read` notes the state in which each block of the text begins; only a
block in sight is gone through line by line, and only lines in sight are taken apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from rich.color import Color
from rich.style import Style

from tui.render.lines import ROLES, Line, Span
from tui.render.text.document import Document
from tui.text import sanitize

PARAMETERS = 32
"""Most parameters of one sequence that are looked at; xterm stops at 30."""

_FLAGS = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse", 9: "strike", 21: "underline"}
_OFF = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("reverse",), 29: ("strike",)}


class Sgr(NamedTuple):
    """The colours that hold: `flags` sorted words, colours "" for the terminal's own."""

    flags: tuple[str, ...] = ()
    fg: str = ""
    bg: str = ""

    @property
    def role(self) -> str:
        """The role of text drawn so."""
        return "text" if self == PLAIN else f"sgr {' '.join(self.flags)}/{self.fg}/{self.bg}"


PLAIN = Sgr()


@lru_cache(maxsize=4096)
def advance(state: Sgr, parameters: str) -> Sgr:
    """The state after one SGR sequence; what is unknown or out of range is skipped. Blinking and concealing are not
    taken over: a text must not vanish."""
    flags, fg, bg = set(state.flags), state.fg, state.bg
    fields = [_number(field) for field in parameters.replace(":", ";").split(";")[:PARAMETERS]]
    if ":" in parameters:
        # 38:2::r:g:b has an empty colour space where 38;2;r;g;b has nothing; 4:3 is a curly underline.
        fields = [field for part in parameters.split(";")[:PARAMETERS] for field in _subparameters(part)]
    while fields:
        code = fields.pop(0)
        if code == 0:
            flags, fg, bg = set(), "", ""
        elif code in _FLAGS:
            flags.add(_FLAGS[code])
        elif code in _OFF:
            flags.difference_update(_OFF[code])
        elif code in (38, 48):
            colour = _colour(fields)
            if colour and code == 38:
                fg = colour
            elif colour:
                bg = colour
        elif 30 <= code <= 37 or 90 <= code <= 97:
            fg = str(code - 30 if code < 90 else code - 82)
        elif 40 <= code <= 47 or 100 <= code <= 107:
            bg = str(code - 40 if code < 100 else code - 92)
        elif code == 39:
            fg = ""
        elif code == 49:
            bg = ""
    return Sgr(tuple(sorted(flags)), fg, bg)


def _number(field: str) -> int:
    """A parameter; an empty one is 0, a monstrous one unknown."""
    return (int(field) if len(field) < 6 else -1) if field else 0


def _subparameters(part: str) -> list[int]:
    pieces = part.split(":")
    if pieces[0] == "4":
        return [4 if pieces[1:2] != ["0"] else 24]
    if pieces[0] in ("38", "48") and pieces[1:2] == ["2"] and len(pieces) > 5:
        pieces = [*pieces[:2], *pieces[3:6]]
    return [_number(piece) for piece in pieces]


def _colour(fields: list[int]) -> str:
    """Takes the colour that follows 38 or 48 off the parameters."""
    how = fields.pop(0) if fields else -1
    if how == 5 and fields:
        number = fields.pop(0)
        return str(number) if 0 <= number < 256 else ""
    if how == 2 and len(fields) >= 3:
        red, green, blue = fields[:3]
        del fields[:3]
        return f"#{red:02x}{green:02x}{blue:02x}" if all(0 <= part < 256 for part in (red, green, blue)) else ""
    fields.clear()  # where the colour ends is not known, so neither is what follows
    return ""


@lru_cache(maxsize=1024)
def style_of(role: str) -> Style:
    """What a role of this module adds to the style of ordinary text."""
    flags, fg, bg = role.removeprefix("sgr ").split("/")
    if fg == bg:
        bg = ""  # text in the colour of its background would be hidden
    if not bg:
        # Black, white and bright white vanish on some themes; without a background they mean "dim" and "ordinary".
        fg = {"0": "8", "7": "", "15": ""}.get(fg, fg)
    switched: dict[str, bool] = dict.fromkeys(flags.split(), True)
    return Style(
        color=_rich(fg),
        bgcolor=_rich(bg),
        bold=switched.get("bold"),
        dim=switched.get("dim"),
        italic=switched.get("italic"),
        underline=switched.get("underline"),
        reverse=switched.get("reverse"),
        strike=switched.get("strike"),
    )


def _rich(colour: str) -> Color | None:
    if not colour:
        return None
    return Color.parse(colour) if colour.startswith("#") else Color.from_ansi(int(colour))


class Styles(dict[str, Style]):
    """The theme's styles by role, and any colour of a terminal beside them."""

    def __init__(self, known: Mapping[str, Style]) -> None:
        super().__init__()
        self._known = known

    def __missing__(self, role: str) -> Style:
        style = self[role] = self._known[role] if role in ROLES else self["text"] + style_of(role)
        return style


class Terminal(Document):
    """The output of a command."""

    tab_size = sanitize.TERMINAL_TAB_SIZE

    def __init__(self, lines: sanitize.Lines, size: int) -> None:
        super().__init__(lines, size)
        raw = lines.raw
        states = [PLAIN]
        for block in raw.blocks:
            states.append(_behind(states[-1], block))
        self._coloured = {number for number, block in enumerate(raw.blocks) if _has_colours(block)}
        self._states = states
        """The state in which each block of the text begins."""
        self._line_states = lru_cache(2)(lambda number: _line_states(states[number], raw.lines_of(number)))

    def line(self, index: int) -> Line:
        block, at = self.lines.raw.place(index)
        state = self._line_states(block)[at] if block in self._coloured else self._states[block]
        spans: list[Span] = []
        for parameters, text in sanitize.runs(self.lines.raw[index]):
            if parameters is not None:
                state = advance(state, parameters)
            if text:
                spans.append((text, state.role))
        return spans


def _behind(state: Sgr, text: str) -> Sgr:
    """The state behind a text. Nothing before the last reset in it counts, which is most of what there is."""
    if not _has_colours(text):
        return state
    reset = max(text.rfind("\x1b[0m"), text.rfind("\x1b[m"))
    for parameters in sanitize.colours(text[max(0, reset) :]):
        state = advance(state, parameters)
    return state


def _line_states(state: Sgr, lines: list[str]) -> list[Sgr]:
    """The state at the start of each of some lines."""
    states = []
    for line in lines:
        states.append(state)
        state = _behind(state, line)
    return states


def _has_colours(text: str) -> bool:
    return "\x1b" in text or "\x9b" in text
