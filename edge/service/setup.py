"""What the supervisor runs."""

from __future__ import annotations

from dataclasses import dataclass

from edge.config import Config
from edge.journal import Journal
from edge.service.heat import Heat
from edge.service.indicator import Indicator
from edge.service.pause import Pause
from edge.service.worker import Job


@dataclass(frozen=True)
class Setup:
    """What a configuration asks for, ready to start: models are loaded, no device is open."""

    config: Config
    jobs: tuple[Job, ...]
    journal: Journal | None
    pause: Pause
    heat: Heat
    indicator: Indicator
