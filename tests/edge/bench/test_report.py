from __future__ import annotations

from edge.bench.report import as_markdown, as_text
from tests.edge.bench.documents import document


def test_the_table_tells_each_part() -> None:
    text = as_text(document())
    for told in (
        "Raspberry Pi 4 Model B Rev 1.4",
        "governor ondemand",
        "expression/expression",
        "400 frames a second",
        "real-time factor 0.00400",
        "VDD_IN",
        "litert-benchmark",
        "Sustained, 60 of 60 s",
        "gpu: GPU: there is no Vulkan",
    ):
        assert told in text, told
    assert "INTERRUPTED" not in text


def test_what_was_not_measured_is_told_and_nothing_breaks_without_it() -> None:
    empty = document(
        interrupted=True,
        models=[],
        camera=None,
        microphone=None,
        start=None,
        energy=None,
        cross_check=[],
        sustained=None,
        not_measured=[{"what": "camera: memory", "reason": "interrupted"}],
    )
    text = as_text(empty)
    assert "INTERRUPTED" in text
    assert "camera: memory: interrupted" in text
    assert "camera: memory: interrupted" in as_markdown(empty)


def test_markdown_s_tables_have_as_many_cells_in_each_row() -> None:
    text = as_markdown(document())
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("| ")]
    assert len(tables) >= 7
    for header, rule, *rows in tables:
        assert set(rule) <= set("|-:")
        assert {line.count("|") for line in rows} == {header.count("|")} == {rule.count("|")}
    assert "no Vulkan \\| none" in text
