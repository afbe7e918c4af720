"""Try the methods of conversion on one model, measure what each gives, and recommend one by a stated rule."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from converter import bench, verify
from converter.bench import Bench, Machine, Timing
from converter.data import Data
from converter.methods import METHODS, Converted, Method, Options, convert
from converter.subject import Subject
from edge.errors import AffectEdgeError, ModelError

log = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float32]

MAX_DROP = 0.01
"""How much worse than the float model a recommended variant may be, unless the user says otherwise."""

ALIKE = 0.05
"""Times that differ by less than this part count as equal: two measurements of one file do."""

Measure = Literal["accuracy", "agreement", "variance explained"]
"""The share of validation samples whose class is named; that for which the same class is named as by the float model;
for a model that is no classifier, 1 - (mean squared difference from the float model / variance of its outputs)."""

Timer = Callable[[Mapping[str, Path]], Bench]
"""`bench.measure`, or `remote.measure` for a board."""


@dataclass(frozen=True)
class Variant:
    """One method's file and what it is worth; what could not be found out is None or empty."""

    method: Method
    content: bytes | None = field(default=None, repr=False)
    """Of the .tflite file."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """How it was made, for the manifest."""
    floating: tuple[str, ...] = ()
    """Operators that work in float, one entry each."""
    score: float | None = None
    """In the comparison's measure."""
    agreement: verify.Agreement | None = None
    """With the float model, on the validation samples."""
    timings: Mapping[int, Timing] = field(default_factory=dict)
    """By number of threads."""
    error: str | None = None
    """Why it is out of the question: it could not be converted, run or timed."""

    @property
    def size_bytes(self) -> int | None:
        return None if self.content is None else len(self.content)

    @property
    def milliseconds(self) -> dict[int, float]:
        """Medians by number of threads."""
        return {threads: timing.median for threads, timing in self.timings.items()}

    @property
    def best_milliseconds(self) -> float:
        """At the number of threads that suits it best; infinite if it was not timed."""
        return min(self.milliseconds.values(), default=float("inf"))

    @property
    def threads(self) -> int:
        """The fewest threads whose time is as good as its best one's."""
        limit = self.best_milliseconds * (1 + ALIKE)
        return min((threads for threads, taken in self.milliseconds.items() if taken <= limit), default=1)


@dataclass(frozen=True)
class Comparison:
    """All variants of one model."""

    variants: tuple[Variant, ...]
    """In the order in which they were asked for."""
    measure: Measure
    baseline: float
    """The float model's own score, before any conversion."""
    samples: int
    """That the scores come from."""
    machine: Machine

    @property
    def names_classes(self) -> bool:
        """Whether the model is a classifier, so that 'the same class' means something."""
        return self.measure != "variance explained"

    def __getitem__(self, method: Method) -> Variant:
        return next(variant for variant in self.variants if variant.method == method)

    def drop(self, variant: Variant) -> float:
        """How far it is below the float model; negative where it is better, infinite where it has no score."""
        return float("inf") if variant.score is None else self.baseline - variant.score


@dataclass(frozen=True)
class Recommendation:
    """Which variant to take."""

    method: Method
    threads: int
    """For the runtime's configuration."""
    rule: str
    """How it was chosen, for anybody to apply again."""
    why: str
    """The figures that the rule met."""


class _Judge:
    """Scores outputs on the validation samples."""

    def __init__(self, subject: Subject, data: Data, *, progress: bool) -> None:
        self._validation = data.validation
        self.reference = subject.predict(data.validation.x, progress=progress)
        known = data.validation.accuracy(self.reference)
        classes = len(subject.output_shape) == 1 and subject.output_shape[0] > 1
        self.measure: Measure = "accuracy" if known is not None else "agreement" if classes else "variance explained"
        self.baseline = 1.0 if known is None else known

    def score(self, outputs: FloatArray) -> float:
        if self.measure == "accuracy":
            return self._validation.accuracy(outputs) or 0.0
        if self.measure == "agreement":
            return float((outputs.argmax(axis=1) == self.reference.argmax(axis=1)).mean())
        reference = self.reference.astype(np.float64)
        spread = max(float(np.var(reference, axis=0).mean()), 1e-20)
        return 1 - float(((outputs - reference) ** 2).mean()) / spread


def variants(
    subject: Subject,
    data: Data,
    options: Options | None = None,
    *,
    methods: Sequence[Method] = METHODS,
    timer: Timer | None = None,
) -> Comparison:
    """Convert by each method and measure what came of it. One that fails is told of and stops none of the others.

    Parameters
    ----------
    data
        The validation samples judge; with their classes by accuracy, else by agreement with the float model.
    timer
        Takes the times of files; left out, on this machine. Called once without files before the work begins, so that
        a board that cannot be reached is found out at once.

    Raises
    ------
    BoardError, ModelError
        From the timer: there is no way to take times.
    """
    options = options or Options()

    def here(files: Mapping[str, Path]) -> Bench:
        return bench.measure(files, progress=options.progress)

    timer = timer or here
    timer({})
    judge = _Judge(subject, data, progress=options.progress)
    made: list[Variant] = []
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as scratch:
        files: dict[str, Path] = {}
        with tqdm(methods, desc="methods", unit="method", disable=None if options.progress else True) as bar:
            for method in bar:
                bar.set_postfix_str(method)
                path = Path(scratch) / f"{method}.tflite"
                variant = _made(subject, data, method, options)
                if variant.content is not None:
                    path.write_bytes(variant.content)
                    variant = _judged(variant, path, data, judge, progress=options.progress)
                if variant.error is None:
                    files[method] = path
                made.append(variant)
        timed = timer(files)
    return Comparison(
        variants=tuple(_timed(variant, timed) for variant in made),
        measure=judge.measure,
        baseline=judge.baseline,
        samples=len(data.validation),
        machine=timed.machine,
    )


def _made(subject: Subject, data: Data, method: Method, options: Options) -> Variant:
    try:
        converted: Converted = convert(subject, data, method, options)
    except AffectEdgeError as error:
        return Variant(method, error=str(error))
    # Legacy Keras, TFMOT and TFLite raise all kinds; the other methods do not pass through the same parts of them.
    except Exception as error:
        log.warning("%s: %s failed", subject.where, method, exc_info=True)
        return Variant(method, error=f"{type(error).__name__}: {' '.join(str(error).split())}")
    return Variant(method, converted.content, converted.notes, converted.left_in_float)


def _judged(variant: Variant, path: Path, data: Data, judge: _Judge, *, progress: bool) -> Variant:
    try:
        outputs = verify.logits(path, data.validation.x, progress=progress)
        agreement = verify.agreement(judge.reference, outputs)
    except AffectEdgeError as error:
        return replace(variant, error=str(error).replace(str(path), path.name))
    return replace(variant, score=judge.score(outputs), agreement=agreement)


def _timed(variant: Variant, timed: Bench) -> Variant:
    if variant.error is not None:
        return variant
    timings = timed.timings.get(variant.method, {})
    error = timed.errors.get(variant.method)
    return replace(variant, timings=timings, error=error and f"{timed.machine.where}: {error}")


def recommend(comparison: Comparison, max_drop: float = MAX_DROP) -> Recommendation:
    """Choose a variant.

    The rule: of the variants that are at most `max_drop` below the float model, the fastest, each at the number of
    threads that suits it best. Those that are as fast within `ALIKE` count as equal, and of them the smallest; those
    that are as small within `ALIKE` count as equal too, and of them the one with the best score, or the first of
    several. If none is near enough, the one with the best score of all.

    Raises
    ------
    ModelError
        No variant could be converted, run and timed.
    """
    usable = [variant for variant in comparison.variants if variant.error is None]
    if not usable:
        failures = "; ".join(f"{variant.method}: {variant.error}" for variant in comparison.variants)
        raise ModelError(f"no method gives a file that can be used: {failures or 'none was tried'}")
    rule = (
        f"of the variants whose {comparison.measure} is at most {max_drop:g} below the float model's, the fastest at "
        f"its best number of threads; of those within {ALIKE:.0%} of it, the smallest file; of those within "
        f"{ALIKE:.0%} of that, the best score"
    )
    # The figures are differences of shares; what is equal on paper may differ in the last bit.
    near = [variant for variant in usable if comparison.drop(variant) <= max_drop + 1e-9]
    if not near:
        chosen = min(usable, key=comparison.drop)
        why = f"none is near enough; {figures(comparison, chosen)}, which is the best of them"
        return Recommendation(chosen.method, chosen.threads, rule, why + _doubt(comparison, max_drop))
    quick = _least(near, lambda variant: variant.best_milliseconds)
    small = _least(quick, lambda variant: float(variant.size_bytes or 0))
    chosen = min(small, key=comparison.drop)
    why = figures(comparison, chosen)
    for words, others in (
        ("as fast, but larger", [each for each in quick if each not in small]),
        ("as fast and as small, but no better", [each for each in small if each is not chosen]),
    ):
        if others:
            why += f"; {words}: {', '.join(variant.method for variant in others)}"
    faster = [each for each in usable if each not in near and each.best_milliseconds < chosen.best_milliseconds]
    if faster:
        why += "; faster, but too far off: " + ", ".join(
            f"{variant.method} ({comparison.drop(variant):.4f} below)" for variant in faster
        )
    return Recommendation(chosen.method, chosen.threads, rule, why + _doubt(comparison, max_drop))


def _least(variants: Sequence[Variant], figure: Callable[[Variant], float]) -> list[Variant]:
    """Those with the least figure, and those that are as good as it."""
    limit = min(map(figure, variants)) * (1 + ALIKE)
    return [variant for variant in variants if figure(variant) <= limit]


def figures(comparison: Comparison, chosen: Variant) -> str:
    """A variant's score, size and time beside float32's, in words."""
    drop = comparison.drop(chosen)
    off = f"{abs(drop):.4f} {'below' if drop > 0 else 'above'}" if abs(drop) >= 5e-5 else "as good as"
    text = (
        f"{chosen.method} has {comparison.measure} {chosen.score:.4f} ({off} the float model), "
        f"{(chosen.size_bytes or 0) / 1000:.1f} kB and takes {chosen.best_milliseconds:.3g} ms"
    )
    plain = next((each for each in comparison.variants if each.method == "float32" and each.timings), None)
    if plain is not None and plain is not chosen:
        ratio = plain.best_milliseconds / chosen.best_milliseconds
        text += f", where float32 has {(plain.size_bytes or 0) / 1000:.1f} kB and takes {ratio:.2f} times as long"
    return text


def _doubt(comparison: Comparison, max_drop: float) -> str:
    doubts = ""
    if comparison.samples * max_drop < 1:
        doubts += (
            f"; beware: one of the {comparison.samples} validation samples makes {1 / comparison.samples:.4f}, more "
            f"than the {max_drop:g} allowed: give more of them"
        )
    if comparison.machine.busy:
        doubts += f"; beware: {comparison.machine.where} had other work to do meanwhile: measure again"
    return doubts
