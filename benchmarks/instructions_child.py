"""What is counted by `benchmarks.instructions`: runs on the emulated processor, and asks for its marks there.

It is given one JSON object as its argument, {"models": [NAMES], "paths": [NAMES], "model_calls": N, "path_calls": N},
and answers with one on stdout: the versions, and for each row, in the order of its two marks, how many calls lie
between them and how often each model was run by them. Each row is counted in a fork: what was counted before it does
not matter.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import cv2
import numpy as np

from benchmarks.camera_loop import Loop, moving_frames
from benchmarks.speech_parts import Listener
from benchmarks.text_samples import made_up_sentences
from edge.bench.sounds import room, synthesised
from edge.config import Config
from edge.inference.catalog import find_model, list_models
from edge.inference.interpreter import load_interpreter
from edge.pipeline.faces import FacePipeline
from edge.pipeline.speech import SpeechPipeline
from edge.recognizers.speech_emotion import SpeechRecognizer
from edge.recognizers.text_emotion import TextRecognizer

Step = Callable[[], object]
Ran = Callable[[], dict[str, int]]
"""How often each model was run until now."""

RATE = 48000
"""Of the microphone, Hertz."""

PACKAGES = ("ai-edge-litert", "numpy", "opencv-python-headless", "pydantic")
"""Whose versions belong to a count."""

WARMUP = 8
"""Calls before those that count: allocations that are made once, Python's specialised instructions."""


def mark() -> None:
    """Let the emulator note its counter."""
    os.getpriority(os.PRIO_PROCESS, 0)


def model_step(name: str) -> tuple[Step, Ran]:
    """The interpreter's own invoke(), its input already set."""
    (path,) = (each.path for each in list_models() if f"{each.task}/{each.name}" == name)
    interpreter = load_interpreter(path)
    shape, dtype = interpreter.input.shape, interpreter.input.dtype
    generator = np.random.default_rng(0)
    # Ids of words that every vocabulary has, or noise over the whole range.
    x = generator.integers(1, 50, shape) if dtype == np.int32 else generator.integers(-128, 128, shape)
    interpreter._backend.set_tensor(interpreter._input_index, x.astype(dtype))
    return interpreter._backend.invoke, lambda: {}


def frame_step(interval: float | None) -> tuple[Step, Ran]:
    """The face path on the demonstration's next frame; every frame is searched with an `interval` of 0."""
    config = Config()
    if interval is not None:
        config = config.model_copy(update={"face": config.face.model_copy(update={"interval": interval})})
    pipeline = FacePipeline.from_config(config)
    loop = Loop(pipeline, moving_frames(30))
    detector = f"face-detection/{find_model('face-detection', config.face.model).stem}"
    expression = f"expression/{find_model('expression', config.expression.model).stem}"
    return lambda: loop.step(0), lambda: {detector: pipeline.searches, expression: loop.observed}


def hop_step(sound: Any) -> tuple[Step, Ran]:
    """The speech path on the blocks of the next hop."""
    path = find_model("speech-emotion", Config().speech.model)
    recognizer = SpeechRecognizer(path)
    listener = Listener(SpeechPipeline(recognizer, Config()), sound, RATE, lead_in=recognizer.windows + 3)
    figures = listener.pipeline.figures
    encoder, head = f"speech-encoder/{recognizer._encoder.model.stem}", f"speech-emotion/{path.stem}"
    return (
        lambda: listener.step(listener.blocks()),
        lambda: {encoder: figures.encoded, head: figures.hops - figures.silent},
    )


def sentence_step() -> tuple[Step, Ran]:
    """The text path on the next made-up sentence."""
    path = find_model("text-emotion", Config().text.model)
    recognizer = TextRecognizer(path)
    sentences = made_up_sentences(recognizer.manifest.text_input.text.words, seed=0)
    made = [next(sentences) for _ in range(30)]
    read: list[int] = []

    def step() -> None:
        recognizer.recognize(made[len(read) % len(made)])
        read.append(1)

    return step, lambda: {f"text-emotion/{path.stem}": len(read)}


PATHS: dict[str, Callable[[], tuple[Step, Ran]]] = {
    "frame": lambda: frame_step(None),
    "frame, searched": lambda: frame_step(0.0),
    "hop, speech": lambda: hop_step(synthesised(10, RATE)),
    "hop, silence": lambda: hop_step(room(10, RATE)),
    "sentence": sentence_step,
}


def count(step: Step, ran: Ran, calls: int) -> dict[str, Any]:
    """Mark, call it, mark."""
    for _ in range(WARMUP):
        step()
    before = ran()
    mark()
    for _ in range(calls):
        step()
    mark()
    after = ran()
    return {"calls": calls, "runs": {name: after[name] - before[name] for name in after}}


def forked(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do it in a copy of this process, which stays as it is."""
    reading, writing = os.pipe()
    if not os.fork():
        try:
            os.write(writing, json.dumps(work()).encode())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.wait()
    if not answer:
        sys.exit("a row failed")
    found: dict[str, Any] = json.loads(answer)
    return found


def main() -> None:
    asked = json.loads(sys.argv[1])
    # Its turns depend on every allocation of the process so far.
    gc.disable()
    cv2.setNumThreads(1)
    rows = {"nothing": forked(lambda: count(lambda: None, lambda: {}, 1))}
    for name in asked["models"]:
        rows[name] = forked(lambda name=name: count(*model_step(name), asked["model_calls"]))  # type: ignore[misc]
    for name in asked["paths"]:
        rows[name] = forked(lambda name=name: count(*PATHS[name](), asked["path_calls"]))  # type: ignore[misc]
    versions = {package: version(package) for package in PACKAGES}
    libc = " ".join(platform.libc_ver())
    print(json.dumps({"versions": {"python": platform.python_version(), "libc": libc, **versions}, "rows": rows}))


if __name__ == "__main__":
    main()
