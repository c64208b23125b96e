"""The timeline of a session as a picture (SVG) in the HTML document: no script, nothing loaded, the document's colours.

Each bar has a title, which a browser shows under the pointer and a screen reader says. Every text in it is made
harmless and escaped by `_text`, and is left out where the document is redacted.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from tui.commands.export.texts import Texts
from tui.model.records import Op, Prompt, Session, Turn, session_key
from tui.model.store.store import Store
from tui.model.timeline.axis import Axis
from tui.model.timeline.bars import Run
from tui.model.timeline.lines import Line, Timeline, Timelines
from tui.model.tree.names import prompt_name, prompt_words, step_name
from tui.render.timeline.bars import FILLS, ticks, tool_name, whole, words
from tui.text import sanitize
from tui.text.moments import duration, utc

MOST = 300
"""Lines of the picture; of a longer timeline it has the first ones, and says how many there are."""
WIDTH, NAMES, BARS = 960, 250, 470
"""Width of the picture, of the column of names and of that of the bars, in its own units."""
STEP, HEAD = 18, 22
"""Height of a line, and of the axis."""
THIN = 1.5
"""Width of the shortest bar."""
NAME_CELLS, WORDS_CELLS = 34, 34
"""Characters of a name and of the words beside a bar."""

STYLE = """
.timeline { overflow-x: auto; margin: 1rem 0; } .timeline svg { width: 100%; min-width: 44rem; height: auto; }
.timeline text { font: 12px system-ui, sans-serif; fill: var(--fg); } .timeline .quiet { fill: var(--dim); }
.timeline .bad { fill: var(--del); } .timeline .axis { stroke: var(--line); }
.timeline .model { fill: var(--hunk); opacity: .55; } .timeline .tool { fill: var(--call); }
.timeline .agent, .timeline .person, .timeline .retry { fill: var(--dim); opacity: .35; }
.timeline .failed { fill: var(--del); opacity: 1; } .timeline .around { fill: var(--line); }
"""
"""What the document's style sheet has for it."""


def picture(store: Store, session: Session, texts: Texts, now_us: int) -> str:
    """The timeline of a session as a figure; "" where nothing has happened in it."""
    made = Timelines(store).of(session_key(session), now_us, {})
    if made is None or not made.lines:
        return ""
    return _Drawing(store, made, texts).figure()


class _Drawing:
    def __init__(self, store: Store, made: Timeline, texts: Texts) -> None:
        self.store = store
        self.made = made
        self.texts = texts
        self.lines = made.lines[:MOST]

    def figure(self) -> str:
        """Axis, lines and what the colours mean."""
        height = HEAD + STEP * len(self.lines) + 4
        body = "".join([*self._axis(height), *(self._line(at, line) for at, line in enumerate(self.lines))])
        about = f"Timeline, began {utc(self.made.axis.first)}"
        left_out = len(self.made.lines) - len(self.lines)
        more = f"; {left_out:,} more lines are not drawn" if left_out else ""
        return (
            f'<figure class="timeline"><svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{_text(about)}">\n'
            f"<title>{_text(about)}</title>\n{body}</svg>\n"
            f'<figcaption class="facts">{_text(about + self._legend() + more)}</figcaption></figure>\n'
        )

    def _axis(self, height: int) -> Iterator[str]:
        axis, taken = self.made.axis, -1.0
        for gap in axis.gaps:
            x = _x(axis, gap.start)
            words = f"nobody worked for {duration(gap.stop - gap.start)}: left out"
            yield (
                f'<g><title>{_text(words)}</title><rect class="around" x="{x:.1f}" y="{HEAD - 4}" '
                f'width="{max(3.0, _x(axis, gap.stop) - x):.1f}" height="{height - HEAD}"/></g>\n'
            )
        for place, words in ticks(axis, whole(axis), 8):
            x = NAMES + BARS * place / axis.length
            if x < taken:
                continue
            taken = x + 8 * len(words)
            yield f'<line class="axis" x1="{x:.1f}" y1="{HEAD - 6}" x2="{x:.1f}" y2="{height}"/>\n'
            yield f'<text class="quiet" x="{x:.1f}" y="{HEAD - 10}">{_text(words)}</text>\n'

    def _line(self, at: int, line: Line) -> str:
        axis, top = self.made.axis, HEAD + STEP * at
        name = self._name(line)
        drawn = [f'<text x="{4 + 12 * min(line.depth, 8)}" y="{top + 13}">{_text(_cut(name, NAME_CELLS))}</text>']
        when = f"{utc(line.start)}, {duration(line.took)}{', goes on' if line.goes_on else ''}"
        if line.around:
            drawn.append(_rect(axis, line.start, line.stop, "around", top + 8, 2, f"{name}: {when}"))
        for run in line.runs:
            drawn.append(_rect(axis, run.start, run.stop, _class(run), top + 3, 12, f"{name}: {_said(run)}"))
        if not line.runs and not line.around:
            drawn.append(_rect(axis, line.start, line.start, "tool", top + 2, 14, f"{name}: {when}"))
        said = self._words(line)
        if said:
            role = ' class="bad"' if line.failed else ' class="quiet"'
            x = NAMES + BARS + 8
            drawn.append(f'<text{role} x="{x}" y="{top + 13}">{_text(_cut(said, WORDS_CELLS))}</text>')
        return "<g>" + "".join(drawn) + "</g>\n"

    def _name(self, line: Line) -> str:
        free, node = self.texts.free, line.node
        if isinstance(node, Prompt):
            return f"{prompt_name(node)}: {free(prompt_words(node))}"
        if isinstance(node, Turn):
            return step_name(node)
        if isinstance(node, Session):
            return f"{node.agent or 'sub-agent'}: {self.texts.title(node) or sanitize.label(node.id)}"
        subject = free(node.label or node.title)
        name = "task" if node.kind == "session" else tool_name(node)
        return f"{name}  {subject}" if subject else name

    def _words(self, line: Line) -> str:
        if self.texts.redact and isinstance(line.node, Op) and line.node.error_message:
            return f"{duration(line.took)}  {line.node.error_class or 'failed'}"
        return "".join(text for text, _ in words(line)).strip()

    def _legend(self) -> str:
        kinds = {_class(run) for line in self.lines for run in line.runs}
        blue = {"model": "blue the model", "tool": "violet tools", "failed": "red what failed"}
        found = [words for name, words in blue.items() if name in kinds]
        if kinds - blue.keys():
            found.append("grey waiting")
        return f": {', '.join(found)}" if found else ""


def _class(run: Run) -> str:
    return "failed" if run.failed and run.kind in ("tool", "agent") else run.kind


def _said(run: Run) -> str:
    word = FILLS[run.kind].word.replace("waits for you", "waits for a person")
    return f"{word}{', failed' if run.failed else ''}, {duration(run.stop - run.start)} from {utc(run.start)}"


def _x(axis: Axis, moment: int) -> float:
    return NAMES + BARS * axis.place(moment) / axis.length


def _rect(axis: Axis, start: int, stop: int, name: str, y: int, height: int, title: str) -> str:
    x = _x(axis, start)
    width = max(THIN, _x(axis, stop) - x)
    return (
        f'<rect class="{name}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}">'
        f"<title>{_text(title)}</title></rect>"
    )


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _text(words: str) -> str:
    """The one way of a text into the picture."""
    return escape(sanitize.outside(words))
