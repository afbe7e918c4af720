"""Training a model of Big-Five traits in essays: ten folds to measure it, then the one that ships.

There is no test set of essays: each one is scored once, by a model of the fold that it was held out of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import keras
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.errors import DataError
from edge.features.token_ids import TokenIds
from edge.features.words import tokenise
from edge.inference.manifest import Calibration, manifest_path, read_manifest
from edge.recognizers.text_model import TextModel
from training.architectures.text_net import build_text_net
from training.baselines import tfidf
from training.datasets import essays
from training.datasets.text_batches import FloatArray, TextBatches, Tokens, runs_of, settings_of
from training.datasets.text_set import TextSet
from training.evaluation import text_figures, text_traits
from training.evaluation.card import card_path, render_card
from training.evaluation.text_plots import write_trait_plots
from training.evaluation.text_traits import LENGTHS, count_words, first_words
from training.evaluation.traits_report import SPLIT, TraitsReport, report_traits
from training.fit import Progress, fit, save_float
from training.linear_text import as_network, train_linear
from training.losses import binary_cross_entropy
from training.quantize import training_notes
from training.quantize_text import write_int8
from training.recipe import TraitsRecipe
from training.text import begin_with_vectors, targets_of

LIMITS: Final = (
    "Says how a text compares with what some 2,500 American students of psychology wrote in twenty minutes, whatever "
    "came to their minds, and who answered a questionnaire. Right little more often than a guess; the interval says "
    "how little. Other kinds of text, other writers and other languages were not measured. It is no test of a person "
    "and not for decisions about people: not in hiring, not at work, not in education, not for credit or insurance."
)


@dataclass(frozen=True)
class TraitValidation:
    """Essays that choose among epochs."""

    ids: npt.NDArray[np.int32]
    """(runs, length, pieces) of all essays."""
    owners: npt.NDArray[np.int64]
    """(runs,) the essay of each."""
    weights: FloatArray
    """(runs,) its tokens."""
    targets: FloatArray
    """(essays, 5)"""
    metric: str = "mean accuracy"

    def logits(self, model: keras.Model) -> FloatArray:
        """(essays, 5) the runs' answers, averaged by their lengths."""
        answers = np.asarray(model.predict(self.ids, batch_size=256, verbose=0), np.float32)
        sums = np.zeros(self.targets.shape, np.float32)
        np.add.at(sums, self.owners, answers * self.weights[:, None])
        lengths = np.bincount(self.owners, self.weights).astype(np.float32)
        result: FloatArray = sums / lengths[:, None]
        return result

    def score(self, model: keras.Model) -> tuple[float, float]:
        logits = self.logits(model)
        loss = float(keras.ops.convert_to_numpy(binary_cross_entropy(self.targets, logits)))
        return float(((logits > 0) == (self.targets > 0.5)).mean()), loss


@dataclass(frozen=True)
class HeldOut:
    """What models said of essays that they were not trained on."""

    logits: FloatArray
    """(essays, 5) of the float models."""
    logits_int8: FloatArray
    """(essays, 5) of the int8 files."""
    by_length: FloatArray
    """(essays, lengths, 5) of the int8 files, of each essay's first `LENGTHS` words."""


def measure(recipe: TraitsRecipe, data: TextSet, out: Path, *, vectors: Path | None = None, progress: bool) -> HeldOut:
    """Train a model for each of ten folds and ask it about the essays that it was not trained on.

    The fold after the one that is held out chooses among epochs. Each fold keeps its answers in a folder of its own:
    what is stopped goes on where it was.

    Parameters
    ----------
    recipe
        Its seed draws the folds too.
    out
        Folder of the run.
    """
    tokens = [tokenise(text) for text in data.texts]
    folds = essays.folds(len(data), recipe.seed)
    shape = data.targets.shape
    result = HeldOut(
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.zeros((shape[0], len(LENGTHS), shape[1]), np.float32),
    )
    for number, held in enumerate(tqdm(folds, desc="folds", unit="fold", disable=not progress)):
        folder = out / f"fold_{number + 1}"
        answers = folder / "answers.npz"
        if not answers.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            choosing = folds[(number + 1) % len(folds)]
            _run_fold(recipe, data, tokens, (choosing, held), folder, vectors=vectors)
        try:
            # Opened here, since np.load leaves a file open that is no archive.
            with answers.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                result.logits[held], result.logits_int8[held] = file["logits"], file["logits_int8"]
                result.by_length[held] = file["by_length"]
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise DataError(
                f"{answers}: damaged ({type(error).__name__}); delete it to train this fold again"
            ) from None
    return result


def finish(
    recipe: TraitsRecipe,
    data: TextSet,
    held_out: HeldOut,
    out: Path,
    models: Path,
    *,
    vectors: Path | None = None,
    progress: bool,
) -> tuple[Path, TraitsReport]:
    """Train the model that ships on all essays but those of the first fold, which choose, and write it with its card.

    Its manifest says what its scores are worth: that comes from the ten models of `measure`, trained in the same way.
    Pictures of it are drawn into the run's folder.

    Raises
    ------
    DataError
        At no length are the scores better than the majority of the writers.
    ModelError
        The file is not int8 throughout, or cannot be written.
    """
    tokens = [tokenise(text) for text in data.texts]
    folds = essays.folds(len(data), recipe.seed)
    words = np.array([count_words(each) for each in tokens])
    temperature = round(text_figures.fit_temperature(held_out.logits_int8, data.targets), 5)
    cut = {length: held_out.by_length[:, place] for place, length in enumerate(LENGTHS)}
    rows = text_traits.by_length(cut, held_out.logits_int8, data.targets, words)
    scores = text_traits.trait_scores(
        held_out.logits_int8, data.targets, names=data.labels, temperature=temperature, words=words, rows=rows
    )
    model, batches, state = train_float(
        recipe, data, tokens, folds[0], np.empty(0, np.int64), out, vectors=vectors, progress=progress
    )
    save_float(model, out / f"{recipe.name}.keras")
    path = write_int8(
        recipe,
        model,
        batches,
        batches.settings,
        models,
        labels=data.labels,
        calibration=Calibration(
            link="sigmoid",
            temperature=temperature,
            thresholds=(0.5,) * len(data.labels),
            fitted_on=f"{len(data)} essays, each answered by a model that was not trained on it",
        ),
        training=training_notes(recipe, state, essays.TERMS) | {"cleaning": data.cleaning.as_dict()},
        limits=LIMITS,
        traits=scores,
    )
    report = report_traits(
        data,
        folds,
        held_out.logits_int8,
        held_out.logits,
        baseline=_usual_answers(data, tokens, folds, out, progress=progress),
        temperature=temperature,
        lengths=rows,
        protocol={"command": f"affect-edge train {recipe.name} --data DIR", "seed": recipe.seed},
    )
    manifest = read_manifest(manifest_path(path)).model_copy(update={"evaluation": {SPLIT: report.entry()}})
    manifest.write(manifest_path(path))
    card_path(path).write_text(render_card(manifest), encoding="utf-8")
    write_trait_plots(
        report.figures, rows, held_out.logits_int8, data.targets, out, title=f"{path.name}, out of {len(folds)} folds"
    )
    return path, report


def _usual_answers(
    data: TextSet, tokens: Sequence[Tokens], folds: Sequence[npt.NDArray[np.int64]], out: Path, *, progress: bool
) -> npt.NDArray[np.bool_]:
    """What TF-IDF with logistic regression says in the same folds; kept in the run's folder, for it takes minutes."""
    kept = out / "baseline.npy"
    if not kept.is_file():
        answers = tfidf.out_of_folds(tokens, data.targets, folds, progress=progress) > 0
        partial = out / "baseline.partial.npy"
        np.save(partial, answers)
        partial.replace(kept)
    try:
        found = np.load(kept, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{kept}: damaged ({type(error).__name__}); delete it to score the baseline again") from None
    return np.asarray(found, bool)


def train_float(
    recipe: TraitsRecipe,
    data: TextSet,
    tokens: Sequence[Tokens],
    choosing: npt.NDArray[np.int64],
    held: npt.NDArray[np.int64],
    out: Path,
    *,
    vectors: Path | None = None,
    progress: bool,
) -> tuple[keras.Model, TextBatches, Progress]:
    """Train on the essays that neither choose nor are held out, or go on where a run was stopped.

    A linear model is trained on those that choose too, once they have chosen how strongly it is regularised.

    Returns
    -------
    model
        (n, length, pieces) -> (n, 5) logits, with the weights that did best on those that choose.
    batches
        Of the training essays.
    progress
        Of the run.
    """
    training = np.setdiff1d(np.arange(len(data)), np.concatenate([choosing, held]))
    mine, others = [tokens[each] for each in training], [tokens[each] for each in choosing]
    settings = settings_of(recipe.features, mine)
    batches = TextBatches(
        mine,
        targets_of(data.targets[training], recipe.label_smoothing),
        settings,
        unknown=recipe.augmentation.unknown,
        batch_size=recipe.schedule.batch_size,
        seed=recipe.seed,
    )
    if recipe.network.architecture == "linear":
        linear = train_linear(
            recipe.network, settings, (mine, data.targets[training]), (others, data.targets[choosing])
        )
        state = Progress(recipe.as_dict(), best_score=linear.score)
        return as_network(recipe.network, settings, linear), batches, state
    keras.utils.set_random_seed(recipe.seed)
    model = build_text_net(recipe.network, settings, outputs=len(data.labels))
    if vectors is not None:
        begin_with_vectors(model, settings, vectors)
    state = fit(
        model,
        batches,
        validation_of(others, data.targets[choosing], TokenIds(settings)),
        recipe.schedule,
        loss=binary_cross_entropy,
        recipe=recipe.model_dump(mode="json", exclude={"further", "quantization", "version"}),
        checkpoint=out / "checkpoint.npz",
        progress=progress,
    )
    return model, batches, state


def validation_of(tokens: Sequence[Tokens], targets: FloatArray, number: TokenIds) -> TraitValidation:
    """Whole essays as the network takes them, run by run."""
    runs = [(owner, run) for owner, each in enumerate(tokens) for run in runs_of(each, number.settings.length)]
    return TraitValidation(
        np.stack([number(run) for _, run in runs]),
        np.array([owner for owner, _ in runs], np.int64),
        np.array([max(len(run), 1) for _, run in runs], np.float32),
        targets,
    )


def _run_fold(
    recipe: TraitsRecipe,
    data: TextSet,
    tokens: Sequence[Tokens],
    parts: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    folder: Path,
    *,
    vectors: Path | None,
) -> None:
    choosing, held = parts
    model, batches, state = train_float(recipe, data, tokens, choosing, held, folder, vectors=vectors, progress=False)
    save_float(model, folder / f"{recipe.name}.keras")
    path = write_int8(
        recipe,
        model,
        batches,
        batches.settings,
        folder,
        labels=data.labels,
        calibration=Calibration(link="sigmoid", thresholds=(0.5,) * len(data.labels)),
        training=training_notes(recipe, state, essays.TERMS),
        limits=LIMITS,
    )
    small = TextModel(path, task="traits")
    mine = [tokens[each] for each in held]

    def answers(texts: Sequence[Tokens]) -> FloatArray:
        return np.stack([small.mean_logits(runs_of(each, batches.settings.length)) for each in texts])

    partial = folder / "answers.partial.npz"
    np.savez(
        partial,
        logits=validation_of(mine, data.targets[held], TokenIds(batches.settings)).logits(model),
        logits_int8=answers(mine),
        by_length=np.stack([answers([first_words(each, words) for each in mine]) for words in LENGTHS], axis=1),
    )
    partial.replace(folder / "answers.npz")
