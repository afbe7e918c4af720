"""Quantization-aware training: the network learns with the rounding of int8 in place.

TFMOT puts a fake quantisation (Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference") where TFLite will round. Three things are done otherwise than its default:

- The input's range is fixed to the real numbers that pixels stand for, so that the file's input has exactly
  scale = (high - low) / 255; for [0, 1], pixel p is the int8 number p - 128.
- Depthwise kernels get a range per channel, as TFLite's own kernels have; the default is one for the whole kernel,
  because it takes ranges along the last axis, which is 1 long there.
- Activation ranges begin with those seen on the first batches instead of [-6, 6], from which a moving average of
  1000 steps would have to find its way.

Batch normalisation keeps its moving statistics while fine-tuning, so that the network that is trained is the one that
is exported, where normalisation is folded into the convolutions (Krishnamoorthi 2018, section 3.2.2).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from converter import environment
from edge.errors import DataError

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float32]
Batches = Callable[[int], Iterable[tuple[FloatArray, FloatArray]]]
"""Gives the (x, y) batches of one epoch, counted from 0: x (n, ...) as the model takes it, y (n, ...) targets as the
loss takes them. Called with the epoch so that a resumed run sees the batches of one that was never stopped."""

STATE_FILE = "qat.npz"
PREDICT_BATCH = 256
CALIBRATION_BATCHES = 32


@dataclass(frozen=True)
class FineTuned:
    """What `fine_tune` gives back."""

    model: Any
    """tf_keras.Model with fake quantisation, holding the best weights: ready for `export.int8_from_qat`."""
    best_epoch: int | None
    """Counted from 1; None without a score, where the last weights are kept. 0 is before any training."""
    best_score: float | None
    """With fake quantisation."""
    history: list[dict[str, float]] = field(default_factory=list)
    """One entry per epoch: epoch, loss, learning_rate, and validation_score where there is one."""


def fine_tune(
    model: Any,
    batches: Batches,
    *,
    epochs: int,
    learning_rate: float,
    steps_per_epoch: int,
    score: Callable[[Any], float] | None = None,
    loss: Callable[[Any, Any], Any] | None = None,
    pixel_range: tuple[float, float] = (0.0, 1.0),
    left: Collection[str] = (),
    checkpoint: Path | None = None,
    progress: bool = True,
) -> FineTuned:
    """Quantise a model and fine-tune it with fake quantisation, keeping the best weights.

    Adam, the learning rate falling to 0 along a cosine.

    Parameters
    ----------
    model
        tf_keras.Model (see `bridge.to_tf_keras`); it is left as it is.
    batches
        The training data, see `Batches`.
    steps_per_epoch
        How many batches one epoch takes at most; with `epochs` it sets the length of the cosine.
    score
        Tells how good a model is, higher is better, on data that is not trained on; see `accuracy`.
    loss
        Of targets and outputs. Left out: the cross-entropy between targets that add up to 1 and the softmax of the
        model's logits.
    pixel_range
        The real numbers that pixel values 0 and 255 stand for.
    left
        Names of layers that get no fake quantisation and are trained in float; see `converter.mixed`.
    checkpoint
        Folder for the state after each epoch: call again with the same arguments to go on after a kill.
    progress
        Show a progress bar, if stderr is a terminal.

    Raises
    ------
    ModelError
        TFMOT refuses a layer that is not among `left`; the message names it.
    DataError
        The data does not fit the model, or the checkpoint is of another run.
    """
    environment.prepare()
    import tf_keras

    from converter.scheme import quantize

    first = _first(batches(0), CALIBRATION_BATCHES, model, has_loss=loss is not None)
    settings = f"{epochs} {steps_per_epoch} {learning_rate} {pixel_range} {_digest([*model.get_weights(), first[0]])}"
    settings += f" {sorted(left)}" if left else ""
    saved = checkpoint / STATE_FILE if checkpoint else None
    arrays = _read_state(saved, settings) if saved else {}
    quantized = quantize(model, pixel_range, first if not arrays else [], left=left)
    schedule = tf_keras.optimizers.schedules.CosineDecay(learning_rate, decay_steps=epochs * steps_per_epoch)
    optimizer = tf_keras.optimizers.Adam(schedule, jit_compile=False)
    # XLA on a CPU is some 15 times slower than TensorFlow's own kernels here.
    loss = loss or tf_keras.losses.CategoricalCrossentropy(from_logits=True)
    quantized.compile(optimizer, loss, jit_compile=False)
    optimizer.build(quantized.trainable_variables)

    state = _State(quantized, optimizer, saved, settings)
    start = state.restore(arrays) if arrays else 0
    if start == 0 and score is not None:
        state.offer(0, score(quantized))
    for epoch in range(start, epochs):
        quantized.reset_metrics()
        bar = tqdm(
            total=steps_per_epoch, desc=f"QAT {epoch + 1}/{epochs}", unit="batch", disable=None if progress else True
        )
        figures = {"loss": float("nan")}
        with bar:
            for step, (x, y) in enumerate(batches(epoch)):
                if step == steps_per_epoch:
                    break
                figures = quantized.train_on_batch(x, y, reset_metrics=False, return_dict=True)
                bar.update()
                if step % 20 == 0:
                    bar.set_postfix(loss=f"{figures['loss']:.3f}")
        if not np.isfinite(figures["loss"]):
            raise DataError(f"QAT epoch {epoch + 1}: no batches, or a loss that is not finite: lower the learning rate")
        entry = {"epoch": epoch + 1.0, "loss": float(figures["loss"]), "learning_rate": float(optimizer.lr.numpy())}
        if score is not None:
            entry["validation_score"] = score(quantized)
            state.offer(epoch + 1, entry["validation_score"])
        state.history.append(entry)
        logger.info("QAT %s", entry)
        state.save(epoch + 1)
    state.take_best()
    return FineTuned(quantized, state.best_epoch, state.best_score, state.history)


def accuracy(model: Any, x: FloatArray, y: npt.NDArray[Any]) -> float:
    """Share of samples whose largest output stands at the target class, 0 to 1."""
    target = y if y.ndim == 1 else y.argmax(axis=1)
    logits = model.predict(x, batch_size=PREDICT_BATCH, verbose=0)
    return float((logits.argmax(axis=1) == target).mean())


class _State:
    """The weights, the optimizer and the best weights, in memory and in one file that is replaced whole."""

    def __init__(self, model: Any, optimizer: Any, path: Path | None, settings: str) -> None:
        self._model, self._optimizer, self._path, self._settings = model, optimizer, path, settings
        self.history: list[dict[str, float]] = []
        self.best_epoch: int | None = None
        self.best_score: float | None = None
        self._best: list[npt.NDArray[Any]] | None = None

    def offer(self, epoch: int, value: float) -> None:
        if self.best_score is None or value > self.best_score:
            self.best_epoch, self.best_score, self._best = epoch, value, self._model.get_weights()

    def take_best(self) -> None:
        if self._best is not None:
            self._model.set_weights(self._best)

    def save(self, epoch: int) -> None:
        if self._path is None:
            return
        arrays: dict[str, Any] = {"settings": np.array(self._settings), "epoch": np.array(epoch)}
        arrays |= _numbered("weight", self._model.get_weights())
        arrays |= _numbered("optimizer", [variable.numpy() for variable in self._optimizer.variables])
        for key in self.history[0]:
            arrays[f"history_{key}"] = np.array([entry[key] for entry in self.history])
        if self._best is not None:
            arrays |= {"best_epoch": np.array(self.best_epoch), "best_score": np.array(self.best_score)}
            arrays |= _numbered("best", self._best)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        with partial.open("wb") as stream:
            np.savez(stream, **arrays)
        partial.replace(self._path)

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> int:
        """Take up a saved state; the epochs that are done."""
        self._model.set_weights(_listed("weight", arrays))
        for variable, value in zip(self._optimizer.variables, _listed("optimizer", arrays), strict=True):
            variable.assign(value)
        keys = [key for key in arrays if key.startswith("history_")]
        columns = zip(*(arrays[key] for key in keys), strict=True)
        names = [key.removeprefix("history_") for key in keys]
        self.history = [dict(zip(names, map(float, row), strict=True)) for row in columns]
        if "best_epoch" in arrays:
            self.best_epoch, self.best_score = int(arrays["best_epoch"]), float(arrays["best_score"])
            self._best = _listed("best", arrays)
        return int(arrays["epoch"])


def _read_state(path: Path, settings: str) -> dict[str, npt.NDArray[Any]]:
    """What `_State.save` wrote; empty where there is nothing yet."""
    if not path.is_file():
        return {}
    try:
        with np.load(path) as archive:
            arrays = dict(archive)
    except Exception as error:  # a zip may break in many ways
        raise DataError(f"{path}: not a readable checkpoint: {error}; remove it to start afresh") from None
    if str(arrays.get("settings")) != settings:
        raise DataError(
            f"{path}: a checkpoint of another run (its model, data, epochs, steps or learning rate differ); "
            "remove it, or name another folder"
        )
    return arrays


def _numbered(name: str, values: list[npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {f"{name}_{index:04d}": value for index, value in enumerate(values)}


def _listed(name: str, arrays: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    keys = sorted(key for key in arrays if key.startswith(f"{name}_") and key[len(name) + 1 :].isdigit())
    return [arrays[key] for key in keys]


def _digest(arrays: list[npt.NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _first(
    batches: Iterable[tuple[FloatArray, FloatArray]], count: int, model: Any, *, has_loss: bool
) -> list[FloatArray]:
    """The inputs of the first batches, after a look at their form; what a given loss takes is its own matter."""
    taken: list[FloatArray] = []
    classes = int(model.output_shape[-1])
    for x, y in batches:
        fits = len(y) == len(x) if has_loss else y.shape == (len(x), classes)
        if x.shape[1:] != tuple(model.input_shape[1:]) or not fits:
            raise DataError(
                f"a training batch has x {x.shape} and y {y.shape}, where the model takes x "
                f"(n, {', '.join(map(str, model.input_shape[1:]))}) and y (n, {classes})"
            )
        taken.append(x)
        if len(taken) == count:
            break
    if not taken:
        raise DataError("there are no training batches")
    return taken
