"""Fuzzing by coverage of everything that reads untrusted bytes: decoders, mapping of both families, sanitising.

Needs atheris, which is no dependency of the tests (CI runs the properties of `test_mapping_robust.py` instead):

    pip install atheris && python -m tests.fuzz --seeds DIR      writes the rows of the corpus as seeds
    python -m tests.fuzz DIR -max_total_time=600                 libFuzzer's own options
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["adapter", "tui"]):
    import msgspec

    from adapter.contract import BadReference
    from adapter.events import AnyEvent, Event
    from adapter.follow.tracked import START, map_row
    from adapter.opencode.rows import RawRow, session_row
    from adapter.opencode.schema import SESSION_COLUMNS
    from adapter.opencode.sessions import map_session
    from adapter.opencode.storage import MessageRow
    from adapter.opencode.v1.mapping import order_parts
    from adapter.opencode.v1.ops import PartRow
    from adapter.opencode.v1.rows import decode_message, decode_part
    from adapter.opencode.v2.rows import SHAPES, decode_session_message
    from adapter.references import parse, places
    from tui.text import sanitize

CORPUS = Path(__file__).parent / "corpus"
ROW = re.compile(r"'(\{\".*?\})'(?=[,)])")
ENCODER = msgspec.json.Encoder()
DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(AnyEvent)
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def travels(events: list[Event]) -> None:
    """Every event becomes a line and comes back."""
    for event in events:
        assert type(DECODER.decode(ENCODER.encode(event))) is type(event)


def row(name: str = "msg_1") -> RawRow:
    """The columns of a row."""
    return RawRow(name, "msg_1", "ses_1", 1, 2)


def one(data: bytes) -> None:
    """Takes one input: its first byte says whom it is for, zero bytes part the rows."""
    if not data:
        return
    target, rest = data[0] % 4, data[1:]
    text = rest.decode("utf-8", "surrogateescape")
    if target == 0:
        head, *others = rest.split(b"\0")
        parts = [PartRow(row(f"prt_{n}"), decode_part(piece)) for n, piece in enumerate(others)]
        item = MessageRow(row(), decode_message(head), order_parts(parts))
        for group in map_row("s", item, START).groups.values():
            travels(group)
    elif target == 1:
        kinds = sorted(SHAPES)
        kind = kinds[rest[0] % len(kinds)] if rest else ""
        item = MessageRow(row(), decode_session_message(kind, rest[1:]), [], 1)
        for group in map_row("s", item, START).groups.values():
            travels(group)
    elif target == 2:
        assert not FORBIDDEN.search(sanitize.label(text))
        assert not FORBIDDEN.search(sanitize.line(text))
        for line in sanitize.lines(text):
            assert not FORBIDDEN.search(line)
        try:
            places(parse(text))
        except BadReference:
            pass
    else:
        columns = (*rest.split(b"\0"), *[None] * len(SESSION_COLUMNS))[: len(SESSION_COLUMNS)]
        travels(map_session("s", session_row(columns), "ses_1", None))


def write_seeds(directory: Path) -> None:
    """A file for each different row of the corpus, for both families."""
    directory.mkdir(parents=True, exist_ok=True)
    found = {text.replace("''", "'") for dump in CORPUS.rglob("*.sql") for text in ROW.findall(dump.read_text())}
    for number, text in enumerate(sorted(found, key=len)[:4000]):
        part = b'\0{"role":"assistant"}\0' + text.encode()
        kind = b"\x01" + bytes([number % len(SHAPES)]) + text.encode()
        for name, data in (("message", b"\0" + text.encode()), ("part", part), ("v2", kind)):
            (directory / f"{name}{number}").write_bytes(data)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--seeds"]:
        write_seeds(Path(sys.argv[2]))
    else:
        atheris.Setup(sys.argv, one)
        atheris.Fuzz()
