"""The camera loop of before, for comparison: Haar on every frame, the square around its box, smoothing."""

from __future__ import annotations

from benchmarks.haar import HaarFaceDetector
from edge.config import Config
from edge.observation import Frame, Observation
from edge.pipeline.smoothing import LabelSmoother
from edge.pipeline.tracking import FaceTracker
from edge.recognizers.expression import ExpressionRecognizer


class FormerPipeline:
    """From each frame to one observation per face, as it was with the Haar cascade.

    Parameters
    ----------
    recognizer
        Reads the expressions; a face of this detector has no landmarks, so its crop is the square around the box.
    config
        Of [face] the confirmations count, and [smoothing].
    """

    def __init__(self, recognizer: ExpressionRecognizer, config: Config) -> None:
        self._detector = HaarFaceDetector()
        self._recognizer = recognizer
        self._confirm = config.face.confirm
        self._smoothing = config.smoothing
        self._unsure_below = recognizer.manifest.calibration.unsure_below
        self._tracker = FaceTracker()
        self._smoothers: dict[int, LabelSmoother] = {}

    def __call__(self, frame: Frame) -> list[Observation]:
        """One observation per face of the next frame, the largest face first."""
        faces = self._detector(frame.image)
        tracks = self._tracker.update(faces, frame.monotonic_time)
        self._smoothers = {number: self._smoothers[number] for number in self._tracker.alive & self._smoothers.keys()}
        observations = []
        for face, track in zip(faces, tracks, strict=True):
            if track.found < self._confirm:
                continue
            smoother = self._smoothers.get(track.number)
            if smoother is None:
                smoother = self._smoothers[track.number] = LabelSmoother(
                    self._recognizer.labels,
                    half_life=self._smoothing.half_life,
                    hysteresis=self._smoothing.hysteresis,
                    unsure_below=self._unsure_below,
                )
            smoothed = smoother.update(self._recognizer(frame.image, face), frame.monotonic_time)
            observations.append(
                Observation(
                    modality="face",
                    source=frame.source,
                    wall_time=frame.wall_time,
                    monotonic_time=frame.monotonic_time,
                    label=smoothed.label,
                    confidence=smoothed.confidence,
                    probabilities=dict(zip(self._recognizer.labels, smoothed.probabilities.tolist(), strict=True)),
                    track=track.number,
                    box=face.box,
                    changed=smoothed.changed,
                )
            )
        return observations
