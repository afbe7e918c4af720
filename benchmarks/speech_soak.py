"""Whether hours of listening stay as they began: memory, files, threads, times, and what a block of sound costs.

The microphone loop of `affect-edge run` hears an hour of sound as fast as it can, and every observation goes into a
journal in a temporary folder. The sound is half a minute of speech and a quarter of quiet room, again and again, at a
microphone's rate and by a microphone's clock: one that goes 50 millionths wrong, as quartz does.

First nothing is lost; then, in another run, the source drops some blocks at random, at times several in a row.

Checked are, with the exit code 1 if any is not so:

  growth     memory, Python's blocks, files and threads from the end of the first tenth on, as in benchmarks.soak (the
             processor time of a hop is told too, but decides nothing)
  drift      the time that each hop tells for the end of its window, beside the source's clock at that very sample
  hops       as many as there is sound for: none lost, none twice
  drops      every gap is noticed by the pipeline; what was heard and what was lost are the whole hour

examples:
  python -m benchmarks.speech_soak
  python -m benchmarks.speech_soak --minutes 600 --data ../shared/data/speech
  python -m benchmarks.speech_soak --json
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks import measuring
from benchmarks.soak import MAX_GROWTH_KIB, PARTS, Sample, grown, take_sample
from benchmarks.speech_sounds import recordings
from benchmarks.speech_stand_in import CLOCK_ERROR, RATE, CheckedPipeline, MicrophoneStandIn
from edge.bench.sounds import room, synthesised
from edge.config import Config
from edge.inference.catalog import find_model
from edge.journal import Journal
from edge.observation import Samples
from edge.pipeline.microphone import MicrophoneLoop
from edge.recognizers.speech_emotion import SpeechRecognizer
from edge.sources.sound import BLOCK_SECONDS

MAX_GROWTH_BLOCKS = 1000
"""Python's and SQLite's caches fill for some minutes, with up to 460; an hour has 6,480 hops and 64,800 blocks of sound
after the warm-up, of which not one may be kept."""

MAX_DRIFT_MS = 1.0
DROP = 0.005
"""Probability that blocks are dropped, at each block."""

QUICK_MINUTES = 2


class SpeechSoak:
    """Runs the loop and takes the samples; `samples` holds them.

    Parameters
    ----------
    model
        The head's file.
    sound
        (n,) float32 at `RATE`, to be repeated.
    blocks
        Of 50 ms, how many; at least one per part.
    drop
        As in `MicrophoneStandIn`.
    folder
        Where the journal goes.
    """

    def __init__(
        self, model: Path, sound: Samples, *, blocks: int, drop: float, folder: Path, progress: bool = False
    ) -> None:
        from tqdm import tqdm

        self.samples: list[Sample] = []
        self.seconds = blocks * BLOCK_SECONDS
        self.source = MicrophoneStandIn(sound, blocks=blocks, drop=drop)
        self.pipeline = CheckedPipeline(SpeechRecognizer(model), Config(), self.source)
        self._folder = folder
        self._ends = [blocks * part // PARTS for part in range(1, PARTS + 1)]
        # Of the loop's own thread: it does not matter to them what else the machine does.
        # Zeroes that are written, so that the pages are there from the start and do not count as growth.
        self._seconds = np.full(blocks, 0.0)
        self._count = 0
        self._sampled = 0
        self._bar = tqdm(total=blocks, unit="block", disable=not progress)

    def run(self) -> None:
        """Hear all blocks."""
        with self._bar, Journal(self._folder / "journal.db") as self._journal:
            loop = MicrophoneLoop(self.source, self.pipeline, [self._journal.add], after_block=self._after_block)
            self._last = 0.0
            loop.start()
            # Not `wait`, which calls back from this thread too.
            while not loop.ended:
                time.sleep(0.05)
            loop.close()
            if loop.error is not None:
                raise loop.error
        self.observations = loop.figures.observations
        self.heard_seconds = loop.figures.sound_seconds

    def _after_block(self) -> None:
        self._journal.flush_if_due()
        now = time.thread_time()
        self._seconds[self._count] = now - self._last
        self._count += 1
        self._bar.update()
        # Dropped blocks count for the progress of the run, so that its parts are of the same length.
        lost = self.source.figures.lost_samples // round(RATE * BLOCK_SECONDS)
        if self._count + lost >= self._ends[len(self.samples)]:
            self._sample()
            now = time.thread_time()
        self._last = now

    def _sample(self) -> None:
        self._journal.flush()
        per_hop = self.pipeline.step_seconds / BLOCK_SECONDS
        # The mean: most blocks complete no hop.
        block_ms = float(np.mean(self._seconds[self._sampled : self._count])) * 1e3
        self._sampled = self._count
        self.samples.append(take_sample(self._count, round(block_ms * per_hop, 3), self._folder))


def measure(model: Path, *, minutes: int, data: Path | None, progress: bool) -> measuring.Results:
    """Listen without and with drops, each in a temporary folder, which is removed."""
    voice = recordings(data, 30, RATE) if data else synthesised(30, RATE)
    sound = np.concatenate([voice, room(15, RATE)])
    blocks = round(minutes * 60 / BLOCK_SECONDS)
    runs = {}
    for name, drop in (("nothing lost", 0.0), ("with drops", DROP)):
        with tempfile.TemporaryDirectory() as folder:
            soak = SpeechSoak(model, sound, blocks=blocks, drop=drop, folder=Path(folder), progress=progress)
            soak.run()
        runs[name] = _figures(soak)
    return {
        "model": model.name,
        "sound": "RAVDESS and a quiet room" if data else "a synthesised voice and a quiet room",
        "protocol": {
            "minutes": minutes,
            "rate": RATE,
            "clock_error": CLOCK_ERROR,
            "drop_probability": DROP,
            "parts": PARTS,
            "max_growth_mb": measuring.megabytes(MAX_GROWTH_KIB),
            "max_growth_blocks": MAX_GROWTH_BLOCKS,
            "max_drift_ms": MAX_DRIFT_MS,
        },
        "runs": runs,
        "peak_mb": measuring.megabytes(measuring.memory_kib("VmHWM")),
        "wrong": [f"{name}: {phrase}" for name, run in runs.items() for phrase in run["wrong"]],
    }


def _figures(soak: SpeechSoak) -> measuring.Results:
    first, last = soak.samples[0], soak.samples[-1]
    source, pipeline = soak.source, soak.pipeline
    figures = {
        **asdict(pipeline.figures),
        "observations": soak.observations,
        "missing_hops": pipeline.missing_hops,
        "worst_drift_ms": round(pipeline.worst_drift * 1e3, 4),
        "losses": source.losses,
        "lost_seconds": round(source.figures.lost_samples / RATE, 3),
        "heard_seconds": round(soak.heard_seconds, 3),
        "seconds": round(soak.seconds, 3),
    }
    return {
        **figures,
        "samples": [asdict(sample) for sample in soak.samples],
        "growth": {
            "rss_mb": measuring.megabytes(last.rss_kib - first.rss_kib),
            "blocks": last.blocks - first.blocks,
            "files": last.files - first.files,
            "threads": last.threads - first.threads,
            "hop_cost": round(last.frame_ms / first.frame_ms, 2),
        },
        "wrong": [*grown(soak.samples, "blocks of sound", max_blocks=MAX_GROWTH_BLOCKS), *wrong(figures)],
    }


def wrong(figures: measuring.Results) -> list[str]:
    """What does not fit together in a run's figures, one phrase each."""
    found = []
    if figures["worst_drift_ms"] > MAX_DRIFT_MS:
        found.append(f"a hop's time was {figures['worst_drift_ms']} ms off; at most {MAX_DRIFT_MS:g} is let pass")
    if figures["missing_hops"]:
        found.append(f"{figures['missing_hops']} hops are missing")
    if figures["gaps"] != figures["losses"]:
        found.append(f"{figures['gaps']} gaps were noticed where {figures['losses']} were made")
    heard, lost, seconds = figures["heard_seconds"], figures["lost_seconds"], figures["seconds"]
    if abs(heard + lost - seconds) > BLOCK_SECONDS / 2:
        found.append(f"{heard} s heard and {lost} s lost are not the {seconds} s there were")
    return found


def table(results: measuring.Results) -> str:
    """The figures for people."""
    return "\n".join(_lines(results))


def _lines(results: measuring.Results) -> Iterator[str]:
    protocol = results["protocol"]
    yield (
        f"{protocol['minutes']} minutes of sound, each run; {results['sound']}, {protocol['rate']} Hz; "
        f"{results['model']}; the first of {protocol['parts']} parts warms up"
    )
    for name, run in results["runs"].items():
        growth = run["growth"]
        yield ""
        yield (
            f"{name}: {run['hops']} hops, {run['silent']} of them silent, {run['encoded']} encoded; "
            f"{run['observations']} observations journalled"
        )
        yield f"{'blocks heard':>13}{'memory, MB':>12}{'blocks':>10}{'files':>7}{'threads':>9}{'ms a hop':>10}"
        for sample in run["samples"]:
            yield (
                f"{sample['frames']:>13}{measuring.megabytes(sample['rss_kib']):>12}{sample['blocks']:>10}"
                f"{sample['files']:>7}{sample['threads']:>9}{sample['frame_ms']:>10}"
            )
        yield (
            f"grown after the warm-up: memory {growth['rss_mb']:+} MB (at most {protocol['max_growth_mb']:g}), blocks "
            f"{growth['blocks']:+} (at most {protocol['max_growth_blocks']}), files {growth['files']:+}, threads "
            f"{growth['threads']:+}; a hop costs {growth['hop_cost']:g} times what it did at first"
        )
        yield (
            f"times: {run['worst_drift_ms']} ms off at worst (at most {protocol['max_drift_ms']:g}), by a clock "
            f"{protocol['clock_error'] * 1e6:g} ppm fast; missing hops: {run['missing_hops']}"
        )
        yield (
            f"drops: {run['losses']}, gaps noticed: {run['gaps']}; {run['heard_seconds']:g} s heard and "
            f"{run['lost_seconds']:g} s lost of {run['seconds']:g}"
        )
    yield ""
    yield f"peak {results['peak_mb']} MB"


def run(arguments: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.WARNING)
    results = measure(
        find_model("speech-emotion", arguments.model or Config().speech.model),
        minutes=QUICK_MINUTES if arguments.quick else arguments.minutes,
        data=arguments.data,
        progress=measuring.show_progress(arguments),
    )
    measuring.report("speech_soak", results, table, as_json=arguments.json)
    for phrase in results["wrong"]:
        print(f"benchmarks.speech_soak: {phrase}", file=sys.stderr)
    return 1 if results["wrong"] else 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.speech_soak", __doc__)
    parser.add_argument("--model", metavar="NAME|FILE", help="the speech model (default: the configuration's)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of RAVDESS (default: a synthesised voice)")
    parser.add_argument(
        "--minutes", type=measuring.positive, default=60, metavar="N", help="default 60; --quick takes 2"
    )
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
