"""A training run that takes seconds, for test_fit.py; as a program, it is the one that is killed.

    python -m tests.training.fit_harness CHECKPOINT

prints a line for each batch that it takes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras

from tests.training.conftest import pattern_faces
from training.datasets.face_batches import Batch, FaceBatches, as_input
from training.expression import FaceValidation, mix_targets
from training.fit import Progress, fit
from training.recipe import ExpressionRecipe
from training.recipe_parts import Augmentation, Schedule, Targets

STEPS = 12
EPOCHS = 6
RATE = 5e-4


class SpokenBatches(FaceBatches):
    """Prints a line for each batch that is taken."""

    def __getitem__(self, index: int) -> Batch:
        print(self.epoch, index, flush=True)
        return super().__getitem__(index)


def schedule(**changes: Any) -> Schedule:
    options: dict[str, Any] = {"epochs": EPOCHS, "batch_size": 14, "learning_rate": RATE, "warmup_epochs": 1}
    return Schedule(**options | {"weight_decay": 0.01, "average_decay": 0.8} | changes)


def network() -> keras.Model:
    """A few bands' means, a hidden layer with all that a run has to keep: batch norm, dropout."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((48, 48, 1))
    x = keras.layers.AveragePooling2D((6, 48))(inputs)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(512, use_bias=False)(x)
    x = keras.layers.BatchNormalization(momentum=0.8)(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Dropout(0.3)(x)
    return keras.Model(inputs, keras.layers.Dense(7)(x))


def train(
    checkpoint: Path,
    plan: Schedule,
    *,
    batches: type[FaceBatches] = FaceBatches,
    augmentation: Augmentation | None = None,
    recipe: dict[str, Any] | None = None,
) -> tuple[keras.Model, Progress]:
    """Train the small network on pattern faces, 12 batches an epoch."""
    model = network()
    images, labels = pattern_faces(2 * STEPS, seed=0)
    targets = mix_targets(keras.ops.convert_to_numpy(keras.ops.one_hot(labels, 7)), None, Targets(label_smoothing=0.1))
    held, held_labels = pattern_faces(10, seed=1)
    state = fit(
        model,
        batches(images, targets, augmentation or Augmentation(), batch_size=plan.batch_size, seed=3),
        FaceValidation(as_input(held), held_labels),
        plan,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        recipe=recipe or ExpressionRecipe(schedule=plan).as_dict(),
        checkpoint=checkpoint,
        progress=False,
    )
    return model, state


if __name__ == "__main__":
    train(Path(sys.argv[1]), schedule(), batches=SpokenBatches)
