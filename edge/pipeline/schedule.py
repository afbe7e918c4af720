"""When to search for faces: often while the scene changes, seldom while it rests, and never too late."""

from __future__ import annotations

from edge.observation import Box


class SearchSchedule:
    """Decides for each frame whether faces are searched for in it.

    Time is the frames' own steady clock; a clock that jumps back starts anew.

    Parameters
    ----------
    every
        Least frames from one search to the next while something moves.
    interval
        Most seconds from one search to the next. A search comes early rather than late: in the last frame before the
        interval is over.
    """

    def __init__(self, *, every: int, interval: float) -> None:
        self._every = every
        self._interval = interval
        self._searched: float | None = None
        self._previous = 0.0
        self._frames = 0

    def due(self, time: float, *, moved: bool, waiting: bool) -> bool:
        """Whether to search in the next frame; call it once for each.

        Parameters
        ----------
        time
            Of the frame, seconds.
        moved
            Whether something is there to be found: motion away from the known faces, or a face that went missing.
        waiting
            Whether a face waits for its confirmation, which is not put off.
        """
        step, self._previous = time - self._previous, time
        self._frames += 1
        if self._searched is None or step < 0 or waiting:
            return True
        # The next frame is expected after as long as this one took.
        return (moved and self._frames >= self._every) or time + step - self._searched > self._interval

    def searched(self, time: float) -> None:
        """Note that faces were searched for in the frame of this time."""
        self._searched = self._previous = time
        self._frames = 0


def person(face: Box) -> Box:
    """Where the person to a face may move without a new face being there: four faces wide, and all below.

    A face from cheek to cheek is some 14 cm wide, shoulders and arms 50; a hand or a nod reaches a face's height above.
    What enters in there is found when the interval is over.
    """
    return Box(face.x - 3 * face.width // 2, face.y - face.height, 4 * face.width, 100 * face.height)
