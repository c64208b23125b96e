"""Every key of the help, pressed in a real pseudo-terminal at three paces, on rows that have been read and on rows that
have not: what it leads to stands on the screen, and did not stand there before."""

from __future__ import annotations

import datetime
import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from textual.keys import key_to_character

from tests.tui import work_done
from tests.tui.test_human_pace import PACES_S, PATIENCE_S
from tests.tui.test_terminal import Terminal
from tui.config.bindings import EVERY, by_id

ROWS = (
    *("for you", "Asks a question", "stuck and looping", "Stuck in a search", "at work", "Sends an agent"),
    *("earlier", "Read one", *map(work_done.old, range(1, work_done.OLD_SESSIONS + 1))),
)
"""What the rows are called while every session is one line, from the first."""
TOP, READ, UNREAD = 0, ROWS.index("Read one"), ROWS.index(work_done.old(1))
"""Where a key is pressed: on the first row, on a session that has been read, on one after the other that has not."""

SENT = {
    **{"up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "home": "\x1b[H", "end": "\x1b[F"},
    **{"pageup": "\x1b[5~", "pagedown": "\x1b[6~", "tab": "\t", "shift+tab": "\x1b[Z", "enter": "\r"},
    **{"escape": "\x1b", "backspace": "\x7f", "slash": "/", "plus": "+", "minus": "-"},
}
"""What a terminal sends for the keys that are no characters, or are not called by the names that Unicode has."""
START_S = 60
"""Seconds within which the programs have to have started that are started all at once, on a busy machine."""
ESCAPE_S = 0.15
"""Seconds after which a terminal program takes an escape for the key, and what follows for another one."""


def sent(key: str) -> str:
    """What a terminal sends for a key, by Textual's name of it."""
    if key.startswith("ctrl+"):
        return chr(ord(key[-1]) & 0x1F)
    return SENT.get(key) or key_to_character(key) or ""


VIEWER = """\
import sys

import tui.start
from tui import cli

tui.start._processes = None
sys.exit(cli.main())
"""
"""The program on a machine that tells nothing of its processes: on any other, what a test has written is orphaned, and
nothing waits, is stuck or runs."""

HEADINGS = frozenset(name for name in ROWS[:READ] if name[0].islower())


class Sight:
    """What stands on the screen while a key is, or has been, pressed on the row of that number (`at`)."""

    def __init__(self, lines: list[str], at: int, ended: bool = False) -> None:
        self.at = at
        self.ended = ended
        """The program is not there any more."""
        parts = [line.partition("▏") for line in lines]
        last = max((number for number, (_, line, _) in enumerate(parts) if line), default=1)
        self.all = "\n".join(lines)
        self.bar = lines[0]
        self.heading, self.tabs = parts[1][0].strip(), parts[1][2]
        self.divider = len(parts[1][0])
        """Columns of the tree."""
        self.rows = [left for left, _, _ in parts[2:last]]
        self.crumb = parts[last][0].strip()
        """The way to the row of the cursor, or what the last key has to say."""
        detail = [right.rstrip() for _, _, right in parts[2 : last + 1]] or [""]
        self.first, self.second, self.found = detail[0], detail[1] if len(detail) > 1 else "", detail[-1]
        """The first two lines of the detail, and the last one."""
        self.text = " ".join(" ".join(detail).split())
        """The detail as one line."""
        self.foot = " ".join(" ".join(lines[last + 1 :]).split())
        self.words = re.sub(r"\d", "", self.all)
        """What time alone does not change."""


Shows = Callable[[Sight], bool]


def says(part: str, pattern: str) -> Shows:
    """A part of the screen has a text somewhere."""
    return lambda sight: bool(re.search(pattern, str(getattr(sight, part))))


def lacks(part: str, pattern: str) -> Shows:
    """A part of the screen has a text nowhere."""
    return lambda sight: not re.search(pattern, str(getattr(sight, part)))


def both(*all_of: Shows) -> Shows:
    return lambda sight: all(shows(sight) for shows in all_of)


def whichever(read: Shows, unread: Shows) -> Shows:
    """One thing of a row that has been read, another of one that has not."""
    return lambda sight: (read if sight.at < UNREAD else unread)(sight)


def stands_on(step: int) -> Shows:
    """The cursor is so many rows down, or up, while every session is one line; at an end it stops."""
    return lambda sight: sight.crumb == ROWS[max(0, min(len(ROWS) - 1, sight.at + step))]


def a_page(pages: int) -> Shows:
    return lambda sight: stands_on(pages * (len(sight.rows) - 1))(sight)


def beside(step: int) -> Shows:
    """The cursor is on the session before or after."""

    def shows(sight: Sight) -> bool:
        at = sight.at + step
        while ROWS[at] in HEADINGS:
            at += step
        return sight.crumb == ROWS[at]

    return shows


def unfolded(sight: Sight) -> bool:
    """The prompt of the session stands under its row, where there is a line left."""
    at = next((at for at, row in enumerate(sight.rows) if f" {ROWS[sight.at]} " in row), -1)
    below = "".join(sight.rows[at + 1 : at + 2])
    return at >= 0 and sight.rows[at].startswith(" ▾") and (not below or "Please" in below)


def ended(sight: Sight) -> bool:
    return sight.ended


def tree_of(columns: int) -> Shows:
    return lambda sight: sight.divider == columns


HERE = stands_on(0)
FOLDED: Shows = both(HERE, lambda sight: not unfolded(sight))
IN_TREE, IN_DETAIL = says("foot", "↑↓ move"), says("foot", "1-6 tabs")
TYPING, SEARCHING = says("foot", "enter keep"), says("foot", "enter to the text")
ONE_FOUND = both(TYPING, says("heading", "1 of"))
FEW_KNOWN, ALL_KNOWN = (
    says("heading", r"^Sessions \d of"),
    says("heading", f"^Sessions {work_done.OLD_SESSIONS + 1} of"),
)
"""A filter for what every session but those at work has, before they are read, and after that."""
DAYS = re.compile(r"(\d{4}-\d\d-\d\d) to (\d{4}-\d\d-\d\d)")


def spent_in(days: int) -> Shows:
    """What sessions cost stands there, of so many days."""

    def shows(sight: Sight) -> bool:
        found = DAYS.search(sight.all)
        first, last = map(datetime.date.fromisoformat, found.groups()) if found else (datetime.date.min,) * 2
        return "by day" in sight.all and (last - first).days + 1 == days

    return shows


SPENT = spent_in(7)
HELP, NO_HELP = says("all", "Everywhere"), both(lacks("all", "Everywhere"), says("heading", "^Sessions"))
SEARCH, NO_SEARCH = says("all", "›Search"), both(lacks("all", "›Search"), says("heading", "^Sessions"))
RECORD = both(IN_DETAIL, says("first", r"^ ▾ \{"), lacks("second", "^ ›"))
"""The beginning of the record of a session, with the caret in its first line."""
SECOND_LINE = both(says("first", r"^ ▾ \{"), says("second", "^ ›"))
OUTPUT = both(IN_DETAIL, says("first", r"^ line 1(\s|$)"))
"""The beginning of the output of a command."""
HIT = both(IN_DETAIL, says("found", r"^ /\w+  1 of"))
SECOND_HIT = says("found", r"^ /\w+  2 of")
USUAL = 74
"""Columns of the tree, of 120, before anybody has changed them."""

LEAF, LEAF_SHOWN = "ljjjjj", says("crumb", "bash Build$")
"""From a session that has been read to its command with a long output."""
TO_OUTPUT, TO_RECORD = f"{LEAF}3\t", "6\t"
OUTPUT_IS_THERE, RECORD_IS_THERE = (TO_OUTPUT, OUTPUT), (TO_RECORD, RECORD)
TABLE_IS_THERE = ("ljj3\t", both(IN_DETAIL, says("text", "x │")))
ASIDE = both(IN_DETAIL, says("text", "ell │"), lacks("text", "x │"))


IN_TIMELINE = both(says("foot", "z Z zoom in time"), says("text", "step 1"), lacks("first", "^ ?(part|only this)"))
TIMELINE_IS_THERE = ("ii", IN_TIMELINE)
"""The timeline of a session that has been read, with the keys in it."""

NOWHERE = "nobody works on it|which opencode has it is not known|is open in its directory|nothing is known"
"""What is said of where a session is while no opencode runs; of some systems it cannot be known."""

ALL_FOLDED = "gjlZg"
"""To the first row while every session is one line. Where none is open Z folds the headings, so one is opened first."""


class Press(NamedTuple):
    """Keys of one binding, each pressed `on` some rows, after the keys of `way`, which lead to a `place`; `shows` is
    what stands there then and did not before. `over` is a way and a place that have to be reached before that, where
    something has to be read from the file. The keys of `back` undo it."""

    id: str
    shows: Shows
    way: str = ""
    place: Shows = HERE
    on: tuple[int, ...] = (READ, UNREAD)
    back: str = ""
    over: tuple[str, Shows] | None = None


def no_tab(name: str) -> Shows:
    return says("tabs", f"no {name}")


MOVING = [
    Press("tree.up", stands_on(-1)),
    Press("tree.down", stands_on(1)),
    Press("tree.page_up", a_page(-1)),
    Press("tree.page_down", a_page(1)),
    Press("tree.first", says("crumb", "^for you$")),
    Press("tree.last", says("crumb", f"^{ROWS[-1]}$")),
    Press("tree.open", unfolded),
    Press("tree.open", says("crumb", "Please do it.$"), "l", unfolded, (READ,)),
    Press("tree.close", FOLDED, "l", unfolded),
    Press("tree.close", says("crumb", "step 1$"), LEAF, LEAF_SHOWN, (READ,)),
    Press("tree.fold", unfolded),
    Press("tree.fold", FOLDED, "l", unfolded),
    Press("tree.enter", unfolded),
    Press("tree.enter", FOLDED, "l", unfolded),
    Press("tree.enter", IN_DETAIL, LEAF, both(LEAF_SHOWN, IN_TREE), (READ,), "\t"),
    Press("pane.other", IN_DETAIL, "", both(HERE, IN_TREE), back="\t"),
    Press("pane.other", IN_TREE, "\t", IN_DETAIL),
    Press("pane.back", IN_TREE, "\t", IN_DETAIL),
    Press(
        "pane.back",
        both(lacks("heading", " of "), says("crumb", "^Old 03$")),
        "/Old 03\r",
        says("heading", "1 of"),
        (TOP,),
    ),
    Press("pane.wider", lambda sight: sight.divider > USUAL, "", both(HERE, tree_of(USUAL)), back="="),
    Press("pane.narrower", lambda sight: sight.divider < USUAL, "", both(HERE, tree_of(USUAL)), back="="),
    Press("pane.zoom", lambda sight: "Sessions 48" not in sight.all, "", both(HERE, tree_of(USUAL)), back="m"),
    Press("pane.usual", tree_of(USUAL), "+", lambda sight: sight.divider > USUAL),
]
JUMPING = [
    Press("jump.before", beside(-1)),
    Press("jump.after", beside(1)),
    Press("jump.failure", says("first", "^ bash  Test")),
    Press("jump.failure_before", says("first", "^ bash  Test")),
    Press("jump.waiting", says("text", "Which way")),
    Press("jump.stuck", says("text", "TODO")),
    Press("jump.running", says("text", "sleep 600")),
    Press("jump.back", HERE, "w", says("text", "Which way")),
    Press("jump.caller", says("crumb", "task Find the callers$"), "r", says("crumb", "sleep 600$"), (TOP,)),
    Press("jump.match", says("crumb", "^Old 02$"), "/Old 0\r", says("crumb", "^Old 01$"), (TOP,), "\x1b"),
    Press("jump.match", says("crumb", "this is the only one"), "/Read\r", says("heading", "1 of"), (READ,), "\x1b"),
    Press("jump.match_before", says("first", "^ Old 40$"), "/Old 0\r", says("crumb", "^Old 01$"), (TOP,), "\x1b"),
    Press("jump.fold_all", FOLDED, "l", unfolded),
    Press("jump.fold_all", says("crumb", "^every heading: folded$"), back="Z"),
    Press("jump.fold_all", says("crumb", "^every heading: open$"), "Z", says("crumb", "^every heading: folded$")),
    Press("jump.look_at_all", says("crumb", "marked as looked at$")),
    Press("jump.cycle", says("crumb", "^this session: "), back="zz"),
]
LOOKING = [
    Press("detail.overview", says("text", r"\bstate "), "6", says("first", r"^ ▾ \{")),
    Press("detail.timeline", says("text", "▓ model")),
    Press("detail.input", says("text", "command make all"), LEAF, LEAF_SHOWN, (READ,)),
    Press("detail.input", no_tab("input"), on=(UNREAD,)),
    Press("detail.output", says("first", r"^ line 1(\s|$)"), LEAF, LEAF_SHOWN, (READ,)),
    Press("detail.output", no_tab("output"), on=(UNREAD,)),
    Press("detail.diff", says("text", r"\+TWO"), "ljjjj", says("crumb", "edit new.txt$"), (READ,)),
    Press("detail.diff", no_tab("diff"), on=(UNREAD,)),
    Press("detail.todo", says("text", "1 of 2 done"), on=(READ,)),
    Press("detail.todo", no_tab("todo"), on=(UNREAD,)),
    Press("detail.raw", says("first", r"^ ▾ \{")),
    Press("detail.previous", says("first", r"^ ▾ \{")),
    Press("detail.next", says("text", "❯ you .* make test")),
    Press("follow", says("bar", r"\bfollow\b"), back="f"),
    Press("spend.open", SPENT, back="$"),
    Press("spend.range", spent_in(30), "$", SPENT, back="$"),
    Press("spend.range_before", spent_in(1), "$", SPENT, back="$"),
    Press("health", says("all", "Viewer .* opened read-only"), back="H"),
    Press("help.open", HELP, back="\x1b"),
    Press("help.close", NO_HELP, "?", HELP),
    Press("palette", says("all", "Search for commands"), back="\x1b"),
    Press("search.open", SEARCH, back="\x1b"),
    Press("search.close", NO_SEARCH, "\x06", SEARCH),
    Press("search.line", says("all", "›    in"), "\x06", SEARCH, back="\x1b"),
    # At its end: an escape before that stops it, and only another one goes back.
    Press("search.choose", says("all", r"found in \d+ *\n"), "\x06x", says("all", "›Search x"), (READ,), "\x1b"),
    Press("jump.back", HERE, "w\t", both(IN_DETAIL, says("text", "Which way")), back="\t"),
    Press("jump.sort", says("heading", "by cost"), on=(TOP,), back="ssss"),
    Press("jump.group", says("heading", "by project"), on=(TOP,), back="oo"),
    Press("filter.open", TYPING, back="\x1b"),
    Press("filter.complete", says("all", "/is:failed"), "/is:fai", TYPING, (TOP,), "\x1b"),
    Press("filter.complete_back", says("all", "/is:fork"), "/is:", TYPING, (TOP,), "\x1b"),
    Press("filter.drop", both(IN_TREE, lacks("heading", " of ")), "/Old 07", ONE_FOUND),
    # The last ones: the second reads what has not been read.
    Press("filter.tree", both(IN_TREE, FEW_KNOWN), "/tool:edit", both(TYPING, FEW_KNOWN), (TOP,), "\x1b"),
    Press("filter.keep", both(IN_TREE, ALL_KNOWN), "/tool:edit", both(TYPING, FEW_KNOWN), (TOP,), "\x1b"),
]
READING = [
    Press("text.down", says("first", r"^ line 2(\s|$)"), "", OUTPUT, (READ,), "\t", over=OUTPUT_IS_THERE),
    Press("text.down", SECOND_LINE, "", RECORD, (UNREAD,), "\t", over=RECORD_IS_THERE),
    Press("text.up", OUTPUT, "j", says("first", r"^ line 2(\s|$)"), (READ,), "\t", over=OUTPUT_IS_THERE),
    Press("text.up", RECORD, "j", SECOND_LINE, (UNREAD,), "\t", over=RECORD_IS_THERE),
    Press("text.page_down", says("first", r"^ line 1\d"), "", OUTPUT, (READ,), "\t", over=OUTPUT_IS_THERE),
    Press(
        "text.page_down", both(IN_DETAIL, lacks("text", "source")), "", RECORD, (UNREAD,), "\t", over=RECORD_IS_THERE
    ),
    Press("text.page_up", OUTPUT, " ", says("first", r"^ line 1\d"), (READ,), "\t", over=OUTPUT_IS_THERE),
    Press("text.page_up", RECORD, " ", both(IN_DETAIL, lacks("text", "source")), (UNREAD,), "\t", over=RECORD_IS_THERE),
    Press("text.end", says("text", "line 120"), "", OUTPUT, (READ,), "\t", over=OUTPUT_IS_THERE),
    Press("text.end", says("text", r"\}$"), "", RECORD, (UNREAD,), "\t", over=RECORD_IS_THERE),
    Press("text.start", OUTPUT, "G", says("text", "line 120"), (READ,), "\t", over=OUTPUT_IS_THERE),
    Press("text.start", RECORD, "G", says("text", r"\}$"), (UNREAD,), "\t", over=RECORD_IS_THERE),
    Press("text.right", ASIDE, "", TABLE_IS_THERE[1], (READ,), "\t", over=TABLE_IS_THERE),
    Press("text.left", TABLE_IS_THERE[1], "l", ASIDE, (READ,), "\t", over=TABLE_IS_THERE),
    Press("text.fold", says("text", "lines$"), "", RECORD, back="\t", over=RECORD_IS_THERE),
    Press("text.search", SEARCHING, "", OUTPUT, (READ,), "\x1b\t", over=OUTPUT_IS_THERE),
    Press("text.search", SEARCHING, "", RECORD, (UNREAD,), "\x1b\t", over=RECORD_IS_THERE),
    Press("text.next_hit", SECOND_HIT, "/line\r", HIT, (READ,), "\x1b\t", over=OUTPUT_IS_THERE),
    Press("text.next_hit", SECOND_HIT, "/ses_\r", HIT, (UNREAD,), "\x1b\t", over=RECORD_IS_THERE),
    Press("text.previous_hit", HIT, "/line\rn", SECOND_HIT, (READ,), "\x1b\t", over=OUTPUT_IS_THERE),
    Press("text.previous_hit", HIT, "/ses_\rn", SECOND_HIT, (UNREAD,), "\x1b\t", over=RECORD_IS_THERE),
    Press("text.end_search", lacks("found", "^ /"), "/line\r", HIT, (READ,), "\t", over=OUTPUT_IS_THERE),
    Press("text.end_search", lacks("found", "^ /"), "/ses_\r", HIT, (UNREAD,), "\t", over=RECORD_IS_THERE),
]
TRANSCRIPT = both(IN_DETAIL, says("text", "❯ you .* make test"))
TRANSCRIPT_IS_THERE = ("tt", TRANSCRIPT)
LIVING = [
    Press("detail.transcript", says("text", "❯ you .* make test"), back="1"),
    Press("detail.transcript", IN_DETAIL, "t", both(IN_TREE, says("text", "❯ you .* make test")), back="\t1"),
    Press("read.before", says("text", "› ❯ you"), "", TRANSCRIPT, back="\t1", over=TRANSCRIPT_IS_THERE),
    Press("read.after", says("crumb", "no prompt below"), "", TRANSCRIPT, back="\t1", over=TRANSCRIPT_IS_THERE),
    Press("read.failure", says("crumb", "no failure below"), "", TRANSCRIPT, back="\t1", over=TRANSCRIPT_IS_THERE),
    Press(
        "read.failure_before", says("crumb", "no failure above"), "g", TRANSCRIPT, back="\t1", over=TRANSCRIPT_IS_THERE
    ),
]
TIMING = [
    Press("time.closer", says("first", "^ ?part"), "", IN_TIMELINE, (READ,), "Z\t", over=TIMELINE_IS_THERE),
    Press(
        "time.wider", lacks("first", "^ ?part"), "z", says("first", "^ ?part"), (READ,), "\t", over=TIMELINE_IS_THERE
    ),
    Press("time.fold", lacks("text", "step 1"), "", IN_TIMELINE, (READ,), "o\t", over=TIMELINE_IS_THERE),
    Press("time.narrow", says("first", "^ ?only this"), "", IN_TIMELINE, (READ,), ".\t", over=TIMELINE_IS_THERE),
    Press("time.row", says("crumb", "Please do it.$"), "", IN_TIMELINE, (READ,), over=TIMELINE_IS_THERE),
]
LEAVING = [
    Press("door.copy", says("foot", r"sent to the terminal's clipboard: \d+ bytes"), on=(READ,)),
    Press("door.resume", says("foot", "opencode -s ses_"), on=(READ,)),
    Press("door.save", says("foot", "saved to "), on=(READ,)),
    Press("terminal", says("foot", NOWHERE), on=(READ,)),
    Press("notices", says("foot", "notices are given"), on=(READ,), back="B"),
    Press("door.copy", says("foot", r"sent to the terminal's clipboard: \d+ bytes"), on=(UNREAD,)),
    Press("door.resume", says("foot", "opencode -s ses_"), on=(UNREAD,)),
    Press("door.save", says("foot", "saved to "), on=(UNREAD,)),
    Press("terminal", says("foot", NOWHERE), on=(UNREAD,)),
    Press("notices", says("foot", "notices are given"), on=(UNREAD,), back="B"),
    Press("suspend", says("foot", "no shell to go back to"), on=(READ,)),
    Press("detail.wrap", says("foot", "long lines are cut"), back="W"),
    Press("theme", says("foot", "theme: (dark|light)"), on=(READ,), back="TTT"),
    Press("suspend", says("foot", "no shell to go back to"), on=(UNREAD,)),
    Press("door.pager", says("all", "handed over"), back="\r"),
    Press("door.editor", says("all", "handed over"), back="\r"),
]
QUITTING = [Press(name, ended, on=(READ,)) for name in ("quit", "quit.anywhere", "quit.now")]

TABLE: dict[str, list[Press]] = {
    "moving": MOVING,
    "jumping": JUMPING,
    "looking": LOOKING,
    "reading": READING,
    "living": LIVING,
    "timing": TIMING,
    "leaving": LEAVING,
}
"""What is pressed in one run of the program, one after the other; of `QUITTING` each ends one."""


class Desk:
    """The program in a terminal, with somebody in front of it who presses keys at a pace."""

    def __init__(self, database: Path, pace_s: float, name: str) -> None:
        self.pace_s = pace_s
        program = database.parent / "program"
        home = database.parent / name
        environ = {"PAGER": str(program), "VISUAL": "", "EDITOR": str(program), "HOME": str(home)}
        environ |= {"XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "config")}
        # Only the terminal takes what is copied.
        environ |= dict.fromkeys(("DISPLAY", "WAYLAND_DISPLAY", "TMUX", "STY", "VTE_VERSION", "TERM_PROGRAM"), "")
        # Emulating a terminal takes most of the time, and a third more of it with colours of three numbers each.
        viewer = database.parent / "viewer"
        self.terminal = Terminal("--db", str(database), columns=120, rows=20, command=viewer, COLORTERM="", **environ)
        self.terminal.child.delaybeforesend = None
        self.unread = UNREAD
        self.at = TOP
        self.page = 1
        """Rows that a page goes on."""
        self.ended = False

    @property
    def sight(self) -> Sight:
        return Sight(self.terminal.screen.display, self.at, self.ended)

    def sends(self, keys: str) -> None:
        self.terminal.child.send(keys)

    def rests(self, seconds: float) -> None:
        """Takes in what is drawn meanwhile, and does nothing."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.ended = not self.terminal.read(left)

    def sees(self, shows: Shows, press: Press, what: str, within_s: float = PATIENCE_S) -> None:
        end = time.monotonic() + within_s
        while not shows(self.sight):
            assert time.monotonic() < end, f"{what} of {press.id} on {ROWS[self.at]} not seen\n{self.terminal.text}"
            assert not self.ended, f"{press.id} ended the program\n{self.terminal.text}"
            self.ended = not self.terminal.read(0.05)

    def escapes(self, press: Press) -> None:
        """Undoes something; what comes right behind an escape makes another key of both."""
        # What is opened for the first time may come in two pictures, and the second is not what escape does.
        self.rests(ESCAPE_S)
        before = self.sight.words
        self.sends(sent("escape"))
        self.sees(lambda sight: sight.words != before, press, "what escape undoes")
        self.rests(ESCAPE_S)

    def presses(self, press: Press, key: str, row: int) -> None:
        """Goes to where the key is to be pressed, presses it and reads what comes of it."""
        self.at = row
        if row == UNREAD:
            self.at, self.unread = self.unread, self.unread + 1
        at_once = not (self.pace_s or press.over or press.shows(self.sight))
        if not at_once:
            # What stood there before must not be taken for the place.
            self.sends(f"1{ALL_FOLDED}")
            self.sees(says("crumb", "^for you$"), press, "the first row")
        pages, rows = divmod(self.at, self.page)
        to_row = f"1{ALL_FOLDED}" + sent("pagedown") * pages + "j" * rows
        if press.over is not None:
            self.sends(to_row + press.over[0])
            self.sees(press.over[1], press, "the place before")
            to_row = ""
        if at_once or (press.over and not self.pace_s):
            self.sends(to_row + press.way + sent(key))
        else:
            self.sends(to_row + press.way)
            # One part of the screen may be drawn before another.
            self.sees(both(press.place, lambda sight: not press.shows(sight)), press, "the place")
            self.rests(self.pace_s)
            assert not press.shows(self.sight), f"what {press.id} shows stood there before\n{self.terminal.text}"
            self.sends(sent(key))
        self.sees(press.shows, press, f"what {key} leads to")
        if key == "escape":
            self.rests(ESCAPE_S)
        for undo in press.back:
            if undo == sent("escape"):
                self.escapes(press)
            else:
                self.sends(undo)

    def goes(self, tour: list[Press]) -> None:
        """Everything in turn, from the first row."""
        self.sees(
            both(says("crumb", "Asks a question"), says("bar", "1 at work.* live")), tour[0], "the start", START_S
        )
        self.page = len(self.sight.rows) - 1
        for press in tour:
            for row in press.on:
                for key in by_id(press.id).key.split(","):
                    self.presses(press, key, row)


@pytest.fixture(params=PACES_S, ids=lambda pace_s: f"{pace_s:g} s")
def pace_s(request: pytest.FixtureRequest) -> float:
    return float(request.param)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Sessions of this moment, and the program that a text is handed over to."""
    work_done.write(tmp_path / "opencode.db")
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho handed over\nread line\nsleep 1\n")
    program.chmod(0o700)
    viewer = tmp_path / "viewer"
    viewer.write_text(f"#!{sys.executable}\n{VIEWER}")
    viewer.chmod(0o700)
    return tmp_path / "opencode.db"


@contextmanager
def desks(database: Path, pace_s: float, *names: str) -> Iterator[list[Desk]]:
    found = [Desk(database, pace_s, name) for name in names]
    try:
        yield found
    finally:
        for desk in found:
            desk.terminal.child.close(force=True)


def test_every_key_leads_to_what_it_says(database: Path, pace_s: float) -> None:
    # Beside each other, because a person who rests costs nothing.
    with desks(database, pace_s, *TABLE) as found, ThreadPoolExecutor(len(TABLE)) as pool:
        done = [pool.submit(desk.goes, tour) for desk, tour in zip(found, TABLE.values(), strict=True)]
        wrong = [error for one in done if (error := one.exception()) is not None]
    assert not wrong, "\n\n".join(map(str, wrong))


def test_every_key_that_quits_gives_the_terminal_back(database: Path, pace_s: float) -> None:
    keys = [(press, key) for press in QUITTING for key in by_id(press.id).key.split(",")]
    with desks(database, pace_s, *(key for _, key in keys)) as found:
        for desk, (press, _) in zip(found, keys, strict=True):
            desk.goes([press])
            assert desk.terminal.ended() == 0
            desk.terminal.assert_restored()


def test_the_table_has_every_binding_and_nothing_else() -> None:
    pressed = {press.id for tour in [*TABLE.values(), QUITTING] for press in tour}
    assert {binding.id for binding in EVERY} - pressed == set(), "pressed by no test"
    assert pressed - {binding.id for binding in EVERY} == set(), "no such binding"
