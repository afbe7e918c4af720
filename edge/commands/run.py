"""Watch a camera and log the expressions of the faces it sees, until Ctrl-C or SIGTERM.

Nothing leaves the device: no socket is opened (unless the source is an address) and no picture is kept. What is kept
are labels, probabilities, places and times, in the journal that `affect-edge log` reads.

examples:
  affect-edge run                               the first camera found, or the demonstration where there is none
  affect-edge run --source demo --duration 20   twenty seconds of the demonstration
  affect-edge run --source /dev/video2 --json   a line of JSON for every face in every frame
  affect-edge run --source rtsp://user:pass@camera/stream --config site.toml
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.observation import Observation

HELP = "watch a camera and log the expressions it sees"

NOTICE = (
    "This names facial expressions, not feelings. Tell the people in view; in the EU it may not be used at work or in "
    "education (AI Act, Article 5)."
)

CONSOLE_SECONDS = 5.0
"""Between two lines about a face whose label does not change."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source",
        metavar="WHAT",
        help="camera number or /dev/videoN, picamera, rtsp:// or http:// address, video, picture, folder, demo, auto "
        "(default: the configuration's, which is auto)",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration (TOML); see validate-config")
    parser.add_argument("--duration", type=_seconds, metavar="SECONDS", help="stop after so long")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="the journal, in place of the configuration's")
    parser.add_argument("--no-journal", action="store_true", help="write nothing to disk")
    parser.add_argument("--json", action="store_true", help="print every observation as a line of JSON")


def run(arguments: argparse.Namespace) -> int:
    import contextlib
    import logging
    import signal

    from edge.config import load_config
    from edge.journal import Journal, default_journal_path
    from edge.pipeline.camera import CameraLoop, Sink, Thinned, journal_sink
    from edge.pipeline.faces import FacePipeline
    from edge.sources import open_frame_source

    config = load_config(arguments.config)
    if not arguments.verbose:
        logging.getLogger().setLevel(config.logging.level.upper())
    print(NOTICE, file=sys.stderr)
    pipeline = FacePipeline.from_config(config)
    sinks: list[Sink] = [_print_json] if arguments.json else [Thinned(_print_line, interval=CONSOLE_SECONDS)]
    with contextlib.ExitStack() as stack:
        journal = None
        if config.journal.enabled and not arguments.no_journal:
            path = arguments.journal or config.journal.path or default_journal_path()
            journal = stack.enter_context(
                Journal(
                    path,
                    batch_seconds=config.journal.batch_seconds,
                    max_size_mb=config.journal.max_size_mb,
                    max_age_days=config.journal.max_age_days,
                )
            )
            sinks.append(journal_sink(journal, interval=config.journal.interval))
        camera = config.camera
        source = stack.enter_context(
            open_frame_source(
                arguments.source or camera.source, width=camera.width, height=camera.height, fps=camera.fps
            )
        )
        print(f"source: {source.name}; journal: {journal.path if journal else 'none'}", file=sys.stderr)
        loop = CameraLoop(source, pipeline, sinks, after_frame=journal.flush_if_due if journal else None)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: loop.stop())
        loop.run(duration=arguments.duration)
    figures = loop.figures
    written = f"; {journal.written} records in {journal.path}" if journal is not None else ""
    print(
        f"{figures.frames} frames in {figures.seconds:.1f} s ({figures.fps:.1f} a second, {figures.dropped} dropped), "
        f"{figures.faces} observations{written}",
        file=sys.stderr,
    )
    return 0


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return seconds


def _print_json(observation: Observation) -> None:
    import json

    print(json.dumps(observation.as_dict()), flush=True)


def _print_line(observation: Observation) -> None:
    import time

    clock = time.strftime("%H:%M:%S", time.localtime(observation.wall_time))
    likely = sorted(observation.probabilities.items(), key=lambda item: item[1], reverse=True)[:3]
    detail = "  ".join(f"{label} {probability:4.0%}" for label, probability in likely)
    print(f"{clock}  face {observation.track}  {observation.label:<9} ({detail})", flush=True)
