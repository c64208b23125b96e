"""What may reach a terminal: judges the bytes that were sent to one."""

from __future__ import annotations

import base64
import re

MARK = "7777"
"""A parameter that nobody but a strange text puts into a control sequence."""
_SENT = re.compile(
    r"(?P<csi>\x1b\[[0-?]*[ -/]*[@-~])"
    r"|(?P<osc>(?:\x07(?=\x1b\]9;))?\x1b\][^\x07\x1b]*(?:\x07|\x1b\\))"
    r"|(?P<other>\x1bP[^\x1b]*\x1b\\|\x1b[^\[\]P])"
)
_DRAWING = re.compile(r"\x1b\[(?:[0-9;]*m|[0-9;]*H|\?[0-9;]+[hl]|[<>=]?[0-9]*u|\?[0-9]+\$p|[0-9]+;0t|2J)")
"""Colours, places, modes, questions to the terminal, the keeping of the title; clearing when the screen is taken."""
_TITLE = re.compile(r"\x1b\]2;(?:[?●][0-9]+ )*(?:opencode-viewer)?\x07")
_NOTICE = re.compile(r"\x07\x1b\]9;opencode-viewer: [^\x00-\x1f\x7f-\x9f]*\x07")
_POINTER = re.compile(r"\x1b\]22;[a-z]*\x07")
_CLIPBOARD = re.compile(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07")
_HARMFUL = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ud800-\udfff\U000e0000-\U000e0fff]"
)


def judge(sent: str) -> str:
    """Checks every sequence that was sent, and returns the words between them, checked, too."""
    clean = []
    at = 0
    for found in _SENT.finditer(sent):
        clean.append(sent[at : found.start()])
        at = found.end()
        sequence = found[0]
        assert not re.match(rf"\x1b\[[0-?]*{MARK}", sequence), f"the text's own sequence: {sequence!r}"
        if found["csi"]:
            assert _DRAWING.fullmatch(sequence), f"a sequence of no use: {sequence!r}"
        elif clipboard := _CLIPBOARD.fullmatch(sequence):
            words = base64.b64decode(clipboard[1]).decode()
            assert not _HARMFUL.search(words), f"harm for the clipboard: {words!r}"
        else:
            known = any(pattern.fullmatch(sequence) for pattern in (_TITLE, _NOTICE, _POINTER))
            assert known, f"a sequence of no use: {sequence!r}"
    words = "".join([*clean, sent[at:]])
    harm = _HARMFUL.search(words)
    assert harm is None, f"{harm[0]!r} in {words[max(0, harm.start() - 60) : harm.end() + 60]!r}"
    return words
