"""Whether the service stays as it began in a week: memory, files, threads, the journal's size.

The supervisor of `affect-edge service` runs for `--days` of a clock of its own, as fast as it goes: every five seconds
a frame of the demonstration's, looked at by the real models, a commit and a status file. Every hour the camera is
unplugged and comes back, every sixth it hangs; every day there is an hour's pause, an hour of heat and a new
configuration. The journal may take `--journal-mb`, which it reaches in the first days, so that it has to make room from
then on.

After each tenth it is noted what the process has. The first tenth warms up; from there to the end the bounds of
`benchmarks.soak` hold, and the journal may not exceed its size. The exit code is 1 if anything did. Times decide
nothing.

examples:
  python -m benchmarks.service_soak --plot soak.png
  python -m benchmarks.service_soak --days 0.5 --json
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks import measuring
from benchmarks.soak import MAX_GROWTH_BLOCKS, MAX_GROWTH_KIB, PARTS, Sample, draw, grown, take_sample
from edge.config import Config, parse_config
from edge.errors import SourceError
from edge.journal import Journal
from edge.observation import Frame
from edge.pipeline.faces import FacePipeline
from edge.pipeline.sinks import journal_sink
from edge.service.heat import Heat
from edge.service.indicator import Indicator
from edge.service.loops import CameraRun, LoopRun
from edge.service.notify import Notifier
from edge.service.pause import Pause
from edge.service.setup import Setup
from edge.service.supervisor import Supervisor
from edge.service.worker import Job
from edge.sources.base import FrameSource, live_frame
from edge.sources.demo import DemoSource

HOUR = 3600
DAY = 24 * HOUR
QUICK_DAYS = 0.1

_STEP = 5
"""Seconds from one frame to the next."""
_PICTURES = 120
_HANG_EVERY = 6
_HANGS = 25
"""Seconds: FFmpeg's reads come back after so long."""

LEAST_OBSERVED = 0.9
"""Of the frames while the service is neither paused nor hot: some are lost to what befalls it."""

_BATCH_BYTES = 100_000

_PATIENCE = 30.0
"""Seconds of the machine's own clock that the loop is given for a frame, or to end."""


class _Camera(FrameSource):
    """A frame for each step of the soak's clock; unplugged once an hour, and hanging instead now and then."""

    name = "camera"
    live = True

    def __init__(self, soak: Soak) -> None:
        self.handed_out = 0
        self._soak = soak
        self._waits = False
        self._closed = False
        self._due = soak.now

    def read(self) -> Frame | None:
        soak = self._soak
        with soak.changed:
            self._waits = True
            while soak.now < self._due and not self._closed:
                soak.changed.wait(0.05)
            self._waits = False
            if self._closed:
                return None
            if soak.hangs_until > soak.now:
                while soak.now < soak.hangs_until:
                    soak.changed.wait(0.05)
                raise SourceError("gave no frame")
            if soak.is_unplugged:
                soak.is_unplugged = False
                raise SourceError("unplugged")
            self._due = soak.now + _STEP
            self.handed_out += 1
            return live_frame(soak.pictures[self.handed_out % _PICTURES], self.handed_out, self.name)

    @property
    def is_idle(self) -> bool:
        """Whether somebody waits for the next step's frame."""
        return self._waits and self._soak.now < self._due

    def close(self) -> None:
        self._closed = True


class Soak:
    """Runs the service and takes the samples.

    Parameters
    ----------
    seconds
        Of its own clock.
    folder
        An empty one.
    journal_mb
        The journal's bound.
    """

    def __init__(self, seconds: int, folder: Path, *, journal_mb: float, progress: bool = False) -> None:
        self.now = 0.0
        self.changed = threading.Condition()
        self.is_unplugged = False
        self.hangs_until = 0.0
        self.expected = 0
        """Frames that were all to be looked at: neither paused nor hot."""
        self.samples: list[Sample] = []
        self.happened = {"unplugged": 0, "hung": 0, "pauses": 0, "configurations": 0, "hot": 0}
        self.pictures = [frame.image for frame in DemoSource(width=320, height=240, paced=False, frames=_PICTURES)]
        self._seconds = seconds
        self._progress = progress
        self._folder = folder
        for name in ("run", "state", "sys/class/thermal/thermal_zone0"):
            (folder / name).mkdir(parents=True)
        (folder / "sys/class/thermal/thermal_zone0/type").write_text("cpu-thermal\n")
        self._heat_up(False)
        self.journal = Journal(folder / "state" / "journal.db", batch_seconds=3600, max_size_mb=journal_mb)
        self._pipeline = FacePipeline.from_config(Config())
        self._supervisor = Supervisor(
            self._setup(),
            rebuild=lambda _: self._setup(),
            notifier=Notifier({}),
            folder=folder / "run",
            clock=lambda: self.now,
        )
        self._costs: list[float] = []

    def run(self) -> None:
        """The whole time."""
        from tqdm import tqdm

        bar = tqdm(total=self._seconds, unit="s", unit_scale=True, disable=not self._progress)
        ends = [self._seconds * part // PARTS for part in range(1, PARTS + 1)]
        with bar:
            for second in range(_STEP, self._seconds + 1, _STEP):
                self._let_happen(second)
                self.expected += not 2 * HOUR <= second % DAY < 3 * HOUR and not 5 * HOUR <= second % DAY < 6 * HOUR
                began = time.perf_counter()
                self._step()
                self._costs.append(time.perf_counter() - began)
                if self._supervisor.is_over:
                    raise RuntimeError(f"second {second}: the service ended by itself")
                self.journal.flush()
                if second >= ends[len(self.samples)]:
                    self.samples.append(self._sample(second))
                    bar.update(second - bar.n)
        self._supervisor.end()
        while not self._supervisor.is_over:
            self._step()
        self.journal.close()

    def _setup(self) -> Setup:
        config = parse_config("[camera]\nfps = 0.2\n[heat]\nhold = 60.0\n", Path("config.toml"))
        return Setup(
            config=config,
            jobs=(Job("camera", "camera", self._open),),
            journal=self.journal,
            pause=Pause(config.pause, folder=self._folder / "run"),
            heat=Heat(config.heat, root=self._folder),
            indicator=Indicator(config.indicator),
        )

    def _open(self) -> LoopRun:
        self._camera = _Camera(self)
        return CameraRun(self._camera, self._pipeline, [journal_sink(self.journal, interval=0.0)])

    def _let_happen(self, second: int) -> None:
        hour, rest = divmod(second, HOUR)
        if rest == HOUR // 2:
            if hour % _HANG_EVERY == _HANG_EVERY - 1:
                self.hangs_until = second + _HANGS
                self.happened["hung"] += 1
            else:
                self.is_unplugged = True
                self.happened["unplugged"] += 1
        rest = second % DAY
        pause = self._folder / "run" / "pause"
        if rest == 2 * HOUR:
            pause.write_text("")
            self.happened["pauses"] += 1
        elif rest == 3 * HOUR:
            pause.unlink()
        elif rest == 4 * HOUR:
            self._supervisor.reload()
            self.happened["configurations"] += 1
        elif rest in (5 * HOUR, 6 * HOUR):
            self._heat_up(rest == 5 * HOUR)
            self.happened["hot"] += rest == 5 * HOUR

    def _heat_up(self, hot: bool) -> None:
        (self._folder / "sys/class/thermal/thermal_zone0/temp").write_text("85000\n" if hot else "50000\n")

    def _step(self) -> None:
        """One step: what is due is done before the next begins."""
        with self.changed:
            self.now += _STEP
            self.changed.notify_all()
        limit = time.monotonic() + _PATIENCE
        self._supervisor.tick()
        while not self._is_settled():
            if time.monotonic() > limit:
                raise RuntimeError(
                    f"second {self.now:.0f}: the loop is {self._supervisor.workers[0].state} for too long"
                )
            time.sleep(0.0002)
            self._supervisor.tick()

    def _is_settled(self) -> bool:
        (worker,) = self._supervisor.workers
        if worker.closed or self.hangs_until > self.now:
            return True
        if worker.state == "ending":
            return self._camera.is_idle
        if worker.state != "running" or worker.run is None or not self._camera.is_idle:
            return False
        figures = worker.run.figures
        return figures["frames"] + figures["skipped"] + figures["dropped"] >= self._camera.handed_out

    def _sample(self, second: int) -> Sample:
        cost = float(np.median(self._costs)) * 1e3
        self._costs.clear()
        return take_sample(second, round(cost, 2), self.journal.path.parent)


def measure(days: float, *, journal_mb: float, progress: bool) -> measuring.Results:
    """Run in a temporary folder, which is removed."""
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(round(days * DAY / _STEP) * _STEP, Path(folder), journal_mb=journal_mb, progress=progress)
        soak.run()
        written = soak.journal.written
    first, last = soak.samples[0], soak.samples[-1]
    trouble = grown(soak.samples, "seconds")
    largest = max(sample.journal_kib for sample in soak.samples)
    # The newest batch comes on top until the next one makes room.
    if largest * 1024 > journal_mb * 1e6 + _BATCH_BYTES:
        trouble.append(f"the journal took {measuring.megabytes(largest)} MB, where {journal_mb:g} are allowed")
    if written < LEAST_OBSERVED * soak.expected:
        trouble.append(f"{written} observations of {soak.expected} frames without a pause or heat")
    return {
        "protocol": {
            "days": days,
            "journal_mb": journal_mb,
            "warmup_seconds": first.frames,
            "parts": PARTS,
            "max_growth_mb": measuring.megabytes(MAX_GROWTH_KIB),
            "max_growth_blocks": MAX_GROWTH_BLOCKS,
        },
        "observations": written,
        "happened": soak.happened,
        "samples": [asdict(sample) for sample in soak.samples],
        "growth": {
            "rss_mb": measuring.megabytes(last.rss_kib - first.rss_kib),
            "blocks": last.blocks - first.blocks,
            "files": last.files - first.files,
            "threads": last.threads - first.threads,
        },
        "grown": trouble,
    }


def table(results: measuring.Results) -> str:
    """The figures for people."""
    growth = results["growth"]
    lines = [
        f"{results['protocol']['days']:g} days, {results['observations']} observations journalled; "
        + ", ".join(f"{count} {what}" for what, count in results["happened"].items()),
        "",
        f"{'days':>6}{'memory, MB':>12}{'blocks':>10}{'files':>7}{'threads':>9}{'journal, MB':>13}{'ms a frame':>13}",
    ]
    lines += [
        f"{sample['frames'] / DAY:>6.2f}{measuring.megabytes(sample['rss_kib']):>12}{sample['blocks']:>10}"
        f"{sample['files']:>7}{sample['threads']:>9}{measuring.megabytes(sample['journal_kib']):>13}"
        f"{sample['frame_ms']:>13}"
        for sample in results["samples"]
    ]
    lines += [
        "",
        f"grown after the warm-up: memory {growth['rss_mb']:+} MB, blocks {growth['blocks']:+}, "
        f"files {growth['files']:+}, threads {growth['threads']:+}",
    ]
    return "\n".join(lines)


def plot(results: measuring.Results, file: Path) -> None:
    """Memory, files, threads and the journal's size over the days, as a picture."""
    samples = results["samples"]
    rows = {
        "memory, MB": [measuring.megabytes(sample["rss_kib"]) for sample in samples],
        "journal, MB": [measuring.megabytes(sample["journal_kib"]) for sample in samples],
        "files": [sample["files"] for sample in samples],
        "threads": [sample["threads"] for sample in samples],
    }
    draw([sample["frames"] / DAY for sample in samples], rows, file, unit="days")


def run(arguments: argparse.Namespace) -> int:
    # What happens is told in the figures.
    logging.getLogger("edge").setLevel(logging.ERROR)
    results = measure(
        QUICK_DAYS if arguments.quick else arguments.days,
        journal_mb=arguments.journal_mb,
        progress=measuring.show_progress(arguments),
    )
    measuring.report("service_soak", results, table, as_json=arguments.json)
    if arguments.plot:
        plot(results, arguments.plot)
    for phrase in results["grown"]:
        print(f"benchmarks.service_soak: {phrase}", file=sys.stderr)
    return 1 if results["grown"] else 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.service_soak", __doc__)
    parser.add_argument("--days", type=_days, default=7.0, metavar="N", help="default 7; --quick takes 0.1")
    parser.add_argument("--journal-mb", type=float, default=4.0, metavar="MB", help="the journal's bound (default 4)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw it, as PNG (needs matplotlib)")
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


def _days(text: str) -> float:
    days = float(text)
    if not 0.001 <= days <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is not from 0.001 to 1000")
    return days


if __name__ == "__main__":
    if "MALLOC_ARENA_MAX" not in os.environ:  # as the unit has it; the C library reads it when a process starts
        again = [sys.executable, "-m", "benchmarks.service_soak", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, "MALLOC_ARENA_MAX": "2"})
    sys.exit(main())
