"""affect-edge, frame to observations: as `affect-edge run` does it, or searching every frame for faces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edge.config import Config
from edge.inference.catalog import find_model
from edge.pipeline.faces import FacePipeline
from edge.recognizers.expression import ExpressionRecognizer
from edge.sources.base import file_frame


def load(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    """The whole face path with the default configuration; option 'every_frame': no following between searches."""
    config = Config()
    if settings["options"].get("every_frame"):
        config = config.model_copy(update={"face": config.face.model_copy(update={"interval": 0.0})})
    pipeline = FacePipeline.from_config(config)

    def answer(image: Any, about: dict[str, Any]) -> dict[str, Any]:
        observations = pipeline(file_frame(image, pipeline.frames, about["time"], "peers"))
        return {"found": len(observations), "label": observations[0].label if observations else None}

    return answer


def expressions(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, float]]:
    """The expression model alone."""
    del settings
    recognizer = ExpressionRecognizer(find_model("expression", Config().expression.model))

    def answer(face: Any, about: dict[str, Any]) -> dict[str, float]:
        del about
        return dict(zip(recognizer.labels, np.asarray(recognizer.recognize(face)).tolist(), strict=True))

    return answer
