"""TOML beyond parsing: in which line a key stands, and how a value is written."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

KeyPath = tuple[str, ...]


def parse(text: str) -> dict[str, Any]:
    """Parse TOML; raises `ValueError` (TOMLDecodeError), whose line `error_line` finds."""
    document: dict[str, Any] = tomllib.loads(text)
    return document


def as_toml(value: Any) -> str:
    """One value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but JSON leaves the one control character above 127 alone.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(as_toml(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{as_toml(key)} = {as_toml(item)}' for key, item in value.items())}}}"
    return str(value)


def error_line(error: Exception, text: str) -> int:
    """The line that a parser's error message names, counted from 1; the last one for 'at end of document'."""
    found = re.search(r"\bat line (\d+)", str(error))
    return int(found.group(1)) if found else max(len(text.splitlines()), 1)


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, counted from 1, in which each key of a valid TOML text first appears; tables count as keys.

    The parser itself says what a statement is: lines are added until they parse. So dotted keys, inline tables and
    values over several lines need no grammar here.
    """
    lines: dict[KeyPath, int] = {}
    header: KeyPath = ()
    statement, first = "", 1
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        statement += line
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        is_header = statement.lstrip().startswith("[")
        paths = list(_paths(parsed))
        if is_header:
            header = paths[-1]
        for path in paths:
            lines.setdefault(path if is_header else header + path, first)
        statement, first = "", number + 1
    return lines


def line_of(path: KeyPath, lines: dict[KeyPath, int]) -> int | None:
    """The line of a key, or of the nearest table around it that has one."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if isinstance(value, list):
        # The header of an array of tables, [[name]], parses to a list of one table.
        for item in value:
            yield from _paths(item, path)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key)
            yield from _paths(item, (*path, key))
