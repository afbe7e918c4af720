"""A speech model measured on speakers that it was not trained on: figures, protocol, and how they are printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge.inference.manifest import Calibration
from edge.observation import NO_SPEECH
from training.datasets.speech_corpora import SOUNDS
from training.evaluation.calibration import Selection, choose_threshold, fit_temperature, select
from training.evaluation.comparison import Comparison, compare
from training.evaluation.metrics import Figures, Floats, Integers, measure, probabilities_of
from training.evaluation.report import calibration_lines, class_lines, machine_and_versions
from training.evaluation.speech_figures import (
    LEAST_RECORDINGS,
    LEAST_SPEAKERS,
    ROUNDS,
    Answers,
    Interval,
    Listeners,
    PartFigures,
    beside_listeners,
    by_corpus,
    by_group,
    measure_part,
    voices,
)
from training.evaluation.speech_predict import HeldOut, SpeechModel

TARGET_ACCURACY = 0.70
"""How often a named emotion should be right, on validation speakers.

Listeners agree with CREMA-D's acted emotions in two of five cases: four of five, which is asked of faces, would silence
nearly everything.
"""

PROTOCOL = (
    "each recording once, when its voice ends; {speakers}, in the same studios and with the same sentences as those "
    "who were; silent recordings, and those that stand under two emotions, are left out"
)

SPEAKERS = {
    "validation": "speakers who were not trained on, but chose among epochs and set the calibration",
    "test": "speakers who were not trained on and chose nothing",
}

INTERVALS = (
    f"95 %, {ROUNDS} bootstrap rounds over speakers within each corpus (sounds: over recordings); none for fewer than "
    f"{LEAST_SPEAKERS} speakers"
)


@dataclass(frozen=True)
class SpeechReport:
    """One speech model's figures on one split."""

    model: str
    """Name of the file, without its folder."""
    split: str
    labels: tuple[str, ...]
    figures: Figures
    whole: PartFigures
    emotions: PartFigures | None
    """On what is spoken alone."""
    corpora: Mapping[str, PartFigures]
    groups: Mapping[str, Mapping[str, PartFigures]]
    listeners: Listeners | None
    selection: Selection | None
    """What 'unsure' costs and gives, of the recordings in which the model names an emotion."""
    comparison: Comparison | None
    float_whole: PartFigures | None
    """Of the float model."""
    protocol: dict[str, Any]

    def entry(self) -> dict[str, Any]:
        """What the manifest keeps under evaluation.<split>."""
        # Of Figures without what is said of faces, and without an interval that takes each recording as new evidence.
        kept = {
            key: value
            for key, value in self.figures.as_dict().items()
            if key not in ("faces", "ferplus", "accuracy", "accuracy_interval", "balanced_accuracy")
        }
        return {
            **self.whole.as_dict(),
            **kept,
            "emotions": self.emotions.as_dict() if self.emotions else None,
            "corpora": {name: each.as_dict() for name, each in self.corpora.items()},
            "groups": {
                group: {value: each.as_dict() for value, each in rows.items()} for group, rows in self.groups.items()
            },
            "listeners": self.listeners.as_dict() if self.listeners else None,
            "unsure": self.selection.as_dict() if self.selection else None,
            "float": self._beside_float(),
            "protocol": self.protocol,
        }

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {"model": self.model, "split": self.split, "labels": list(self.labels), **self.entry()}

    def as_text(self) -> str:
        """What is printed for people."""
        return "\n".join(self._lines())

    def _beside_float(self) -> dict[str, Any] | None:
        if self.comparison is None or self.float_whole is None:
            return None
        recall = self.float_whole.unweighted_average_recall
        return {
            **self.comparison.as_dict(),
            "float_unweighted_average_recall": round(recall, 5),
            "recall_difference": round(self.whole.unweighted_average_recall - recall, 5),
        }

    def _lines(self) -> Iterator[str]:
        whole, data = self.whole, self.protocol["data"]
        yield (
            f"{self.model} on {self.split} ({data['source']}): {whole.recordings:,} recordings, {whole.speakers} "
            f"speakers who were not trained on, {self.protocol['runtime']}"
        )
        yield ""
        yield f"{'UAR':<20}{_with_interval(whole.unweighted_average_recall, whole.unweighted_average_recall_interval)}"
        if self.emotions:
            recall = self.emotions.unweighted_average_recall
            interval = self.emotions.unweighted_average_recall_interval
            yield f"{'UAR, emotions alone':<20}{_with_interval(recall, interval)}"
        yield f"{'accuracy':<20}{_with_interval(whole.accuracy, whole.accuracy_interval)}"
        yield f"{'macro-F1':<20}{self.figures.macro_f1:.4f}"
        yield ""
        yield from calibration_lines(self.figures, self.selection, "recordings in which it names an emotion")
        yield ""
        yield from class_lines(self.figures, self.labels, "recordings")
        yield ""
        yield from self._part_lines()
        if self.listeners:
            yield ""
            yield from _listener_lines(self.listeners)
        beside = self._beside_float()
        if beside:
            yield ""
            yield (
                f"beside {beside['float_model']}: UAR {100 * beside['recall_difference']:+.2f} points (float "
                f"{beside['float_unweighted_average_recall']:.4f}), accuracy {100 * beside['accuracy_difference']:+.2f}"
                f" points, the same answer on {beside['agreement']:.2%}"
            )

    def _part_lines(self) -> Iterator[str]:
        yield f"{'':<28}{'recordings':>10}{'speakers':>10}{'UAR':>8}   {'95 % interval':<18}{'accuracy':>8}"
        rows = dict(self.corpora)
        rows |= {f"{group}: {value}": each for group, found in self.groups.items() for value, each in found.items()}
        for name, each in rows.items():
            interval = each.unweighted_average_recall_interval
            shown = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "-"
            yield (
                f"{name:<28}{each.recordings:>10}{each.speakers:>10}{each.unweighted_average_recall:>8.3f}   "
                f"{shown:<18}{each.accuracy:>8.3f}{'  too few' if each.too_few else ''}"
            )
        if any(each.too_few for each in rows.values()):
            yield f"too few: under {LEAST_RECORDINGS} recordings or {LEAST_SPEAKERS} speakers, no evidence of anything"


def evaluate_speech(
    model: SpeechModel,
    held: HeldOut,
    logits: Floats,
    *,
    split: str,
    calibration: Calibration,
    votes: Mapping[str, tuple[str, ...]] | None,
    float_model: tuple[str, Floats] | None,
    command: str,
) -> SpeechReport:
    """All figures of a model on recordings of speakers that were held out.

    Parameters
    ----------
    logits
        (n, labels) the model's, of the recordings.
    votes
        CREMA-D's listeners', as `read_voice_votes` gives them.
    float_model
        Name of the float model, and its logits.

    Raises
    ------
    DataError
        A logit is not finite.
    """
    names = model.data.labels
    figures = measure(logits, held.labels, names=names, temperature=calibration.temperature)
    answers = Answers(held.clips, held.labels, logits.argmax(axis=1), names)
    comparison = float_whole = None
    if float_model:
        float_name, theirs = float_model
        comparison = compare(logits, theirs, held.labels, float_model=float_name)
        float_whole = measure_part(Answers(held.clips, held.labels, theirs.argmax(axis=1), names))
    selection = None
    if calibration.unsure_below > 0:
        selection = select(*_named(logits, held.labels, names, calibration.temperature), calibration.unsure_below)
    return SpeechReport(
        model=model.path.name,
        split=split,
        labels=names,
        figures=figures,
        whole=measure_part(answers),
        emotions=voices(answers),
        corpora=by_corpus(answers),
        groups=by_group(answers),
        listeners=beside_listeners(answers, votes, model.data.merge) if votes else None,
        selection=selection,
        comparison=comparison,
        float_whole=float_whole,
        protocol={
            "command": command,
            "data": {
                "source": held.source,
                "speakers": list(held.speakers),
                "recordings": len(held.clips),
                "sha256": held.digest(),
                "sha256_of": "the recordings' files and then their labels (int64, little-endian), in order of corpus "
                "and name",
                "cleaning": held.cleaning.as_dict(),
            },
            "scored": PROTOCOL.format(speakers=SPEAKERS[split]),
            "intervals": INTERVALS,
            "calibration_fitted_on": calibration.fitted_on,
            "training": {key: model.manifest.training.get(key) for key in ("recipe", "seed")},
            "runtime": model.runtime,
            **machine_and_versions(),
        },
    )


def calibrate_speech(held: HeldOut, logits: Floats, names: tuple[str, ...], target: float) -> Calibration:
    """Temperature of all answers, and the confidence from which on a named emotion is right in `target` of cases.

    'No speech' is easy and never shown as an emotion: recordings in which it is answered would flatter the threshold.

    Raises
    ------
    DataError
        See `fit_temperature` and `choose_threshold`.
    """
    temperature = fit_temperature(logits, held.labels)
    chosen = choose_threshold(*_named(logits, held.labels, names, temperature), target)
    speakers = {clip.speaker for clip in held.clips if clip.corpus != SOUNDS}
    return Calibration(
        temperature=temperature,
        unsure_below=chosen.threshold,
        fitted_on=f"{held.source}, validation: {len(held.clips)} recordings of {len(speakers)} speakers and of sounds; "
        f"'unsure' is set so that at least {target:.0%} of the emotions that are named are right",
    )


def _named(logits: Floats, labels: Integers, names: tuple[str, ...], temperature: float) -> tuple[Floats, Integers]:
    """Probabilities and labels of the recordings in which the model names an emotion."""
    probabilities = probabilities_of(logits, temperature)
    named = logits.argmax(axis=1) != (names.index(NO_SPEECH) if NO_SPEECH in names else -1)
    return probabilities[named], labels[named]


def _with_interval(value: float, interval: Interval | None) -> str:
    return f"{value:.4f}" + (
        f"   95 % interval over speakers {interval[0]:.4f} to {interval[1]:.4f}" if interval else ""
    )


def _listener_lines(listeners: Listeners) -> Iterator[str]:
    yield (
        f"beside CREMA-D's listeners, by voice alone, on the same {listeners.recordings} recordings: what most of them "
        f"named is the acted emotion in {listeners.accuracy:.1%} (UAR {listeners.unweighted_average_recall:.3f}; "
        f"{listeners.ties} ties count as wrong), what the model names in {listeners.model_accuracy:.1%} "
        f"(UAR {listeners.model_unweighted_average_recall:.3f})"
    )
    if listeners.model_agreement is not None:
        yield f"the model names what most listeners named in {listeners.model_agreement:.1%} of the others"
    yield "the model has learnt how these actors' colleagues act; the listeners had not"
