"""Whether a long run stays as it began: memory, files, threads and the cost of a frame.

The camera loop of `affect-edge run` looks at the frames of the demonstration as fast as it can, and every observation
goes into a journal in a temporary folder. After each tenth of the run it is noted how much memory the process has
(VmRSS), how many blocks Python has allocated, how many files and threads are open, and what a frame cost (median).

The first tenth warms up. From there to the end the process may grow by 4 MB, for SQLite's page cache (2 MB when it is
full) and as much again for the allocators' slack: one frame that is kept is 0.9 MB, and 500 bytes kept of each frame of
the default run are found too. Python's blocks, which know no slack, may grow by 500: a handful of objects come and go
with the tracks, one kept of each frame is found even in a quick run of 600. Files and threads may
not grow at all. The exit code is 1 if any of them did. Times decide nothing.

examples:
  python -m benchmarks.soak
  python -m benchmarks.soak --frames 100000 --plot soak.png
  python -m benchmarks.soak --json
"""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks import measuring
from edge.config import Config
from edge.errors import MissingDependencyError
from edge.journal import Journal
from edge.pipeline.camera import CameraLoop
from edge.pipeline.faces import FacePipeline
from edge.sources.demo import DemoSource

PARTS = 10
QUICK_FRAMES = 600

MAX_GROWTH_KIB = 4 * 1000 * 1000 // 1024
MAX_GROWTH_BLOCKS = 500


@dataclass(frozen=True)
class Sample:
    """The process after one part of the run."""

    frames: int
    """Looked at so far."""
    rss_kib: int
    blocks: int
    """`sys.getallocatedblocks()` after a garbage collection."""
    files: int
    threads: int
    journal_kib: int
    """The database and its -wal file."""
    frame_ms: float
    """Median of the part's frames: drawing, detection, expression, journal."""


class Soak:
    """Runs the loop and takes the samples; `samples` holds them.

    Parameters
    ----------
    frames
        How many; at least one per part.
    folder
        Where the journal goes.
    """

    def __init__(self, frames: int, folder: Path, *, progress: bool = False) -> None:
        if frames < PARTS:
            raise ValueError(f"{frames} frames cannot be divided into {PARTS} parts")
        from tqdm import tqdm

        self.samples: list[Sample] = []
        self.observations = 0
        self._path = folder / "journal.db"
        self._ends = [frames * part // PARTS for part in range(1, PARTS + 1)]
        # Zeroes that are written, so that the pages are there from the start and do not count as growth.
        self._seconds = np.full(frames, 0.0)
        self._count = 0
        self._bar = tqdm(total=frames, unit="frame", disable=not progress)

    def run(self) -> list[Sample]:
        """Look at all frames."""
        pipeline = FacePipeline.from_config(Config())
        with self._bar, Journal(self._path) as self._journal:
            source = DemoSource(paced=False, frames=len(self._seconds))
            self._last = time.perf_counter()
            figures = CameraLoop(source, pipeline, [self._journal.add], after_frame=self._after_frame).run()
        self.observations = figures.faces
        return self.samples

    def _after_frame(self) -> None:
        self._journal.flush_if_due()
        now = time.perf_counter()
        self._seconds[self._count] = now - self._last
        self._count += 1
        self._bar.update()
        if self._count == self._ends[len(self.samples)]:
            self._sample()
            now = time.perf_counter()
        self._last = now

    def _sample(self) -> None:
        # What waits in memory for the next commit is no growth.
        self._journal.flush()
        # Before the rest: NumPy's median imports more of NumPy when it is first called.
        began = self.samples[-1].frames if self.samples else 0
        frame_ms = round(float(np.median(self._seconds[began : self._count])) * 1e3, 2)
        self.samples.append(take_sample(self._count, frame_ms, self._path.parent))


def take_sample(frames: int, frame_ms: float, folder: Path) -> Sample:
    """The process now; `folder` holds nothing but the journal."""
    gc.collect()
    return Sample(
        frames=frames,
        rss_kib=measuring.memory_kib("VmRSS"),
        blocks=sys.getallocatedblocks(),
        files=len(list(Path("/proc/self/fd").iterdir())),
        threads=len(list(Path("/proc/self/task").iterdir())),
        journal_kib=sum(file.stat().st_size for file in folder.iterdir()) // 1024,
        frame_ms=frame_ms,
    )


def grown(samples: Sequence[Sample], unit: str = "frames", *, max_blocks: int = MAX_GROWTH_BLOCKS) -> list[str]:
    """What grew beyond its bound from the end of the first part to the end of the last, one phrase each."""
    first, last = samples[0], samples[-1]
    bounds = {"rss_kib": MAX_GROWTH_KIB, "blocks": max_blocks, "files": 0, "threads": 0}
    growth = {name: getattr(last, name) - getattr(first, name) for name in bounds}
    return [
        f"{name} grew by {growth[name]} in {last.frames - first.frames} {unit}; at most {bound} is let pass"
        for name, bound in bounds.items()
        if growth[name] > bound
    ]


def measure(frames: int, *, progress: bool) -> measuring.Results:
    """Run in a temporary folder, which is removed."""
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(frames, Path(folder), progress=progress)
        samples = soak.run()
    first, last = samples[0], samples[-1]
    return {
        "protocol": {
            "frames": frames,
            "warmup_frames": first.frames,
            "parts": PARTS,
            "max_growth_mb": measuring.megabytes(MAX_GROWTH_KIB),
            "max_growth_blocks": MAX_GROWTH_BLOCKS,
        },
        "observations": soak.observations,
        "samples": [asdict(sample) for sample in samples],
        "growth": {
            "rss_mb": measuring.megabytes(last.rss_kib - first.rss_kib),
            "blocks": last.blocks - first.blocks,
            "files": last.files - first.files,
            "threads": last.threads - first.threads,
        },
        "peak_mb": measuring.megabytes(measuring.memory_kib("VmHWM")),
        "grown": grown(samples),
    }


def table(results: measuring.Results) -> str:
    """The figures for people."""
    protocol, growth = results["protocol"], results["growth"]
    lines = [
        f"{protocol['frames']} frames, {results['observations']} observations journalled; "
        f"the first {protocol['warmup_frames']} frames warm up",
        "",
        f"{'frames':>8}{'memory, MB':>12}{'blocks':>10}{'files':>7}{'threads':>9}{'journal, MB':>13}{'ms a frame':>12}",
    ]
    lines += [
        f"{sample['frames']:>8}{measuring.megabytes(sample['rss_kib']):>12}{sample['blocks']:>10}"
        f"{sample['files']:>7}{sample['threads']:>9}{measuring.megabytes(sample['journal_kib']):>13}"
        f"{sample['frame_ms']:>12}"
        for sample in results["samples"]
    ]
    lines += [
        "",
        f"grown after the warm-up: memory {growth['rss_mb']:+} MB (at most {protocol['max_growth_mb']:g}), "
        f"blocks {growth['blocks']:+} (at most {protocol['max_growth_blocks']}), "
        f"files {growth['files']:+}, threads {growth['threads']:+}; peak {results['peak_mb']} MB",
    ]
    return "\n".join(lines)


def plot(results: measuring.Results, file: Path) -> None:
    """Memory, blocks and the cost of a frame over the run, as a picture."""
    samples = results["samples"]
    rows = {
        "memory, MB": [measuring.megabytes(sample["rss_kib"]) for sample in samples],
        "Python's blocks": [sample["blocks"] for sample in samples],
        "ms a frame (median)": [sample["frame_ms"] for sample in samples],
    }
    draw([sample["frames"] for sample in samples], rows, file, unit="frames")


def draw(places: Sequence[float], rows: Mapping[str, Sequence[float]], file: Path, *, unit: str) -> None:
    """A picture with a curve from zero for each figure; up to the first place everything warms up."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError("matplotlib", "demo", "a plot") from None
    figure = Figure(figsize=(8, 2.5 * len(rows)), layout="constrained")
    for axes, (name, values) in zip(figure.subplots(len(rows), sharex=True), rows.items(), strict=True):
        axes.plot(places, values, marker="o")
        axes.axvspan(0, places[0], color="0.9")
        axes.set_ylim(0, 1.15 * max(values))
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
    axes.set_xlabel(f"{unit} (the grey part warms up)")
    figure.savefig(file, dpi=110)


def run(arguments: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.WARNING)
    results = measure(
        QUICK_FRAMES if arguments.quick else arguments.frames, progress=measuring.show_progress(arguments)
    )
    measuring.report("soak", results, table, as_json=arguments.json)
    if arguments.plot:
        plot(results, arguments.plot)
    for phrase in results["grown"]:
        print(f"benchmarks.soak: {phrase}", file=sys.stderr)
    return 1 if results["grown"] else 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.soak", __doc__)
    parser.add_argument("--frames", type=_frames, default=10_000, metavar="N", help="default 10000; --quick takes 600")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw it, as PNG (needs matplotlib)")
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


def _frames(text: str) -> int:
    frames = int(text)
    if frames < PARTS:
        raise argparse.ArgumentTypeError(f"{text} is fewer than {PARTS}")
    return frames


if __name__ == "__main__":
    sys.exit(main())
