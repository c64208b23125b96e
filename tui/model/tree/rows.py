"""The visible rows: one list over all trees, kept up to date at the cost of what changed.

Every top-level session has a block of rows; the blocks are in order, and their running lengths turn a place in the list
into a block by bisection. A change lays out the blocks it touches and moves those whose place changed. Where the trees
stand in bands or project by project, a heading of one row stands before each group.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Mapping
from itertools import accumulate

from tui.model.records import ChangeSet, Key, Row, Session, SessionKey, op_id
from tui.model.status.bands import Need, by_tree, need_of
from tui.model.status.state import State, is_open, own_state
from tui.model.status.thresholds import MINUTE, SECOND
from tui.model.store.store import Store
from tui.model.sums.rollup import subtree
from tui.model.tree.block import Block
from tui.model.tree.folds import EVERYTHING, TOOLS, Folds
from tui.model.tree.headings import Headings, heading, heading_key, is_heading, with_headings
from tui.model.tree.layout import fold_key, lay_out, parent_key, row_key, shown_ops, shown_session
from tui.model.tree.seek import focus
from tui.model.tree.sorting import Arrangement, Place
from tui.model.tree.sorting import place as place_of

MANY = 50
"""Places that are moved one by one; beyond that sorting the whole list is cheaper."""
FEW = 0.4
"""Share of the trees up to which to sort those that are kept is cheaper than to look for them among all."""


class VisibleRows:
    """The list that the tree widget draws. `laid_out` counts the blocks laid out so far, `made` the rows made for them,
    so that a test can hold an update to its cost.

    `arrangement` says in which order the trees stand, `headings` what stands before each group; its `changed` is
    emptied by every `update`. `needs` says what each live session needs itself, as of the last `update`. `news` are the
    trees that have ended and that nobody has looked at since, to be set before an `update`.
    """

    def __init__(self, store: Store, folds: Folds | None = None) -> None:
        self.store = store
        self.folds = folds if folds is not None else Folds()
        self.arrangement = Arrangement()
        self.headings = Headings(store)
        self.needs: dict[SessionKey, Need] = {}
        self.news: frozenset[SessionKey] = frozenset()
        self._old_news: frozenset[SessionKey] = frozenset()
        self.laid_out = 0
        self.made = 0
        self._new = True
        self._second = -1
        self._open: set[SessionKey] = set()
        self._over: set[SessionKey] = set()
        self._aged: set[SessionKey] = set()
        """The sessions of which time alone could change the state when it was asked last which rows it did."""
        self._live: dict[SessionKey, State] = {}
        self._trees: dict[SessionKey, Need] = {}
        self._above_live: set[SessionKey] = set()
        self._blocks: dict[SessionKey, Block] = {}
        self._long: set[SessionKey] = set()
        self._order: list[Place] = []
        self._kept: Collection[SessionKey] | None = None
        self._listed: list[Place] = []
        self._shown: list[Place] = []
        self._ends: list[int] = []

    # -- reading ------------------------------------------------------------------------------------------------

    @property
    def live(self) -> Mapping[SessionKey, State]:
        """The sessions that do something themselves, or wait for a person, with their states as of the last `update`.
        One that only waits for its sub-agents is not among them; they are."""
        return self._live

    @property
    def open_sources(self) -> set[str]:
        """The sources in which a session has not come to its end by its rows."""
        return {source for source, _ in self._open}

    @property
    def anything_open(self) -> bool:
        """Whether time alone may change what a session is said to do."""
        return len(self._open) > len(self._over)

    def is_live_tree(self, top: Session) -> bool:
        """Whether something goes on in a session or below it."""
        return top.key in self._above_live

    def aged(self, keys: Iterable[Key], since_us: int, now_us: int) -> set[Key]:
        """Those of the nodes that time alone has made look different since it was asked last: all of a tree in which
        something is open, and sessions that are older by a second, or from a minute on by a minute."""
        store, links = self.store, self.store.links
        still_open = self._open - self._over
        tops = {links.top(key) for key in still_open | self._aged if key in store.sessions}
        self._aged = still_open
        found: set[Key] = set()
        for key in keys:
            session = store.session_of(key)
            if session is None:
                continue
            if links.top(session.key) in tops:
                found.add(key)
            elif key.kind == "session":
                last_us = subtree(store, session).last_ts
                period = SECOND if since_us - last_us < MINUTE else MINUTE
                if (since_us - last_us) // period != (now_us - last_us) // period:
                    found.add(key)
        return found

    @property
    def total(self) -> int:
        """All top-level sessions, those that a filter hides too."""
        return len(self._blocks)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def row(self, i: int) -> Row:
        """The row at a place in the list; IndexError outside of it."""
        if not 0 <= i < len(self):
            raise IndexError(i)
        at = bisect_right(self._ends, i)
        place = self._shown[at]
        if is_heading(place):
            return Row(heading_key(place[0]), 0, "closed" if place[0] in self.folds.headings else "open")
        rows = self._blocks[place[-1]].rows
        row = rows[i - self._ends[at] + len(rows)]
        return Row(row.key, row.depth + 1, row.fold) if self.arrangement.grouping == "projects" else row

    def first_session(self) -> int:
        """The place of the first row that is no heading; 0 where there is none."""
        return 1 if self._shown and is_heading(self._shown[0]) and len(self) > 1 else 0

    def index_of(self, key: Key) -> int | None:
        """The place of the row that shows a node, None while it is folded away or gone. A called session is shown by
        its call, a `session` op by the `tool` op of its part."""
        if key.kind == "heading":
            at = bisect_left(self._shown, heading(key.id))
            found = at < len(self._shown) and self._shown[at] == heading(key.id)
            return self._ends[at] - 1 if found else None
        session = self.store.session_of(key)
        if session is None:
            return None
        if key.kind == "session":
            key = row_key(self.store, session)
            session = self.store.sessions[key.owner]
        elif key.kind == "op":
            tool = key._replace(id=op_id(key.id.rpartition(":")[0], "tool"))
            key = tool if self.store.op(tool) is not None else key
        top = self.store.top_of(session)
        block = self._blocks.get(top.key)
        if block is None or not self._keeps(top.key) or block.place[0] in self.folds.headings:
            return None
        if block.index is None:
            block.index = {row.key: i for i, row in enumerate(block.rows)}
        inside = block.index.get(key)
        if inside is None:
            return None
        return self._ends[bisect_left(self._shown, block.place)] - len(block.rows) + inside

    def tops(self) -> list[SessionKey]:
        """The top-level sessions in the order of the list, those of folded projects too."""
        return [place[-1] for place in self._listed]

    def open_tops(self) -> list[SessionKey]:
        """The top-level sessions that show what is below them."""
        return [place[-1] for place in self._listed if self._blocks[place[-1]].rows[0].fold == "open"]

    def parent(self, key: Key) -> Key | None:
        """The key of the row above in the tree, that of the heading for a top-level session; None at the top."""
        return parent_key(self.store, key) or self.heading_of(key)

    def heading_of(self, key: Key) -> Key | None:
        """The heading that a node stands under; None for a heading, and where there are none."""
        session = self.store.session_of(key)
        if session is None or self.arrangement.grouping == "plain":
            return None
        block = self._blocks.get(self.store.links.top(session.key))
        return heading_key(block.place[0]) if block is not None else None

    def newest_running(self) -> Key | None:
        """The visible row of what began last among all that is going on: where follow mode looks."""
        shown = [key for key in self._live if self._keeps(self.store.links.top(key))]
        if not shown:
            return None
        newest = max(shown, key=lambda key: (self._live[key].since, key))
        key: Key | None = focus(self.store.sessions[newest])
        while key is not None and self.index_of(key) is None:
            key = self.parent(key)
        return key

    def wants_load(self, key: Key) -> bool:
        """True when what is below the row has to be loaded before it can be shown."""
        session = shown_session(self.store, key) if key.kind in ("session", "op") else None
        return session is not None and not session.loaded

    # -- keeping up ---------------------------------------------------------------------------------------------

    def update(self, changes: ChangeSet, now_us: int) -> bool:
        """Takes in changes of the store and the passing of time. True when the list of rows is another one."""
        self.headings.changed = set()
        roots = set(changes.roots)
        touched = {key.owner for key in changes.dirty if key.kind == "session"}
        if self._new:
            self._new = False
            roots.update(self.store.tops())
            touched.update(self.store.sessions)
        for key in touched:
            session = self.store.sessions.get(key)
            if session is None:
                self.folds.forget(*key)
            if session is not None and is_open(session):
                self._open.add(key)
            else:
                self._open.discard(key)
        for node in changes.dirty:
            if node.kind == "turn":
                self._drop_segment(node)
        roots |= self._update_live(touched, now_us)
        moved = {self.store.links.top(key) for key in touched if key in self.store.sessions}
        moved |= {key for key in self.news ^ self._old_news if self.store.is_top(key)}
        self._old_news = self.news
        moved -= roots
        different = self._lay_out(roots, moved)
        self._count_busy()
        return different

    def _count_busy(self) -> None:
        """Tells the headings what goes on; live sessions are few."""
        if self.arrangement.grouping != "plain":
            # A filter may be set anew between a change of the store and our own: then a tree can be gone already.
            kept = ((self._blocks.get(top), need) for top, need in self._trees.items() if self._keeps(top))
            self.headings.count((block.place, need) for block, need in kept if block is not None)

    def _update_live(self, touched: set[SessionKey], now_us: int) -> set[SessionKey]:
        """Asks the changed open sessions what they do, and all of them once a second because time alone can change it.
        Returns the tops of the trees in which something became live or ceased to be."""
        second = now_us // SECOND
        if second < self._second:
            # The clock was set back: what is over may not be.
            self._over.clear()
        self._over &= self._open
        # Nothing but a change brings an orphan back, and a database may have hundreds.
        asked = self._open - (self._over - touched) if second != self._second else self._open & touched
        self._second = second
        for key in [key for key in self._live if key not in self._open]:
            del self._live[key]
            self.needs.pop(key, None)
        for key in asked:
            session = self.store.sessions[key]
            state = own_state(self.store, session, now_us)
            (self._over.add if state is not None and state.name == "orphaned" else self._over.discard)(key)
            need = need_of(session, state)
            if state is not None and need is not None:
                self._live[key] = state
                self.needs[key] = need
            else:
                self._live.pop(key, None)
                self.needs.pop(key, None)
        before, self._trees = self._trees, by_tree(self.store, self.needs)
        above: set[SessionKey] = set()
        for key in self._live:
            for current in (key, *self.store.links.above(key)):
                if current in above:
                    break
                above.add(current)
        different = above ^ self._above_live
        self._above_live = above
        # What opened because it was live stays open when it ends: nobody wants the answer folded away while reading it.
        self.folds.kept_open.update(key for key in different & above if self.store.is_top(key))
        tops = {self.store.links.top(key) for key in different if key in self.store.sessions}
        return tops | {key for key, _ in before.items() ^ self._trees.items() if key in self.store.sessions}

    def _lay_out(self, roots: set[SessionKey], moved: set[SessionKey]) -> bool:
        """Lays out the trees of `roots`, and puts those of `moved` in their place."""
        grown: dict[SessionKey, int] = {}
        out: list[Place] = []
        new: list[Place] = []
        for key in roots | moved:
            block = self._blocks.get(key)
            if not self.store.is_top(key):
                if block is not None:
                    del self._blocks[key]
                    self._long.discard(key)
                    out.append(block.place)
                    self.headings.drop(key)
                continue
            top = self.store.sessions[key]
            place = place_of(self.store, top, self._trees.get(key), self.arrangement, is_news=key in self.news)
            if block is None or key in roots:
                if block is None:
                    block = self._blocks[key] = Block(place)
                    new.append(place)
                layout = lay_out(self.store, top, self.folds, self._above_live, block.segments)
                self.laid_out += 1
                self.made += layout.made
                block.segments = layout.segments
                before = len(block.rows)
                if block.replace(layout.rows):
                    grown[key] = len(block.rows) - before
                    (self._long.add if len(block.rows) > 1 else self._long.discard)(key)
            if block.place != place:
                out.append(block.place)
                new.append(place)
                block.place = place
            if place[0] and self._keeps(key):
                self.headings.put(key, place[0])
        if out or new:
            self._reorder(out, new)
            self._list()
            return True
        folded = self.folds.headings
        shown = {
            key: more for key, more in grown.items() if self._keeps(key) and self._blocks[key].place[0] not in folded
        }
        for key, more in shown.items():
            if more:
                at = bisect_left(self._shown, self._blocks[key].place)
                self._ends[at:] = [end + more for end in self._ends[at:]]
        return bool(shown)

    def keep(self, kept: Collection[SessionKey] | None) -> bool:
        """Shows only these trees, all of them for None. True when the list is another one, or what is folded away."""
        before = self._shown, self._listed
        # One more letter of a filter leaves some of the trees that the letters before have left, in their order.
        left = [place for place in self._listed if place[-1] in kept] if kept is not None else []
        self._kept = kept
        self.headings.forget()
        self._list(left if kept is not None and len(left) == len(kept) else None)
        self._count_busy()
        return (self._shown, self._listed) != before

    def arrange(self, arrangement: Arrangement) -> None:
        """Puts the trees into another order, or into other groups."""
        self.arrangement = arrangement
        for key, block in self._blocks.items():
            need, top = self._trees.get(key), self.store.sessions[key]
            block.place = place_of(self.store, top, need, arrangement, is_news=key in self.news)
        self.folds.tops_open = arrangement.grouping != "bands"
        self._lay_out(self._trees.keys() | self._blocks.keys() & self.folds.kept_open, set())
        self._order = sorted(block.place for block in self._blocks.values())
        self.headings.forget()
        self._list()
        self._count_busy()

    def _keeps(self, top: SessionKey) -> bool:
        return self._kept is None or top in self._kept

    def _list(self, listed: list[Place] | None = None) -> None:
        """Lists the trees that are kept, or where that is known already the places of those."""
        kept, blocks = self._kept, self._blocks
        if listed is not None:
            self._listed = listed
        elif kept is not None and len(kept) < len(self._order) * FEW:
            self._listed = sorted(block.place for key in kept if (block := blocks.get(key)) is not None)
        else:
            self._listed = self._order if kept is None else [place for place in self._order if place[-1] in kept]
        self.headings.list(self._listed)
        plain, folded = self.arrangement.grouping == "plain", self.folds.headings
        self._shown = self._listed if plain else with_headings(self._listed, folded)
        # To ask thousands of trees how many rows they have cost more than all else that a letter of a filter does.
        lengths = [1] * len(self._shown)
        for key in self._long:
            block = blocks[key]
            if self._keeps(key) and block.place[0] not in folded:
                lengths[bisect_left(self._shown, block.place)] = len(block.rows)
        self._ends = list(accumulate(lengths))

    def _drop_segment(self, turn: Key) -> None:
        """The rows of a turn that changed have to be made again."""
        session = self.store.sessions.get(turn.owner)
        if session is not None:
            top = self.store.top_of(session)
            block = self._blocks.get(top.key)
            if block is not None:
                block.segments.pop(turn, None)

    def _reorder(self, out: list[Place], new: list[Place]) -> None:
        if len(out) + len(new) > MANY:
            self._order = sorted(block.place for block in self._blocks.values())
            return
        for place in out:
            del self._order[bisect_left(self._order, place)]
        for place in new:
            insort(self._order, place)

    # -- folding ------------------------------------------------------------------------------------------------

    def toggle(self, key: Key) -> bool:
        """Opens a closed row and closes an open one. True when the list changed."""
        i = self.index_of(key)
        return self.close(key) if i is not None and self.row(i).fold == "open" else self.open(key)

    def open(self, key: Key) -> bool:
        """Shows what is below a row; of a turn that shows its calls already, the rest. True when the list changed."""
        turn = self.store.turn(key)
        if turn is not None:
            more = self.level_of(key) < TOOLS and shown_ops(turn, TOOLS)
            return self.set_level(key, TOOLS if more else EVERYTHING)
        return self._choose(key, True)

    def close(self, key: Key) -> bool:
        """Hides what is below a row. True when the list changed."""
        if key.kind == "turn":
            return self.set_level(key, 0)
        return self._choose(key, False)

    def set_level(self, key: Key, n: int) -> bool:
        """Shows of the steps below a row nothing (0: a session shows its prompts), their calls (1) or everything (2).
        Choices made below it give way. True when the list changed."""
        own = fold_key(self.store, key)
        if own.kind == "session":
            self.folds.choose(own, True)
        self.folds.set_level(own, n, self._remembered_below(own))
        return self.lay_out_tree_of(key)

    def _choose(self, key: Key, is_open: bool) -> bool:
        if key.kind == "heading":
            changed = self.folds.fold_heading(key.id, not is_open)
            if changed:
                self._list()
            return changed
        own = fold_key(self.store, key)
        if own.kind == "op":
            return False
        self.folds.choose(own, is_open)
        return self.lay_out_tree_of(key)

    def fold_headings(self) -> bool:
        """Folds all headings, or opens them where all are folded; True when they are folded now."""
        groups = {place[0] for place in self._listed}
        fold = not groups <= self.folds.headings
        for group in groups:
            self.folds.fold_heading(group, fold)
        self._list()
        return fold

    def lay_out_tree_of(self, key: Key) -> bool:
        """Lays the tree of a node out again after its folds were changed. True when the list changed."""
        session = self.store.session_of(key)
        if session is None:
            return False
        return self._lay_out({self.store.links.top(session.key)}, set())

    def _remembered_below(self, key: Key) -> list[Key]:
        memory = self.folds.chosen.keys() | self.folds.levels.keys()
        inside = [other for other in memory if other[:1] == key[:1] and other.session_id == key.session_id]
        if key.kind == "session":
            return [other for other in inside if other != key]
        if key.kind == "prompt":
            return [other for other in inside if parent_key(self.store, other) == key]
        return []

    def level_of(self, key: Key, default: int = TOOLS) -> int:
        """The level at which a turn or session is shown: its own, else that of the nearest row above with one."""
        current: Key | None = key
        while current is not None:
            level = self.folds.levels.get(fold_key(self.store, current))
            if level is not None:
                return level
            current = parent_key(self.store, current)
        return default
