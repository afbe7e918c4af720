"""Which face of this frame is which face of the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.observation import Box, Face

MIN_OVERLAP = 0.25
"""Least intersection over union of a face with its track's last place."""


@dataclass(slots=True)
class Track:
    """One face while it stays in view."""

    number: int
    """From 1, never used again."""
    box: Box
    seen: float
    """Time of the last frame that showed it, seconds."""
    found: int = 0
    """How often the detector found it."""


class FaceTracker:
    """Gives faces the number of the track they continue, or a new one.

    Pairs are joined greedily, the largest overlap first: with a handful of faces that overlap little among
    themselves, this picks what the optimal assignment picks.

    Parameters
    ----------
    patience
        Seconds that a track outlives its face: a blink of the detector does not end it.
    """

    def __init__(self, *, patience: float = 1.0) -> None:
        self._patience = patience
        self._tracks: list[Track] = []
        self._count = 0
        self._time = 0.0

    def update(self, faces: Sequence[Face], time: float, *, fresh: bool = True) -> list[Track]:
        """Take one frame's faces; returns the track of each, in their order.

        Parameters
        ----------
        faces
            What the detector found.
        time
            Of the frame, seconds of a steady clock.
        fresh
            Whether they were found in this frame, or carried over from an earlier one.
        """
        self._time = time
        self._tracks = [track for track in self._tracks if 0 <= time - track.seen <= self._patience]
        pairs = sorted(
            (
                (overlap, index, track)
                for index, face in enumerate(faces)
                for track in self._tracks
                if (overlap := face.box.iou(track.box)) >= MIN_OVERLAP
            ),
            key=lambda pair: pair[0],
            reverse=True,
        )
        joined: dict[int, Track] = {}
        taken: set[int] = set()
        for _, index, track in pairs:
            if index not in joined and track.number not in taken:
                joined[index] = track
                taken.add(track.number)
        for index, face in enumerate(faces):
            if index in joined:
                joined[index].box, joined[index].seen = face.box, time
            else:
                self._count += 1
                joined[index] = Track(self._count, face.box, time)
                self._tracks.append(joined[index])
            joined[index].found += fresh
        return [joined[index] for index in range(len(faces))]

    def awaits(self, times: int) -> bool:
        """Whether a face of the last frame was found less than so many times."""
        return any(track.seen == self._time and track.found < times for track in self._tracks)

    def misses(self, times: int) -> bool:
        """Whether a face that was found so many times is not in the last frame, and its track may still continue."""
        return any(track.seen != self._time and track.found >= times for track in self._tracks)

    @property
    def alive(self) -> frozenset[int]:
        """Numbers of the tracks that may still continue."""
        return frozenset(track.number for track in self._tracks)
