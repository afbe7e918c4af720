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
        observations = pipeline(block)
        return {"found": len(observations), "label": observations[-1].label if observations else None}

    return answer
