"""Arguments and sub-commands. Only the app itself imports Textual, and only when it starts."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence

from tui import __version__
from tui.exit_codes import INTERRUPTED, OK
from tui.importing import Importing

ON_WINDOWS = (
    "the screen needs Linux, macOS or WSL: start it there; the commands without a screen (see --help) work on Windows"
)
COLLECT_AFTER = 50_000
"""Objects between two looks for cycles; Python's own 700 makes `events` take a fifth longer."""
DESCRIPTION = """\
Watch opencode live: every session, sub-agent, step and tool call, with tokens and cost, read from opencode's own
database. Strictly read-only: nothing of opencode's is ever changed or slowed down."""

EPILOG = """\
Without --db every database that opencode would use is watched (OPENCODE_DB, XDG_DATA_HOME, release channels).
Examples:
  opencode-viewer --demo                      a recorded run, to look around
  opencode-viewer events --follow | jq .kind  every change as one JSON object a line
  opencode-viewer doctor --json               what can be read, and how
Exit status: 0 fine, 1 degraded (doctor), 2 no usable database or wrong arguments,
70 an error of our own that stayed."""

LS_EPILOG = """\
Terms, as behind / on the screen:
  word "some words"    in the title
  is:running           also waiting failed idle stalled orphaned aborted archived subagent fork root ...
  agent: model: provider: version: dir: tool:
  cost>1 tokens<10k    with sub-agents; also >= and <=
  since:2d             also since:90m, since:today, since:2026-01-31
  text:word file:name  in any text, as grep finds it; the name of a file that it read, wrote or got
  -- -is:subagent      a term with a minus holds where it does not; -- ends the options before it"""

GREP_EPILOG = """\
Pattern:
  retry test           texts that hold both words; case counts where a letter is a capital
  '"retry test"'       texts that hold exactly this
  're:retr(y|ies)'     a regular expression of Python, line by line
Terms of FILTER as for ls (ls --help): agent:build tool:bash dir:app since:2d is:failed ...
One JSON object a line: {"source", "session_id", "title", "parent_id", "message_id", "part_id", "kind", "field", "uri",
  "at", "count", "before", "match", "behind", "ts"}: the first of count places in a text that show URI prints.
Exit status: 0 found, 1 nothing found, 2 a database, a row or the arguments cannot be used."""


SPEND_EPILOG = """\
Days are those of this machine's time zone. --since and --until take today, yesterday, 7d (today and the six days
before), 2w, 2026-01-31 or 2026-01, and both days count. FILTER is what `ls` takes; what it finds counts with its
sub-agents.
What a step cost is shared evenly among the calls that it made: a share, not a bill. What forks copied and older copies
of sessions in other databases cost is left out and told; tokens without a price are named and not guessed. Remarks go
to stderr, in JSON they are in "notes"."""

EXPORT_EPILOG = """\
Text is made harmless in md and html (control and bidi characters); json has it verbatim: one object,
  {"export": 1, "source", "exported_ts", "redacted", "max_text", "root", "sessions": [
    {"id", "parent_id", "title", "state", "reason", "usage", "cost", "subtree", "called_by", ...,
     "prompts": [{"message_id", "ts", ..., "texts": [TEXT]}],
     "turns": [{"seq", "status", "usage", "delta", "cost", ..., "texts": [TEXT],
                "ops": [{"seq", "kind", "name", "status", ..., "texts": [TEXT]}]}]}]}
  TEXT: {"kind", "format", "uri", "size", "text", "truncated", "note"}
  sessions parents first; times in microseconds UTC, sizes in bytes, cost in dollars.
--redact leaves structure, ids, kinds, states, times, counts, sizes, tokens, cost, exit codes, and the names of agents,
models, providers, tools, MCP servers and error classes. Everything written by a person, a model, a tool or a provider
goes: prompts, answers, reasoning, inputs, outputs, diffs, todo lists, attachments with their names, titles, labels,
directories, error messages and what a state gives as its reason."""


OTLP_EPILOG = """\
Needs the extra: pip install "opencode-viewer[otlp]". The SDK's own variables hold: OTEL_EXPORTER_OTLP_ENDPOINT,
_HEADERS, _TIMEOUT, _COMPRESSION, _CERTIFICATE ..., OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES.
Ids are made of opencode's: what is sent twice is the same span. --cursor moves only behind what was acknowledged; after
a resume a session that has changed since is sent whole, so nothing is missing and some spans come twice.
Without --payloads no text of prompts, answers and tools leaves; titles, directories and error messages do, except with
--redact. A text is cut at 32,000 bytes, all of a span at 256,000.
Exit status: 0 all sent, 1 not everything could be read, 2 the collector did not take it, or nothing can be read."""


class _Wrapped(argparse.HelpFormatter):
    """As wide as the terminal. argparse itself asks shutil for that, which takes 3 ms to load with its compressors."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


class _AsWritten(_Wrapped, argparse.RawDescriptionHelpFormatter):
    """The same, with descriptions as they stand here."""


def _columns() -> int:
    """What COLUMNS or the system says of the terminal; 80 where neither knows."""
    try:
        return int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size(1).columns or 80
    except (ValueError, OSError):
        return 80


class Version(argparse.Action):
    """Prints what a report of a fault has to say, and ends."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        # None of it is needed otherwise; Textual itself, which takes a while to load, not even here.
        import sqlite3
        from importlib.metadata import version

        python = ".".join(map(str, sys.version_info[:3]))
        print(f"opencode-viewer {__version__}")
        print(f"Python {python}, SQLite {sqlite3.sqlite_version}, Textual {version('textual')}, {sys.platform}")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """All arguments. Building it imports nothing of ours but the version."""
    raw = _AsWritten
    database = argparse.ArgumentParser(add_help=False, formatter_class=_Wrapped)
    database.add_argument(
        "--db",
        metavar="PATH",
        action="append",
        # A sub-command's own default would overwrite what was given before it.
        default=argparse.SUPPRESS,
        type=_path,
        help="a database to read instead of opencode's own; may be repeated",
    )
    database.add_argument(
        "--no-watch",
        action="store_true",
        default=argparse.SUPPRESS,
        help="poll instead of asking the system for file notifications (network mounts)",
    )
    database.add_argument(
        "--via",
        metavar="COMMAND",
        action="append",
        default=argparse.SUPPRESS,
        help="a command that leads to `opencode-viewer serve` on another machine; may be repeated",
    )
    database.add_argument(
        "--host",
        metavar="NAME",
        action="append",
        default=argparse.SUPPRESS,
        help="a host of config.toml (all: every one), or --via 'ssh NAME opencode-viewer serve'; may be repeated",
    )
    parser = argparse.ArgumentParser(
        prog="opencode-viewer", description=DESCRIPTION, epilog=EPILOG, formatter_class=raw, parents=[database]
    )
    parser.add_argument(
        "--version", action=Version, nargs=0, help="print the versions of all that matters in a report, and end"
    )
    parser.add_argument(
        "--demo", action="store_true", help="play a recorded run into a temporary database and watch it"
    )
    parser.add_argument(
        "--demo-speed", type=float, default=1.0, metavar="N", help="how fast the demo plays, 0.25 to 100 (default 1)"
    )
    parser.add_argument(
        "--theme",
        # Written out, because the themes themselves need Textual; a test compares.
        choices=("dark", "light", "contrast", "ansi"),
        help="colours, remembered; ansi takes the terminal's own 16. NO_COLOR leaves all away",
    )
    glyphs = parser.add_mutually_exclusive_group()
    glyphs.add_argument(
        "--ascii",
        action="store_const",
        const="ascii",
        dest="glyphs",
        default="",
        help="draw with ASCII only, remembered; without a choice where the locale is not UTF-8",
    )
    glyphs.add_argument(
        "--unicode", action="store_const", const="unicode", dest="glyphs", default="", help="the opposite, remembered"
    )
    mouse = parser.add_mutually_exclusive_group()
    mouse.add_argument(
        "--no-mouse",
        action="store_const",
        const="off",
        dest="mouse",
        default="",
        help="leave the mouse to the terminal, to select and copy with it, remembered",
    )
    mouse.add_argument(
        "--mouse", action="store_const", const="on", dest="mouse", default="", help="the opposite, remembered"
    )
    parser.add_argument(
        "--notify",
        action="store_true",
        help="ring the bell and send a desktop notification when a session waits, fails, is stuck, loops or finishes",
    )
    parser.add_argument(
        "--keys", action="store_true", help="print every key as a keymap file and where that file belongs, and end"
    )
    parser.add_argument(
        "--print-completion",
        choices=("bash", "zsh", "fish"),
        metavar="SHELL",
        help="print what makes bash, zsh or fish complete this command, and end",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands without a screen")

    events = commands.add_parser(
        "events",
        parents=[database],
        formatter_class=raw,
        help="canonical events, one JSON object a line",
        description="Every session from its beginning as canonical events, one JSON object a line; "
        "with --follow\nalso every change from then on. Data goes to stdout, remarks to stderr.",
    )
    events.add_argument("--session", metavar="ID", help="only this session")
    events.add_argument("--follow", action="store_true", help="go on with what changes")
    events.add_argument("--cursor", metavar="FILE", type=_path, help="resume from and keep the position in this file")

    tree = commands.add_parser(
        "tree",
        parents=[database],
        formatter_class=_Wrapped,
        help="the sessions with their steps and calls, as text or JSON",
        description="The model as the screen shows it. Text in it is made harmless for terminals; "
        "`events` has it verbatim.",
    )
    tree.add_argument("--session", metavar="ID", help="only this session and its sub-agents")
    form = tree.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object")
    form.add_argument("--timeline", action="store_true", help="what ran when, and what beside what, as bars")

    ls = commands.add_parser(
        "ls",
        parents=[database],
        formatter_class=raw,
        help="the sessions, all or those that a filter finds",
        description="One line a session, newest activity first, or one JSON object: state, newest activity, dollars "
        "with sub-agents,\nid, agent, model, project, title.",
        epilog=LS_EPILOG,
    )
    ls.add_argument("--json", action="store_true", help="one JSON object")
    ls.add_argument("filter", metavar="FILTER", nargs="*", help="terms that all have to hold, see below")

    grep = commands.add_parser(
        "grep",
        parents=[database],
        formatter_class=raw,
        help="every text of every session that holds some words",
        description="Looks through prompts, answers, reasoning, calls, inputs, outputs, errors, titles and names of "
        "files, without an index:\nthe newest session first, each as it is when its turn comes.",
        epilog=GREP_EPILOG,
    )
    grep.add_argument("--json", action="store_true", help="one JSON object a line")
    grep.add_argument(
        "--in",
        metavar="KIND,...",
        dest="kinds",
        default="",
        help="only in these texts: title prompt answer reasoning call input output error file",
    )
    grep.add_argument("pattern", metavar="PATTERN", help="what to look for, see below")
    grep.add_argument("filter", metavar="FILTER", nargs="*", help="terms that all have to hold of the session")

    spend = commands.add_parser(
        "spend",
        parents=[database],
        formatter_class=raw,
        help="what sessions cost: by day, model, project, agent, tool or session",
        description="Dollars and tokens, a line each and one for all.",
        epilog=SPEND_EPILOG,
    )
    measures = ("day", "project", "model", "agent", "tool", "session")
    spend.add_argument("--by", choices=measures, default="day", help="what a line is about (default day)")
    spend.add_argument("--since", metavar="DAY", help="from this day on")
    spend.add_argument("--until", metavar="DAY", help="up to this day")
    shapes = spend.add_mutually_exclusive_group()
    shapes.add_argument("--json", action="store_true", help="one JSON object")
    shapes.add_argument("--csv", action="store_true", help="a table for a spreadsheet")
    spend.add_argument("filter", metavar="FILTER", nargs="*", help="only sessions that all of these terms find")

    show = commands.add_parser(
        "show",
        parents=[database],
        formatter_class=_Wrapped,
        help="one payload, verbatim",
        description="Prints the text behind the `uri` of a payload_ref event, byte for byte.",
    )
    show.add_argument("uri", metavar="URI", help="opencode-sqlite://?part_id=...&field=...")
    show.add_argument("--clean", action="store_true", help="made harmless for a terminal")

    export = commands.add_parser(
        "export",
        parents=[database],
        formatter_class=raw,
        help="a session with its sub-agents as Markdown, HTML or JSON",
        description="One session as a document: prompts, answers, reasoning, tool calls with input and output, diffs, "
        "todo lists,\ntokens, cost, errors and times, and the same of every sub-agent under the call that started it.",
        epilog=EXPORT_EPILOG,
    )
    export.add_argument("session", metavar="SESSION", help="the id of a session, or a beginning that only one has")
    export.add_argument("--format", choices=("md", "html", "json"), default="md", help="default md")
    export.add_argument("--no-children", action="store_true", help="without sub-agents; the sums still count them")
    export.add_argument("--redact", action="store_true", help="without any free text, see below")
    export.add_argument(
        "--max-text",
        type=_size,
        default=1_000_000,
        metavar="BYTES",
        help="most bytes of one text, the rest is cut and a note says so; 0 for no limit (default 1000000)",
    )
    export.add_argument(
        "-o",
        "--output",
        type=_path,
        metavar="FILE",
        help="write to this file; never over a database or what is opencode's",
    )

    commands.add_parser(
        "serve",
        parents=[database],
        formatter_class=_Wrapped,
        help="what --via starts on another machine: answers on stdin and stdout",
        description="Answers questions about the databases of this machine on stdin and stdout, one JSON object a "
        "line, until stdin\nends. Nothing listens on a port, and nothing is ever written.",
    )

    otlp = commands.add_parser(
        "otlp",
        parents=[database],
        formatter_class=raw,
        help="sessions as OpenTelemetry traces, to a collector",
        description="Every prompt as a trace (agent, steps, calls, sub-agents; GenAI semantic conventions), by\n"
        "OTLP over HTTP; with --follow also every one from then on. A span leaves when it has ended.",
        epilog=OTLP_EPILOG,
    )
    otlp.add_argument(
        "--endpoint",
        type=_endpoint,
        metavar="URL",
        help="where to, without /v1/traces (default: OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318)",
    )
    otlp.add_argument(
        "--header",
        type=_header,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a header of every request; may be repeated. Other users see it in the list of processes: "
        "OTEL_EXPORTER_OTLP_HEADERS they do not",
    )
    otlp.add_argument(
        "--follow", action="store_true", help="go on with what comes, and wait for a collector that is away"
    )
    otlp.add_argument(
        "--since",
        dest="begun",
        metavar="TIME",
        help="only traces that began since: 30m, 2h, 7d, 1w, today, 2026-01-31",
    )
    otlp.add_argument(
        "--cursor",
        metavar="FILE",
        type=_path,
        help="resume from and keep what the collector has acknowledged in this file",
    )
    written = otlp.add_mutually_exclusive_group()
    written.add_argument(
        "--payloads", action="store_true", help="with prompts, answers, reasoning, and what calls were given and gave"
    )
    written.add_argument(
        "--redact", action="store_true", help="without titles, directories and error messages, too (see export --help)"
    )

    doctor = commands.add_parser(
        "doctor",
        parents=[database],
        formatter_class=_Wrapped,
        help="what can be read, and how well",
        description="Says of each database what is in it and how it is read. Exit status 0 good, 1 degraded, "
        "2 no usable database.",
    )
    doctor.add_argument("--json", action="store_true", help="one JSON object")
    doctor.add_argument("--full", action="store_true", help="read every session row by row, however long it takes")
    doctor.add_argument(
        "--self",
        action="store_true",
        dest="own",
        help="say which files of this program's own are on this machine, what it reads, and what may be deleted",
    )
    return parser


def _path(words: str) -> object:
    # Not needed for --help, and with `typing`, which is not imported here either, a tenth of what that takes.
    from pathlib import Path

    return Path(words)


def _endpoint(words: str) -> str:
    from tui.commands.otlp.arguments import endpoint  # who does not send does not load it

    try:
        return endpoint(words)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{words!r} is no URL: write http://host:4318") from None


def _header(words: str) -> str:
    from tui.commands.otlp.arguments import header

    try:
        return header(words)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{words!r} is no header: write NAME=VALUE") from None


def _size(words: str) -> int:
    size = int(words)
    if size < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return size


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit status. A broken pipe and ctrl+c end quietly; an output that takes no more,
    a full disk say, is one line and exit 2."""
    if "_ARGCOMPLETE" in os.environ:
        gc.disable()  # it ends with the answer
        from tui.commands.completion import answer

        answer(build_parser())
    _occupy_streams()
    _escape_what_stdout_lacks()
    try:
        status = _run(argv)
        _flush()
        return status
    except BrokenPipeError:
        _let_go_of_stdout()
        return OK
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        _let_go_of_stdout()
        from tui.files import problem

        return _complain(problem(error))


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit:
        _flush()  # --help and --version print, too
        raise
    arguments.db = getattr(arguments, "db", None) or []
    arguments.no_watch = getattr(arguments, "no_watch", False)
    arguments.via = getattr(arguments, "via", None) or []
    arguments.host = getattr(arguments, "host", None) or []
    if arguments.command is None:
        return _run_app(arguments)
    # What is imported stays: looking through it 100 times for garbage was a tenth of a start.
    gc.disable()
    with Importing():
        from tui.commands.run import run

    # And events, rows and texts are made by the hundred thousand, without cycles.
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    gc.enable()
    return run(arguments)


def _occupy_streams() -> None:
    """Where the shell has closed stdin, stdout or stderr (`>&-`), the next file that is opened would get its number,
    and what a library writes to stderr would end up in that file."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(descriptor)


def _escape_what_stdout_lacks() -> None:
    """Where the output is not UTF-8, a character that it does not have is written as `\\u2026`: a title must not end a
    listing."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _let_go_of_stdout() -> None:
    """Python flushes stdout once more at exit; gives it something that still takes bytes."""
    if sys.stdout is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _run_app(arguments: argparse.Namespace) -> int:
    if (arguments.keys or arguments.print_completion) and sys.stdout is None:
        return _complain("stdout is closed")
    if arguments.print_completion:
        from tui.commands.completion import script

        print(script(arguments.print_completion), end="")
        return OK
    if sys.platform == "win32":
        return _complain(ON_WINDOWS)
    if arguments.keys:
        from tui.start import keys

        print(keys(), end="")
        return OK
    if arguments.demo and (arguments.db or arguments.via or arguments.host):
        return _complain("--demo plays its own database; leave out --db, --via and --host")
    if not all(stream is not None and stream.isatty() for stream in (sys.stdout, sys.stdin)):
        return _complain("the screen needs a terminal; see --help for commands that do not")
    if sys.stderr is None or not sys.stderr.isatty():
        return _complain("the screen is drawn on stderr, which is no terminal here: leave the redirection away")
    from tui.terminal.terminals import refusal

    if words := refusal(os.environ):
        return _complain(words)
    gc.disable()
    with Importing():
        from tui.start import run

    try:
        return run(
            arguments.db,
            via=arguments.via,
            hosts=arguments.host,
            demo=arguments.demo,
            demo_speed=arguments.demo_speed,
            watch=not arguments.no_watch,
            notify=arguments.notify,
            choices={"theme": arguments.theme or "", "glyphs": arguments.glyphs, "mouse": arguments.mouse},
        )
    except ValueError as error:
        return _complain(str(error))


def _complain(words: str) -> int:
    from tui.commands.remarks import complain

    return complain(words)
