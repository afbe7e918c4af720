from __future__ import annotations

import logging

import pytest

from edge.sources.text_cutter import LINE_BYTES, LineCutter, TextFigures


def cutter() -> tuple[LineCutter, TextFigures]:
    figures = TextFigures()
    return LineCutter("test", figures), figures


def cut(data: bytes, *, part: int = 1 << 16) -> list[str]:
    """The lines of `data`, fed in parts, with a last one whose end is the end of all."""
    lines, _ = cutter()
    found = []
    for start in range(0, len(data), part):
        lines.feed(data[start : start + part])
        while (line := lines.next()) is not None:
            found.append(line)
    lines.end_line()
    return found if (last := lines.next()) is None else [*found, last]


@pytest.mark.parametrize("part", [1, 2, 3, 7, 1 << 16])
def test_lines_are_the_same_however_they_come(part: int) -> None:
    text = "one\ntwo ünïcödé 😀\r\n\n  four\u2028still four\x0bstill\rstill\nno end"
    expected = ["one", "two ünïcödé 😀", "", "  four\u2028still four\x0bstill\rstill", "no end"]
    assert cut(text.encode(), part=part) == expected


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"\r\n", [""]),
        (b"a\n", ["a"]),
        (b"\xef\xbb\xbfmarked\n", ["marked"]),
        (b"\0\0\0\0after a hole\nwith\0in\n", ["after a hole", "within"]),
        ("hi\nyou\n".encode("utf-16-le"), ["hi", "you"]),
        (b"caf\xe9 au lait\n", ["caf\ufffd au lait"]),
        (b"\xf0\x9f\x98", ["\ufffd"]),
        (b"\xff\xfe\x80\n\xc3\n", ["\ufffd\ufffd\ufffd", "\ufffd"]),
        ("\ufffd is a character too\n".encode(), ["\ufffd is a character too"]),
    ],
)
def test_bytes_that_are_no_plain_text(data: bytes, lines: list[str]) -> None:
    assert cut(data) == lines
    assert cut(data, part=1) == lines


def test_what_is_not_utf_8_is_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    lines, figures = cutter()
    lines.feed(b"secret \xff\nfine\nsecret \xfe\n\xef\xbf\xbd\n")
    while lines.next() is not None:
        pass
    assert figures.undecodable == 2
    assert [record.getMessage() for record in caplog.records] == [
        "test: not all of it is UTF-8; what is not is passed over"
    ]


@pytest.mark.parametrize("part", [999, 1 << 16, 1 << 22])
def test_a_line_without_an_end_is_cut_counted_and_told_once(part: int, caplog: pytest.LogCaptureFixture) -> None:
    lines, figures = cutter()
    found: list[str] = []
    held = 0
    data = b"x" * LINE_BYTES + b"\n" + b"y" * (3 * LINE_BYTES) + b"\nshort\n" + b"z" * (LINE_BYTES + 1) + b"\nlast\n"
    with caplog.at_level(logging.WARNING):
        for start in range(0, len(data), part):
            lines.feed(data[start : start + part])
            while (line := lines.next()) is not None:
                found.append(line)
            held = max(held, len(lines._held))
    assert [(line[0], len(line)) for line in found] == [
        ("x", LINE_BYTES),
        ("y", LINE_BYTES),
        ("s", 5),
        ("z", LINE_BYTES),
        ("l", 4),
    ]
    assert held <= LINE_BYTES + 1
    assert figures.cut == 2
    assert len(caplog.records) == 1


def test_a_line_is_not_cut_within_a_character() -> None:
    lines, figures = cutter()
    lines.feed(b"x" + "ü".encode() * LINE_BYTES)
    line = lines.next()
    assert line == "x" + "ü" * (LINE_BYTES // 2 - 1)
    assert figures.undecodable == 0


def test_an_end_of_all_ends_a_line_that_was_cut_too() -> None:
    lines, _ = cutter()
    lines.feed(b"x" * (LINE_BYTES + 5))
    assert len(lines.next() or "") == LINE_BYTES
    assert lines.next() is None
    lines.end_line()
    assert lines.next() is None
    lines.feed(b"another writer's\n")
    assert lines.next() == "another writer's"


def test_half_a_line_is_taken_without_half_a_character() -> None:
    lines, figures = cutter()
    lines.end_unfinished_line()
    assert (lines.next(), figures.unfinished) == (None, 0)
    lines.feed("half ü".encode()[:-1])
    assert lines.next() is None
    lines.end_unfinished_line()
    assert lines.next() == "half "
    assert lines.next() is None
    lines.end_unfinished_line()
    assert lines.next() is None
    lines.feed("ü and the rest\n".encode()[1:])
    assert lines.next() == "ü and the rest"
    assert (figures.unfinished, figures.undecodable) == (1, 0)


def test_a_line_that_ended_is_not_unfinished() -> None:
    lines, figures = cutter()
    lines.feed(b"half")
    lines.end_line()
    lines.end_unfinished_line()
    assert (lines.next(), lines.next(), figures.unfinished) == ("half", None, 0)
