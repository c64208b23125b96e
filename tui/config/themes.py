"""The colours: one table of roles for each theme. `viewer.tcss` says which role a part of the screen has.

Text has a contrast of at least 4.5 (WCAG AA) to every background that it can stand on, in `contrast` of 7 (AAA); a test
computes it. `ansi` takes the 16 colours of the terminal itself, whatever they are there; it is also what NO_COLOR
leaves the colours away from, so everything in it can be told apart without them.
"""

from __future__ import annotations

from typing import NamedTuple

from rich.color import Color
from rich.terminal_theme import TerminalTheme
from textual.theme import Theme


class Roles(NamedTuple):
    """The colours of a theme. The first group is text, the second what it stands on."""

    text: str
    dim: str
    active: str
    good: str
    warn: str
    bad: str
    accent: str

    background: str
    bars: str
    line: str
    """Borders and the scrollbar."""
    cursor: str
    cursor_style: str
    resting: str
    """The cursor's row while the detail has the keys."""
    resting_style: str
    added_word: str
    removed_word: str
    word_style: str


DARK = Roles(
    text="#e0e0e0",
    dim="#a3a3a3",
    active="#6cb6ef",
    good="#7fd698",
    warn="#ffc46b",
    bad="#ff8f9f",
    accent="#c9a8ff",
    background="#121212",
    bars="#1e1e1e",
    line="#4a4a4a",
    cursor="#0a3a5f",
    cursor_style="bold",
    resting="#2b2b2b",
    resting_style="none",
    added_word="#1d4a2a",
    removed_word="#5a1f2b",
    word_style="none",
)

LIGHT = Roles(
    text="#1c1c1c",
    dim="#555555",
    active="#00518f",
    good="#12601f",
    warn="#7a4500",
    bad="#a3122e",
    accent="#6b2fa0",
    background="#fafafa",
    bars="#eeeeee",
    line="#a8a8a8",
    cursor="#cfe4f7",
    cursor_style="bold",
    resting="#e0e0e0",
    resting_style="none",
    added_word="#c3ecc9",
    removed_word="#fbd0d4",
    word_style="none",
)

CONTRAST = Roles(
    text="#ffffff",
    dim="#d0d0d0",
    active="#7fd4ff",
    good="#6dff8a",
    warn="#ffd75f",
    bad="#ffb0b0",
    accent="#e0c8ff",
    background="#000000",
    bars="#000000",
    line="#ffffff",
    cursor="#000000",
    cursor_style="reverse",
    resting="#303030",
    resting_style="underline",
    added_word="#004d14",
    removed_word="#6b0014",
    word_style="bold underline",
)

ANSI = Roles(
    text="ansi_default",
    dim="ansi_default",
    active="ansi_cyan",
    good="ansi_green",
    warn="ansi_yellow",
    bad="ansi_red",
    accent="ansi_magenta",
    background="ansi_default",
    bars="ansi_default",
    line="ansi_default",
    cursor="ansi_default",
    cursor_style="reverse",
    resting="ansi_default",
    resting_style="underline",
    added_word="ansi_default",
    removed_word="ansi_default",
    word_style="reverse",
)

NAMES = ("dark", "light", "contrast", "ansi")
"""The themes in the order in which a key goes through them; the first is what nobody has to choose."""


def _theme(name: str, roles: Roles, dark: bool = True) -> Theme:
    ansi = roles is ANSI
    return Theme(
        name=name,
        dark=dark,
        ansi=ansi,
        primary=roles.active,
        secondary=roles.active,
        warning=roles.warn,
        error=roles.bad,
        success=roles.good,
        accent=roles.accent,
        foreground=roles.text,
        background=roles.background,
        surface=roles.bars,
        panel=roles.bars,
        variables={
            # Textual mixes these itself, and nobody has computed how readable they are.
            "text": roles.text,
            "text-muted": roles.dim,
            "text-disabled": roles.dim,
            "text-primary": roles.active,
            "text-success": roles.good,
            "text-warning": roles.warn,
            "text-error": roles.bad,
            "text-accent": roles.accent,
            "border": roles.line,
            "border-blurred": roles.line,
            "scrollbar": roles.line,
            "block-cursor-foreground": roles.text,
            "block-cursor-background": roles.cursor,
            "block-cursor-text-style": roles.cursor_style,
            "block-cursor-blurred-foreground": roles.text,
            "block-cursor-blurred-background": roles.resting,
            "block-cursor-blurred-text-style": "bold" if roles.resting_style == "none" else roles.resting_style,
            "block-hover-background": roles.resting,
            "input-cursor-background": roles.text,
            "input-cursor-foreground": roles.background,
            "input-cursor-text-style": "reverse" if ansi else "none",
            "input-selection-background": roles.cursor,
            "input-selection-foreground": roles.text,
            "ansi-background": roles.background,
            "ansi-foreground": roles.text,
            # Ours.
            "line": roles.line,
            "dim-style": "dim" if ansi else "none",
            "cursor": roles.cursor,
            "cursor-style": roles.cursor_style,
            "resting": roles.resting,
            "resting-style": roles.resting_style,
            "added-word": roles.added_word,
            "removed-word": roles.removed_word,
            "word-style": roles.word_style,
        },
    )


THEMES = (
    _theme("dark", DARK),
    _theme("light", LIGHT, dark=False),
    _theme("contrast", CONTRAST),
    _theme("ansi", ANSI),
)


def _palette(roles: Roles, colours: str) -> TerminalTheme:
    """What the 16 colours that commands print in look like: black to white, then bright black to bright white."""
    rgb = [_rgb(colour) for colour in colours.split()]
    return TerminalTheme(_rgb(roles.background), _rgb(roles.text), rgb[:8], rgb[8:])


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = Color.parse(colour).get_truecolor()
    return red, green, blue


PRINTED_DARK = _palette(
    DARK,
    "#1a1a1a #ff7b86 #7fd698 #ffc46b #7fb4ff #d7a1ff #6fd3e0 #d0d0d0"
    " #a3a3a3 #ffa3ab #a5ecb8 #ffdd99 #a9ccff #e6c5ff #a3e8f0 #ffffff",
)
PRINTED_LIGHT = _palette(
    LIGHT,
    "#1c1c1c #a3122e #12601f #7a4500 #00518f #6b2fa0 #005a66 #d0d0d0"
    " #555555 #b3261e #1b6e2a #8a5200 #1f5fae #8a2fb0 #0a6b78 #ffffff",
)


def after(name: str) -> str:
    """The theme that follows one."""
    return NAMES[(NAMES.index(name) + 1) % len(NAMES)]
