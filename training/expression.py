"""The expression model's run, from the data folder to the float model."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from training.architectures.expression_net import build_expression_net
from training.datasets.cleaning import CleaningReport, clean_training
from training.datasets.face_batches import FaceBatches, as_input
from training.datasets.fer2013 import LABELS, FaceSet
from training.evaluation.metrics import negative_log_likelihood
from training.fit import Progress, fit
from training.losses import weighted_cross_entropy
from training.recipe import ExpressionRecipe
from training.recipe_parts import Targets

logger = logging.getLogger(__name__)

DATA_TERMS = (
    "FER-2013 (Goodfellow et al. 2013; its authors state no licence, research use) and, where it lies beside it, FER+ "
    "(Barsoum et al. 2016; MIT)"
)

LIMITS = (
    "Names the expression that a grey 48x48 face seems to show, as crowd workers labelled pictures from a web search; "
    "it does not tell what a person feels. Faces that are turned away, hidden, very young or old, or of groups that "
    "the data shows seldom are read less well; no figure per group exists, since the data has no such labels. In the "
    "EU it is prohibited to infer emotions from biometrics at work or in education (AI Act, Article 5(1)(f)), and "
    "people who are exposed to such a system elsewhere must be told (Article 50(3)). Not for decisions about people."
)


@dataclass(frozen=True)
class FaceValidation:
    """Faces that choose among epochs."""

    inputs: npt.NDArray[np.float32]
    """(n, 48, 48, 1), 0 to 1."""
    labels: npt.NDArray[np.int64]

    metric = "accuracy"

    def score(self, model: keras.Model) -> tuple[float, float]:
        """Accuracy, 0 to 1, and mean cross-entropy in nats."""
        logits = np.asarray(model.predict(self.inputs, batch_size=256, verbose=0))
        accuracy = float((logits.argmax(axis=1) == self.labels).mean())
        return accuracy, negative_log_likelihood(logits, self.labels)


@dataclass(frozen=True)
class TrainingData:
    """What one run learns from and is chosen by."""

    images: npt.NDArray[np.uint8]
    """(n, 48, 48), cleaned."""
    targets: npt.NDArray[np.float32]
    """(n, 7) what the network is asked to answer."""
    validation: FaceValidation
    cleaning: CleaningReport


def prepare(sets: dict[str, FaceSet], targets: Targets) -> TrainingData:
    """Clean the training faces and mix their targets from labels and votes."""
    faces, labels, report = clean_training(sets)
    logger.info("cleaned: %s", report.as_dict())
    validation = FaceValidation(as_input(sets["validation"].images), sets["validation"].labels)
    return TrainingData(faces.images, mix_targets(labels, faces.votes, targets), validation, report)


def mix_targets(
    labels: npt.NDArray[np.float32], votes: npt.NDArray[np.float32] | None, options: Targets
) -> npt.NDArray[np.float32]:
    """Labels, FER+'s votes and a uniform part, mixed as the recipe says.

    FER-2013's label and the majority of FER+'s ten annotators agree on 63 % of the faces: the votes tell which labels
    to doubt, the labels are what the benchmark asks for.

    Parameters
    ----------
    labels
        (n, 7) distributions.
    votes
        (n, 7), rows of zeros where there are none; or None.
    options
        The weights.

    Returns
    -------
    (n, 7) float32
        Rows add up to 1, or to the class's weight where `options.balance` is not 0.
    """
    mixed = labels
    if votes is not None:
        weight = np.float32(options.vote_weight) * (votes.sum(axis=1, keepdims=True) > 0)
        mixed = (1 - weight) * labels + weight * votes
    mixed = (1 - options.label_smoothing) * mixed + options.label_smoothing / labels.shape[1]
    if options.balance:
        frequency = np.maximum(labels.mean(axis=0), 1e-6)
        class_weight = frequency**-options.balance
        mixed = mixed * (class_weight / (class_weight * frequency).sum())
    result: npt.NDArray[np.float32] = mixed.astype(np.float32)
    return result


def train_float(
    recipe: ExpressionRecipe, data: TrainingData, out: Path, *, progress: bool
) -> tuple[keras.Model, Progress]:
    """Train the float model, round by round, or go on where an earlier run in `out` was stopped.

    Returns
    -------
    model
        With the weights that did best on the validation faces.
    progress
        The round that they come from.
    """
    keras.utils.set_random_seed(recipe.seed)
    model = build_expression_net(classes=len(LABELS), width=recipe.network.width, dropout=recipe.network.dropout)
    common = recipe.model_dump(mode="json", exclude={"schedule", "further", "quantization", "version"})
    rounds: list[Progress] = []
    for number, schedule in enumerate((recipe.schedule, *recipe.further)):
        batches = FaceBatches(
            data.images,
            data.targets,
            recipe.augmentation,
            batch_size=schedule.batch_size,
            seed=recipe.seed + number,
            calm_from=schedule.epochs - schedule.calm_epochs,
        )
        so_far: dict[str, object] = {"schedule": recipe.schedule.model_dump(mode="json")}
        if number:
            so_far["further"] = [each.model_dump(mode="json") for each in recipe.further[:number]]
        rounds.append(
            fit(
                model,
                batches,
                data.validation,
                schedule,
                loss=weighted_cross_entropy,
                recipe=common | so_far,
                checkpoint=out / ("checkpoint.npz" if not number else f"checkpoint_{number + 1}.npz"),
                progress=progress,
            )
        )
        model.set_weights(max(rounds, key=lambda each: each.best_score).best)
    return model, max(rounds, key=lambda each: each.best_score)
