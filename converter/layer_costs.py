"""Which layers cost an int8 file most, and what is gained by keeping these in float.

To find them, each layer is quantised alone, input, weights and output, the others staying in float, and the outputs are
compared with the float model's. To ask the other way, what is gained when one layer alone stays in float, would miss
those that are worst: numbers that int8 cannot hold are rounded on their way from one layer to the next, and remain so
as long as one of the two is int8. What is gained is then measured with the costliest in float, one more each time.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converter import export, verify
from converter.layer_errors import SAME_NUMBERS, SAMPLES, bar, prepared_subject
from converter.subject import Subject
from edge.errors import DataError

_ROUNDS_NOTHING = SAME_NUMBERS | {"PACK", "UNPACK", "SPLIT", "STRIDED_SLICE", "PAD"}


@dataclass(frozen=True)
class LayerCost:
    """What a layer costs, and what is gained when it and those that cost more stay in float."""

    layer: str
    """A name for `keep_float`."""
    layers: tuple[str, ...]
    """Those that go with it, because TFLite computes them in one operator."""
    gain_db: float
    """By how much the outputs' signal-to-noise ratio (see `verify.Agreement`) rises above that of the int8 file with
    this layer and those named before it in float."""
    sqnr_db: float
    """What it rises to."""
    agreement: float
    """Share of samples with the float model's class then, 0 to 1."""
    agreement_int8: float
    """The same with every layer in int8."""
    alone_db: float
    """The ratio with this layer alone in int8: what the ranking is by, least first."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON, rounded to what the figures can bear."""
        figures = {key: round(value, 4) for key, value in asdict(self).items() if isinstance(value, float)}
        return {"layer": self.layer, "layers": list(self.layers), **figures}


def costliest(
    subject: Subject,
    calibration: npt.NDArray[Any],
    x: npt.NDArray[Any],
    n: int,
    *,
    input_range: tuple[float, float] | None = None,
    samples: int = SAMPLES,
    progress: bool = True,
) -> list[LayerCost]:
    """The layers that cost int8 most, by calibration alone; the costliest first.

    Parameters
    ----------
    subject
        A float model.
    calibration, input_range
        As for `export.int8_calibrated`.
    x
        (n, *subject.shape) other samples to compare the outputs on; the first `samples` are used.
    n
        How many to name, at most. For `keep_float`, take their `layer`.

    Raises
    ------
    DataError
        The samples do not fit the model, or `n` is less than 1.
    ModelError
        TFLite cannot hold or quantise the model.
    """
    if n < 1:
        raise DataError(f"{n} layers were asked for; it must be 1 or more")
    export.check_input(x, subject, None)
    ready, picked = prepared_subject(subject), x[:samples]
    calibrated = export.calibrated(ready, calibration, pixel_range=input_range, progress=progress)
    reference = ready.predict(picked)
    groups = calibrated.groups
    worth = [name for name, group in groups.items() if {operator.kind for operator in group} - _ROUNDS_NOTHING]
    alone = {
        name: _agreement(calibrated.alone(name), picked, reference).sqnr_db
        for name in bar(worth, "layers", progress=progress)
    }
    base = _agreement(calibrated.quantised(), picked, reference)
    # Stable: of two that cost alike, the one that runs first.
    worst = sorted(worth, key=alone.__getitem__)[:n]
    costs = []
    for count, name in enumerate(bar(worst, "in float", progress=progress), 1):
        found = _agreement(calibrated.quantised(worst[:count]), picked, reference)
        costs.append(
            LayerCost(
                layer=name,
                layers=tuple(dict.fromkeys(layer for operator in groups[name] for layer in operator.layers)),
                gain_db=found.sqnr_db - base.sqnr_db,
                sqnr_db=found.sqnr_db,
                agreement=found.top1,
                agreement_int8=base.top1,
                alone_db=alone[name],
            )
        )
    return costs


def _agreement(content: bytes, x: npt.NDArray[Any], reference: npt.NDArray[np.float32]) -> verify.Agreement:
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as scratch:
        path = Path(scratch) / "tried.tflite"
        path.write_bytes(content)
        return verify.agreement(reference, verify.logits(path, x))
