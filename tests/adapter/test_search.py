"""Searching all texts: it finds what a plain loop over the decoded rows finds, and leaves the file as it was."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import unicodedata
from collections.abc import Collection, Iterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.contract import Hit, SearchPage, SourceUnavailable
from adapter.local import OpencodeSource
from adapter.pattern import BadPattern, TooSlow, compared, lower, parse
from adapter.references import of_hit
from tests.adapter import corpus
from tests.adapter.footprint import footprint

SESSION, USER, ANSWER = "ses_1", "msg_1", "msg_2"
Found = set[tuple[str, str, str]]
"""(message, part, kind) of each text that holds the pattern."""


# -- the plain loop


def same(text: str) -> str:
    """A text as it is to be compared where case does not count, character by character."""
    pieces = re.split("([\u212a\u0130])", text)
    composed = "".join(
        piece if piece in ("\u212a", "\u0130") else unicodedata.normalize("NFC", piece) for piece in pieces
    )
    return "".join(each if each in ("\u212a", "\u0130") else each.lower().replace("ς", "σ") for each in composed)


def holds(text: str, words: Collection[str]) -> bool:
    return all(same(word) in same(text) for word in words)


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)


def texts_of_1x(role: str, data: Any) -> Iterator[tuple[str, str]]:
    """(kind, text) of a part."""
    kind = data["type"]
    if kind == "text":
        yield ("prompt" if role == "user" else "answer"), data.get("text") or ""
    elif kind == "reasoning":
        yield "reasoning", data.get("text") or ""
    elif kind == "patch":
        yield "file", "\n".join(data["files"])
    elif kind == "file":
        url = data.get("url") or ""
        yield "file", "\n".join([data.get("filename") or "", "" if url.startswith("data:") else url])
    elif kind == "subtask":
        yield "prompt", data["prompt"]
        yield "call", "\n".join([data.get("command") or "", data.get("description") or ""])
    elif kind == "retry":
        yield "error", data["error"]["data"]["message"]
    elif kind == "tool":
        state = data["state"]
        yield "call", f"{data['tool']} {state.get('title') or ''}"
        yield "input", "\n".join(leaves(state.get("input")))
        yield "output", state.get("output") or (state.get("metadata") or {}).get("output") or ""
        yield "error", state.get("error") or ""


def texts_of_2x(kind: str, data: Any) -> Iterator[tuple[str, str, str]]:
    """(node, kind, text) of a row of session_message."""
    if kind in ("user", "synthetic", "system", "context"):
        yield "", "prompt", "\n".join(filter(None, [data.get("text"), data.get("description")]))
        for at, file in enumerate(data.get("files") or ()):
            uri = file.get("uri") or ""
            yield f"file{at}", "file", "\n".join([file.get("name") or "", "" if uri.startswith("data:") else uri])
    elif kind == "skill":
        yield "", "prompt", f"{data['name']}\n{data['text']}"
    elif kind == "shell":
        output = data.get("output") or ""
        yield "shell", "input", data["command"]
        yield "shell", "output", output if isinstance(output, str) else output.get("output") or ""
    elif kind == "compaction":
        yield "", "answer", data.get("summary") or ""
    elif kind == "assistant":
        for at, item in enumerate(data["content"]):
            if item["type"] in ("text", "reasoning"):
                yield f"{item['type']}{at}", "answer" if item["type"] == "text" else "reasoning", item.get("text") or ""
            elif item["type"] == "tool":
                yield from texts_of_call_2x(f"tool{at}", item)
        yield "", "file", "\n".join((data.get("snapshot") or {}).get("files") or ())
    for error in (data.get("error"), (data.get("retry") or {}).get("error")):
        if kind in ("assistant", "compaction", "idle") and error:
            yield "", "error", error.get("message") or ""


def texts_of_call_2x(node: str, item: Any) -> Iterator[tuple[str, str, str]]:
    state = item["state"]
    yield node, "call", item["name"]
    yield node, "input", "\n".join(leaves(state.get("input")))
    for piece in state.get("content") or ():
        yield node, "output", piece.get("text") or ""
    if not state.get("content"):
        yield node, "output", (state.get("metadata") or state.get("structured") or {}).get("content") or ""
    yield node, "error", (state.get("error") or {}).get("message") or ""


def plainly(path: Path, words: Collection[str]) -> Found:
    """What a loop over all rows finds."""
    found: Found = set()
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table in tables & {"session", "session_v2"}:
            for session_id, title in connection.execute(f"SELECT id, title FROM {table}"):
                found |= {("", session_id, "title")} if holds(title, words) else set()
        messages: dict[str, str] = {}
        if "message" in tables:
            for name, data in connection.execute("SELECT id, CAST(data AS BLOB) FROM message"):
                message = json.loads(data)
                messages[name] = message["role"]
                error = (message.get("error") or {}).get("data") or {}
                found |= {(name, "", "error")} if holds(error.get("message") or "", words) else set()
            for name, owner, data in connection.execute("SELECT id, message_id, CAST(data AS BLOB) FROM part"):
                texts = texts_of_1x(messages[owner], json.loads(data)) if owner in messages else ()
                found |= {(owner, name, kind) for kind, text in texts if text and holds(text, words)}
        columns = {row[1] for row in connection.execute("PRAGMA table_info(session_message)")}
        if "seq" in columns:
            for name, kind, data in connection.execute("SELECT id, type, CAST(data AS BLOB) FROM session_message"):
                if name not in messages:
                    for node, what, text in texts_of_2x(kind, json.loads(data)):
                        found |= {(name, f"{name}:{node}" if node else "", what)} if holds(text, words) else set()
        for table, payload in (("session_pending", "data"), ("session_inbox", "payload")):
            if table in tables:
                for name, data in connection.execute(f"SELECT id, {payload} FROM {table}"):
                    found |= {(name, "", "prompt")} if holds(json.loads(data).get("text") or "", words) else set()
    return found


async def test_a_blank_at_the_end_of_a_title_is_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    write(path, ["", "a", "a", "a", "a ", "", "", ""], False, False)
    assert named(await hits(path, '"a "')) == plainly(path, ["a "]) != set()


async def pages(path: Path, pattern: str, **options: Any) -> list[SearchPage]:
    async with OpencodeSource(path, watch=False) as source:
        return [page async for page in source.search(pattern, **options)]


async def hits(path: Path, pattern: str, **options: Any) -> list[Hit]:
    return [hit for page in await pages(path, pattern, **options) for hit in page.hits]


def named(found: Collection[Hit]) -> Found:
    return {(hit.message_id, hit.part_id if hit.message_id else hit.session_id, hit.kind) for hit in found}


# -- the property

LETTERS = st.sampled_from(
    [
        *("a", "B", "k", "K", "i", "s", "S", "1", " ", "\n", '"', "\\", "/", "%", "_", "<", "ö", "o\u0308", "É", "é"),
        *("σ", "ς", "Σ", "\u212a", "\u0130", "ı", "ß", "ſ", "\x1b", "日本", "🚀", "e\u0301", "token", "Retry"),
    ]
)
TEXTS = st.lists(LETTERS, max_size=12).map("".join)


def call(words: list[str], status: str) -> dict[str, Any]:
    output = {"output": words[2]} if status == "completed" else {"metadata": {"output": words[2]}}
    state = {
        "status": status,
        "input": {"command": words[0], "n": [7, {"deep": words[1]}]},
        "title": words[3],
        **output,
    }
    return {"type": "tool", "tool": "bash", "callID": "call_1", "state": state}


def write(path: Path, words: list[str], ascii_only: bool, as_blob: bool) -> None:
    """A session of 1.x in which each of the texts stands somewhere, in the JSON of one writer or another."""
    corpus.build("1.18.33/plain", path)
    failed = {**call(words, "error"), "state": {"status": "error", "input": {}, "error": words[4]}}
    parts = [
        (USER, {"type": "text", "text": words[5]}),
        (USER, {"type": "file", "filename": words[6], "url": "data:text/plain;base64,aGk="}),
        (ANSWER, {"type": "text", "text": words[7]}),
        (ANSWER, {"type": "reasoning", "text": words[0] + words[1]}),
        (ANSWER, call(words, "completed")),
        (ANSWER, call(words[::-1], "running")),
        (ANSWER, failed),
        (ANSWER, {"type": "patch", "hash": "0", "files": [words[2], words[3]]}),
        (ANSWER, {"type": "retry", "attempt": 1, "error": {"name": "APIError", "data": {"message": words[4]}}}),
    ]
    with closing(sqlite3.connect(path)) as connection:
        for table in ("part", "message", "session"):
            connection.execute(f"DELETE FROM {table}")
        (project,) = connection.execute("SELECT id FROM project").fetchone()
        connection.execute(
            "INSERT INTO session (id, project_id, slug, directory, title, version, time_created, time_updated) "
            "VALUES (?, ?, '', '/', ?, '1.18.33', 1, 2)",
            (SESSION, project, words[1]),
        )

        def stored(data: Any) -> str | bytes:
            text = json.dumps(data, ensure_ascii=ascii_only)
            return text.encode() if as_blob else text

        error = {"name": "APIError", "data": {"message": words[6]}}
        rows = [(USER, {"role": "user"}), (ANSWER, {"role": "assistant", "error": error})]
        connection.executemany(
            "INSERT INTO message (id, session_id, time_created, time_updated, data) VALUES (?, ?, 1, 1, ?)",
            [(name, SESSION, stored(data)) for name, data in rows],
        )
        connection.executemany(
            "INSERT INTO part (id, message_id, session_id, time_created, time_updated, data) VALUES (?, ?, ?, 1, 1, ?)",
            [(f"prt_{at}", owner, SESSION, stored(data)) for at, (owner, data) in enumerate(parts)],
        )
        connection.commit()


@pytest.mark.parametrize("small", [200, -1], ids=["small", "large"])
def test_a_search_finds_what_a_plain_loop_finds(small: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever way a session is looked through: by one statement, or by rowids."""
    monkeypatch.setattr("adapter.opencode.search.SMALL", small)
    path = tmp_path / "opencode.db"

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(TEXTS, min_size=8, max_size=8), st.data(), st.booleans(), st.booleans())
    def check(words: list[str], data: st.DataObject, ascii_only: bool, as_blob: bool) -> None:
        path.unlink(missing_ok=True)
        write(path, words, ascii_only, as_blob)
        looked_for = []
        for _ in range(data.draw(st.integers(1, 2))):
            text = data.draw(st.sampled_from([word for word in words if word] or ["nothing"]))
            start = data.draw(st.integers(0, len(text) - 1))
            piece = text[start : start + data.draw(st.integers(1, 8))]
            # A capital counts, and a quote ends a phrase: both have tests of their own.
            looked_for.append(piece.replace('"', ""))
        looked_for = [word for word in looked_for if word.strip() and not any(map(str.isupper, compared(word)))]
        if not looked_for:
            return
        pattern = " ".join(f'"{word}"' for word in looked_for)
        assert named(asyncio.run(hits(path, pattern))) == plainly(path, looked_for)

    check()


@pytest.mark.parametrize(
    "name",
    [
        *("1.2.1/nested", "1.3.2/lifecycle", "1.15.13/task2", "1.17.11/fork", "1.18.33/task", "1.18.33/v2-api"),
        *(f"{corpus.PREVIEW}/{each}" for each in ("task", "given-task", "shell", "retry-end", "question", "attach")),
        *(f"{corpus.PREVIEW}/{each}" for each in ("queue-kill9.killed", "compact-api.after", "lifecycle")),
    ],
)
@pytest.mark.parametrize("small", [200, -1], ids=["small", "large"])
def test_in_files_of_opencode_it_finds_what_a_plain_loop_finds(
    name: str, small: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter.opencode.search.SMALL", small)
    path = corpus.build(name, tmp_path / "opencode.db")
    before, found = footprint(tmp_path), 0
    for words in (["the"], ["lab"], ["read", "e"], ["hello.txt"], ["err"], ["b"], ["nowhere at all"]):
        pattern = " ".join(f'"{word}"' for word in words)
        mine = named(asyncio.run(hits(path, pattern)))
        assert mine == plainly(path, words), words
        found += len(mine)
    assert found
    assert not before.differences(footprint(tmp_path))


# -- patterns


@pytest.mark.parametrize(
    ("pattern", "text", "place"),
    [
        ("retry", "the Retry", (4, 9, 1)),
        ("Retry", "the retry", None),
        ("retry test", "a test of retry and retry", (2, 6, 3)),
        ('"retry test"', "a test of retry", None),
        ("ö", "o\u0308", (0, 1, 1)),
        ("o\u0308", "Ö", (0, 1, 1)),
        ("o", "o\u0308", None),
        ("σας", "ΣΑΣ", (0, 3, 1)),
        ("re:retr(y|ies)$", "a RETRY\nb", (2, 7, 1)),
        ("re:Retr.", "retry", None),
        (r"re:\Sb", "ab", (0, 2, 1)),
        ("re:x*", "aaa", None),
        ("100%", "at 100%", (3, 7, 1)),
    ],
)
def test_words_are_compared_as_people_expect(pattern: str, text: str, place: tuple[int, int, int] | None) -> None:
    found = parse(pattern).find(text)
    assert (found and (found.start, found.stop, found.count)) == place


def test_a_long_text_is_looked_through_in_pieces_as_if_it_were_one(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = "aabAB o\u0308\u0327ÖσςΣ\u212a\u0130i\u1100\u1161\uac00\U0001f600\n"

    @given(st.text(letters, min_size=20, max_size=60), st.lists(st.tuples(st.integers(0, 50), st.integers(1, 5))))
    @settings(max_examples=300, deadline=None)
    def compare(text: str, places: list[tuple[int, int]]) -> None:
        words = [text[at : at + length] for at, length in places[:3]]
        try:
            pattern = parse(" ".join(f'"{word}"' for word in words))
        except BadPattern:
            return
        monkeypatch.setattr("adapter.pattern.PIECE", 1_000)
        whole, place = compared(text), pattern.find(text)
        monkeypatch.setattr("adapter.pattern.PIECE", 8)
        assert compared(text) == whole
        assert pattern.find(text) == place

    compare()


@pytest.mark.parametrize("pattern", ["", "  ", '""', "re:", "re:(", "x" * 20_000])
def test_what_is_no_pattern_is_refused_with_a_reason(pattern: str) -> None:
    with pytest.raises(BadPattern, match=r"\w"):
        parse(pattern)


@pytest.mark.parametrize("expression", ["re:(a|aa)+$", "re:(a?){60}b|(a|b|ab)*c$", "re:((a+))+$"])
def test_an_expression_that_would_take_for_ever_ends_and_says_so(expression: str) -> None:
    pattern = parse(expression)
    text = "a" * 5_000 + "!"
    with pytest.raises(TooSlow):
        pattern.find(text)
    assert pattern.ranges(text) == []
    assert list(pattern.regular().finditer(text)) == []


def test_case_and_composition_leave_no_letter_of_ascii_that_was_none() -> None:
    """Rows without a letter of the pattern are left out before anybody compares them."""
    for number in range(0x80, 0x110000):
        letter = chr(number)
        assert len(lower(letter)) == 1
        assert not any(each.isascii() and each.isalnum() for each in lower(compared(letter)))


@pytest.mark.parametrize(
    ("expression", "needles"),
    [
        ("re:retry.test", ("retry",)),
        ("re:Task+x", ("Task",)),
        ("re:retr?y", ("retr",)),
        ("re:tesk", ("te",)),
        ("re:a|b", ()),
        ("re:(abc)?", ()),
        (r"re:\bfoo", ()),
        ("re:ab{0,2}", ("a",)),
    ],
)
def test_a_row_need_not_hold_more_than_a_regular_expression_asks_for(expression: str, needles: tuple[str, ...]) -> None:
    text = {"re:retr?y": "rety"}.get(expression)
    if text is not None:
        assert parse(expression).find(text) is not None
        assert all(needle.lower() in text for needle in parse(expression).needles)
    else:
        assert parse(expression).needles == needles


# -- the way


def with_parts(path: Path, texts: dict[str, str]) -> Path:
    """The file of a session in which each part is an answer with a text, by the part's id."""
    write(path, [""] * 8, False, False)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM part")
        connection.executemany(
            "INSERT INTO part (id, message_id, session_id, time_created, time_updated, data) VALUES (?, ?, ?, 1, 1, ?)",
            [(name, ANSWER, SESSION, json.dumps({"type": "text", "text": text})) for name, text in texts.items()],
        )
        connection.commit()
    return path


async def test_a_hit_says_where_it_is_and_shows_its_context(tmp_path: Path) -> None:
    path = with_parts(tmp_path / "opencode.db", {"prt_1": "before " * 30 + "the needle behind " + "it " * 90})
    (hit,) = await hits(path, "needle")
    assert (hit.kind, hit.field, hit.at, hit.count, hit.match) == ("answer", "text", 214, 1, "needle")
    assert hit.before.endswith("before the ")
    assert hit.behind.startswith(" behind it")
    assert len(hit.before) + len(hit.behind) < 300
    async with OpencodeSource(path, watch=False) as source:
        assert (await source.payload(of_hit(hit))).text.find("needle") == hit.at


async def test_only_sessions_and_texts_that_are_asked_for_are_looked_through(tmp_path: Path) -> None:
    path = corpus.build("1.18.33/task", tmp_path / "opencode.db")
    every = await hits(path, "the")
    sessions = {hit.session_id for hit in every}
    assert len(sessions) == 2
    one = min(sessions)
    assert await hits(path, "the", only={one}) == [hit for hit in every if hit.session_id == one]
    assert await hits(path, "the", kinds={"prompt"}) == [hit for hit in every if hit.kind == "prompt"]
    # The names of files that a call is about are among its arguments, and a kind of their own where they are asked for.
    assert {hit.kind for hit in await hits(path, "hello.txt", kinds={"file"})} == {"file"}


async def test_a_row_of_many_megabytes_is_found_and_one_that_is_too_large_is_named(tmp_path: Path) -> None:
    texts = {"prt_1": "needle one", "prt_2": "x" * 20_000_000 + "needle", "prt_3": "y" * 70_000_000, "prt_4": "needle"}
    path = with_parts(tmp_path / "opencode.db", texts)
    (page,) = await pages(path, "needle")
    assert [hit.part_id for hit in page.hits] == ["prt_1", "prt_2", "prt_4"]
    (words,) = page.lost
    assert "over 64 MB" in words


async def test_a_damaged_page_costs_its_rows_and_is_named(tmp_path: Path) -> None:
    path = with_parts(tmp_path / "opencode.db", {f"prt_{at:03}": f"needle {at} " + "z" * 3000 for at in range(60)})
    with closing(sqlite3.connect(path)) as connection:
        sql = "SELECT pageno FROM dbstat WHERE name = 'part' AND pagetype = 'leaf' ORDER BY pageno"
        try:
            leaf = [number for (number,) in connection.execute(sql)][20]
        except sqlite3.OperationalError:
            pytest.skip("this SQLite does not tell which page is whose")
    content = bytearray(path.read_bytes())
    content[(leaf - 1) * 4096 : leaf * 4096] = bytes(4096)
    path.write_bytes(content)
    (page,) = await pages(path, "needle")
    assert 50 <= len(page.hits) < 60
    assert page.lost
    assert all("damaged" in words for words in page.lost)


async def test_a_session_is_looked_through_as_it_is_when_its_turn_comes(tmp_path: Path) -> None:
    """What is written to a session before its turn is found; what is written behind it is not waited for."""
    path = corpus.build("1.18.33/task", tmp_path / "opencode.db")
    async with OpencodeSource(path, watch=False) as source:
        names = [row.id for row in await source._session_rows()]
        with closing(sqlite3.connect(path)) as connection:
            for name in names:
                rows = connection.execute("SELECT id FROM message WHERE session_id = ? LIMIT 1", (name,)).fetchall()
                connection.execute(
                    "INSERT INTO part (id, message_id, session_id, time_created, time_updated, data) "
                    "VALUES (?, ?, ?, 1, 1, ?)",
                    (f"prt_{name}", rows[0][0], name, json.dumps({"type": "reasoning", "text": "written meanwhile"})),
                )
            connection.commit()
        found = [hit async for page in source.search("written meanwhile") for hit in page.hits]
    assert {hit.session_id for hit in found} == set(names)


async def test_a_search_that_is_stopped_holds_no_transaction(tmp_path: Path) -> None:
    path = with_parts(tmp_path / "opencode.db", {f"prt_{at:05}": "needle " * 50 for at in range(3000)})
    async with OpencodeSource(path, watch=False) as source:
        await source.open()
        task = asyncio.ensure_future(anext(cast(Any, source.search("needle"))))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with aclosing(cast(Any, source.search("needle"))) as some:
            async for page in some:
                assert page.hits
                break
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            connection.execute("UPDATE session SET title = 'x'")
            connection.commit()
            assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


async def test_a_source_that_is_closed_says_so(tmp_path: Path) -> None:
    path = corpus.build("1.18.33/plain", tmp_path / "opencode.db")
    async with OpencodeSource(path, watch=False) as source:
        pass
    with pytest.raises(SourceUnavailable):
        await anext(cast(Any, source.search("x")))
