"""Small text data sets under the public files' names, written by the tests themselves."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Mapping, Sequence
from pathlib import Path

EKMAN_NAMES = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
"""As the mapped copies of GoEmotions number them."""

EMOTIONS = (
    *("admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion", "curiosity", "desire"),
    *("disappointment", "disapproval", "disgust", "embarrassment", "excitement", "fear", "gratitude", "grief", "joy"),
    *("love", "nervousness", "optimism", "pride", "realization", "relief", "remorse", "sadness", "surprise"),
    "neutral",
)
"""As GoEmotions' authors number them."""

ROWS = {
    "train": [("what a lovely day", "3"), ("go away", "0,1"), ("Thank you!", "3"), ('"no', "4")],
    "dev": [("thank you !", "3"), ("so it goes", "4")],
    "test": [("i am lost", "5,2"), ("who knew", "6")],
}
"""Of the mapped GoEmotions; the third of train stands in dev too."""


def write(path: Path, content: str | bytes) -> Path:
    """A file, with its folder, packed as its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = content.encode() if isinstance(content, str) else content
    if path.suffix == ".xz":
        packed = lzma.compress(packed)
    elif path.suffix == ".gz":
        packed = gzip.compress(packed)
    path.write_bytes(packed)
    return path


def write_goemotions(
    folder: Path,
    rows: Mapping[str, Sequence[tuple[str, str]]] = ROWS,
    names: Sequence[str] = EKMAN_NAMES,
    *,
    suffix: str = ".tsv",
    names_file: str = "labels.txt",
) -> Path:
    """GoEmotions' files; ids are the split and the row's number."""
    for split, own in rows.items():
        text = "".join(f"{text}\t{labels}\t{split}{number}\n" for number, (text, labels) in enumerate(own))
        write(folder / f"{split}{suffix}", text)
    write(folder / names_file, "\n".join(names) + "\n")
    return folder


def write_essays(folder: Path, rows: Sequence[tuple[str, Sequence[int]]], *, name: str = "essays.csv") -> Path:
    """The essays' table; answers in the order of its columns, EXT NEU AGR CON OPN."""
    lines = ["#AUTHID,TEXT,cEXT,cNEU,cAGR,cCON,cOPN"]
    for number, (text, answers) in enumerate(rows):
        quoted = text.replace('"', '""')
        lines.append(f'{number}.txt,"{quoted}",{",".join("ny"[answer] for answer in answers)}')
    write(folder / name, "\n".join(lines) + "\n")
    return folder
