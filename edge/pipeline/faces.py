"""The face path for successive frames: search or follow, track, recognize, smooth."""

from __future__ import annotations

from edge.config import Config
from edge.inference.catalog import find_model
from edge.observation import Face, Frame, Observation
from edge.pipeline.following import FaceFollower
from edge.pipeline.motion import MotionWatch
from edge.pipeline.schedule import SearchSchedule, person
from edge.pipeline.smoothing import LabelSmoother
from edge.pipeline.tracking import FaceTracker
from edge.recognizers.expression import ExpressionRecognizer
from edge.recognizers.face_detector import FaceDetector


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

    def __init__(self, detector: FaceDetector, recognizer: ExpressionRecognizer, config: Config) -> None:
        self._detector = detector
        self._recognizer = recognizer
        self._every = config.face.every
        self._interval = config.face.interval
        self._confirm = config.face.confirm
        self._max_faces = config.face.max_faces
        self._smoothing = config.smoothing
        chosen = config.smoothing.unsure_below
        self._unsure_below = recognizer.manifest.calibration.unsure_below if chosen is None else chosen
        self.frames = 0
        """Frames that were looked at."""
        self.searches = 0
        """Frames in which faces were searched for."""
        self.reset()

    def reset(self) -> None:
        """Forget every track: what follows is another scene. The counters go on."""
        self._start((1, 1))
        self._follower = FaceFollower()
        self._tracker = FaceTracker()
        self._smoothers: dict[int, LabelSmoother] = {}
        self._faces: list[Face] = []

    @classmethod
    def from_config(cls, config: Config) -> FacePipeline:
        """Load the detector and the model that a configuration names; raises `ModelError`."""
        detector = FaceDetector(
            find_model("face-detection", config.face.model),
            min_size=config.face.min_size,
            threshold=config.face.threshold,
            threads=config.face.threads,
            accelerator=config.face.accelerator,
        )
        recognizer = ExpressionRecognizer(
            find_model("expression", config.expression.model),
            threads=config.expression.threads,
            accelerator=config.expression.accelerator,
        )
        return cls(detector, recognizer, config)

    def __call__(self, frame: Frame) -> list[Observation]:
        """One observation per face of the next frame, the largest face of the last search first."""
        faces = self._follow(frame)
        if fresh := faces is None:
            faces = self._search(frame)
            self._motion.remember()
            self._follower.start(faces, self._motion)
            self._schedule.searched(frame.monotonic_time)
        self._faces = faces
        return self._observe(frame, faces, fresh=fresh, confirm=self._confirm)

    def still(self, frame: Frame) -> list[Observation]:
        """The same for a picture by itself: nothing before it counts, and every face that is found is believed."""
        self.reset()
        return self._observe(frame, self._search(frame), fresh=True, confirm=1)

    def _start(self, shape: tuple[int, ...]) -> None:
        """Frames of another size, (height, width), come."""
        self._motion = MotionWatch(shape)
        self._schedule = SearchSchedule(every=self._every, interval=self._interval)

    def _follow(self, frame: Frame) -> list[Face] | None:
        """The known faces where they are now; None if it is time for a search, or one was lost."""
        if frame.image.shape[:2] != self._motion.shape:
            self._start(frame.image.shape[:2])
        self._motion.look(frame.image)
        due = self._schedule.due(
            frame.monotonic_time,
            moved=self._tracker.misses(self._confirm)
            or self._motion.beyond([person(face.box) for face in self._faces]),
            waiting=self._tracker.awaits(self._confirm),
        )
        return None if due else self._follower.follow(self._motion)

    def _search(self, frame: Frame) -> list[Face]:
        self.searches += 1
        return self._detector(frame.image)[: self._max_faces]

    def _observe(self, frame: Frame, faces: list[Face], *, fresh: bool, confirm: int) -> list[Observation]:
        self.frames += 1
        tracks = self._tracker.update(faces, frame.monotonic_time, fresh=fresh)
        self._smoothers = {number: self._smoothers[number] for number in self._tracker.alive & self._smoothers.keys()}
        observations = []
        for face, track in zip(faces, tracks, strict=True):
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
                    landmarks=face.landmarks,
                    changed=smoothed.changed,
                )
            )
        return observations
