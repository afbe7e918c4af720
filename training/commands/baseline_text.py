"""`affect-edge baseline tfidf`; see `training.commands.baseline`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from edge.errors import DataError

SETS = ("goemotions", "essays")

TEST_NOTE = "note: GoEmotions' test split is to be scored once, after every choice has been made on validation"


def run(arguments: argparse.Namespace) -> int:
    """Fit and score TF-IDF with logistic regression on the text sets that lie in a folder."""
    from training.datasets.text_files import find_files

    progress = not arguments.quiet and sys.stderr.isatty()
    there = {
        "goemotions": find_files(arguments.data, ["train.tsv"]),
        "essays": find_files(arguments.data, ["essays*.csv"]),
    }
    wanted = [arguments.corpus] if arguments.corpus else [name for name in SETS if there[name]]
    if not wanted:
        raise DataError(f"{arguments.data}: neither GoEmotions' train.tsv nor essays*.csv there or below")
    document: dict[str, Any] = {"network": "tfidf"}
    if "goemotions" in wanted:
        document["goemotions"] = _goemotions(arguments.data, test=arguments.test, progress=progress)
    if "essays" in wanted:
        document["essays"] = _essays(arguments.data, progress=progress)
    print(json.dumps(document, indent=1) if arguments.json else as_table(document))
    return 0


def _goemotions(folder: Path, *, test: bool, progress: bool) -> dict[str, Any]:
    from training.baselines.tfidf import choose
    from training.datasets import goemotions
    from training.evaluation.text_figures import measure

    sets = goemotions.read(folder)
    chosen = choose(sets["train"], sets["validation"], progress=progress)
    document: dict[str, Any] = {
        "terms": len(chosen.terms),
        "strength": chosen.strength,
        "tried": {f"{strength:g}": round(f1, 5) for strength, f1 in chosen.tried.items()},
        "cleaning": sets["train"].cleaning.as_dict(),
        "splits": {},
    }
    if test:
        print(TEST_NOTE, file=sys.stderr)
    for split in ("validation", "test") if test else ("validation",):
        figures = measure(
            chosen.logits(sets[split].texts),
            sets[split].targets,
            names=sets[split].labels,
            thresholds=chosen.thresholds,
        )
        document["splits"][split] = figures.as_dict()
    return document


def _essays(folder: Path, *, progress: bool) -> dict[str, Any]:
    from edge.features.words import tokenise
    from training.baselines.tfidf import out_of_folds
    from training.datasets import essays
    from training.evaluation.text_traits import measure_traits

    data = essays.read(folder)
    folds = essays.folds(len(data))
    logits = out_of_folds([tokenise(text) for text in data.texts], data.targets, folds, progress=progress)
    figures = measure_traits(logits, data.targets, names=data.labels)
    return {"folds": len(folds), "cleaning": data.cleaning.as_dict(), **figures.as_dict()}


def as_table(document: dict[str, Any]) -> str:
    """The figures for people."""
    lines: list[str] = []
    if comments := document.get("goemotions"):
        tried = ", ".join(f"{strength}: {f1:.4f}" for strength, f1 in comments["tried"].items())
        lines += [
            f"GoEmotions: {comments['terms']:,} words and pairs; C = {comments['strength']:g} and thresholds chosen on "
            f"validation (macro-F1 by C: {tried})",
            f"{'':<12}{'macro-F1':>9}   {'95 % interval':<18}{'accuracy':>9}   {'95 % interval':<18}{'micro-F1':>9}",
        ]
        for split, found in comments["splits"].items():
            shown = [f"{found[key]:>9.4f}   {_interval(found, key):<18}" for key in ("macro_f1", "accuracy")]
            lines.append(f"{split:<12}{''.join(shown)}{found['micro_f1']:>9.4f}")
        for split, found in comments["splits"].items():
            each = ", ".join(f"{name} {row['f1']:.3f}" for name, row in found["per_label"].items())
            lines.append(f"F1 on {split}: {each}")
    if essays := document.get("essays"):
        if lines:
            lines.append("")
        lines += [
            f"essays, {essays['folds']} folds, each writer scored by what the others' essays taught; strengths chosen "
            "within these",
            f"{'':<20}{'accuracy':>9}   {'95 % interval':<18}{'ROC-AUC':>8}{'majority':>10}{'McNemar p':>11}",
        ]
        for name, row in {**essays["per_trait"], "mean": essays}.items():
            p_value = f"{row['majority_p']:>11.4f}" if name != "mean" else ""
            lines.append(
                f"{name:<20}{row['accuracy']:>9.3f}   {_interval(row, 'accuracy', 3):<18}{_number(row['roc_auc']):>8}"
                f"{row['majority']:>10.3f}{p_value}"
            )
    return "\n".join(lines)


def _interval(figures: dict[str, Any], key: str, places: int = 4) -> str:
    low, high = figures[f"{key}_interval"]
    return f"{low:.{places}f} to {high:.{places}f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
