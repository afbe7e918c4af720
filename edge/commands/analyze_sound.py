"""The part of `affect-edge analyze` that listens: emotion over time in one sound file."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.observation import AudioBlock
    from edge.pipeline.speech import Hop, SpeechPipeline


def analyze_sound(path: str, pipeline: SpeechPipeline, *, as_json: bool, every: bool) -> None:
    """Analyse one file from its beginning to its end.

    Parameters
    ----------
    path
        Any that libsndfile reads.
    as_json
        Print a line of JSON for each half second.
    every
        Print each half second in words, before the summary.

    Raises
    ------
    SourceError
        The file cannot be read.
    """
    from tqdm import tqdm

    from edge.sources.sound_file import SoundFileSource

    pipeline.reset()
    summary = _Summary(path, pipeline)
    quiet = not sys.stderr.isatty() or not sys.stdout.isatty()
    with SoundFileSource(path) as source:
        name, total = Path(path).name, round(source.sample_count / source.rate)
        with tqdm(desc=name, total=total, unit="s", disable=quiet, leave=False) as progress:
            for block in source:
                _take(pipeline.hear(block), summary, as_json=as_json, every=every)
                summary.add_sound(block)
                progress.update(int(summary.seconds) - progress.n)
            _take(pipeline.finish(), summary, as_json=as_json, every=every)
    if not as_json:
        print(summary)
    elif not summary.judged:
        print(summary, file=sys.stderr)


def _take(hops: list[Hop], summary: _Summary, *, as_json: bool, every: bool) -> None:
    for hop in hops:
        summary.add(hop)
        if as_json:
            _print_json(hop)
        elif every:
            _print_hop(hop)


def _print_json(hop: Hop) -> None:
    observed = hop.observation.as_dict() if hop.observation else {}
    document = {
        "source": hop.source,
        "time": round(hop.monotonic_time, 3),
        "heard": hop.heard,
        "level_dbfs": round(hop.level_dbfs, 1),
        **{key: observed.get(key) for key in ("label", "confidence", "probabilities")},
    }
    print(json.dumps(document), flush=True)


def _print_hop(hop: Hop) -> None:
    where = f"{hop.source} {hop.monotonic_time:8.2f} s"
    if hop.observation is None:
        # Speech by itself may be none on the average that is observed.
        print(f"{where}: {'no speech' if hop.heard == 'speech' else hop.heard}")
    else:
        print(f"{where}: {hop.observation.label} ({_likely(hop.observation.probabilities)})")


def _likely(probabilities: Mapping[str, float]) -> str:
    first = sorted(probabilities.items(), key=lambda item: item[1], reverse=True)[:3]
    return ", ".join(f"{label} {probability:.0%}" for label, probability in first)


class _Summary:
    """How long there was speech, and the mean of what the model said of it."""

    def __init__(self, source: str, pipeline: SpeechPipeline) -> None:
        self.seconds = 0.0
        """Of sound so far."""
        self._source = source
        self._pipeline = pipeline
        self._heard: Counter[str] = Counter()
        self._first: str | None = None
        self._sums = dict.fromkeys(pipeline.labels, 0.0)

    def add_sound(self, block: AudioBlock) -> None:
        self.seconds += len(block.samples) / block.rate

    def add(self, hop: Hop) -> None:
        self._heard[hop.heard] += 1
        self._first = self._first or hop.heard
        if hop.heard == "speech" and hop.probabilities is not None:
            for label, probability in zip(self._sums, hop.probabilities.tolist(), strict=True):
                self._sums[label] += probability

    @property
    def judged(self) -> bool:
        """Whether there was enough sound for the model."""
        return self._first is not None

    def __str__(self) -> str:
        head = f"{self._source}: {self.seconds:.1f} s"
        window, step = self._pipeline.window_seconds, self._pipeline.step_seconds
        if not self.judged:
            return f"{head}, too short: the model needs {window:.1f} s"
        if not self._heard["speech"]:
            return f"{head}, {'no speech in it' if self._heard['no speech'] else 'nothing but silence'}"
        # A hop stands for the half second that is new in its window, the first for the whole of it.
        lengths = {
            heard: count * step + (window - step) * (heard == self._first) for heard, count in self._heard.items()
        }
        parts = [f"{heard} {length:.1f} s" for heard, length in lengths.items()]
        means = {label: total / self._heard["speech"] for label, total in self._sums.items()}
        return f"{head}: {', '.join(sorted(parts, reverse=True))}\n  mean of the speech: {_likely(means)}"
