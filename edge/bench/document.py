"""What a benchmark says, part by part: the form of the JSON file, told by its models and their schema.

schema.json beside this file is the same as JSON Schema (draft 2020-12), for programs that know no pydantic; `python -m
edge.bench.document` prints it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.errors import DataError

KIND: Final = "affect-edge bench"
SCHEMA: Final = 1
"""Raised when the form changes so that an older reader would misread it."""

SCHEMA_FILE: Final = Path(__file__).with_name("schema.json")


class Part(BaseModel):
    """What all parts keep to: other keys are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Times(Part):
    """How long something took, over all its repeats, in milliseconds."""

    min_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float


class Protocol(Part):
    """How it was measured."""

    quick: bool
    rounds: int = Field(description="Visits that each model was given; its repeats are spread over them.")
    repeats: int = Field(description="Inferences of a model that are timed at most.")
    seconds: float = Field(description="That a model's inferences may take together at most.")
    loop_seconds: float = Field(description="That a loop ran at its own pace.")
    starts: int = Field(description="Processes that were started and timed, after a first one told apart.")
    minutes: float = Field(description="Of the sustained run; 0 for none.")
    threads: list[int]
    clock: str = Field(description="What measured the time.")
    own_processes: bool = Field(
        description="Whether each part ran in a fresh process; if not, memory holds what went before."
    )


class Machine(Part):
    """The board. Nothing here names its owner: no host name, no serial number."""

    board: str | None = Field(description="What the device tree calls it; null on a PC and where nothing says so.")
    cpu: str | None
    cores: int = Field(description="That this process may use.")
    architecture: str
    memory_mb: float | None
    os: str | None
    kernel: str
    emulator: str | None = Field(description="The program that pretends to be this machine, such as qemu-aarch64.")


class Versions(Part):
    """What ran."""

    affect_edge: str
    python: str
    numpy: str
    opencv: str | None
    runtimes: dict[str, str] = Field(description="TensorFlow Lite runtimes that can be used, the first one is.")


class Moment(Part):
    """The machine at one moment; null or empty where nothing says so (`absent` has the reason)."""

    at_s: float = Field(description="Seconds since the benchmark began.")
    governors: dict[str, str] = Field(description="Of each cpufreq policy.")
    clocks_mhz: dict[str, float]
    celsius: float | None = Field(description="Of the hottest part that computes.")
    throttled: list[str]
    load: float | None = Field(description="The load average of the last minute.")


class GovernorChange(Part):
    """A governor that was another one than before."""

    at_s: float
    policy: str
    before: str
    after: str
    during: str = Field(description="What was measured then.")


class State(Part):
    """The machine while it was measured."""

    start: Moment
    end: Moment
    governor_changes: list[GovernorChange]
    hottest_celsius: float | None
    throttled: list[str] = Field(description="Whatever held the board back at any time meanwhile.")


class ModelRow(Times):
    """One model, on one accelerator, with one number of threads; one row of the table."""

    model: str = Field(description="Task and name.")
    version: str
    sha256: str
    accelerator: str = Field(description="'cpu', or the way to a GPU: 'GPU' (Vulkan), 'CUDA', 'TensorRT'.")
    threads: int
    runtime: str
    software: bool = Field(description="Whether the GPU is a program that computes on the CPU.")
    load_ms: float = Field(description="From the file's name to a model that is ready; its hash is checked meanwhile.")
    first_ms: float = Field(description="The first inference after that.")
    warmup: int = Field(description="Inferences before those that count, the first among them.")
    repeats: int = Field(description="That were timed.")
    rounds: int = Field(description="Visits over which they are spread.")


class Memory(Part):
    """Of one process, 10**6 bytes; what its shared libraries take is counted too."""

    start_mb: float | None = Field(description="Before anything was loaded.")
    loaded_mb: float | None = Field(description="With the models loaded.")
    peak_mb: float | None = Field(description="The most it was.")
    after_mb: float | None = Field(description="After the work.")


class BackToBack(Times):
    """A pipeline that is given the next frame, or half second of sound, as soon as it is through with the last."""

    count: int = Field(description="Frames, or half seconds of sound.")
    mean_ms: float
    models_ms: float = Field(description="Of the mean, what the models' invocations took.")
    overhead: float | None = Field(description="The rest as a part of that: 0.3 for 30 %. Null if no model was run.")
    cpu_overhead: float | None = Field(
        description="The same of the processor time of the loop's thread, which other work on the machine does not "
        "disturb; means nothing where models use several threads or a GPU."
    )
    invocations: float = Field(description="Of models, for each frame or half second.")


class Paced(Times):
    """A whole loop, fed at the pace of a camera or microphone. The times are from capture to answer."""

    seconds: float
    due: int = Field(description="Frames, or half seconds of sound, that came.")
    missed: int = Field(description="Of them: dropped, or answered later than the next one came.")
    a_second: float = Field(description="That were answered.")
    cpu_ms_a_second: float = Field(description="Processor time of the whole process, all threads.")
    observations: int


class Camera(Part):
    """The camera's loop: frames of the demonstration, one face."""

    scene: str
    width: int
    height: int
    fps: float = Field(description="As configured: a frame's answer is due when the next one comes.")
    detector: str
    expression: str
    runtime: str
    memory: Memory | None = None
    back_to_back: BackToBack | None = None
    frames_a_second: float | None = Field(default=None, description="Back to back: 1000 / mean_ms.")
    searched: float | None = Field(default=None, description="Part of the frames in which faces were searched for.")
    observed: float | None = Field(default=None, description="Observations for each frame.")
    paced: Paced | None = None


class Microphone(Part):
    """The microphone's loop: a synthesised voice."""

    sound: str
    rate: int
    model: str
    hop_s: float = Field(description="From one answer to the next; one is due before the next.")
    runtime: str
    memory: Memory | None = None
    back_to_back: BackToBack | None = None
    ms_a_second: float | None = Field(default=None, description="Cost of a second of sound in which somebody speaks.")
    real_time_factor: float | None = Field(default=None, description="The same, seconds for a second.")
    silence_ms_a_second: float | None = Field(default=None, description="Cost of a second of a quiet room.")
    paced: Paced | None = None


class Start(Part):
    """From the start of a process to its first observation, seconds: `affect-edge run --source demo`."""

    first_s: float = Field(description="Of the first process, which may read from a cold disk; not counted below.")
    starts: int
    min_s: float | None
    p50_s: float | None
    max_s: float | None
    peak_mb: float | None = Field(description="The most that such a process had in memory by then.")


class EnergyPhase(Part):
    """What was used while something was measured."""

    phase: str
    seconds: float
    joules: float
    watts: float
    above_idle_watts: float | None = Field(description="Null where idling was not measured.")


class Energy(Part):
    """What a meter of the machine said; see `meter`."""

    meter: str
    rails: list[str]
    phases: list[EnergyPhase]


class CrossCheck(Part):
    """One model timed by LiteRT's own tool, and by this benchmark around it."""

    model: str
    threads: int
    repeats: int
    own_p50_ms: float
    tool_p50_ms: float = Field(description="It tells hundredths of a millisecond.")
    ratio: float = Field(description="own_p50_ms / tool_p50_ms")


class SustainedSample(Part):
    """A stretch of the sustained run."""

    at_s: float = Field(description="Of its end, since the run began.")
    frames_a_second: float | None
    ms_a_second_of_sound: float | None
    celsius: float | None
    clock_mhz: float | None = Field(description="The mean of all policies.")
    throttled: list[str]
    watts: float | None
    memory_mb: float | None = Field(description="Of the camera's process.")


class Sustained(Part):
    """Both pipelines back to back, each in a process of its own, for minutes."""

    planned_s: float
    seconds: float
    samples: list[SustainedSample]
    kept: float | None = Field(description="Frames a second of the last fifth of the run by those of the first.")
    hottest_celsius: float | None
    slowest_mhz: float | None
    throttled: list[str]


class Reason(Part):
    """Something that is not among the figures, and why."""

    what: str
    reason: str


class Document(Part):
    """One run of `affect-edge bench`."""

    kind: Literal["affect-edge bench"]
    schema_: Literal[1] = Field(alias="schema")
    started: str = Field(description="UTC, ISO 8601; a board without a clock may be wrong.")
    seconds: float
    interrupted: bool
    protocol: Protocol
    machine: Machine
    versions: Versions
    state: State
    models: list[ModelRow]
    camera: Camera | None
    microphone: Microphone | None
    start: Start | None
    energy: Energy | None
    cross_check: list[CrossCheck]
    sustained: Sustained | None
    absent: list[Reason] = Field(description="What this machine does not have, or does not let us read.")
    not_measured: list[Reason] = Field(description="What was meant to be measured and was not: interrupted or failed.")
    notes: list[str] = Field(description="What to know before the figures are trusted.")


def read_document(path: Path) -> Document:
    """Read a file that `affect-edge bench --json FILE` wrote.

    Raises
    ------
    DataError
        It is missing, not JSON, or another document; the message names the file and the key.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DataError(f"{path}: no JSON ({error}); write it with  affect-edge bench --json FILE") from None
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise DataError(f"{path}: was not written by `affect-edge bench --json` (its 'kind' is not '{KIND}')")
    if found.get("schema") != SCHEMA:
        raise DataError(
            f"{path}: has form {found.get('schema')}, this version reads form {SCHEMA}: measure again, or compare with "
            "the version that wrote it"
        )
    try:
        return Document.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: {where}: {first['msg']}; was it changed by hand? measure again") from None


def schema() -> dict[str, Any]:
    """The JSON Schema of the document, draft 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Document.model_json_schema(mode="serialization"),
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
