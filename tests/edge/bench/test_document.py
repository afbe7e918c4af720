from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge.bench.document import SCHEMA_FILE, read_document, schema
from edge.errors import DataError
from tests.edge.bench.documents import document

jsonschema = pytest.importorskip("jsonschema", reason="the dev extra is not installed")

SCHEMA: dict[str, Any] = json.loads(SCHEMA_FILE.read_text())


def dumped() -> dict[str, Any]:
    return document().model_dump(mode="json", by_alias=True)


def form(node: Any) -> Any:
    """A schema without its words, which differ between versions of pydantic."""
    if isinstance(node, dict):
        # Below 'properties' the keys are names, 'title' and 'description' among them.
        return {
            key: {name: form(value) for name, value in inner.items()} if key == "properties" else form(inner)
            for key, inner in node.items()
            if key not in ("title", "description", "default")
        }
    return [form(inner) for inner in node] if isinstance(node, list) else node


def test_the_schema_in_the_package_is_that_of_the_models() -> None:
    assert form(SCHEMA) == form(schema()), "python -m edge.bench.document > edge/bench/schema.json"


def test_the_schema_is_one_and_takes_a_document() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(dumped())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("models", 0, "p50_ms"), "fast"),
        (("models", 0, "threads"), None),
        (("machine", "hostname"), "attic"),
        (("kind",), "another"),
        (("interrupted",), 3),
        (("sustained", "samples"), {}),
    ],
)
def test_schema_and_reader_refuse_the_same(tmp_path: Path, path: tuple[Any, ...], value: Any) -> None:
    found = dumped()
    part: Any = found
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(found)
    file = tmp_path / "a.json"
    file.write_text(json.dumps(found))
    with pytest.raises(DataError, match=r"a\.json: ") as told:
        read_document(file)
    assert str(path[-1]) in str(told.value)


def test_reads_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(dumped()))
    assert read_document(file) == document()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON"),
        ('{"kind": "affect', "no JSON"),
        ("[1]", "was not written by"),
        ('{"kind": "affect-edge bench", "schema": 2}', "has form 2"),
        ('{"kind": "affect-edge bench", "schema": 1}', "started"),
    ],
)
def test_another_file_is_told_with_its_name(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "old.json"
    file.write_text(text)
    with pytest.raises(DataError, match=reason) as told:
        read_document(file)
    assert str(file) in str(told.value)
    with pytest.raises(DataError, match="No such file"):
        read_document(tmp_path / "none.json")


def test_the_page_in_the_docs_tells_of_every_part() -> None:
    page = (Path(__file__).parents[3] / "docs/bench.md").read_text()
    assert [name for name in SCHEMA["properties"] if f"`{name}`" not in page] == []
