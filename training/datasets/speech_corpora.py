"""Acted speech corpora, read by their public file names: RAVDESS, CREMA-D, and sounds in which nobody speaks."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import DataError
from edge.observation import NO_SPEECH

SUFFIXES = (".wav", ".flac", ".ogg")

RAVDESS, CREMA_D, SOUNDS = "ravdess", "crema-d", "sounds"

DATA_TERMS = {
    RAVDESS: "RAVDESS speech (Livingstone and Russo 2018; CC BY-NC-SA 4.0)",
    CREMA_D: "CREMA-D (Cao et al. 2014; ODbL 1.0)",
    SOUNDS: "ESC-10 or other sounds without speech (Piczak 2015; CC BY 3.0)",
}

# modality-channel-emotion-intensity-statement-repetition-actor; modality 03 is sound alone, channel 01 speech.
_RAVDESS_NAME = re.compile(r"03-01-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
_RAVDESS_EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}
# actor_sentence_emotion_intensity
_CREMA_NAME = re.compile(r"(\d{4})_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(XX|LO|MD|HI|X)")
_CREMA_EMOTIONS = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
# ESC-10 and ESC-50: fold-clip-take, in ESC-50 with the class behind.
_ESC_NAME = re.compile(r"(\d)-(\d+)-[A-Z](-\d+)?")
_SOUND_FOLDERS = ("esc10", "esc-10", "no_speech", "no-speech")
_SOUND_GROUPS = 5


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording and what is known of it."""

    path: Path
    corpus: str
    """RAVDESS, CREMA_D or SOUNDS."""
    speaker: str
    """Actor, with the corpus in front; for sounds their fold (ESC's own, else by name)."""
    emotion: str
    sentence: str = ""
    intensity: str = ""
    groups: dict[str, str] = field(default_factory=dict)
    """Sex, age, race, ethnicity, where the corpus tells them."""


def read_clips(folder: Path) -> list[Clip]:
    """All recordings below a folder, of whichever corpora lie there, sorted by corpus and name.

    Parameters
    ----------
    folder
        Holds RAVDESS (03-01-*.wav, flat or by actor), CREMA-D (1001_DFA_ANG_XX.wav, with VideoDemographics.csv
        anywhere below) and sounds without speech (ESC's names, or any file in a folder named no_speech or esc10).

    Raises
    ------
    DataError
        The folder is missing, or has no file with such a name.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name the one with RAVDESS, CREMA-D or both")
    people = _read_demographics(folder)
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    clips = [clip for path in paths if (clip := _read_name(path, path.relative_to(folder).parts, people))]
    if not clips:
        raise DataError(
            f"{folder}: no recording named as in RAVDESS (03-01-06-01-02-01-12.wav) or CREMA-D (1001_DFA_ANG_XX.wav)"
        )
    return sorted(clips, key=lambda clip: (clip.corpus, clip.path.name))


def of_corpora(clips: Iterable[Clip], corpora: Iterable[str], folder: Path) -> list[Clip]:
    """The clips of these corpora; `DataError` names the one that is missing."""
    clips, wanted = list(clips), list(corpora)
    for corpus in wanted:
        if not any(clip.corpus == corpus for clip in clips):
            raise DataError(f"{folder}: has no recordings of {corpus}, which the recipe's data.corpora asks for")
    return [clip for clip in clips if clip.corpus in wanted]


def _read_name(path: Path, below: tuple[str, ...], people: dict[str, dict[str, str]]) -> Clip | None:
    """A recording by its name and the folders that it lies in, below the one that was named."""
    stem = path.stem
    if match := _RAVDESS_NAME.fullmatch(stem):
        emotion, intensity, sentence, _, actor = match.groups()
        if emotion not in _RAVDESS_EMOTIONS:
            return None
        return Clip(
            path,
            RAVDESS,
            f"{RAVDESS} {int(actor)}",
            _RAVDESS_EMOTIONS[emotion],
            sentence,
            "strong" if intensity == "02" else "normal",
            {"sex": "male" if int(actor) % 2 else "female"},
        )
    if match := _CREMA_NAME.fullmatch(stem):
        actor, sentence, emotion, intensity = match.groups()
        return Clip(
            path,
            CREMA_D,
            f"{CREMA_D} {actor}",
            _CREMA_EMOTIONS[emotion],
            sentence,
            intensity,
            people.get(actor, {}),
        )
    if match := _ESC_NAME.fullmatch(stem):
        return Clip(path, SOUNDS, f"{SOUNDS} {match.group(1)}", NO_SPEECH, path.parent.name)
    if any(part.lower() in _SOUND_FOLDERS for part in below[:-1]):
        group = sum(stem.encode()) % _SOUND_GROUPS + 1
        return Clip(path, SOUNDS, f"{SOUNDS} {group}", NO_SPEECH, path.parent.name)
    return None


def _read_demographics(folder: Path) -> dict[str, dict[str, str]]:
    """What CREMA-D's VideoDemographics.csv says of each actor; empty where it is absent."""
    path = next(iter(sorted(folder.rglob("VideoDemographics.csv"))), None)
    if path is None:
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return {
                row["ActorID"].strip(): {
                    "sex": row["Sex"].strip().lower(),
                    "age": _age_group(int(row["Age"])),
                    "race": row["Race"].strip().lower(),
                    "ethnicity": row["Ethnicity"].strip().lower(),
                }
                for row in csv.DictReader(stream)
            }
    except (OSError, UnicodeDecodeError, KeyError, ValueError, AttributeError, csv.Error) as error:
        raise DataError(
            f"{path}: not CREMA-D's table of actors (ActorID, Age, Sex, Race, Ethnicity): {error}"
        ) from None


def _age_group(age: int) -> str:
    """CREMA-D's actors are 20 to 74 years old; a third of them are in each of these groups."""
    return "20-29" if age < 30 else "30-44" if age < 45 else "45-74"
