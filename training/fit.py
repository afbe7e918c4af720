"""The training loop: averaged weights, one checkpoint that survives a kill at any moment, a progress bar, curves.

A loop of our own in place of `model.fit`, because what is resumed has to be the same run: the batches of an epoch, the
optimizer's state, the averaged weights and the best ones so far, all in one file that is replaced whole.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.errors import DataError
from training.recipe_parts import Schedule

logger = logging.getLogger(__name__)

Weights = list[npt.NDArray[np.float32]]

AVERAGE_EVERY = 8
"""Steps between two updates of the averaged weights; the decay is raised to this power, so the average is the same."""


@dataclass
class Progress:
    """Where a run stands; what a checkpoint holds beside the network's and the optimizer's own weights."""

    recipe: dict[str, Any]
    epoch: int = 0
    """Epochs that are done."""
    average: Weights = field(default_factory=list)
    best: Weights = field(default_factory=list)
    best_score: float = -1.0
    """Of the epoch that was chosen."""
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    """One entry an epoch: loss, learning_rate, validation_score and, where there is one, validation_loss."""


class Batches(Protocol):
    """One epoch's batches by index: the same for the same epoch and index, so that a resumed run is the same run."""

    epoch: int
    """Counted from 0; set before an epoch's first batch is taken."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]: ...


class Validation(Protocol):
    """What chooses among epochs; never the test split."""

    @property
    def metric(self) -> str:
        """Name of the score, such as 'accuracy'."""

    def score(self, model: keras.Model) -> tuple[float, float | None]:
        """The score, higher is better, and the loss where there is one."""


def fit(
    model: keras.Model,
    batches: Batches,
    validation: Validation,
    schedule: Schedule,
    *,
    loss: keras.losses.Loss | Callable[[Any, Any], Any],
    recipe: dict[str, Any],
    checkpoint: Path,
    progress: bool = True,
) -> Progress:
    """Train until the schedule ends, going on from `checkpoint` if there is one; leaves the best weights in the model.

    Parameters
    ----------
    model
        Inputs 0 to 1 -> logits; compiled here.
    batches
        Training batches; its `epoch` is set here.
    validation
        What the averaged weights are scored on after each epoch.
    schedule
        Epochs, rates, averaging, patience.
    loss
        Of targets and outputs.
    recipe
        The whole recipe: a checkpoint of another recipe is refused.
    checkpoint
        One .npz file, replaced after each epoch.
    progress
        Show a bar on stderr.

    Raises
    ------
    DataError
        Fewer samples than one batch; a checkpoint that is damaged or belongs to another recipe; a loss that is not
        finite.
    OSError
        The checkpoint or the curves cannot be written; the checkpoint before stays as it was.
    """
    steps = len(batches)
    if steps == 0:
        raise DataError("fewer training samples than one batch; lower schedule.batch_size in the recipe")
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=max(1, round((schedule.epochs - schedule.warmup_epochs) * steps)),
        warmup_target=schedule.learning_rate,
        warmup_steps=max(1, round(schedule.warmup_epochs * steps)),
        alpha=0.01,
    )
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=schedule.weight_decay, global_clipnorm=schedule.gradient_norm or None
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    # XLA is some fifteen times slower than oneDNN's kernels for convolutions on a CPU.
    model.compile(optimizer, loss, jit_compile=False)
    optimizer.build(model.trainable_variables)

    state = Progress(recipe)
    if checkpoint.is_file():
        state = _restore(checkpoint, model, optimizer, recipe)
        _advance_dropout(model, state.epoch * steps)
        logger.info("going on from %s after %d epochs", checkpoint, state.epoch)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    while state.epoch < schedule.epochs and not _is_out_of_patience(state, schedule):
        training_loss = _epoch(model, batches, state, schedule, progress=progress)
        trained = model.get_weights()
        if state.average:
            model.set_weights(state.average)
        score, validation_loss = validation.score(model)
        if _is_best(score, validation_loss, state, schedule):
            state.best, state.best_score, state.best_epoch = model.get_weights(), score, state.epoch
        model.set_weights(trained)
        entry = {
            "epoch": state.epoch,
            "loss": training_loss,
            "learning_rate": float(rate(optimizer.iterations)),
            "validation_score": score,
        }
        if validation_loss is not None:
            entry["validation_loss"] = validation_loss
        state.history.append(entry)
        # The curves first: whatever a checkpoint tells of, they show.
        plot_history(
            state.history,
            validation.metric,
            checkpoint.with_name(checkpoint.stem.replace("checkpoint", "curves") + ".png"),
        )
        _save(checkpoint, model, optimizer, state)
        logger.info("%s", state.history[-1])
    model.set_weights(state.best)
    return state


def save_float(model: keras.Model, path: Path) -> None:
    """Save a trained model without what it was compiled with: a loss of our own could not be read back elsewhere."""
    keras.Model(model.inputs, model.outputs, name=model.name).save(path)


def _is_best(score: float, loss: float | None, state: Progress, schedule: Schedule) -> bool:
    """Whether an epoch is better than all before it."""
    if schedule.choose == "score":
        return score > state.best_score
    if loss is None:
        raise DataError("schedule.choose = 'loss': this task's validation tells no loss; choose by 'score'")
    return all(loss < entry["validation_loss"] for entry in state.history)


def _is_out_of_patience(state: Progress, schedule: Schedule) -> bool:
    return 0 < schedule.patience <= state.epoch - state.best_epoch


def _epoch(model: keras.Model, batches: Batches, state: Progress, schedule: Schedule, *, progress: bool) -> float:
    """One pass over the data; returns its mean loss and counts the epoch as done."""
    batches.epoch = state.epoch
    total = 0.0
    with tqdm(total=len(batches), desc=f"epoch {state.epoch + 1}/{schedule.epochs}", disable=not progress) as bar:
        for step in range(len(batches)):
            faces, targets = batches[step]
            total += float(model.train_on_batch(faces, targets))
            done = state.epoch * len(batches) + step + 1
            if schedule.average_decay and done % AVERAGE_EVERY == 0:
                _average(state, model, schedule.average_decay, done)
            bar.update()
            bar.set_postfix(best=f"{max(state.best_score, 0):.4f}", refresh=False)
    if not np.isfinite(total):
        raise DataError(
            f"epoch {state.epoch + 1}: the loss is not finite; lower schedule.learning_rate in the recipe and name "
            "another --out"
        )
    state.epoch += 1
    return total / len(batches)


def _average(state: Progress, model: keras.Model, decay: float, step: int) -> None:
    """Moving average over all weights, batch norm's statistics too, since they belong to the weights."""
    current = [np.asarray(weight) for weight in model.get_weights()]
    if not state.average:
        state.average = [weight.copy() for weight in current]
        return
    # Early on, a long memory would keep the initial weights alive.
    keep = min(decay, (1 + step) / (10 + step)) ** AVERAGE_EVERY
    for mean, weight in zip(state.average, current, strict=True):
        mean *= keep
        mean += (1 - keep) * weight


def _save(path: Path, model: keras.Model, optimizer: keras.Optimizer, state: Progress) -> None:
    groups = {
        "model": model.get_weights(),
        "optimizer": [np.asarray(variable.numpy()) for variable in optimizer.variables],
        "average": state.average,
        "best": state.best,
    }
    arrays = {f"{group}_{index:04}": array for group, weights in groups.items() for index, array in enumerate(weights)}
    notes = {
        "recipe": state.recipe,
        "epoch": state.epoch,
        "best_score": state.best_score,
        "best_epoch": state.best_epoch,
        "history": state.history,
    }
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as stream:
            np.savez(stream, notes=np.array(json.dumps(notes)), **arrays)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _restore(path: Path, model: keras.Model, optimizer: keras.Optimizer, recipe: dict[str, Any]) -> Progress:
    try:
        # Opened here, since np.load leaves a file open that is no archive.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            notes = json.loads(str(file["notes"]))
            groups: dict[str, Weights] = {"model": [], "optimizer": [], "average": [], "best": []}
            for key in sorted(file.files):
                if key != "notes":
                    groups[key.rsplit("_", 1)[0]].append(file[key])
        known = notes["recipe"]
    except Exception as error:  # a zip may break in many ways
        raise DataError(f"{path}: a damaged checkpoint ({type(error).__name__}); delete it to start again") from None
    if known != recipe:
        raise DataError(f"{path}: a checkpoint of another recipe; name another --out, or delete it to start again")
    model.set_weights(groups["model"])
    for variable, value in zip(optimizer.variables, groups["optimizer"], strict=True):
        variable.assign(value)
    return Progress(
        recipe,
        epoch=notes["epoch"],
        average=groups["average"],
        best=groups["best"],
        best_score=notes["best_score"],
        best_epoch=notes["best_epoch"],
        history=notes["history"],
    )


def _advance_dropout(model: keras.Model, steps: int) -> None:
    """Set dropout's random numbers to where they stand after so many steps; they are none of Keras's weights."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _advance_dropout(layer, steps)
        elif isinstance(layer, keras.layers.Dropout) and layer.rate > 0:  # without a rate it has no random numbers
            seed, _ = layer.seed_generator.state.numpy()
            layer.seed_generator.state.assign(np.array([seed, steps], np.uint32))


def plot_history(history: list[dict[str, float]], metric: str, path: Path) -> None:
    """Write loss and validation score by epoch as a PNG."""
    from matplotlib.figure import Figure

    epochs = [entry["epoch"] for entry in history]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(epochs, [entry["loss"] for entry in history], label="training (augmented)")
    if all("validation_loss" in entry for entry in history):
        left.plot(epochs, [entry["validation_loss"] for entry in history], label="validation")
    left.set(xlabel="epoch", ylabel="loss", title="Loss")
    left.legend(frameon=False)
    right.plot(epochs, [entry["validation_score"] for entry in history], color="tab:green")
    right.set(xlabel="epoch", ylabel=metric, title=f"Validation {metric} (averaged weights)")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
