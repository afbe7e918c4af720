from __future__ import annotations

import pytest

from edge.toml_text import KeyPath, as_toml, error_line, key_lines, line_of, parse


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("[camera]\nfps = 1\n", ("camera",), 1),
        ("[camera]\nfps = 1\n", ("camera", "fps"), 2),
        ("# remark\n\n  [ camera ] # more\n\n\tfps=1", ("camera", "fps"), 5),
        ("camera.fps = 1\ncamera.width = 2", ("camera", "width"), 2),
        ('"camera"."fps" = 1', ("camera", "fps"), 1),
        ("a = 1\ncamera = {fps = 1, size = {width = 2}}", ("camera", "size", "width"), 2),
        ("[a.b]\nc.d = 1", ("a", "b", "c", "d"), 2),
        # A text in the text that looks like a table.
        ('[a]\nb = """\n[c]\nd = 1\n"""\ne = 2\n[c]\nd = 3', ("c", "d"), 8),
        ('[a]\nb = """\n[c]\nd = 1\n"""\ne = 2\n[c]\nd = 3', ("a", "e"), 6),
        ("[a]\nb = [\n  1, # one\n  2,\n]\nc = 3", ("a", "b"), 2),
        ("[a]\nb = [\n  1, # one\n  2,\n]\nc = 3", ("a", "c"), 6),
        ("[[a]]\nb = 1\n[[a]]\nb = 2", ("a", "b"), 2),
        ("[a]\r\nb = 1\r\nc = 2\r\n", ("a", "c"), 3),
        # What has no line of its own is told where its table stands.
        ("[x]\n[a]\nb = 1", ("a", "gone"), 2),
        ("[x]\n[a]\nb = 1", ("gone",), None),
    ],
)
def test_finds_the_line_of_a_key(text: str, path: KeyPath, line: int | None) -> None:
    assert line_of(path, key_lines(text)) == line


@pytest.mark.parametrize(
    ("text", "line"), [("a = 1\nb =\n", 2), ("[a\n", 1), ("a = 1\n\na = 2\n", 3), ('a = 1\nb = """\nx', 3), ("=", 1)]
)
def test_finds_the_line_of_a_syntax_error(text: str, line: int) -> None:
    with pytest.raises(ValueError) as raised:
        parse(text)
    assert error_line(raised.value, text) == line


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        0,
        -3,
        0.1,
        1e-07,
        1e22,
        float("inf"),
        "",
        'a "b" \\c',
        "tab\tline\n",
        "é 😀",
        "\x7f\x01",
        [1, ["a"]],
        {},
        {"a b": {"c": 1}},
    ],
)
def test_writes_what_reads_back(value: object) -> None:
    read = parse(f"key = {as_toml(value)}")["key"]
    assert read == value
    assert type(read) is type(value)
