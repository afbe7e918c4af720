"""The conversion matrix as Markdown: one table for each figure, models as rows, methods as columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import measuring
from benchmarks.pages import grid

Cell = measuring.Results


def table(results: measuring.Results) -> str:
    """All tables."""
    return "\n".join(_lines(results))


def write(path: Path, results: measuring.Results, environment: measuring.Results) -> None:
    """Write the page, whole or not at all."""
    partial = path.with_suffix(".partial")
    page = "\n".join(
        (
            "# Models and methods",
            "",
            "Written by `python -m benchmarks.convert_matrix --write`; its `--help` tells what is measured.",
            "",
            "```",
            measuring.environment_lines(environment),
            "```",
            "",
            table(results),
            "",
        )
    )
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _lines(results: measuring.Results) -> Iterator[str]:
    protocol, methods = results["protocol"], results["methods"]
    rows = [row for row in results["rows"] if "error" not in row]
    yield (
        f"Seed {protocol['seed']}; {protocol['calibration_samples']} made-up samples to calibrate on, "
        f"{protocol['validation_samples']} others to compare outputs on; qat {protocol['qat_steps']} steps. "
        f"{', '.join(f'{name} {version}' for name, version in results['versions'].items())}."
    )
    yield ""
    yield from _models_table(
        "Models",
        ("input", "weights", "parameters", "multiply-adds", "bridge", "classes named"),
        [(row["model"], _about(row)) for row in rows],
    )

    def of(figure: Callable[[Cell], str]) -> list[tuple[str, list[str]]]:
        return [(row["model"], [_text(row["cells"].get(method, {}), figure) for method in methods]) for row in rows]

    yield from _models_table("Size in kB", methods, of(lambda cell: f"{cell['size_bytes'] / 1000:.1f}"))
    for threads in map(str, protocol["threads"]):
        yield from _models_table(
            f"Milliseconds, and times those of float32: {threads} thread{'s' if threads != '1' else ''}",
            methods,
            of(lambda cell, threads=threads: _time(cell, threads)),  # type: ignore[misc]
        )
    yield from _models_table("Same class as the float model", methods, of(_share))
    yield from _models_table("Signal to quantisation noise in dB", methods, of(lambda cell: f"{cell['sqnr_db']:.1f}"))
    yield from _models_table("Operators that work in float", methods, of(_floating))
    yield from _failures(results, methods)
    yield from dict.fromkeys(str(row["machine"]).split(", litert")[0] for row in rows)


def _about(row: measuring.Results) -> list[str]:
    named = row["classes_named"]
    return [
        "x".join(map(str, row["input"])),
        "trained" if row["trained"] else "random",
        f"{row['parameters']:,}",
        f"{row['multiply_adds']:,}",
        f"{row['bridge_difference']:.1e}",
        "-" if named is None else str(named),
    ]


def _text(cell: Cell, figure: Callable[[Cell], str]) -> str:
    return "failed" if "error" in cell else figure(cell) if cell else ""


def _time(cell: Cell, threads: str) -> str:
    taken, ratio = cell["milliseconds"].get(threads), cell["ratio"].get(threads)
    return "-" if taken is None else f"{taken:.3g}" if ratio is None else f"{taken:.3g} ({ratio:.2f}x)"


def _share(cell: Cell) -> str:
    return "-" if cell["top1"] is None else f"{cell['top1']:.1%}"


def _floating(cell: Cell) -> str:
    """How many; which, as long as they are of few kinds."""
    counts = cell["floating"]
    kinds = ", ".join(name if count == 1 else f"{count} {name}" for name, count in counts.items())
    return "0" if not counts else kinds if len(counts) <= 3 else str(sum(counts.values()))


def _failures(results: measuring.Results, methods: Sequence[str]) -> Iterator[str]:
    found = [f"{row['model']}: {row['error']}" for row in results["rows"] if "error" in row]
    found += [
        f"{row['model']}, {method}: {row['cells'][method]['error']}"
        for row in results["rows"]
        for method in methods
        if "error" in row.get("cells", {}).get(method, {})
    ]
    if found:
        yield "## What failed"
        yield ""
        yield from (f"- {line}" for line in found)
        yield ""


def _models_table(title: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    """A table of the models under its heading."""
    yield f"## {title}"
    yield ""
    yield from grid(("model", *columns), [(name, *values) for name, values in rows])
    yield ""
