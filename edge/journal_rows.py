"""How observations and events are stored: what goes into the journal's columns, and comes out of them again."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

from edge.observation import Box, Modality, Observation

StreamKey = tuple[str, str, str]
"""Modality, source, and labels as JSON."""

Row = tuple[object, ...]
"""The columns of `observation` from wall_time on."""

EventRow = tuple[float, str, str]
"""Monotonic time in seconds, kind, detail."""

KIND_LIMIT = 32
DETAIL_LIMIT = 500
"""Characters that are kept of an event's kind and detail."""


def encode_event(monotonic: float, kind: str, detail: str) -> EventRow:
    """What is stored of an event: one line, cut where it is too long.

    Raises
    ------
    ValueError
        The kind is not a word of letters, digits and hyphens of at most 32 characters.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]*", kind) or len(kind) > KIND_LIMIT:
        raise ValueError(f"an event's kind is one short word in lower case, not '{kind}'")
    line = _storable(" ".join(detail.split()))
    return monotonic, kind, line if len(line) <= DETAIL_LIMIT else line[: DETAIL_LIMIT - 3] + "..."


def encode(observation: Observation) -> tuple[StreamKey, Row]:
    """What is stored of an observation.

    Raises
    ------
    ValueError
        A time or a probability is not a finite number.
    """
    # Numbers become plain ones, for SQLite refuses NumPy's.
    wall, monotonic = float(observation.wall_time), float(observation.monotonic_time)
    if not math.isfinite(wall) or not math.isfinite(monotonic):
        raise ValueError(f"the times of an observation are finite, not {wall} and {monotonic}")
    probabilities = [round(min(max(float(p), 0.0), 1.0) * 65535) for p in observation.probabilities.values()]
    box = tuple(int(side) for side in observation.box.as_list()) if observation.box else (None,) * 4
    source = _storable(observation.source)
    labels = json.dumps(list(observation.probabilities), separators=(",", ":"))
    return (observation.modality, source, labels), (
        wall,
        monotonic,
        observation.label,
        float(observation.confidence),
        None if observation.track is None else int(observation.track),
        *box,
        int(observation.changed),
        struct.pack(f"<{len(probabilities)}H", *probabilities),
    )


def decode(key: StreamKey, row: Sequence[Any]) -> Observation:
    """The observation that `encode` stored.

    Raises
    ------
    ValueError, TypeError, struct.error
        The row is damaged.
    """
    modality, source, names = key
    wall_time, monotonic_time, label, confidence, track, x, y, width, height, changed, blob = row
    labels = _labels(names)
    shares = struct.unpack(f"<{len(labels)}H", blob)
    return Observation(
        modality=cast(Modality, modality),
        source=source,
        wall_time=wall_time,
        monotonic_time=monotonic_time,
        label=label,
        confidence=confidence,
        probabilities={name: share / 65535 for name, share in zip(labels, shares, strict=True)},
        track=track,
        box=None if x is None else Box(x, y, width, height),
        changed=bool(changed),
    )


@lru_cache(maxsize=64)
def _labels(names: str) -> tuple[str, ...]:
    return tuple(json.loads(names))


def _storable(text: str) -> str:
    """Without the lone surrogates of a file name that is not UTF-8, which SQLite cannot store."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # surrogates that stand for no byte
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
