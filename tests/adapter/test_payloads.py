"""References resolve to the exact text, with a limit, and say clearly why they do not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.contract import BadReference, PayloadGone, PayloadUnreadable
from adapter.events import PayloadRef
from adapter.local import OpencodeSource
from adapter.references import build, parse
from tests.adapter import corpus
from tests.adapter.opencode_writer import OpencodeWriter, tool

NAMES = ("1.2.1/files", "1.18.33/files", "1.18.33/ansi", "1.18.33/attach", "1.18.33/task", "1.18.33/compact-api")


@pytest.mark.parametrize("name", NAMES)
async def test_every_reference_of_an_event_resolves_to_what_sqlite_holds(tmp_path: Path, name: str) -> None:
    async with OpencodeSource(corpus.build(name, tmp_path / "opencode.db")) as source:
        refs = [e async for b in source.stream() for e in b.events if isinstance(e, PayloadRef)]
        assert len(refs) > 3
        for ref in refs:
            found = await source.payload(ref.uri)
            reference = parse(ref.uri)
            ((data,),) = corpus.table(name, f"SELECT data FROM {reference.table} WHERE id = '{reference.row_id}'")
            expected = json.loads(str(data))
            for key in reference.field.split(".") if reference.field else ():
                expected = expected[int(key)] if isinstance(expected, list) else expected[key]
            if isinstance(expected, str):
                assert (found.text, found.format) == (expected, "text")
            else:
                assert (json.loads(found.text), found.format) == (expected, "json")
            assert found.size == len(found.text.encode())
            assert not found.truncated
            if ref.size >= 0 and ref.payload_kind != "tool_request":
                assert ref.size == found.size


@pytest.mark.parametrize("field", ["state.output", "content.1.content.0.text"])
async def test_the_beginning_of_a_large_text_is_had_without_the_rest(opencode: OpencodeWriter, field: str) -> None:
    text = "".join(f"line {number} ö\n" for number in range(100_000))
    session = opencode.session()
    step = opencode.assistant(session, opencode.user(session))
    row = tool("completed", input={"command": "make"}, output=text)
    if field.startswith("content"):
        row = {
            "content": [{"type": "text", "text": "a"}, {"type": "tool", "content": [{"type": "text", "text": text}]}]
        }
    part = opencode.part(step, row)
    async with OpencodeSource(opencode.path) as source:
        found = await source.beginning(build("part_id", part, field))
        assert text.startswith(found)
        assert 30_000 < len(found) < 70_000
        # A text that does not begin near the beginning of its row, and what is no text.
        assert await source.beginning(build("part_id", part, "state.title")) == ""
        assert await source.beginning(build("part_id", part, "")) == ""
        with pytest.raises(PayloadGone):
            await source.beginning(build("part_id", "prt_gone", field))


@given(st.text(), st.text())
def test_any_id_and_field_survive_the_way_through_a_reference(row_id: str, field: str) -> None:
    for key, table in (("part_id", "part"), ("message_id", "message")):
        try:
            (row_id + field).encode()
        except UnicodeEncodeError:
            return
        found = parse(build(key, row_id, field))
        assert (found.table, found.row_id, found.field) == (table, row_id, field)


@pytest.fixture
def opencode(tmp_path: Path) -> Iterator[OpencodeWriter]:
    with OpencodeWriter(tmp_path / "opencode.db") as writer:
        yield writer


@pytest.fixture
async def source(opencode: OpencodeWriter) -> AsyncIterator[OpencodeSource]:
    async with OpencodeSource(opencode.path) as found:
        yield found


def output_of(opencode: OpencodeWriter, text: str) -> str:
    part = opencode.part(opencode.assistant(opencode.session()), tool("completed", output=text))
    return build("part_id", part, "state.output")


async def test_text_is_cut_at_a_character_within_the_limit(opencode: OpencodeWriter, source: OpencodeSource) -> None:
    found = await source.payload(output_of(opencode, "aé" * 10), limit=5)
    assert (found.text, found.size, found.truncated) == ("aéa", 30, True)
    whole = await source.payload(output_of(opencode, "aé" * 10), limit=30)
    assert (whole.text, whole.truncated) == ("aé" * 10, False)


async def test_escapes_and_nul_are_verbatim(opencode: OpencodeWriter, source: OpencodeSource) -> None:
    text = "\x1b]52;c;x\x07 \x00 \u202e \U0001f600"
    assert (await source.payload(output_of(opencode, text))).text == text


async def test_a_whole_row_is_its_json_as_it_lies_there(opencode: OpencodeWriter, source: OpencodeSource) -> None:
    message = opencode.message(opencode.session(), '{"role": "user",  "odd spacing":1}')
    found = await source.payload(build("message_id", message, ""))
    assert (found.text, found.format) == ('{"role": "user",  "odd spacing":1}', "json")


async def test_a_row_that_is_gone_says_so(opencode: OpencodeWriter, source: OpencodeSource) -> None:
    uri = output_of(opencode, "x")
    assert (await source.payload(uri)).text == "x"
    opencode.remove_part(next(reversed(opencode.parts)))
    with pytest.raises(PayloadGone, match="is no longer in the database"):
        await source.payload(uri)


async def test_a_new_text_is_read_after_a_rewrite(opencode: OpencodeWriter, source: OpencodeSource) -> None:
    uri = output_of(opencode, "before")
    assert (await source.payload(uri)).text == "before"
    part = next(reversed(opencode.parts))
    opencode.part(opencode.parts[part], tool("completed", output="after"), part)
    assert (await source.payload(uri)).text == "after"


async def test_a_huge_row_is_not_read(
    opencode: OpencodeWriter, source: OpencodeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter.sqlite.connection.ROW_LIMIT_BYTES", 50_000)
    with pytest.raises(PayloadUnreadable, match="over 64 MB, not read"):
        await source.payload(output_of(opencode, "x" * 60_000))


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "http://127.0.0.1/?part_id=x&field=y",
        "opencode-sqlite://",
        "opencode-sqlite://?field=text",
        "opencode-sqlite://?part_id=x&message_id=y&field=text",
        "opencode-sqlite://?part_id=x&part_id=y&field=text",
        "opencode-sqlite://?session_id=x&field=title",
        "opencode-sqlite://?part_id=%ff&field=text",
        "opencode-sqlite://[?part_id=x",
    ],
)
async def test_what_is_no_reference_of_ours_is_refused(source: OpencodeSource, uri: str) -> None:
    with pytest.raises(BadReference, match="not a payload reference"):
        await source.payload(uri)


@pytest.mark.parametrize(
    "field", ["nothing", "state.nothing", "state.output.more", "state.attachments.7", ".", "state."]
)
async def test_a_field_that_is_not_there_is_named(opencode: OpencodeWriter, source: OpencodeSource, field: str) -> None:
    part = opencode.part(opencode.assistant(opencode.session()), tool("completed", output="x", attachments=[1]))
    with pytest.raises(BadReference, match="has no field"):
        await source.payload(build("part_id", part, field))


async def test_broken_json_is_named(opencode: OpencodeWriter, source: OpencodeSource) -> None:
    part = opencode.part(opencode.assistant(opencode.session()), "{broken")
    with pytest.raises(BadReference, match="holds broken JSON"):
        await source.payload(build("part_id", part, "text"))
    assert (await source.payload(build("part_id", part, ""))).text == "{broken"


@pytest.mark.parametrize(
    ("written", "text", "size"),
    [(b"tail \\ud83d of it", "tail ? of it", 12), (b"bytes \xff of it", "bytes \ufffd of it", 15)],
)
async def test_what_cannot_be_decoded_as_it_lies_there_is_mended(
    opencode: OpencodeWriter, source: OpencodeSource, written: bytes, text: str, size: int
) -> None:
    part = opencode.part(opencode.assistant(opencode.session()), {"type": "text", "text": "x"})
    data = b'{"type":"text","text":"' + written + b'"}'
    opencode.run(f"UPDATE part SET data = CAST(X'{data.hex()}' AS TEXT) WHERE id = '{part}'")
    found = await source.payload(build("part_id", part, "text"))
    assert (found.text, found.size) == (text, size)


async def test_ids_with_quotes_are_values_not_sql(opencode: OpencodeWriter, source: OpencodeSource) -> None:
    with pytest.raises(PayloadGone):
        await source.payload(build("part_id", "x' OR 1=1 --", "text"))


def test_payloads_are_plain_records() -> None:
    assert msgspec.structs.fields(type(parse(build("part_id", "x", "y"))))[0].name == "table"
