"""What the documents promise to be tested is tested."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [line for line in (ROOT / "docs/faults.md").read_text().splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_each_fault_has_tests_that_exist(row: str) -> None:
    named = re.findall(r"`(test_\w+\.py)::(\w+)`", row)
    assert named
    for file, name in named:
        functions = {
            node.name
            for path in ROOT.glob(f"tests/**/{file}")
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.FunctionDef)
        }
        assert name in functions, f"{file} has no {name}"
