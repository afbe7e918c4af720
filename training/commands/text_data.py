"""Look at labelled texts before training on them: classes, lengths, and the most frequent words.

DIR holds GoEmotions (train.tsv, dev.tsv, test.tsv with labels.txt or emotions.txt), essays.csv or emobank.csv, packed
(.xz, .gz) or not, in any folders below; what is there is read, cleaned as for training, and told. Lengths are in
tokens of the device's front end. --out draws pictures too.

examples:
  affect-edge text-data --data text/
  affect-edge text-data --data goemotions/ --labels original --out figures/
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from training.datasets.text_set import TextSet

HELP = "classes, lengths and words of labelled texts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the labelled texts")
    parser.add_argument(
        "--labels",
        choices=("ekman", "original"),
        default="ekman",
        help="of GoEmotions: Ekman's classes or all 28 (default: ekman)",
    )
    parser.add_argument("--most", type=_count, default=30, metavar="N", help="words to tell (default: 30)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="draw pictures there")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def run(arguments: argparse.Namespace) -> int:
    from edge.errors import AffectEdgeError, MissingDependencyError

    try:
        import matplotlib  # noqa: F401
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
    except ImportError as error:
        raise MissingDependencyError(error.name or "scikit-learn", "train", "looking at texts") from None
    from training.datasets.text_overview import as_table, overview
    from training.evaluation.text_data_plots import write_data_plots

    found = {
        name: {
            split: overview(texts, most=arguments.most, without=ENGLISH_STOP_WORDS) for split, texts in splits.items()
        }
        for name, splits in _read(arguments.data, arguments.labels).items()
    }
    if arguments.json:
        document = {name: {split: each.as_dict() for split, each in splits.items()} for name, splits in found.items()}
        print(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        print("\n\n".join(f"{name}\n{as_table(splits)}" for name, splits in found.items()))
    if arguments.out:
        try:
            for name, splits in found.items():
                write_data_plots(name, splits, arguments.out)
        except OSError as error:
            raise AffectEdgeError(f"{error.filename or arguments.out}: cannot be written: {error.strerror}") from None
    return 0


def _read(folder: Path, labels: Literal["ekman", "original"]) -> dict[str, dict[str, TextSet]]:
    """The sets that lie there, split by split."""
    from edge.errors import DataError
    from training.datasets import emobank, essays, goemotions
    from training.datasets.text_files import find_files

    found: dict[str, dict[str, TextSet]] = {}
    if find_files(folder, ["train.tsv"]):
        found["goemotions"] = goemotions.read(folder, labels)
    if find_files(folder, ["essays*.csv"]):
        found["essays"] = {"all": essays.read(folder)}
    if find_files(folder, ["emobank.csv"]):
        found["emobank"] = emobank.read(folder)
    if not found:
        raise DataError(f"{folder}: no train.tsv, essays*.csv or emobank.csv there or below")
    return found


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1")
    return number
