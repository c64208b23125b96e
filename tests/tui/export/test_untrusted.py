"""Text of strangers in documents: it stays text, whatever it is made of, and a redacted document has none of it."""

from __future__ import annotations

import json
import random
import sqlite3
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.adapter import corpus
from tests.tui.export.golden import exported
from tui.text import sanitize

PIECES = (
    *("`", "``", "```", "````", "~~~", "\n", "\r\n", "\n\n", "\n    ", "\n\t", "# ", "> ", "- ", "1. ", "---", "***"),
    *("<script>alert(1)</script>", "</pre>", "</details>", "<img src=x onerror=y>", "<!--", "-->", "<![CDATA[", "]]>"),
    *(
        "![x](http://h/y.png)",
        "[x]: http://h",
        "http://h/z",
        "&lt;",
        "&#60;script",
        "\\",
        '"',
        "'",
        "<",
        ">",
        "|",
        "$$",
    ),
    *("\x1b]52;c;eA==\x07", "\x1b[31m", "\x9b", "\u202e", "\u2066", "\u200b", "\u2028", "\0", "word", "ÄÖ漢字"),
)
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "section", "div", "details", "summary", "pre", "span"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "b", "dl", "dt", "dd", "em", "strong", "s", "code", "blockquote"),
    *("ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "hr", "br", "a"),
    *("figure", "figcaption", "svg", "g", "rect", "line", "text"),
}
VOID = {"meta", "hr", "br"}
ATTRIBUTES = {
    **{"a": {"href", "rel"}, "ol": {"start"}, "th": {"style"}, "td": {"style"}},
    **{"svg": {"viewbox", "role", "aria-label"}, "text": {"x", "y"}},
    **{"rect": {"x", "y", "width", "height"}, "line": {"x1", "y1", "x2", "y2"}},
}
SCENARIOS = (
    "task",
    "files",
    "fail",
    "attach",
    "todo",
    "question.pending",
    "error400",
    "v2-api",
    "compact-api",
    "shell",
)
NAMES = {
    *("type", "tool", "status", "id", "callID", "messageID", "sessionID", "parentID", "sessionId", "parentSessionId"),
    *("modelID", "providerID", "agent", "mode", "role", "finish", "name", "variant", "mime", "snapshot", "hash"),
    *("subagent_type", "data", "reason"),
}
"""Keys of rows whose strings are names, or decide what the row is."""


def spoiled(value: Any, words: str, key: str = "") -> Any:
    """A row's JSON with every free text replaced."""
    if isinstance(value, dict):
        return {name: spoiled(inner, words, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [spoiled(inner, words, key) for inner in value]
    return words if isinstance(value, str) and key not in NAMES and value else value


def spoil(path: Path, words: str) -> None:
    """Puts words in the place of every free text of a database."""
    with sqlite3.connect(path) as db:
        for table in ("message", "part", "session_message"):
            for row, data in db.execute(f"SELECT id, data FROM {table}").fetchall():
                fresh = spoiled(json.loads(data), words)
                db.execute(f"UPDATE {table} SET data = ? WHERE id = ?", (json.dumps(fresh), row))
        db.execute("UPDATE session SET title = ?, directory = ?", (words, words))
    db.close()


def hostile(seed: int) -> str:
    dice = random.Random(seed)
    return "".join(dice.choices(PIECES, k=dice.randrange(5, 120)))


def outside_of_quotes(tokens: list[Token]) -> list[Token]:
    found: list[Token] = []
    quotes = 0
    for token in tokens:
        quotes += token.type == "blockquote_open"
        found += [] if quotes else [token]
        quotes -= token.type == "blockquote_close"
    return found


@pytest.mark.parametrize("seed", range(12))
def test_hostile_text_stays_inside_its_fence_or_quote(seed: int, tmp_path: Path) -> None:
    path = corpus.build("1.18.33/files", tmp_path / "opencode.db")
    words = hostile(seed) + "\n```"
    spoil(path, words)
    document = exported(path, "md")
    env: dict[str, Any] = {}
    tokens = MarkdownIt("commonmark").parse(document, env)
    ours = outside_of_quotes(tokens)
    assert {token.type for token in ours} <= {
        *("heading_open", "heading_close", "inline", "paragraph_open", "paragraph_close", "fence"),
        *("bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close"),
    }
    inner = {child.type for token in ours for child in token.children or ()}
    assert inner <= {"text", "text_special", "softbreak", "strong_open", "strong_close"}
    headings = [token for token in ours if token.type == "heading_open"]
    assert len(headings) == document.count("\n### Step ") + document.count("\n## Prompt ") + 1
    everywhere = {child.type for token in tokens for child in token.children or ()} | {token.type for token in tokens}
    assert not everywhere & {"html_inline", "html_block", "image"}
    assert not env.get("references")
    clean = sanitize.outside(words.replace("\r\n", "\n"))
    fences = [token.content for token in tokens if token.type == "fence"]
    assert len(fences) >= 10
    assert sum(content == clean + "\n" for content in fences) >= 5
    assert sanitize.outside(document) == document


class Strict(HTMLParser):
    """Fails for what is not among our tags and attributes, or not closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        allowed = {"class", "id", "open", "lang"} | (
            {"charset", "name", "content", "http-equiv"} if tag == "meta" else set()
        )
        assert {name for name, _ in attrs} <= allowed | ATTRIBUTES.get(tag, set())
        for name, value in attrs:
            if name == "href":
                assert (value or "").startswith(("http://", "https://", "mailto:"))
            if name == "style":
                assert value in ("text-align:left", "text-align:center", "text-align:right")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")


@pytest.mark.parametrize("seed", range(12))
def test_hostile_text_is_text_in_html(seed: int, tmp_path: Path) -> None:
    path = corpus.build("1.18.33/files", tmp_path / "opencode.db")
    words = hostile(seed)
    spoil(path, words)
    document = exported(path, "html")
    page = Strict()
    page.feed(document)
    page.close()
    assert page.open == []
    clean = sanitize.outside(words.replace("\r\n", "\n"))
    assert sum(text.strip("\n") == clean.strip("\n") for text in page.texts) >= 3
    assert sanitize.outside(document) == document


def test_json_holds_every_byte(tmp_path: Path) -> None:
    path = corpus.build("1.18.33/files", tmp_path / "opencode.db")
    words = "".join(PIECES)
    spoil(path, words)
    document = exported(path, "json")
    texts = [op["texts"] for turn in json.loads(document)["sessions"][0]["turns"] for op in turn["ops"]]
    answers = [text["text"] for found in texts for text in found if text["kind"] == "llm_response"]
    assert answers
    assert set(answers) == {words}
    assert not any(char in document for char in "\x1b\x07\x9b\u202e\u2066\u200b\u2028\0")


@pytest.mark.parametrize("form", ["md", "html", "json"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_redacted_document_holds_no_free_text(scenario: str, form: str, tmp_path: Path) -> None:
    path = corpus.build(f"1.18.33/{scenario}", tmp_path / "opencode.db")
    spoil(path, "S3CRET words")
    assert "S3CRET" in exported(path, form)
    redacted = exported(path, form, redact=True)
    assert "S3CRET" not in redacted
    assert str(tmp_path) not in redacted
    assert len(redacted) > 500
