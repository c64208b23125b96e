"""The document as one HTML file: no script, nothing loaded from anywhere, light or dark as the reader's system is."""

from __future__ import annotations

from html import escape

from tui.commands.export.blocks import Begin, End, Passage
from tui.commands.export.picture import STYLE, picture
from tui.commands.export.prose import rendered
from tui.commands.export.readable import readable
from tui.commands.export.texts import Text, Texts
from tui.model.records import Session
from tui.model.store.store import Store
from tui.render import numbers
from tui.text import sanitize

OPEN_LINES = 40
"""Lines up to which an output is unfolded."""

# Should anything ever get past the escaping, the policy still lets nothing run and nothing load.
_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --fg: #1f2328; --dim: #59636e; --bg: #ffffff; --box: #f6f8fa; --line: #d1d9e0;
  --add: #116329; --del: #a40e26; --hunk: #0550ae; --call: #8250df; }}
@media (prefers-color-scheme: dark) {{ :root {{ --fg: #e6edf3; --dim: #9198a1; --bg: #0d1117; --box: #161b22;
  --line: #3d444d; --add: #7ee787; --del: #ffa198; --hunk: #79c0ff; --call: #d2a8ff; }} }}
body {{ color: var(--fg); background: var(--bg); font: 16px/1.5 system-ui, sans-serif; max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }}
h1, h2, h3, h4, h5, h6 {{ line-height: 1.25; margin: 1.5rem 0 .5rem; }}
h2 {{ border-top: 1px solid var(--line); padding-top: 1rem; }}
pre, .words, .prose {{ background: var(--box); border-radius: 6px; padding: .75rem; margin: .5rem 0; }}
pre {{ font: 13px/1.45 ui-monospace, monospace; overflow-x: auto; }}
.words {{ white-space: pre-wrap; }}
.prose > :first-child {{ margin-top: 0; }} .prose p, .prose ul, .prose ol {{ margin: .5rem 0; }}
.prose h1, .prose h2, .prose h3, .prose h4, .prose h5, .prose h6 {{ font-size: 1rem; border: 0; padding: 0; }}
.prose pre {{ border: 1px solid var(--line); }} .prose code {{ font: .85em ui-monospace, monospace; }}
.prose blockquote {{ border-left: 4px solid var(--line); margin: .5rem 0; padding-left: .75rem; color: var(--dim); }}
.prose table {{ border-collapse: collapse; display: block; overflow-x: auto; }}
.prose th, .prose td {{ border: 1px solid var(--line); padding: .25rem .5rem; }} .prose a {{ color: var(--hunk); }}
.prompt > .words {{ border-left: 4px solid var(--hunk); }}
.sub, .call {{ border-left: 2px solid var(--line); padding-left: 1rem; margin: .75rem 0; }}
.call > p:first-child b {{ color: var(--call); }}
.facts, summary, .label {{ color: var(--dim); font-size: .875rem; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; }}
dt {{ color: var(--dim); }} dd {{ margin: 0; }}
p {{ margin: .25rem 0; }} summary {{ cursor: pointer; }}
.add {{ color: var(--add); }} .del {{ color: var(--del); }} .hunk {{ color: var(--hunk); }}
{picture}</style>
</head>
<body>
"""


class Html:
    """Writes block by block; knows only how many sessions are open."""

    def __init__(self) -> None:
        self._sessions = 0

    def head(self, title: str) -> str:
        return _HEAD.format(title=escape(sanitize.label(title)), picture=STYLE.lstrip())

    def picture(self, store: Store, session: Session, texts: Texts, now_us: int) -> str:
        """What ran when, before all else."""
        return picture(store, session, texts, now_us)

    def begin(self, block: Begin) -> str:
        if block.kind == "call":
            name, _, subject = block.title.partition("  ")
            return (
                f'<div class="call"><p><b>{escape(name)}</b> {escape(subject)} '
                f'<span class="facts">{_inline(block)}</span></p>\n'
            )
        heading = f"h{min(6, block.level)}"
        title = f"<{heading}>{escape(block.title)}</{heading}>\n"
        if block.kind != "session":
            return f'<section class="{block.kind}">{title}<p class="facts">{_inline(block)}</p>\n'
        self._sessions += 1
        kind = "sub" if self._sessions > 1 else "root"
        rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(words)}</dd>\n" for name, words in block.facts)
        return f'<section class="{kind}" id="{escape(sanitize.label(block.anchor))}">{title}<dl>\n{rows}</dl>\n'

    def passage(self, passage: Passage, text: Text) -> str:
        about = ", ".join(part for part in (numbers.size(text.size), text.note) if part)
        label = escape(passage.label + (f" ({about})" if about else ""))
        if text.text is None:
            return f'<p class="label">{label}</p>\n'
        body = readable(text.text, passage.look)
        markup = rendered(body) if passage.look in ("answer", "thought") else None
        prose = f'<div class="prose">\n{markup}</div>' if markup is not None else ""
        if passage.look in ("words", "answer"):
            said = prose or f'<div class="words">{escape(body)}</div>'
            return f'<p class="label">{label}</p>{said}\n'
        if prose:
            return f"<details><summary>{label}</summary>{prose}</details>\n"
        shown = _diff(body) if passage.look == "diff" else escape(body)
        unfolded = passage.look != "thought" and body.count("\n") < OPEN_LINES
        # A line feed right behind <pre> is dropped by HTML, one of the text's own included.
        return f"<details{' open' if unfolded else ''}><summary>{label}</summary><pre>\n{shown}</pre></details>\n"

    def end(self, block: End) -> str:
        if block.kind == "call":
            return "</div>\n"
        self._sessions -= block.kind == "session"
        return "</section>\n"

    def tail(self) -> str:
        return "</body>\n</html>\n"


def _inline(block: Begin) -> str:
    return escape(" · ".join(f"{name} {words}" for name, words in block.facts))


def _diff(text: str) -> str:
    roles = {"+": "add", "-": "del", "@": "hunk"}
    return "\n".join(
        f'<span class="{roles[line[0]]}">{escape(line)}</span>' if line[:1] in roles else escape(line)
        for line in text.split("\n")
    )
