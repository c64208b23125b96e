"""What the user folded and unfolded, and what opens by itself.

Memory is by node, not by row: a child session keeps its fold when the call that started it appears and takes over its
row. Levels say how much of the steps is shown: 0 nothing, 1 their tool calls, 2 reasoning, text and compaction too.
"""

from __future__ import annotations

from tui.model.records import Key

TOOLS, EVERYTHING = 1, 2


class Folds:
    """Choices of the user. Nodes without one follow the defaults in `layout.py`; `headings` are the folded ones. With
    `tops_open` a top-level session opens by itself while something goes on in it."""

    def __init__(self) -> None:
        self.tops_open = True
        self.chosen: dict[Key, bool] = {}
        self.levels: dict[Key, int] = {}
        self.kept_open: set[tuple[str, str]] = set()
        self.headings: set[str] = set()
        self.held: set[Key] = set()
        """Prompts that the cursor is in: what somebody reads does not fold by itself."""

    def is_open(self, key: Key, default: bool) -> bool:
        """Whether a session or prompt shows what is below it."""
        return self.chosen.get(key, default)

    def level(self, key: Key, inherited: int) -> int:
        """How much of the steps below a node is shown."""
        return self.levels.get(key, inherited)

    def choose(self, key: Key, is_open: bool) -> None:
        """Remembers a fold of a session or prompt."""
        self.chosen[key] = is_open

    def fold_heading(self, group: str, is_folded: bool) -> bool:
        """Remembers whether a heading shows only itself; True when that is a change."""
        if is_folded == (group in self.headings):
            return False
        (self.headings.add if is_folded else self.headings.discard)(group)
        return True

    def set_level(self, key: Key, level: int, below: list[Key]) -> None:
        """Remembers a level; what was chosen for the nodes `below` no longer holds."""
        self.levels[key] = max(0, min(EVERYTHING, level))
        for other in below:
            self.chosen.pop(other, None)
            self.levels.pop(other, None)

    def forget(self, source: str, session_id: str) -> None:
        """Drops the choices of a session that is gone."""
        self.kept_open.discard((source, session_id))
        for memory in (self.chosen, self.levels):
            for key in [key for key in memory if key.source == source and key.session_id == session_id]:
                del memory[key]
