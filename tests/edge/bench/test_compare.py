from __future__ import annotations

from edge.bench.compare import as_text, compare
from tests.edge.bench.documents import document


def test_a_run_beside_itself() -> None:
    found = compare(document(), document())
    assert not found["differences"]
    assert not found["only_old"]
    assert {row["ratio"] for row in found["rows"]} == {1.0}
    assert "The same machine" in as_text(found, "a", "b")


def test_ratios_and_what_differs() -> None:
    old, new = document(), document()
    new.models[0].p50_ms = 1.0
    new.models[1].accelerator = "GPU"
    new.models[0].sha256 = new.models[1].sha256 = "b" * 64
    new.machine.board = None
    new.versions.python = "CPython 3.13.1"
    new.state.start.governors = {"policy0": "performance"}
    new.sustained = None
    new.interrupted = True
    old.camera.paced.missed = 0  # type: ignore[union-attr]
    found = compare(old, new)
    ratios = {row["what"]: row["ratio"] for row in found["rows"]}
    assert ratios["expression/expression, cpu, 1 threads: p50_ms"] == 0.5
    assert ratios["camera, at its pace: missed"] is None
    assert {entry["what"] for entry in found["differences"]} == {
        "machine.board",
        "versions.python",
        "governors",
        "model expression/expression",
    }
    assert "expression/expression, cpu, 2 threads: p50_ms" in found["only_old"]
    assert "sustained: kept" in found["only_old"]
    assert "expression/expression, GPU, 2 threads: p50_ms" in found["only_new"]
    text = as_text(found, "old.json", "new.json")
    assert "versions.python: CPython 3.11.2 -> CPython 3.13.1" in text
    assert "new: it was interrupted" in text
    assert "Only in the new run:" in text


def test_nothing_in_common_is_said() -> None:
    empty = document(models=[], camera=None, microphone=None, start=None, energy=None, sustained=None)
    assert "nothing that both measured" in as_text(compare(empty, document()), "a", "b")
