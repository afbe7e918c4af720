"""The page of measured boards: a table made of the files in benchmarks/results, and what is projected for others.

Each file is what `affect-edge bench --json FILE` wrote on a board; one more file is one more row. What no file tells
is projected from the instructions that `benchmarks.instructions` counted, and labelled so: by the clock and by the
instructions that a processor does in one cycle, of which only a range is known.

examples:
  python -m benchmarks.boards                                  print the tables
  python -m benchmarks.boards --write docs/benchmarks.md       put them into the page
  python -m benchmarks.boards --check pi5.json                 is this file one to send?
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measuring
from benchmarks.instructions import EXPECTED
from benchmarks.pages import rewrite
from edge.bench.document import Document, read_document
from edge.errors import DataError

RESULTS = Path(__file__).with_name("results")

CYCLE = (1.0, 2.0)
"""Instructions in one cycle, least and most: an assumption. Both processors can begin more (three and four), and wait
for memory most of the time that is left."""

_WITHOUT = ", without models"


@dataclass(frozen=True)
class Target:
    """A board that is projected."""

    name: str
    cpu: str
    """As instructions.json calls it."""
    gigahertz: float


TARGETS = (Target("Raspberry Pi 4", "cortex-a72", 1.8), Target("Raspberry Pi 5", "cortex-a76", 2.4))
"""Clocks as the Raspberry Pi documentation gives them, for the BCM2711 (where cooled well) and the BCM2712."""


def results(folder: Path = RESULTS) -> list[tuple[Path, Document]]:
    """The measured boards, by the name of their files; raises `DataError` for a file that is none."""
    return [(file, read_document(file)) for file in sorted(folder.glob("*.json"))]


def unfit(document: Document) -> list[str]:
    """Why a run cannot stand in the table; empty if it can."""
    found = []
    if document.protocol.quick:
        found.append("it was made with --quick")
    if document.interrupted:
        found.append("it was interrupted")
    if document.machine.emulator:
        found.append(f"the machine is emulated by {document.machine.emulator}")
    missing = [part for part in ("models", "camera", "microphone", "start") if not getattr(document, part)]
    if missing:
        found.append(f"it lacks {', '.join(missing)}")
    found += [f"{reason.what} was not measured: {reason.reason}" for reason in document.not_measured]
    return found


def measured(documents: Sequence[tuple[Path, Document]]) -> str:
    """The table of the boards, Markdown."""
    if not documents:
        return "Nobody has sent a measured board yet."
    return "\n".join(_measured_lines(documents))


def _measured_lines(documents: Sequence[tuple[Path, Document]]) -> Iterator[str]:
    yield (
        "| | expression, ms | face, near, ms | camera loop, ms a frame | frames a second | missed at its pace "
        "| microphone, ms a second of speech | start, s | memory, MB |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for file, document in documents:
        camera, microphone, start = document.camera, document.microphone, document.start
        models = {row.model: row for row in document.models if row.accelerator == "cpu" and row.threads == 1}
        cells = [
            f"[{document.machine.board or document.machine.cpu}](../benchmarks/results/{file.name})",
            *(
                f"{models[name].p50_ms:.2f}" if name in models else "-"
                for name in ("expression/expression", "face-detection/face_near")
            ),
            f"{camera.back_to_back.mean_ms:.2f}" if camera and camera.back_to_back else "-",
            f"{camera.frames_a_second:.0f}" if camera and camera.frames_a_second else "-",
            f"{camera.paced.missed} of {camera.paced.due}" if camera and camera.paced else "-",
            f"{microphone.ms_a_second:.2f}" if microphone and microphone.ms_a_second else "-",
            f"{start.p50_s:.2f}" if start and start.p50_s else "-",
            f"{camera.memory.peak_mb:.0f}" if camera and camera.memory and camera.memory.peak_mb else "-",
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""
    for file, document in documents:
        machine, versions, state = document.machine, document.versions, document.state
        governors = ", ".join(sorted(set(state.start.governors.values()))) or "unknown"
        yield (
            f"- {file.name}: {machine.cpu}, {machine.cores} cores, {machine.architecture}; {machine.os}, "
            f"{machine.kernel}; governor {governors}; Python {versions.python}, NumPy {versions.numpy}, "
            f"{', '.join(f'{name} {version}' for name, version in versions.runtimes.items())}; "
            f"{document.started[:10]}."
        )


def projected(expected: Path = EXPECTED) -> str:
    """The projection, Markdown; raises `DataError` where the counts cannot be read."""
    try:
        counts = json.loads(expected.read_text(encoding="utf-8"))["instructions"]
        return "\n".join(_projected_lines({target: counts[target.cpu] for target in TARGETS}))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{expected}: cannot be read ({error!r}): python -m benchmarks.instructions --write") from error


def _projected_lines(counts: dict[Target, dict[str, int]]) -> Iterator[str]:
    heads = (f"{target.name}: million instructions | ms, projected | beyond the models" for target in counts)
    yield f"| | {' | '.join(heads)} |"
    yield "|---" * (1 + 3 * len(counts)) + "|"
    for name in next(iter(counts.values())):
        if name.endswith(_WITHOUT):
            continue
        cells = [name]
        for target, rows in counts.items():
            least, most = (rows[name] / (target.gigahertz * 1e6 * rate) for rate in reversed(CYCLE))
            models = rows[name] - rows.get(name + _WITHOUT, rows[name])
            beyond = f"{rows[name + _WITHOUT] / models:.0%}" if models else ""
            cells += [f"{rows[name] / 1e6:.2f}", f"{least:.2f} to {most:.2f}", beyond]
        yield f"| {' | '.join(cells)} |"
    yield ""
    clocks = ", ".join(f"{target.name} {target.gigahertz} GHz" for target in counts)
    yield f"Factors: {clocks}; {CYCLE[0]:g} to {CYCLE[1]:g} instructions a cycle, assumed; one thread."


def page() -> str:
    """Both tables under their headings."""
    return f"### Measured\n\n{measured(results())}\n\n### Projected, not measured\n\n{projected()}"


def run(arguments: argparse.Namespace) -> int:
    if arguments.check:
        problems = unfit(read_document(arguments.check))
        for problem in problems:
            print(f"{arguments.check}: {problem}", file=sys.stderr)
        print(f"{arguments.check}: {'not one for the table' if problems else 'can be sent'}")
        return 1 if problems else 0
    for file, document in results():
        if problems := unfit(document):
            raise DataError(f"{file}: {'; '.join(problems)}")
    if arguments.write:
        rewrite(arguments.write, page())
    else:
        print(page())
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.plain_parser("benchmarks.boards", __doc__)
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into this page")
    parser.add_argument("--check", type=Path, metavar="FILE", help="whether this file of a run can stand in the table")
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
