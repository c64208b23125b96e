"""A diff by its signs, and the words that changed inside a pair of lines."""

from __future__ import annotations

import re

from tui.render.lines import plain
from tui.render.text.diff import PAIR_LIMIT, Diff, changed_words


def test_a_diff_by_its_signs() -> None:
    text = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n same\n\\ No newline at end of file"
    assert [(plain(line), line[0][1]) for line in Diff.read(text)] == [
        ("--- a/x", "strong"), ("+++ b/x", "strong"), ("@@ -1 +1 @@", "accent"), ("-old", "removed"),
        ("+new", "added"), (" same", "text"), ("\\ No newline at end of file", "dim"),
    ]  # fmt: skip


ODD = "a\x0cb\u2028c\x0bd\u2029e\tf"


def test_a_line_of_a_diff_ends_with_a_feed_whatever_stands_in_it() -> None:
    text = f"@@ -1,2 +1,2 @@\n-{ODD}\n+{ODD} \n a\rb\x85c\n same\r\n"
    shown = Diff.read(text)
    assert [line[0][1] for line in shown] == ["accent", "removed", "added", "text", "text"]
    assert plain(shown[3]) == " a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    assert plain(shown[4]) == " same"
    assert shown.find(re.compile("same$"), 0, 5) == [4]


def test_a_diff_that_is_taken_along_is_the_diff() -> None:
    text = f"--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-{ODD}\n+{ODD} \n \tsame \N{WOMAN}\u200d\N{PERSONAL COMPUTER}\ufe0f\r"
    assert "\n".join(Diff.read(text).words()) == text


def test_a_removed_comment_is_no_header() -> None:
    assert [line[0][1] for line in Diff.read("@@ -1 +1 @@\n--- a comment of SQL\n-b")][1:] == ["removed", "removed"]


def test_the_words_that_differ_are_marked_in_both_lines() -> None:
    shown = Diff.read("-    return retry(count, 5)\n+    return retry(count, limit)")
    assert list(shown[0]) == [("-    return retry(count, ", "removed"), ("5", "removed-word"), (")", "removed")]
    assert list(shown[1]) == [("+    return retry(count, ", "added"), ("limit", "added-word"), (")", "added")]


def test_lines_of_a_block_are_paired_in_order() -> None:
    shown = Diff.read("-let one = 1\n-let two = 2\n+let one = 10\n+let two = 20\n context")
    words = [[text for text, role in line if role.endswith("word")] for line in shown]
    assert words == [["1"], ["2"], ["10"], ["20"], []]


def test_a_block_of_unequal_halves_has_no_pairs() -> None:
    shown = Diff.read("-let one = 1\n+let one = 10\n+let two = 20")
    assert all(len(line) == 1 for line in shown)


def test_lines_with_little_in_common_are_not_compared_word_by_word() -> None:
    assert changed_words("import os", "x = {1, 2, 3}") == ([], [])
    assert all(len(line) == 1 for line in Diff.read("-a" + "b " * PAIR_LIMIT + "\n+a" + "c " * PAIR_LIMIT))


def test_hostile_text_in_a_diff_is_clean() -> None:
    shown = Diff.read("-a \x1b[2J\u202eb c d\n+a \x1b]0;x\x07b c e")
    assert [plain(line) for line in shown] == ["-a b c d", "+a b c e"]
