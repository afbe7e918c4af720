"""The sections of the configuration: one class each, every setting with its default, its range and its meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from edge.inference import Accelerator


def _expand(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:  # there is no such user, or no home folder
        raise ValueError(str(error)) from None


UserPath = Annotated[Path, Field(strict=False), AfterValidator(_expand)]
"""A path as text; ~ is the user's home folder."""


AcceleratorSetting = Annotated[
    Accelerator,
    Field(
        description="What computes the model: 'cpu'; 'gpu' (through TensorRT or CUDA where an .onnx file lies beside "
        "the model, or through Vulkan; the CPU where none of them gives its answers, with a warning that says why); "
        "'auto' (measures all of them at the first start, takes the fastest and remembers it)."
    ),
]


class Section(BaseModel):
    """Strict, without keys that are not known, and never changed after it was read."""

    # Strict: TOML has types of its own, and "30" where a number belongs is a mistake to be told, not guessed away.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class CameraConfig(Section):
    """Where frames come from."""

    source: str = Field(
        default="auto",
        min_length=1,
        description="'auto' (the first camera that delivers), 'picamera', 'csi' (a Jetson's), a camera's number or "
        "/dev/videoN, a video, a picture or a folder of them, an rtsp:// or http:// address, 'gstreamer:' and a "
        "pipeline, or 'demo'; 'none' to listen only.",
    )
    width: int = Field(
        default=640, ge=32, le=7680, description="Pixels of a frame's width that the camera is asked for."
    )
    height: int = Field(
        default=480, ge=32, le=4320, description="Pixels of a frame's height that the camera is asked for."
    )
    fps: float = Field(default=15.0, ge=0.1, le=240, description="Frames per second that the camera is asked for.")


class FaceConfig(Section):
    """How faces are found."""

    model: str = Field(
        default="face_near", min_length=1, description="Name of an installed face detector, or path to a .tflite file."
    )
    threshold: float | None = Field(
        default=None, gt=0, lt=1, description="Least score of a face. Left out: the model's own, from its manifest."
    )
    threads: int = Field(default=1, ge=1, le=64, description="Threads that one search for faces may use.")
    accelerator: AcceleratorSetting = "cpu"
    min_size: float = Field(
        default=0.08, ge=0, le=1, description="Longer side of the smallest face, as a part of the frame's height."
    )
    every: int = Field(default=1, ge=1, le=100, description="Least frames between two searches while the scene moves.")
    interval: float = Field(
        default=0.25, ge=0, le=60, description="Most seconds between two searches; faces are followed in between."
    )
    confirm: int = Field(
        default=2,
        ge=1,
        le=100,
        description="Times that a face must be found before it is believed: a false alarm seldom comes twice in one "
        "place. Single pictures are not held to it.",
    )
    max_faces: int = Field(default=8, ge=1, le=64, description="Faces read in one frame at most, the largest first.")


class ExpressionConfig(Section):
    """The model that names expressions."""

    model: str = Field(
        default="expression",
        min_length=1,
        description="Name of an installed model (`affect-edge models` lists them) or path to a .tflite file.",
    )
    threads: int = Field(
        default=1, ge=1, le=64, description="Threads that one inference may use. Small models are fastest with 1."
    )
    accelerator: AcceleratorSetting = "cpu"


class MicrophoneConfig(Section):
    """Where sound comes from."""

    source: str = Field(
        default="auto",
        min_length=1,
        description="'auto' (the default microphone, else the first that delivers; none where there is none, and none "
        "beside a video file), a microphone's number or part of its name, a sound file, '-' (a WAV stream on standard "
        "input), or 'none'.",
    )


class SpeechConfig(Section):
    """How emotion in speech is named."""

    model: str = Field(
        default="speech",
        min_length=1,
        description="Name of an installed speech model (`affect-edge models` lists them) or path to a .tflite file.",
    )
    threads: int = Field(default=1, ge=1, le=64, description="Threads that one inference may use.")
    accelerator: AcceleratorSetting = "cpu"
    margin_db: float = Field(
        default=6.0,
        ge=0,
        le=60,
        description="Decibels by which sound must stand out from the room's own to be taken for speech.",
    )
    silence_dbfs: float = Field(
        default=-65.0,
        ge=-120,
        le=0,
        description="Level below which all sound is silence, decibels from full scale; speech near a microphone has "
        "-40 to -15.",
    )


class TextConfig(Section):
    """Where text comes from, and how emotion in it is named."""

    source: str = Field(
        default="none",
        min_length=1,
        description="'-' (standard input, line by line), a pipe made with mkfifo (who writes may come and go), a file "
        "(read to its end), 'follow:' and a file's path (what is added to it from now on), or 'none'.",
    )
    model: str = Field(
        default="text",
        min_length=1,
        description="Name of an installed text-emotion model (`affect-edge models` lists them) or path to a .tflite "
        "file.",
    )
    threads: int = Field(default=1, ge=1, le=64, description="Threads that one inference may use.")
    accelerator: AcceleratorSetting = "cpu"


class SmoothingConfig(Section):
    """How the answers of successive frames become one steady label per face, and those of sound one per voice.

    Each line of text stands for itself.
    """

    half_life: float = Field(
        default=0.5,
        ge=0,
        le=60,
        description="Seconds after which an answer counts half in the average; 0 takes each answer alone.",
    )
    hysteresis: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Probability by which another label must lead before it takes over.",
    )
    unsure_below: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Probability below which the answer is 'unsure'. Left out: the model's own, from its manifest.",
    )


class JournalConfig(Section):
    """The local log of observations."""

    enabled: bool = Field(default=True, description="Whether observations are kept.")
    path: UserPath | None = Field(
        default=None, description="The database file. Left out: the journal's standard place."
    )
    interval: float = Field(
        default=1.0,
        ge=0,
        le=86400,
        description="Seconds between two records of a face's or voice's label that does not change; a change is always "
        "recorded, and so is every line of text.",
    )
    batch_seconds: float = Field(
        default=5.0,
        ge=0.1,
        le=3600,
        description="Seconds of records that are written at once: spares SD cards, and is what a power cut can lose.",
    )
    max_size_mb: float = Field(
        default=64.0, ge=1, le=1_000_000, description="Megabytes of the database; beyond it the oldest records go."
    )
    max_age_days: float = Field(
        default=30.0,
        gt=0,
        le=36500,
        description="Days after which a record is erased, once the clock is known to be right.",
    )


class LoggingConfig(Section):
    """What the program says about its own work, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="The least severe message that is printed."
    )
