"""A unified diff in colours, with the words that differ marked inside a pair of changed lines."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache

from tui.render.lines import Line, marked
from tui.render.text.document import Document, Range
from tui.text.raw_lines import FEED

PAIR_LIMIT = 600
"""Longest line, in characters, that is compared word by word."""
RUN_LIMIT = 100
"""Longest run of removed or added lines in which a line's counterpart is looked for."""
ALIKE = 0.4
"""Share of equal words from which two lines are one line that was changed, and not two different ones."""

_HEADERS = ("diff ", "Index: ", "====", "rename ", "new file", "deleted file", "index ", "similarity ")
_WORDS = re.compile(r"\w+|\s+|.")


class Diff(Document):
    """A unified diff, as opencode and git write it: a line is what ends with a feed, whatever else stands in it."""

    ends = FEED

    def line(self, index: int) -> Line:
        text = self.lines[index]
        role = self._role(index)
        if role not in ("added", "removed"):
            return [(text, role)]
        partner = self._partner(index, role)
        if partner is None:
            return [(text, role)]
        other = self.lines[partner]
        old, new = (text, other) if role == "removed" else (other, text)
        if max(len(old), len(new)) > PAIR_LIMIT:
            return [(text, role)]
        changed = changed_words(old[1:], new[1:])[role == "added"]
        return marked([(text, role)], [(start + 1, stop + 1) for start, stop in changed], f"{role}-word")

    def hanging(self, index: int) -> int:
        # Behind the column of the signs, or a broken line would look like one more of the file.
        return 2

    def _role(self, index: int) -> str:
        raw = self.lines.raw
        text = raw[index]
        if text.startswith("--- ") and index + 1 < len(raw) and raw[index + 1].startswith("+++ "):
            return "strong"
        if text.startswith("+++ ") and index and raw[index - 1].startswith("--- "):
            return "strong"
        if text.startswith(_HEADERS):
            return "strong"
        if text.startswith("@@"):
            return "accent"
        return {"+": "added", "-": "removed", "\\": "dim"}.get(text[:1], "text")

    def _partner(self, index: int, role: str) -> int | None:
        """The line at the same place of the other half of a change: removed lines first, as many added ones behind."""
        first = self._edge(index, role, -1)
        last = self._edge(index, role, 1)
        length = last - first + 1
        if role == "removed":
            other_first, other_last = last + 1, self._edge(last, "added", 1)
        else:
            other_first, other_last = self._edge(first, "removed", -1), first - 1
        if other_last - other_first + 1 != length:
            return None
        return other_first + index - first

    def _edge(self, index: int, role: str, step: int) -> int:
        """The last line of the run of a role that `index` is in or next to."""
        for _ in range(RUN_LIMIT):
            at = index + step
            if not 0 <= at < len(self.lines) or self._role(at) != role:
                break
            index = at
        return index


@lru_cache(maxsize=1024)
def changed_words(old: str, new: str) -> tuple[list[Range], list[Range]]:
    """Which characters of two lines differ, by words; nothing when the lines have too little in common."""
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    if matcher.quick_ratio() < ALIKE or matcher.ratio() < ALIKE:
        return [], []
    gone: list[Range] = []
    come: list[Range] = []
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            continue
        if b > a:
            gone.append((len("".join(before[:a])), len("".join(before[:b]))))
        if d > c:
            come.append((len("".join(after[:c])), len("".join(after[:d]))))
    return gone, come
