"""From a configuration to what the supervisor runs: models loaded and checked, no device open yet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from edge.config import Config
from edge.errors import ConfigError, JournalError
from edge.journal import Journal, default_journal_path
from edge.pipeline.faces import FacePipeline
from edge.pipeline.microphone import MicrophoneLoop
from edge.pipeline.sinks import Sink, journal_sink
from edge.pipeline.speech import SpeechPipeline
from edge.pipeline.text import TextPipeline
from edge.pipeline.text_loop import TextLoop
from edge.service.heat import Heat
from edge.service.indicator import Indicator
from edge.service.loops import CameraRun, LoopRun, MicrophoneRun, TextRun
from edge.service.pause import Pause
from edge.service.setup import Setup
from edge.service.worker import Job
from edge.sources import open_audio_source, open_frame_source
from edge.sources.text import open_text_source
from edge.sources.video import without_password


def assemble(config: Config, *, folder: Path | None, previous: Setup | None = None) -> Setup:
    """Load what a configuration names.

    Parameters
    ----------
    config
        Its sources are opened by the jobs, later.
    folder
        The service's runtime folder, where a file asks for a pause.
    previous
        The setup that this one takes the place of; its journal is kept where the new one would be the same.

    Raises
    ------
    ConfigError
        Camera, microphone and text are all 'none', or read the same standard input.
    ModelError
        A model cannot be loaded.
    JournalError
        The journal cannot be written.
    """
    _check(config)
    openers: list[tuple[str, str, Callable[[Journal | None], Callable[[], LoopRun]]]] = []
    if config.camera.source != "none":
        openers.append(
            (
                "camera",
                without_password(config.camera.source),
                partial(_camera, config, FacePipeline.from_config(config)),
            )
        )
    if config.microphone.source != "none":
        speech = SpeechPipeline.from_config(config)
        openers.append(("microphone", config.microphone.source, partial(_microphone, config, speech)))
    if config.text.source != "none":
        openers.append(("text", config.text.source, partial(_text, config, TextPipeline.from_config(config))))
    if previous is not None and previous.config.journal == config.journal:
        journal = previous.journal
    else:
        journal = _open_journal(config)
    return Setup(
        config=config,
        jobs=tuple(Job(kind, spec, opener(journal)) for kind, spec, opener in openers),
        journal=journal,
        pause=Pause(config.pause, folder=folder, memory=_memory()),
        heat=Heat(config.heat),
        indicator=Indicator(config.indicator),
    )


def _memory() -> Path | None:
    """What remembers a pause over a restart, beside the journal's usual place."""
    try:
        return default_journal_path().with_name("pause")
    except JournalError:  # a user without a home folder
        return None


def _check(config: Config) -> None:
    where = config.file or "the configuration"
    seen, heard, written = config.camera.source, config.microphone.source, config.text.source
    if seen == heard == written == "none":
        raise ConfigError(f"{where}: camera.source, microphone.source and text.source are all 'none': name one")
    if written == "-" and (heard == "-" or heard.startswith("-:")):
        raise ConfigError(f"{where}: microphone.source and text.source are both standard input: change one")


def _open_journal(config: Config) -> Journal | None:
    settings = config.journal
    if not settings.enabled:
        return None
    return Journal(
        settings.path or default_journal_path(),
        batch_seconds=settings.batch_seconds,
        max_size_mb=settings.max_size_mb,
        max_age_days=settings.max_age_days,
        set_aside=True,
    )


def _sinks(config: Config, journal: Journal | None) -> list[Sink]:
    return [journal_sink(journal, interval=config.journal.interval)] if journal is not None else []


def _camera(config: Config, pipeline: FacePipeline, journal: Journal | None) -> Callable[[], LoopRun]:
    def start() -> LoopRun:
        camera = config.camera
        # A demonstration in place of a camera that is late would be believed to be one.
        source = open_frame_source(
            camera.source, width=camera.width, height=camera.height, fps=camera.fps, or_demo=False
        )
        return CameraRun(source, pipeline, _sinks(config, journal))

    return start


def _microphone(config: Config, pipeline: SpeechPipeline, journal: Journal | None) -> Callable[[], LoopRun]:
    def start() -> LoopRun:
        source = open_audio_source(config.microphone.source)
        pipeline.reset()
        return MicrophoneRun(MicrophoneLoop(source, pipeline, _sinks(config, journal)))

    return start


def _text(config: Config, pipeline: TextPipeline, journal: Journal | None) -> Callable[[], LoopRun]:
    def start() -> LoopRun:
        # No two lines are one utterance: each is recorded.
        takers: list[Sink] = [journal.add] if journal is not None else []
        return TextRun(TextLoop(open_text_source(config.text.source), pipeline, takers))

    return start
