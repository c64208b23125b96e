"""The picture at the head of an HTML document: a bar with a title for each step and call, nothing runs or loads."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from tests.adapter import corpus
from tests.tui.export.golden import exported
from tui.commands.export import picture


def svg(document: str) -> ElementTree.Element:
    found = re.search(r"<svg.*?</svg>", document, re.DOTALL)
    assert found is not None
    return ElementTree.fromstring(found[0])


def test_every_bar_has_a_title_and_lies_in_the_picture(tmp_path: Path) -> None:
    document = exported(corpus.build("1.18.33/nested", tmp_path / "opencode.db"), "html")
    drawn = svg(document)
    width, height = (float(part) for part in drawn.attrib["viewBox"].split()[2:])
    bars = drawn.findall(".//g/rect")
    assert len(bars) > 5
    for bar in bars:
        title = bar.find("title")
        assert title is not None
        assert title.text
        x, y, wide, high = (float(bar.attrib[name]) for name in ("x", "y", "width", "height"))
        assert picture.NAMES <= x <= x + wide <= width
        assert 0 <= y <= y + high <= height
        assert wide >= picture.THIN
    assert document.index("<svg") < document.index("<section")
    assert {element.tag for element in drawn.iter()} <= {"svg", "title", "line", "text", "rect", "g"}


def test_agents_of_agents_have_lines_of_their_own(tmp_path: Path) -> None:
    document = exported(corpus.build("1.18.33/nested", tmp_path / "opencode.db"), "html")
    names = ["".join(text.itertext()) for text in svg(document).findall(".//g/text")]
    assert sum("step" in name for name in names) >= 2
    depths = {int(text.attrib["x"]) for text in svg(document).findall(".//g/text") if int(text.attrib["x"]) < 250}
    assert len(depths) >= 4


def test_a_redacted_picture_has_names_and_times_and_no_words(tmp_path: Path) -> None:
    document = exported(corpus.build("1.18.33/task", tmp_path / "opencode.db"), "html", redact=True)
    names = ["".join(text.itertext()) for text in svg(document).findall(".//g/text")]
    assert "prompt: (redacted)" in names
    assert any(name.endswith(": (redacted)") and not name.startswith("prompt") for name in names)
    assert "step 1" in names


def test_other_documents_have_no_picture(tmp_path: Path) -> None:
    path = corpus.build("1.18.33/task", tmp_path / "opencode.db")
    assert "<svg" not in exported(path, "md")
    assert "<svg" not in exported(path, "json")
