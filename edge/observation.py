"""The value objects that travel between sources, recognizers and sinks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""Grey (height, width) or BGR (height, width, 3) pixels, uint8."""

Samples = npt.NDArray[np.float32]
"""(n,) mono sound, float32; full scale is -1 to 1."""

Modality = Literal["face", "speech", "text"]

UNSURE = "unsure"
"""The label of an observation whose calibrated probability is too low to name an expression."""


NO_SPEECH = "no speech"
"""The label of a speech model for sound in which nobody speaks; it is no emotion and is never observed."""


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned rectangle in pixels of the frame; x and y name its top left corner.

    It may reach beyond the frame's borders: a face cut by the border still has its full box.
    """

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"a box needs a positive size, not {self.width}x{self.height}")

    def iou(self, other: Box) -> float:
        """Intersection over union with another box, 0 to 1."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.width * self.height + other.width * other.height - shared)

    def as_list(self) -> list[int]:
        """[x, y, width, height], the form that JSON output uses."""
        return [self.x, self.y, self.width, self.height]


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture from a source."""

    image: Image
    """Grey (height, width) or BGR (height, width, 3), uint8. Never written to by those who receive it."""
    index: int
    """Count of frames since the source was opened, from 0; a gap means dropped frames."""
    wall_time: float
    """Seconds since the Unix epoch, UTC, at capture. May jump: a Pi has no clock at boot."""
    monotonic_time: float
    """Seconds of `time.monotonic()` at capture (for files: position in the file). Never jumps back."""
    source: str
    """Name of the source: a device, a path or an address without its password."""

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8:
            raise ValueError(f"a frame holds uint8 pixels, not {self.image.dtype}")
        if self.image.ndim != 2 and (self.image.ndim != 3 or self.image.shape[2] != 3):
            raise ValueError(f"a frame is (height, width) or (height, width, 3), not {self.image.shape}")
        if self.image.size == 0:
            raise ValueError("a frame has at least one pixel")


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """A stretch of sound from one source."""

    samples: Samples
    """(n,) mono, float32, full scale -1 to 1, finite. Never written to by those who receive it."""
    rate: int
    """Samples a second, Hertz; a source keeps it."""
    position: int
    """Number of the first sample since the source was opened, from 0; a gap means lost samples."""
    wall_time: float
    """Seconds since the Unix epoch, UTC, of the first sample. May jump: a Pi has no clock at boot."""
    monotonic_time: float
    """Seconds of `time.monotonic()` of the first sample (for files: position in the file). Never jumps back."""
    source: str
    """Name of the source: a device or a path."""

    def __post_init__(self) -> None:
        if self.samples.dtype != np.float32 or self.samples.ndim != 1:
            raise ValueError(f"sound is (n,) float32, not {self.samples.shape} {self.samples.dtype}")
        if self.rate <= 0:
            raise ValueError(f"a sampling rate is above 0 Hz, not {self.rate}")


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text from one source."""

    text: str = field(repr=False)
    """Without its line end; may be empty. Never kept: it is read, answered and forgotten."""
    number: int
    """Count of lines since the source was opened, from 0."""
    wall_time: float
    """Seconds since the Unix epoch, UTC, at which its last part came. May jump: a Pi has no clock at boot."""
    monotonic_time: float
    """Seconds of `time.monotonic()` of the same moment. Never jumps back."""
    source: str
    """Name of the source: a path, or '-' for standard input."""


Landmarks = tuple[tuple[float, float], ...]
"""Five (x, y) in pixels of the frame: right eye, left eye, nose, right and left corner of the mouth; right and left are
the person's own. The first column of pixels reaches from x = 0 to x = 1."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face that a detector found in one frame."""

    box: Box
    score: float
    """How sure the detector is, 0 to 1."""
    landmarks: Landmarks | None = None
    """None from a detector that gives none."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a recognizer said at one moment about one subject."""

    modality: Modality
    source: str
    wall_time: float
    """Seconds since the Unix epoch, UTC."""
    monotonic_time: float
    """Seconds of the source's steady clock; see `Frame.monotonic_time`."""
    label: str
    """One of the model's labels, or `UNSURE`."""
    confidence: float
    """Calibrated probability of the most probable label, 0 to 1 (also when `label` is `UNSURE`)."""
    probabilities: Mapping[str, float]
    """Calibrated probability of each label; they sum to 1, but for the modality 'text', where several labels may hold
    and each has its probability by itself."""
    track: int | None = None
    """Number of the face's track: the same face keeps it while it stays in view."""
    box: Box | None = None
    """Where the face was, for the modality 'face'."""
    landmarks: Landmarks | None = None
    """Of that face, where its detector gives them."""
    changed: bool = field(default=False, compare=False)
    """Whether the label differs from the same track's previous observation; without a track, the source's."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"a confidence lies between 0 and 1, not at {self.confidence}")
        if self.label != UNSURE and self.label not in self.probabilities:
            raise ValueError(f"label '{self.label}' is not one of {sorted(self.probabilities)}")

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints: plain types, probabilities to four places."""
        return {
            "modality": self.modality,
            "source": self.source,
            "wall_time": round(self.wall_time, 3),
            "monotonic_time": round(self.monotonic_time, 3),
            "track": self.track,
            "box": self.box.as_list() if self.box else None,
            "label": self.label,
            "confidence": round(self.confidence, 4),
            "probabilities": {label: round(p, 4) for label, p in self.probabilities.items()},
            "changed": self.changed,
        }
