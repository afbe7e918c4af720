"""The face path for successive frames: detect, track, recognize, smooth."""

from __future__ import annotations

from edge.config import Config
from edge.inference.catalog import find_model
from edge.observation import Face, Frame, Observation
from edge.pipeline.smoothing import LabelSmoother
from edge.pipeline.tracking import FaceTracker
from edge.recognizers.expression import ExpressionRecognizer
from edge.recognizers.haar import HaarFaceDetector


class FacePipeline:
    """From each frame of one source to one observation per face.

    Parameters
    ----------
    detector
        Finds the faces.
    recognizer
        Reads their expressions.
    config
        The sections [face] and [smoothing] are used.
    """

    def __init__(self, detector: HaarFaceDetector, recognizer: ExpressionRecognizer, config: Config) -> None:
        self._detector = detector
        self._recognizer = recognizer
        self._every = config.face.every
        self._confirm = config.face.confirm
        self._max_faces = config.face.max_faces
        self._smoothing = config.smoothing
        chosen = config.smoothing.unsure_below
        self._unsure_below = recognizer.manifest.calibration.unsure_below if chosen is None else chosen
        self.reset()

    def reset(self) -> None:
        """Forget every track: what follows is another scene."""
        self._tracker = FaceTracker()
        self._smoothers: dict[int, LabelSmoother] = {}
        self._count = 0
        self._faces: list[Face] = []

    @classmethod
    def from_config(cls, config: Config) -> FacePipeline:
        """Load the detector and the model that a configuration names; raises `ModelError`."""
        recognizer = ExpressionRecognizer(
            find_model("expression", config.expression.model), threads=config.expression.threads
        )
        return cls(HaarFaceDetector(min_size=config.face.min_size), recognizer, config)

    def __call__(self, frame: Frame) -> list[Observation]:
        """One observation per face of the next frame, the largest face first."""
        return self._observe(frame, self._confirm)

    def still(self, frame: Frame) -> list[Observation]:
        """The same for a picture by itself: nothing before it counts, and every face that is found is believed."""
        self.reset()
        return self._observe(frame, 1)

    def _observe(self, frame: Frame, confirm: int) -> list[Observation]:
        fresh = self._count % self._every == 0
        if fresh:
            self._faces = self._detector(frame.image)[: self._max_faces]
        self._count += 1
        tracks = self._tracker.update(self._faces, frame.monotonic_time, fresh=fresh)
        self._smoothers = {number: self._smoothers[number] for number in self._tracker.alive & self._smoothers.keys()}
        observations = []
        for face, track in zip(self._faces, tracks, strict=True):
            if track.found < confirm:
                continue
            smoother = self._smoothers.get(track.number)
            if smoother is None:
                smoother = self._smoothers[track.number] = LabelSmoother(
                    self._recognizer.labels,
                    half_life=self._smoothing.half_life,
                    hysteresis=self._smoothing.hysteresis,
                    unsure_below=self._unsure_below,
                )
            smoothed = smoother.update(self._recognizer(frame.image, face.box), frame.monotonic_time)
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
