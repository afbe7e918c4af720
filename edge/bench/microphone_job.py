"""The whole microphone path, as `affect-edge run` puts it together: back to back, in silence, then at its pace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.bench.memory import memory_mb

if TYPE_CHECKING:
    from edge.observation import AudioBlock, Samples
    from edge.pipeline.speech import Hop

RATE = 48000
"""Hertz: what a USB microphone gives."""

_MEMORY_SECONDS = 6.0
_SOUND_SECONDS = 20


def job(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield parts of `document.Microphone`, one after another, and when each was measured.

    Parameters
    ----------
    options
        {'config': FILE or null, 'hops': int, 'seconds': float of each back-to-back part, 'paced': float}
    """
    start = memory_mb("VmRSS")

    from edge.bench.machine import runtime_name
    from edge.bench.pacing import SOURCE, BackToBackSound, PacedSound, Turns, back_to_back_figures, paced_figures
    from edge.bench.sounds import cut, room, synthesised
    from edge.bench.stopwatch import Stopwatch
    from edge.bench.timing import times
    from edge.config import load_config
    from edge.pipeline.microphone import MicrophoneLoop
    from edge.pipeline.sinks import Thinned
    from edge.pipeline.speech import SpeechPipeline
    from edge.sources.sound import BLOCK_SECONDS

    class Watched(SpeechPipeline):
        """Notes when each half second was answered."""

        def hear(self, block: AudioBlock) -> list[Hop]:
            hops = super().hear(block)
            now = time.monotonic()
            latencies.extend(now - hop.monotonic_time for hop in hops)
            return hops

    latencies: list[float] = []
    config = load_config(Path(options["config"]) if options["config"] else None)
    pipeline = Watched.from_config(config)
    loaded = memory_mb("VmRSS")
    hop = round(RATE * pipeline.step_seconds)
    together = round(pipeline.step_seconds / BLOCK_SECONDS)

    def listen(sound: Samples, turns: Turns) -> None:
        """The whole loop on so many half seconds of a sound that begins anew at its end."""
        cycle = len(sound) // hop * hop
        blocks = [
            block
            for place in range(0, turns.total * hop, hop)
            for block in cut(sound[place % cycle :][:hop], RATE, position=place, source=SOURCE)
        ]
        pipeline.reset()
        loop = MicrophoneLoop(BackToBackSound(blocks, RATE, turns, together=together), pipeline, sinks)
        loop.start()
        loop.wait()
        loop.close()
        if loop.error is not None:
            raise loop.error

    # What runs behind it does: a line on the console at times, here one that nobody reads.
    sinks = [Thinned(lambda observation: None, interval=5.0)]
    lead_in = round(_MEMORY_SECONDS / pipeline.step_seconds)
    # Again and again: making a longer voice takes more memory than hearing it.
    listen(synthesised(1.0, RATE), Turns(lead_in, 60.0, lead_in=0, begin=lambda: None))
    figures: dict[str, Any] = {
        "sound": "a synthesised voice that speaks without a pause",
        "rate": RATE,
        "model": config.speech.model,
        "hop_s": pipeline.step_seconds,
        "runtime": runtime_name(),
        "memory": {
            "start_mb": start,
            "loaded_mb": loaded,
            "peak_mb": memory_mb("VmHWM"),
            "after_mb": memory_mb("VmRSS"),
        },
    }
    yield {"microphone": figures}

    voice, quiet = synthesised(_SOUND_SECONDS, RATE), room(_SOUND_SECONDS, RATE)
    begins: list[tuple[float, int]] = []
    with Stopwatch() as watch:

        def begin() -> None:
            watch.reset()
            begins.append((time.monotonic(), pipeline.figures.silent))

        turns = Turns(options["hops"], options["seconds"], lead_in=lead_in, begin=begin)
        listen(voice, turns)
        ended = time.monotonic()
        fast = back_to_back_figures(turns, watch)
        silence = Turns(options["hops"], options["seconds"] / 4, lead_in=lead_in, begin=begin)
        listen(quiet, silence)
    (began, _), (_, silent) = begins
    figures["back_to_back"] = fast
    cost = times(turns.seconds)["p50_ms"] / pipeline.step_seconds
    figures["ms_a_second"] = round(cost, 4)
    figures["real_time_factor"] = round(cost / 1e3, 7)
    # Where the gate took all of it for silence, as it should.
    if pipeline.figures.silent - silent >= len(silence.seconds):
        figures["silence_ms_a_second"] = round(times(silence.seconds)["p50_ms"] / pipeline.step_seconds, 4)
    yield {"microphone": figures}
    yield {"phase": "microphone, back to back", "begin": began, "end": ended, "count": len(turns.seconds)}

    if not options["paced"]:
        return
    pipeline.reset()
    latencies.clear()
    # The first answer comes when a window is full.
    length = options["paced"] + pipeline.window_seconds
    loop = MicrophoneLoop(PacedSound(synthesised(length, RATE), RATE), pipeline, [lambda observation: None])
    voice = synthesised(length, RATE)
    began, spent = time.monotonic(), time.process_time()
    loop = MicrophoneLoop(PacedSound(voice, RATE), pipeline, sinks)
    loop.start()
    loop.wait(duration=length + 5)
    ended, spent = time.monotonic(), time.process_time() - spent
    loop.close()
    if loop.error is not None:
        raise loop.error
    heard = min(ended - began, length) - pipeline.window_seconds
    figures["paced"] = paced_figures(
        latencies,
        period=pipeline.step_seconds,
        due=max(len(latencies), int(heard / pipeline.step_seconds)),
        seconds=heard,
        cpu_ms_a_second=spent / (ended - began) * 1e3,
        observations=loop.figures.observations,
    )
    yield {"microphone": figures}
    yield {"phase": "microphone, at its pace", "begin": began, "end": ended, "count": len(latencies)}
