"""How `affect-edge text` prints its answers: in words, or as JSON."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.observation import UNSURE
from edge.recognizers.text_emotion import TextEmotion
from edge.recognizers.text_model import Weight
from edge.recognizers.traits import OtherLanguage, TooShort, Trait, Traits

SHOWN_CHARACTERS = 100
"""Of a text, behind its label."""

CANNOT_SAY = (
    "A score cannot say who the writer is. It compares one text with those of writers who answered a questionnaire "
    "about themselves; how often writers with such a score were above the middle of them, the intervals tell. Another "
    "text of the same writer, or another language, subject or kind of text, would be scored otherwise. Decide nothing "
    "about a person by it."
)

Weights = Mapping[str, Sequence[Weight]]
"""Of each label."""


@dataclass(frozen=True, slots=True)
class Place:
    """What an answer is about."""

    source: str
    """'argument', a file's path, or '-' for standard input."""
    number: int | None
    """Of the argument or line, from 1; None for all lines of standard input together."""
    part: int
    """From 1 to `parts`."""
    parts: int

    def __str__(self) -> str:
        if self.source == "argument":
            return f"text {self.number}"
        if self.source == "-":
            return "all lines" if self.number is None else f"line {self.number}"
        return printable(self.source)


class Output(ABC):
    """Takes the answers as they come.

    Parameters
    ----------
    labels
        Of the emotions.
    words
        Whether the words that weighed most are wanted for emotions.
    show_text
        Whether to print the text itself.
    """

    def __init__(self, labels: Sequence[str], *, words: bool, show_text: bool) -> None:
        self.labels = tuple(labels)
        self.words = words
        self.show_text = show_text
        self._found: list[TextEmotion] = []

    def emotion(self, place: Place, text: str, found: TextEmotion | None, weights: Weights) -> None:
        """The answer to one part; None where there was nothing to read. Behind the last one comes the mean of all."""
        self._print_emotion(place, text, found, weights)
        if found is not None and found.familiar:
            self._found.append(found)
        if place.part == place.parts:
            if place.parts > 1 and self._found:
                means = np.mean([emotion.probabilities for emotion in self._found], axis=0)
                counts = Counter(emotion.label for emotion in self._found)
                ratings = {
                    name: float(np.mean([emotion.ratings[name] for emotion in self._found]))
                    for name in self._found[0].ratings
                }
                self._print_mean(place, dict(zip(self.labels, means.tolist(), strict=True)), counts, ratings)
            self._found.clear()

    @abstractmethod
    def traits(
        self, place: Place, found: Traits | TooShort | OtherLanguage, weights: Weights, words_measured: int
    ) -> None:
        """The scores of one text, the words that weighed most, and the usual length of those it was measured on."""

    @abstractmethod
    def end(self) -> None:
        """After the last answer."""

    @abstractmethod
    def _print_emotion(self, place: Place, text: str, found: TextEmotion | None, weights: Weights) -> None: ...

    @abstractmethod
    def _print_mean(
        self, place: Place, means: Mapping[str, float], counts: Counter[str], ratings: Mapping[str, float]
    ) -> None: ...

    def _probabilities(self, found: TextEmotion) -> dict[str, float]:
        return dict(zip(self.labels, found.probabilities.tolist(), strict=True))


class JsonOutput(Output):
    """A line of JSON for each answer."""

    def traits(
        self, place: Place, found: Traits | TooShort | OtherLanguage, weights: Weights, words_measured: int
    ) -> None:
        document: dict[str, Any] = {"source": place.source, "number": place.number, "words": found.words}
        if isinstance(found, Traits):
            document |= {
                "words_measured": words_measured,
                "traits": {trait.label: _trait_document(trait, weights[trait.label]) for trait in found.traits},
                "cannot_say": CANNOT_SAY,
            }
        elif isinstance(found, TooShort):
            document |= {"traits": None, "reason": "too short", "least_words": found.least_words}
        else:
            document |= {"traits": None, "reason": "another language", "known": round(found.known, 4)}
        _print_json(document)

    def end(self) -> None:
        pass

    def _print_emotion(self, place: Place, text: str, found: TextEmotion | None, weights: Weights) -> None:
        document: dict[str, Any] = {
            "source": place.source,
            "number": place.number,
            "part": place.part,
            "parts": place.parts,
            "label": found.label if found else None,
            "confidence": round(found.confidence, 4) if found else None,
            "probabilities": _rounded(self._probabilities(found)) if found else None,
            "present": list(found.present) if found else [],
            "ratings": _rounded(found.ratings) if found else {},
            "words": found.words if found else 0,
            "known": round(found.known, 4) if found else None,
        }
        if self.words:
            document["weights"] = {label: _weights_document(weights.get(label, ())) for label in _told(found)}
        if self.show_text:
            document["text"] = text
        _print_json(document)

    def _print_mean(
        self, place: Place, means: Mapping[str, float], counts: Counter[str], ratings: Mapping[str, float]
    ) -> None:
        _print_json(
            {
                "source": place.source,
                "number": place.number,
                "parts": place.parts,
                "read": counts.total(),
                "mean": _rounded(means),
                "ratings": _rounded(ratings),
                "labels": dict(counts.most_common()),
            }
        )


class WordOutput(Output):
    """Lines for people."""

    def __init__(self, labels: Sequence[str], *, words: bool, show_text: bool) -> None:
        super().__init__(labels, words=words, show_text=show_text)
        self._scored = False

    def traits(
        self, place: Place, found: Traits | TooShort | OtherLanguage, weights: Weights, words_measured: int
    ) -> None:
        if isinstance(found, TooShort):
            _say(f"{place}: too short for traits: {found.words} words, where the model needs {found.least_words}")
        elif isinstance(found, OtherLanguage):
            _say(f"{place}: no traits: {_foreign(found.known)}")
        else:
            _say(f"{place}: traits from {found.words} words (measured on texts of {words_measured} or so)")
            width = max(len(trait.label) for trait in found.traits)
            for trait in found.traits:
                _say(f"  {trait.label:<{width}}  {trait.percentage:3d}%  {_worth(trait)}")
                if told := _sides(weights[trait.label]):
                    _say(f"  {'':<{width}}        {told}")
            self._scored = True

    def end(self) -> None:
        if self._scored:
            _say(CANNOT_SAY)

    def _print_emotion(self, place: Place, text: str, found: TextEmotion | None, weights: Weights) -> None:
        where = f"{place}, part {place.part} of {place.parts}" if place.parts > 1 else str(place)
        shown = f"  {printable(text)}".rstrip() if self.show_text else ""
        if found is None:
            _say(f"{where}: nothing to read{shown}")
            return
        others = ", ".join(label for label in found.present if label != found.label)
        joined = f", {'also' if found.label in found.present else 'perhaps'} {others}" if others else ""
        detail = _likely(self._probabilities(found)) if found.familiar else _foreign(found.known)
        _say(f"{where}: {found.label}{joined} ({detail}){_rated(found.ratings)}{shown}")
        for label in _told(found) if self.words else ():
            if told := ", ".join(f"{weight.word} {weight.change:+.2f}" for weight in weights[label]):
                _say(f"  {label}: {told}")

    def _print_mean(
        self, place: Place, means: Mapping[str, float], counts: Counter[str], ratings: Mapping[str, float]
    ) -> None:
        named = ", ".join(f"{label} {count}" for label, count in counts.most_common())
        _say(f"{place}: mean of {counts.total()} parts: {_likely(means)}{_rated(ratings)}; named: {named}")


def printable(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """A text on one line, cut, without characters that would command the terminal."""
    plain = " ".join("".join(character if character.isprintable() else " " for character in text[: 10 * most]).split())
    return plain if len(plain) <= most else plain[: most - 3] + "..."


def _say(line: str) -> None:
    """Print what the terminal can show of a line, at once: the next may take its time."""
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "replace").decode(encoding), flush=True)


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document), flush=True)


def _told(found: TextEmotion | None) -> tuple[str, ...]:
    """The labels whose words are told: what is present, and what is named."""
    if found is None or not found.familiar:
        return ()
    return tuple(dict.fromkeys([*found.present, *([found.label] if found.label != UNSURE else [])]))


def _likely(probabilities: Mapping[str, float]) -> str:
    first = sorted(probabilities.items(), key=lambda item: item[1], reverse=True)[:3]
    return ", ".join(f"{label} {probability:.0%}" for label, probability in first)


def _rated(ratings: Mapping[str, float]) -> str:
    told = ", ".join(f"{name} {rating:.1f}" for name, rating in ratings.items())
    return f"; {told} (1 to 5)" if told else ""


def _foreign(known: float) -> str:
    return f"{known:.0%} of its words are in the model's vocabulary: is it in another language?"


def _worth(trait: Trait) -> str:
    band = trait.band
    guess = "; no more than a guess" if band.low <= 0.5 <= band.high else ""
    return (
        f"of {band.texts} texts with such a score {band.share:.0%} ({band.low:.0%} to {band.high:.0%}) were by writers "
        f"above the middle{guess}"
    )


def _sides(weights: Sequence[Weight]) -> str:
    sides = {
        "higher by": [weight.word for weight in weights if weight.change > 0],
        "lower by": [weight.word for weight in weights if weight.change < 0],
    }
    return "; ".join(f"{side} {', '.join(words)}" for side, words in sides.items() if words)


def _trait_document(trait: Trait, weights: Sequence[Weight]) -> dict[str, Any]:
    band = trait.band
    return {
        "percentage": trait.percentage,
        "texts": band.texts,
        "share": band.share,
        "interval": [band.low, band.high],
        "weights": _weights_document(weights),
    }


def _weights_document(weights: Sequence[Weight]) -> list[dict[str, Any]]:
    return [{"word": weight.word, "change": round(weight.change, 4)} for weight in weights]


def _rounded(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: round(number, 4) for name, number in numbers.items()}
