"""What is said of each system that is compared, and the jobs and environments that there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]

Job = Literal["expression", "landmarks", "detection", "speech", "text"]

JOBS: Final[Mapping[Job, str]] = MappingProxyType(
    {
        "expression": "frame in, faces and their expressions out",
        "landmarks": "frame in, the points of a face out (with blendshapes where it is said)",
        "detection": "frame in, faces out",
        "speech": "half a second of sound in, an emotion out",
        "text": "sentence in, its emotions out",
    }
)
"""What a system is given and what it answers."""

BASELINES: Final[Mapping[Job, str]] = MappingProxyType(
    {
        "expression": "affect-edge",
        "landmarks": "affect-edge",
        "detection": "affect-edge detector",
        "speech": "affect-edge speech",
        "text": "affect-edge text",
    }
)
"""The system of this project that others of a job are set against; for landmarks the whole camera path."""

ENVIRONMENTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "affect-edge": (str(ROOT), "matplotlib"),
        "opencv": ("opencv-python-headless==4.14.0.94",),
        "fer": ("fer==25.10.3", "setuptools<81"),
        "mediapipe": ("mediapipe==0.10.21",),
        "emotiefflib": ("emotiefflib==1.1.1",),
        "deepface": ("deepface==0.0.103",),
        "librosa": ("librosa==0.11.0", "tensorflow==2.21.0"),
        "scikit-learn": ("scikit-learn==1.9.1",),
        "face-api": (
            "@vladmandic/face-api@1.7.15",
            "@tensorflow/tfjs@4.22.0",
            "@tensorflow/tfjs-backend-wasm@4.22.0",
        ),
    }
)
"""What `benchmarks.peers.environments` installs into each; face-api's come by npm, the others by pip."""


@dataclass(frozen=True)
class PeerFile:
    """A file that no installed package brings, or one that a package carries."""

    name: str
    origin: str
    sha256: str | None = None
    """None: none could be found; the hash of what is used is told, not checked."""
    bytes: int | None = None
    package: str | None = None
    """The module whose folder holds it, as 'cv2/data'; None: the user's folder."""
    optional: bool = False


@dataclass(frozen=True)
class System:
    """A peer, or a part of affect-edge."""

    name: str
    job: Job
    adapter: str
    """File in adapters/, or the Node program."""
    environment: str
    module: str
    """What must be importable; for Node the package."""
    distributions: tuple[str, ...]
    """Installed packages that are counted on the disk, with what they ask for."""
    what: str
    licence: str
    trained_on: str
    on_test_data: str
    """Whether it was trained on the data that it is scored on here."""
    origin: str = ""
    files: tuple[PeerFile, ...] = ()
    options: Mapping[str, bool] = field(default_factory=dict)
    scored: bool = False
    """Whether its expressions can be scored on faces alone."""

    @property
    def ours(self) -> bool:
        """Whether it is affect-edge's."""
        return self.environment == "affect-edge"


OURS: Final = "Apache-2.0; the models' terms are in their cards"
"""Licence."""
