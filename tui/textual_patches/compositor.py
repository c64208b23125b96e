"""What of the screen is asked for when a part of it is drawn anew, and what the terminal is sent of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS, Console
from textual._compositor import ChopsUpdate, Compositor, CompositorMap
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip

from tui.textual_patches import stock
from tui.textual_patches.pen import Pen


class ShortUpdate(ChopsUpdate):
    """Says in few bytes what has changed: the pieces of lines that Textual would send, written with one pen."""

    def render_segments(self, console: Console) -> str:
        # As Textual's own: colours as they are where the terminal has not said how many it has.
        pen = Pen(COLOR_SYSTEMS.get(console.color_system or "", ColorSystem.TRUECOLOR))
        pieces: list[str] = []
        for y, left, right in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= right or end <= left:
                    continue
                # Each piece says where it stands: terminals do not agree on how wide some characters are.
                pieces.append(f"\x1b[{y + 1};{x + 1}H")
                pieces.append(pen.write(strip if end <= right else strip.crop(0, right - x)))
        return "".join(pieces) + pen.lift()


class SparseCompositor(Compositor):
    """Asks a widget for the lines of it that changed and are in sight, and widgets without any for none.

    Textual's own asks every widget within the rectangle around all changes for all of its lines, what is covered, too,
    which is all of what only holds others. Two rows of the tree and the line below it are most of the screen.
    """

    def __init__(self) -> None:
        super().__init__()
        self._changed: list[Region] | None = None

    @property
    def full_map(self) -> CompositorMap:
        """The places of all widgets, laid out when they are not known.

        Where lines are cut goes with the old ones: Textual 8.2.8 keeps the cuts, and a widget that is new in the
        map (the filter's line, when something is painted before the layout) was then drawn as wide as the screen behind
        its left edge, over the end of the line.
        """
        laid_out = self._full_map_invalidated
        places = super().full_map
        if laid_out:
            self._cuts = None
        return places

    def render_partial_update(self) -> ChopsUpdate | None:
        self._changed = list(self._dirty_regions) if stock.on("regions") else None
        try:
            update = super().render_partial_update()
        finally:
            self._changed = None
        if update is None or not stock.on("pen"):
            return update
        return ShortUpdate(update.chops, update.spans, update.chop_ends)

    def _get_renders(self, crop: Region | None = None) -> Iterable[tuple[Region, Region, list[Strip]]]:
        if self._changed is None:
            yield from super()._get_renders(crop)
            return
        changed = self._changed
        # From the foremost to the one behind all.
        for widget, (region, clip) in self.visible_widgets.items():
            seen = region.intersection(clip)
            parts = [part for part in changed if seen.overlaps(part)]
            if not parts:
                continue
            for top, bottom in _runs(seen.intersection(part) for part in parts):
                # As wide as the widget, because the cuts between widgets are where its strips are divided.
                band = Region(seen.x, top, seen.width, bottom - top)
                yield region, band, widget.render_lines(band.translate((-region.x, -region.y)))
            changed = [part for part in changed if not seen.contains_region(part)]


class SparseScreen(Screen[None]):
    """A screen that is put together by a SparseCompositor."""

    def __init__(self) -> None:
        super().__init__()
        self._compositor = SparseCompositor()


def _runs(regions: Iterable[Region]) -> Iterator[tuple[int, int]]:
    """The first line, and the one behind the last, of each row of lines without a gap."""
    top = bottom = -1
    for first, behind in sorted((region.y, region.bottom) for region in regions):
        if first > bottom:
            if bottom > top:
                yield top, bottom
            top, bottom = first, behind
        else:
            bottom = max(bottom, behind)
    if bottom > top:
        yield top, bottom
