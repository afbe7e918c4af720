"""Whether months of reading stay as they began: memory, files, threads, and what a sentence costs.

The text path of `affect-edge run` reads 100,000 made-up lines as fast as it can, and every observation goes into a
journal in a temporary folder. One word in ten is none of the vocabulary, and not one of these comes twice; one line in
a thousand is a long one of many sentences, and one in a thousand has nothing to read in it.

What is kept of words at hand is filled before the first part. After each tenth of the run it is noted how much memory
the process has (VmRSS), how many blocks Python has allocated, how many files and threads are open, and what a line cost
(median). The first tenth warms up; from there to the end the process may grow by 4 MB, as in benchmarks.soak, and by
1000 of Python's blocks; files and threads may not grow at all. The exit code is 1 if any of them did. Times decide
nothing.

examples:
  python -m benchmarks.text_soak
  python -m benchmarks.text_soak --lines 1000000 --json
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks import measuring
from benchmarks.soak import MAX_GROWTH_KIB, PARTS, Sample, grown, take_sample
from benchmarks.text_samples import invented, made_up_sentences
from edge.config import Config
from edge.features.token_ids import _REMEMBERED
from edge.inference.catalog import find_model
from edge.journal import Journal
from edge.observation import TextLine
from edge.pipeline.text import TextPipeline
from edge.recognizers.text_emotion import TextRecognizer

MAX_GROWTH_BLOCKS = 1000
"""Python's and SQLite's caches fill with up to 520; a quick run has 2,700 lines after the warm-up, of which not one may
be kept."""

QUICK_LINES = 3000

ODD = 0.001
"""Share of the lines that are long, and of those with nothing to read."""

_ODD_LINES = ("", "...", "\x00\x01", "\ufffd\ufffd", "\u200b")


class TextSoak:
    """Reads the lines and takes the samples; `samples` holds them.

    Parameters
    ----------
    model
        The text-emotion model's file.
    lines
        How many; at least one per part.
    folder
        Where the journal goes.
    """

    def __init__(self, model: Path, *, lines: int, folder: Path, progress: bool = False) -> None:
        from tqdm import tqdm

        self.samples: list[Sample] = []
        recognizer = TextRecognizer(model)
        self.settings = recognizer.manifest.text_input.text
        self.pipeline = TextPipeline(recognizer)
        self._path = folder / "journal.db"
        self._ends = [lines * part // PARTS for part in range(1, PARTS + 1)]
        # Zeroes that are written, so that the pages are there from the start and do not count as growth.
        self._seconds = np.full(lines, 0.0)
        self._bar = tqdm(total=lines, unit="line", disable=not progress)

    def run(self) -> None:
        """Read all lines."""
        source = mixed_lines(self.settings.words, seed=0)
        with self._bar, Journal(self._path) as journal:
            for text in _new_words(_REMEMBERED + self.settings.length, at_once=self.settings.length):
                self._read(text, -1, journal)
            for number in range(len(self._seconds)):
                text = next(source)
                began = time.thread_time()
                self._read(text, number, journal)
                self._seconds[number] = time.thread_time() - began
                self._bar.update()
                if number + 1 == self._ends[len(self.samples)]:
                    journal.flush()
                    begin = self.samples[-1].frames if self.samples else 0
                    line_ms = round(float(np.median(self._seconds[begin : number + 1])) * 1e3, 4)
                    self.samples.append(take_sample(number + 1, line_ms, self._path.parent))

    def _read(self, text: str, number: int, journal: Journal) -> None:
        # Ten lines a second, for the journal's batches.
        line = TextLine(text, number, wall_time=1000 + number / 10, monotonic_time=number / 10, source="soak")
        for observation in self.pipeline(line):
            journal.add(observation)
        journal.flush_if_due()


def mixed_lines(words: Sequence[str], *, seed: int) -> Iterator[str]:
    """Sentences without end, and now and then a line of many, or one with nothing to read."""
    generator = random.Random(seed)
    sentences = made_up_sentences(words, seed=seed)
    while True:
        chance = generator.random()
        if chance < ODD:
            yield generator.choice(_ODD_LINES)
        elif chance < 2 * ODD:
            yield " ".join(next(sentences) for _ in range(40))
        else:
            yield next(sentences)


def _new_words(count: int, *, at_once: int) -> Iterator[str]:
    generator = random.Random(1)
    for _ in range(0, count, at_once):
        yield " ".join(invented(generator) for _ in range(at_once))


def measure(model: Path, *, lines: int, progress: bool) -> measuring.Results:
    """Read in a temporary folder, which is removed."""
    with tempfile.TemporaryDirectory() as folder:
        soak = TextSoak(model, lines=lines, folder=Path(folder), progress=progress)
        soak.run()
    first, last = soak.samples[0], soak.samples[-1]
    return {
        "model": model.name,
        "protocol": {
            "lines": lines,
            "warmup_lines": first.frames,
            "words_before": _REMEMBERED + soak.settings.length,
            "max_growth_mb": measuring.megabytes(MAX_GROWTH_KIB),
            "max_growth_blocks": MAX_GROWTH_BLOCKS,
        },
        "figures": asdict(soak.pipeline.figures),
        "samples": [asdict(sample) for sample in soak.samples],
        "growth": {
            "rss_mb": measuring.megabytes(last.rss_kib - first.rss_kib),
            "blocks": last.blocks - first.blocks,
            "files": last.files - first.files,
            "threads": last.threads - first.threads,
            "line_cost": round(last.frame_ms / first.frame_ms, 2),
        },
        "peak_mb": measuring.megabytes(measuring.memory_kib("VmHWM")),
        "grown": grown(soak.samples, "lines", max_blocks=MAX_GROWTH_BLOCKS),
    }


def table(results: measuring.Results) -> str:
    """The figures for people."""
    protocol, growth, figures = results["protocol"], results["growth"], results["figures"]
    lines = [
        f"{protocol['lines']} lines, {figures['observations']} observations journalled, {figures['wordless']} lines "
        f"with nothing to read; {results['model']}; the first {protocol['warmup_lines']} lines warm up",
        "",
        f"{'lines':>9}{'memory, MB':>12}{'blocks':>10}{'files':>7}{'threads':>9}{'ms a line':>11}",
    ]
    lines += [
        f"{sample['frames']:>9}{measuring.megabytes(sample['rss_kib']):>12}{sample['blocks']:>10}"
        f"{sample['files']:>7}{sample['threads']:>9}{sample['frame_ms']:>11}"
        for sample in results["samples"]
    ]
    lines += [
        "",
        f"grown after the warm-up: memory {growth['rss_mb']:+} MB (at most {protocol['max_growth_mb']:g}), blocks "
        f"{growth['blocks']:+} (at most {protocol['max_growth_blocks']}), files {growth['files']:+}, threads "
        f"{growth['threads']:+}; a line costs {growth['line_cost']:g} times what it did at first; peak "
        f"{results['peak_mb']} MB",
    ]
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.WARNING)
    results = measure(
        find_model("text-emotion", arguments.model or Config().text.model),
        lines=QUICK_LINES if arguments.quick else arguments.lines,
        progress=measuring.show_progress(arguments),
    )
    measuring.report("text_soak", results, table, as_json=arguments.json)
    for phrase in results["grown"]:
        print(f"benchmarks.text_soak: {phrase}", file=sys.stderr)
    return 1 if results["grown"] else 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.text_soak", __doc__)
    parser.add_argument("--model", metavar="NAME|FILE", help="the text-emotion model (default: the configuration's)")
    parser.add_argument("--lines", type=_lines, default=100_000, metavar="N", help="default 100000; --quick takes 3000")
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


def _lines(text: str) -> int:
    lines = int(text)
    if lines < PARTS:
        raise argparse.ArgumentTypeError(f"{text} is fewer than {PARTS}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
