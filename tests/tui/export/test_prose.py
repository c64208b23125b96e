"""What a model wrote, rendered and quoted: as it was meant, and nothing in it that acts."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tui.commands.export.prose import quoted, rendered
from tui.render.text.markdown_blocks import SIZE_LIMIT

READER = MarkdownIt("commonmark", {"xhtmlOut": False}).enable(["table", "strikethrough"])


def as_read(text: str) -> str:
    """The quote of a text as a reader of Markdown shows it."""
    quote = quoted(text)
    assert quote is not None
    page = READER.render(quote)
    assert page.startswith("<blockquote>\n")
    assert page.endswith("</blockquote>\n")
    return page.removeprefix("<blockquote>\n").removesuffix("</blockquote>\n")


@pytest.mark.parametrize(
    ("written", "page"),
    [
        ("a **b** *c* `d*e*`", "<p>a <strong>b</strong> <em>c</em> <code>d*e*</code></p>\n"),
        ("**这**是", "<p><strong>这</strong>是</p>\n"),
        ("- one\n- two\n\n3. x", '<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n<ol start="3">\n<li>x</li>\n</ol>\n'),
        (
            "1. x\n\n    ```py\n    __a__\n    ```",
            '<ol>\n<li>\n<p>x</p>\n<pre><code class="language-py">__a__\n</code></pre>\n</li>\n</ol>\n',
        ),
        ("\tcode * *\n", "<pre><code>code * *\n</code></pre>\n"),
        ("see __init__.py and src/**/*.ts, x*y*z", "<p>see __init__.py and src/**/*.ts, x*y*z</p>\n"),
        ("src/**/*.ts and lib/**/*.js", "<p>src/**/*.ts and lib/**/*.js</p>\n"),
        ("List<String> `a<b>`", "<p>List&lt;String&gt; <code>a&lt;b&gt;</code></p>\n"),
        ("```\n<i>\n```", "<pre><code>&lt;i&gt;\n</code></pre>\n"),
        ("a  \nb", "<p>a<br>\nb</p>\n"),
    ],
)  # fmt: skip
def test_markdown_is_what_it_means(written: str, page: str) -> None:
    assert rendered(written) == page
    assert as_read(written) == page


def test_a_table_is_a_table() -> None:
    page = rendered("| a | b |\n|--:|---|\n| 1 | ~~2~~ |")
    assert page is not None
    assert '<td style="text-align:right">1</td>' in page
    assert "<s>2</s>" in page
    assert as_read("| a | b |\n|--:|---|\n| 1 | ~~2~~ |") == page


def test_a_link_leads_somewhere_and_an_image_is_not_loaded() -> None:
    page = rendered("[x](https://e.org/a?b&c) [y](javascript:z) [z](/etc/passwd) ![alt](http://h/i.png)")
    assert page is not None
    assert '<a href="https://e.org/a?b&amp;c" rel="noreferrer noopener">x</a>' in page
    assert page.count("<a ") == 1
    assert "<img" not in page
    assert "[image: alt http://h/i.png]" in page
    assert "<img" not in as_read("![alt](http://h/i.png) and `![alt](x)`")


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=y>",
        "a ` b\nc ` <img src=x> `",
        "[a](x`y) <img src=x> `",
        "- a `\n- <img src=x> `",
        "| a ` | b |\n|---|---|\n| <b> ` | c |",
        "<!-- a\n\n-->",
        "\\`<b>`",
        "[x]: http://h\n\n[x]",
        "[x\n]: http://h\n\n[x]",
        "> [x]: http://h",
        "```\nnever closed",
        "    <b>\n<i>",
        "<http://h/z>",
        "<details>\n\n**x**\n</details>",
    ],
)
def test_what_acts_is_words(text: str) -> None:
    page = rendered(text)
    assert page is not None
    assert not any(tag in page for tag in ("<img", "<i>", "<!--", "<details"))
    quote = quoted(text)
    # Where it is not certain that it stays a quote, it is none.
    if quote is not None:
        env: dict[str, object] = {}
        tokens = READER.parse(f"{quote}\n\nafter [x]\n", env)
        assert [token.type for token in tokens if token.level == 0][:2] == ["blockquote_open", "blockquote_close"]
        inner = {child.type for token in tokens for child in token.children or ()}
        assert not (inner | {token.type for token in tokens}) & {"html_inline", "html_block", "image", "link_open"}


@given(st.text(st.sampled_from("ab <>![]():`*_\\\n>-#|~1.\t\u2028é"), max_size=80))
def test_any_text_has_its_letters_and_stays_in_its_place(text: str) -> None:
    quote = quoted(text)
    letters = [char for char in text if char in "abé"]
    if quote is not None:
        assert [char for char in quote if char in "abé"] == letters
        assert all(line.startswith(">") for line in quote.split("\n"))
        tokens = READER.parse(f"{quote}\n\nafter\n")
        assert [token.type for token in tokens if token.level == 0] == [
            "blockquote_open", "blockquote_close", "paragraph_open", "paragraph_close",
        ]  # fmt: skip
    assert rendered(text) is not None


def test_a_text_that_is_too_long_is_not_taken_apart() -> None:
    assert rendered("a" * (SIZE_LIMIT + 1)) is None
    assert quoted("a" * (SIZE_LIMIT + 1)) is None
    began = time.process_time()
    rendered("[" * SIZE_LIMIT)
    quoted("`a <" * (SIZE_LIMIT // 4))
    assert time.process_time() - began < 10
