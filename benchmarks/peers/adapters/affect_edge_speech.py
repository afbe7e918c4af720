"""affect-edge, half a second of sound to an observation: its streaming microphone path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge.config import Config
from edge.observation import AudioBlock
from edge.pipeline.speech import SpeechPipeline


def load(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    """The microphone path with the default configuration."""
    del settings
    pipeline = SpeechPipeline.from_config(Config())
    position = 0

    def answer(samples: Any, about: dict[str, Any]) -> dict[str, Any]:
        nonlocal position
        rate = about["rate"]
        seconds = position / rate
        block = AudioBlock(samples, rate, position, wall_time=seconds, monotonic_time=seconds, source="peers")
        position += len(samples)
        # In silence no model runs; 'no speech' is what the model says of other sounds.
        judged = [hop for hop in pipeline.hear(block) if hop.heard != "silence"]
        said = judged[-1].observation if judged else None
        return {"found": len(judged), "label": said.label if said else judged[-1].heard if judged else None}

    return answer
