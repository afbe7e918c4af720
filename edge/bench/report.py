"""The figures for people: tables as text, or as Markdown for an issue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge.bench.document import BackToBack, Document, Memory, Paced, Times


@dataclass
class Table:
    """A heading, a header and rows of text; the first column is left, the others are right."""

    heading: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def as_text(document: Document) -> str:
    """Plain text of at most 120 columns or so."""
    lines = [*_about(document), ""]
    for table in _tables(document):
        widths = [max(len(row[column]) for row in [table.header, *table.rows]) for column in range(len(table.header))]
        lines.append(table.heading)
        for row in [table.header, *table.rows]:
            cells = [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
            lines.append(("  " + "  ".join(cells)).rstrip())
        if table.note:
            lines.append(f"  {table.note}")
        lines.append("")
    for heading, entries in _lists(document):
        lines += [heading, *(f"  {entry}" for entry in entries), ""]
    return "\n".join(lines).rstrip()


def as_markdown(document: Document) -> str:
    """For pasting into an issue."""
    lines = ["### affect-edge bench", "", *(f"- {line}" for line in _about(document)), ""]
    for table in _tables(document):
        lines += [f"**{table.heading}**", ""]
        lines.append(f"| {' | '.join(table.header)} |")
        lines.append(f"|---|{'---:|' * (len(table.header) - 1)}")
        lines += [f"| {' | '.join(_escaped(cell) for cell in row)} |" for row in table.rows]
        lines += ["", table.note, ""] if table.note else [""]
    for heading, entries in _lists(document):
        lines += [f"**{heading}**", "", *(f"- {_escaped(entry)}" for entry in entries), ""]
    return "\n".join(lines).rstrip()


def _about(document: Document) -> Iterator[str]:
    machine, versions, protocol, state = document.machine, document.versions, document.protocol, document.state
    name = machine.board or "no board's name"
    memory = f", {machine.memory_mb / 1000:.1f} GB" if machine.memory_mb else ""
    emulated = f", emulated by {machine.emulator}" if machine.emulator else ""
    yield f"machine: {name}, {machine.cpu or 'unknown processor'}, {machine.cores} cores{memory}{emulated}"
    yield f"system: {machine.os or 'unknown'}, {machine.kernel}, {machine.architecture}"
    runtimes = ", ".join(f"{runtime} {version}" for runtime, version in versions.runtimes.items()) or "no runtime"
    yield (
        f"versions: affect-edge {versions.affect_edge}, {versions.python}, NumPy {versions.numpy}, OpenCV "
        f"{versions.opencv or 'absent'}, {runtimes}"
    )
    yield (
        f"protocol: {'quick, ' if protocol.quick else ''}at most {protocol.repeats} inferences in {protocol.rounds} "
        f"rounds by turns, loops for {protocol.loop_seconds:g} s; {document.started}, {document.seconds:.0f} s"
        f"{', INTERRUPTED' if document.interrupted else ''}"
    )
    governors = ", ".join(sorted(set(state.start.governors.values()))) or "unknown"
    heat = "unknown" if state.hottest_celsius is None else f"{state.hottest_celsius:.0f} °C"
    load = "unknown" if state.start.load is None else f"{state.start.load:g}"
    yield f"state: governor {governors}, hottest {heat}, load before {load}"


def _tables(document: Document) -> Iterator[Table]:
    if document.models:
        yield _models(document)
    for made in (_back_to_back(document), _paced(document), _memory(document)):
        if made:
            yield made
    if start := document.start:
        row = [_number(value, 2) for value in (start.first_s, start.min_s, start.p50_s, start.max_s)]
        header = ("process start to first observation, s", "first", "min", "p50", "max", "starts", "peak MB")
        yield Table("Start", header, [("run --source demo", *row, str(start.starts), _number(start.peak_mb, 1))])
    if energy := document.energy:
        yield Table(
            f"Energy ({energy.meter})",
            ("while", "s", "J", "W", "above idle W"),
            [
                (
                    phase.phase,
                    *(_number(value, 2) for value in (phase.seconds, phase.joules, phase.watts)),
                    _number(phase.above_idle_watts, 2),
                )
                for phase in energy.phases
            ],
        )
    if document.cross_check:
        yield Table(
            "Beside LiteRT's own benchmark, CPU, one thread, p50",
            ("model", "ours ms", "litert-benchmark ms", "ratio"),
            [
                (row.model, _number(row.own_p50_ms, 3), _number(row.tool_p50_ms, 2), _number(row.ratio, 2))
                for row in document.cross_check
            ],
        )
    if document.sustained:
        yield _sustained(document)


def _models(document: Document) -> Table:
    return Table(
        "Models, ms",
        ("model", "on", "threads", "load", "first", "min", "p50", "p90", "p99", "repeats"),
        [
            (
                row.model,
                f"{row.accelerator}{' (software)' if row.software else ''}",
                str(row.threads),
                _number(row.load_ms, 1),
                *(_number(value, 3) for value in (row.first_ms, row.min_ms, row.p50_ms, row.p90_ms, row.p99_ms)),
                str(row.repeats),
            )
            for row in document.models
        ],
    )


def _back_to_back(document: Document) -> Table | None:
    camera, microphone = document.camera, document.microphone
    notes = []
    if camera and camera.frames_a_second is not None:
        notes.append(f"camera: {camera.frames_a_second:g} frames a second")
    if microphone and microphone.ms_a_second is not None:
        quiet = microphone.silence_ms_a_second
        silence = "" if quiet is None else f", of silence {quiet:.2f} ms"
        notes.append(
            f"microphone: a second of speech costs {microphone.ms_a_second:.2f} ms{silence}: real-time factor "
            f"{microphone.real_time_factor:.5f}"
        )
    parts = (("camera, a frame", camera), ("microphone, half a second", microphone))
    rows = [_fast_row(name, part.back_to_back) for name, part in parts if part and part.back_to_back]
    # The second overhead is of the thread's processor time.
    header = ("loop", "min", "p50", "p90", "p99", "mean", "models", "overhead", "of CPU", "repeats")
    return Table("Loops back to back, ms", header, rows, "; ".join(notes)) if rows else None


def _fast_row(name: str, fast: BackToBack) -> list[str]:
    overheads = ("-" if part is None else f"{part:.0%}" for part in (fast.overhead, fast.cpu_overhead))
    return [
        name,
        *_times(fast),
        _number(fast.mean_ms, 2),
        _number(fast.models_ms, 2),
        *overheads,
        str(fast.count),
    ]


def _paced(document: Document) -> Table | None:
    parts = (("camera", document.camera), ("microphone", document.microphone))
    rows = [_paced_row(name, part.paced) for name, part in parts if part and part.paced]
    header = ("loop", "min", "p50", "p90", "p99", "due", "missed", "a second", "CPU ms/s")
    note = f"camera: due at {document.camera.fps:g} frames a second" if document.camera else ""
    return Table("Loops at their pace, ms from capture to answer", header, rows, note) if rows else None


def _paced_row(name: str, paced: Paced) -> list[str]:
    counts = str(paced.due), str(paced.missed)
    return [name, *_times(paced), *counts, _number(paced.a_second, 1), _number(paced.cpu_ms_a_second, 1)]


def _times(times: Times) -> list[str]:
    return [_number(value, 2) for value in (times.min_ms, times.p50_ms, times.p90_ms, times.p99_ms)]


def _memory(document: Document) -> Table | None:
    found = [
        (name, part.memory) for name, part in (("camera", document.camera), ("microphone", document.microphone)) if part
    ]
    rows = [(name, *_memory_cells(memory)) for name, memory in found if memory]
    return Table("Memory of a process, MB", ("loop", "start", "loaded", "peak", "after"), list(rows)) if rows else None


def _memory_cells(memory: Memory) -> list[str]:
    return [_number(value, 1) for value in (memory.start_mb, memory.loaded_mb, memory.peak_mb, memory.after_mb)]


def _sustained(document: Document) -> Table:
    run = document.sustained
    assert run is not None
    kept = "" if run.kept is None else f"; the last fifth made {run.kept:.0%} of the first fifth's frames a second"
    held = f"; held back: {', '.join(run.throttled)}" if run.throttled else ""
    # Some twelve of them: all are in the JSON.
    step = -(-len(run.samples) // 12) if run.samples else 1
    return Table(
        f"Sustained, {run.seconds:.0f} of {run.planned_s:.0f} s",
        ("at s", "frames/s", "ms/s of sound", "°C", "MHz", "W", "MB"),
        [
            (
                f"{sample.at_s:.0f}",
                _number(sample.frames_a_second, 1),
                _number(sample.ms_a_second_of_sound, 2),
                _number(sample.celsius, 1),
                _number(sample.clock_mhz, 0),
                _number(sample.watts, 2),
                _number(sample.memory_mb, 1),
            )
            for sample in [*run.samples[:-1][::step], *run.samples[-1:]]
        ],
        f"{len(run.samples)} samples{kept}{held}",
    )


def _lists(document: Document) -> Iterator[tuple[str, list[str]]]:
    if document.notes:
        yield "To know", document.notes
    if document.absent:
        yield "Absent here", [f"{entry.what}: {entry.reason}" for entry in document.absent]
    if document.not_measured:
        yield "Not measured", [f"{entry.what}: {entry.reason}" for entry in document.not_measured]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
