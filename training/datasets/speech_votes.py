"""What listeners heard in CREMA-D's recordings by voice alone, from its summaryTable.csv."""

from __future__ import annotations

import csv
from pathlib import Path

from edge.errors import DataError

_LETTERS = {"A": "angry", "D": "disgust", "F": "fearful", "H": "happy", "N": "neutral", "S": "sad"}


def read_voice_votes(folder: Path) -> dict[str, tuple[str, ...]] | None:
    """The emotion that most listeners named for each recording; several where they tie.

    Parameters
    ----------
    folder
        Holds summaryTable.csv, anywhere below.

    Returns
    -------
    By `vote_key` of the recording; None where there is no such table.

    Raises
    ------
    DataError
        The file is no such table.
    """
    path = next(iter(sorted(folder.rglob("summaryTable.csv"))), None)
    if path is None:
        return None
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return {
                vote_key(row["FileName"]): tuple(_LETTERS[letter] for letter in row["VoiceVote"].strip().split(":"))
                for row in csv.DictReader(stream)
            }
    except (OSError, UnicodeDecodeError, KeyError, AttributeError, csv.Error) as error:
        raise DataError(f"{path}: not CREMA-D's table of votes (FileName, VoiceVote): {error}") from None


def vote_key(stem: str) -> str:
    """A recording's name without its suffix: one file's intensity is X where the table has XX."""
    name, _, intensity = stem.strip().rpartition("_")
    return f"{name}_{'XX' if intensity == 'X' else intensity}"
