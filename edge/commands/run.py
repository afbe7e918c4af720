"""Watch a camera, listen to a microphone, read text, and log the emotions shown, heard and written, until Ctrl-C.

Nothing leaves the device: no socket is opened (unless the source is an address) and no picture, sound or text is kept.
What is kept are labels, probabilities, places and times, in the journal that `affect-edge log` reads. SIGTERM ends it
as Ctrl-C does.

examples:
  affect-edge run                               the first camera and microphone found, or the demonstration
  affect-edge run --source demo --duration 20   twenty seconds of the demonstration
  affect-edge run --source /dev/video2 --json   a line of JSON for every face in every frame
  affect-edge run --source rtsp://user:pass@camera/stream --config site.toml
  affect-edge run --source none --mic USB       only the microphone with USB in its name
  arecord -f S16_LE -r 16000 | affect-edge run --source none --mic -
  mkfifo transcripts.fifo && affect-edge run --source none --mic none --text transcripts.fifo
                                                what a speech recognizer writes there, line by line
  affect-edge run --text follow:chat.log        camera, microphone, and what is added to chat.log from now on
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.commands.text import NOTICE as TEXT_NOTICE
from edge.errors import AffectEdgeError

if TYPE_CHECKING:
    from edge.config import Config
    from edge.observation import Observation
    from edge.pipeline.camera import CameraLoop
    from edge.pipeline.microphone import MicrophoneLoop
    from edge.pipeline.speech import SpeechPipeline
    from edge.pipeline.text_loop import TextLoop
    from edge.sources.sound import AudioSource

HELP = "watch a camera, listen to a microphone, read text and log the emotions shown, heard and written"

NOTICE = (
    "This names expressions of faces and voices, not feelings. Tell the people who are seen and heard; in the EU it "
    "may not be used at work or in education (AI Act, Article 5)."
)

CONSOLE_SECONDS = 5.0
"""Between two lines about a face or a voice whose label does not change."""


class RunUsageError(AffectEdgeError):
    """Options that do not go together."""

    exit_code = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source",
        metavar="WHAT",
        help="camera number or /dev/videoN, picamera, rtsp:// or http:// address, video, picture, folder, demo, auto, "
        "none (default: the configuration's, which is auto)",
    )
    parser.add_argument(
        "--mic",
        metavar="WHAT",
        help="microphone's number or part of its name, sound file, - (WAV on standard input; raw samples there: "
        "--mic=-:s16le:16000:1), auto, none (default: the configuration's, which is auto; none beside a video)",
    )
    parser.add_argument(
        "--text",
        metavar="WHAT",
        help="pipe made with mkfifo, file (read to its end), follow:FILE (what is added to it), - (standard input), "
        "none (default: the configuration's, which is none)",
    )
    parser.add_argument("--show-text", action="store_true", help="print the text that was read behind its label")
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
    from edge.pipeline.camera import CameraLoop
    from edge.pipeline.faces import FacePipeline
    from edge.pipeline.microphone import MicrophoneLoop
    from edge.pipeline.sinks import Sink, Thinned, journal_sink, one_at_a_time
    from edge.pipeline.text import TextPipeline
    from edge.pipeline.text_loop import TextLoop
    from edge.pipeline.together import run_together
    from edge.sources import open_frame_source
    from edge.sources.text import open_text_source

    config = load_config(arguments.config)
    if not arguments.verbose:
        logging.getLogger().setLevel(config.logging.level.upper())
    seen, heard = arguments.source or config.camera.source, arguments.mic or config.microphone.source
    written = arguments.text or config.text.source
    _check_usage(seen, heard, written, show_text=arguments.show_text)
    if not seen == heard == "none":
        print(NOTICE, file=sys.stderr)
    if written != "none":
        print(TEXT_NOTICE, file=sys.stderr)
    printer = one_at_a_time(_print_json if arguments.json else _print_line)
    camera = microphone = text = None
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

        def sinks() -> list[Sink]:
            """For one loop: what thins out counts its own tracks."""
            chosen: list[Sink] = [printer if arguments.json else Thinned(printer, interval=CONSOLE_SECONDS)]
            return [*chosen, journal_sink(journal, interval=config.journal.interval)] if journal else chosen

        in_time = journal.flush_if_due if journal else None
        is_recorded = False
        if seen != "none":
            faces = FacePipeline.from_config(config)
            frames = stack.enter_context(
                open_frame_source(seen, width=config.camera.width, height=config.camera.height, fps=config.camera.fps)
            )
            camera = CameraLoop(frames, faces, sinks(), after_frame=in_time)
            is_recorded = not frames.live
        if written != "none":
            reader = TextPipeline.from_config(config)
            lines = stack.enter_context(open_text_source(written))
            # No two lines are one utterance: each is printed and recorded.
            takers: list[Sink] = [*([] if arguments.show_text else [printer]), *([journal.add] if journal else [])]
            show = printer if arguments.show_text else None
            text = TextLoop(lines, reader, takers, show=show, after_line=in_time)
            if camera is None:
                is_recorded = not lines.live
        if heard == "auto" and arguments.mic is None and is_recorded:
            heard = "none"  # what is heard here and now has nothing to do with a film, or a text that has an end
        if found := _open_microphone(heard, config, alone=not (camera or text)):
            sound = stack.enter_context(found[0])
            microphone = MicrophoneLoop(sound, found[1], sinks(), after_block=in_time)
        print(
            f"camera: {frames.name if camera else 'none'}; microphone: {sound.name if microphone else 'none'}; "
            f"{f'text: {lines.name}; ' if text else ''}journal: {journal.path if journal else 'none'}",
            file=sys.stderr,
        )
        loops = [loop for loop in (camera, microphone, text) if loop is not None]
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: [loop.stop() for loop in loops])
        failures = run_together(camera, microphone, text, duration=arguments.duration)
    if camera is not None:
        print(_frame_figures(camera), file=sys.stderr)
    if microphone is not None:
        print(_sound_figures(microphone), file=sys.stderr)
    if text is not None:
        print(_text_figures(text), file=sys.stderr)
    if journal is not None:
        print(f"{journal.written} records in {journal.path}", file=sys.stderr)
    return 1 if failures else 0


def _check_usage(seen: str, heard: str, written: str, *, show_text: bool) -> None:
    if seen == heard == written == "none":
        raise RunUsageError("neither camera nor microphone nor text: name one with --source, --mic or --text")
    if written == "-" and (heard == "-" or heard.startswith("-:")):
        raise RunUsageError("both sound and text are to come from standard input: name another with --mic or --text")
    if show_text and written == "none":
        raise RunUsageError("--show-text has no text to show: name its source with --text")


def _open_microphone(spec: str, config: Config, *, alone: bool) -> tuple[AudioSource, SpeechPipeline] | None:
    """What `spec` names, and the speech model; without one that was not asked for by name the camera goes on alone."""
    from edge.pipeline.speech import SpeechPipeline
    from edge.sources.sound import open_audio_source

    if spec == "none":
        return None
    try:
        pipeline = SpeechPipeline.from_config(config)
        return open_audio_source(spec), pipeline
    except AffectEdgeError as error:
        if spec != "auto" or alone:
            raise
        print(f"without sound: {error}", file=sys.stderr)
        return None


def _frame_figures(loop: CameraLoop) -> str:
    did = loop.figures
    rate = f"{did.fps:.1f} a second, {did.dropped} dropped"
    return f"{did.frames} frames in {did.seconds:.1f} s ({rate}), {did.faces} observations"


def _sound_figures(loop: MicrophoneLoop) -> str:
    did, heard, met = loop.figures, loop.pipeline.figures, loop.source.figures
    hops = max(heard.hops, 1)
    parts = [f"silence {heard.silent / hops:.0%}", f"no speech {heard.no_speech / hops:.0%}"]
    for count, what in (
        (round(met.lost_samples / loop.source.rate, 3), "s lost"),
        (met.stalled, "times without sound"),
        (met.reopened, "times opened anew"),
    ):
        parts += [f"{count:.4g} {what}"] if count else []
    return f"{did.sound_seconds:.1f} s of sound ({', '.join(parts)}), {did.observations} observations"


def _text_figures(loop: TextLoop) -> str:
    did, met = loop.pipeline.figures, loop.source.figures
    counts = (
        (did.wordless, "without words"),
        (met.cut, "cut"),
        (met.undecodable, "not all UTF-8"),
        (met.unfinished, "without an end"),
    )
    parts = ", ".join(f"{count} {what}" for count, what in counts if count)
    return f"{did.lines} lines of text{f' ({parts})' if parts else ''}, {did.observations} observations"


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return seconds


def _print_json(observation: Observation, text: str | None = None) -> None:
    import json

    document = observation.as_dict()
    print(json.dumps(document if text is None else {**document, "text": text}), flush=True)


def _print_line(observation: Observation, text: str | None = None) -> None:
    import time

    clock = time.strftime("%H:%M:%S", time.localtime(observation.wall_time))
    who = observation.modality if observation.track is None else f"{observation.modality} {observation.track}"
    likely = sorted(observation.probabilities.items(), key=lambda item: item[1], reverse=True)[:3]
    detail = "  ".join(f"{label} {probability:4.0%}" for label, probability in likely)
    line = f"{clock}  {who}  {observation.label:<9} ({detail})"
    if text is not None:
        from edge.commands.text_output import printable

        encoding = sys.stdout.encoding or "utf-8"
        line += "  " + printable(text).encode(encoding, "replace").decode(encoding)
    print(line, flush=True)
