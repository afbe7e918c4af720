"""What folds over the essays say: kept in the manifest, printed, told by the card, drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from edge.inference.manifest import manifest_path, read_manifest
from tests.edge.text_helpers import install_trait_model
from training.datasets.essays import LABELS
from training.datasets.essays import folds as deal
from training.datasets.text_set import TextSet, untouched
from training.evaluation.card import render_card
from training.evaluation.metrics import Floats
from training.evaluation.text_figures import probabilities_of
from training.evaluation.text_plots import write_trait_plots
from training.evaluation.text_traits import by_length, trait_scores
from training.evaluation.traits_report import SPLIT, TraitsReport, report_traits

COUNT = 400


def essays() -> tuple[TextSet, Floats]:
    """Secrets that must not be told, with logits that are as right as they say."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (COUNT, 5))
    targets = (rng.random(logits.shape) < probabilities_of(logits)).astype(np.float32)
    texts = tuple(f"secret {number}" for number in range(COUNT))
    return TextSet(texts, targets, LABELS, texts, untouched(COUNT)), logits


def reported(*, baseline: bool = True) -> TraitsReport:
    data, logits = essays()
    words = np.full(COUNT, 600)
    rng = np.random.default_rng(1)
    cut = {length: logits + rng.normal(0, 40 / length, logits.shape) for length in (50, 300)}
    return report_traits(
        data,
        deal(COUNT),
        logits,
        logits + rng.normal(0, 0.05, logits.shape),
        baseline=rng.random(logits.shape) < 0.5 if baseline else None,
        temperature=1.1,
        lengths=by_length(cut, logits, data.targets, words),
        protocol={"command": "affect-edge train traits", "recipe": "traits", "seed": 1},
    )


def test_the_manifest_s_entry() -> None:
    entry = reported().entry()
    assert entry["texts"] == COUNT
    assert set(entry["per_trait"]) == set(LABELS)
    assert entry["above_baseline"] == pytest.approx(entry["accuracy"] - entry["baseline"], abs=2e-5)
    assert entry["calibrated"]["temperature"] == 1.1
    assert entry["float"]["accuracy_difference"] == pytest.approx(
        entry["accuracy"] - entry["float"]["float_accuracy"], abs=2e-5
    )
    low, high = entry["float"]["accuracy_difference_interval"]
    assert -0.02 < low <= entry["float"]["accuracy_difference"] <= high < 0.02
    assert [row["words"] for row in entry["lengths"]] == [50, 300]
    protocol = entry["protocol"]
    assert (protocol["command"], protocol["seed"]) == ("affect-edge train traits", 1)
    assert protocol["data"]["sha256"] == essays()[0].digest()
    assert protocol["scored"].startswith("10 folds")
    assert "secret" not in str(entry)


def test_what_is_printed() -> None:
    with_baseline, alone = reported().as_text(), reported(baseline=False).as_text()
    for trait in LABELS:
        assert f"\n{trait} " in with_baseline
    assert "above TF-IDF with logistic regression in the same folds" in with_baseline
    assert "baseline" not in alone
    assert "TF-IDF" not in alone
    assert "secret" not in with_baseline


@pytest.mark.parametrize("baseline", [True, False])
def test_the_card(tmp_path: Path, baseline: bool) -> None:
    path = manifest_path(install_trait_model(tmp_path))
    data, logits = essays()
    report = reported(baseline=baseline)
    rows = [replace(row, lost=0.0) for row in report.lengths]
    scores = trait_scores(logits, data.targets, names=LABELS, temperature=1.1, words=np.full(COUNT, 600), rows=rows)
    manifest = read_manifest(path).model_copy(update={"traits": scores, "evaluation": {SPLIT: report.entry()}})
    manifest.write(path)
    card = render_card(read_manifest(path))
    assert "and is right little more often than a guess" in card
    assert "profiling under the GDPR" in card
    assert f"Texts below {scores.least_words} words are answered with 'too short'" in card
    entry = report.entry()
    assert f"| mean | {entry['accuracy']:.3f} |" in card
    band = scores.bands["openness"][0]
    assert f"| openness | 0% to {band.score_to:.0%} | {band.texts} | {band.share:.0%} |" in card
    assert ("TF-IDF" in card) == baseline
    assert "secret" not in card


def test_the_pictures(tmp_path: Path) -> None:
    data, logits = essays()
    report = reported()
    written = write_trait_plots(report.figures, report.lengths, logits, data.targets, tmp_path / "out", title="traits")
    assert [path.name for path in written] == ["roc.png", "words.png"]
    assert all(path.stat().st_size > 5000 for path in written)
