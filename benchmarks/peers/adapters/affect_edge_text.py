"""affect-edge, a sentence to its emotions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge.config import Config
from edge.inference.catalog import find_model
from edge.recognizers.text_emotion import TextRecognizer


def load(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    """The text model of the default configuration."""
    del settings
    recognizer = TextRecognizer(find_model("text-emotion", Config().text.model))

    def answer(text: str, about: dict[str, Any]) -> dict[str, Any]:
        del about
        read = recognizer.recognize(text)
        return {"found": int(read is not None), "label": read.label if read else None}

    return answer
