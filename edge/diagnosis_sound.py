"""What `affect-edge doctor` says about sound: the speech model, the microphones, and how loud the one in use is."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from edge.diagnosis import Check, State
from edge.errors import AffectEdgeError

if TYPE_CHECKING:
    from edge.config import Config
    from edge.sources.sound import AudioSource

LISTEN_SECONDS = 1.0
"""Of sound that a microphone's loudness is told from."""

PATIENCE_SECONDS = 5.0
"""In which that second has to come."""

FAINT_DBFS = -75.0
"""A room is louder to any microphone that is switched on."""


def check_speech_model(config: Config) -> Iterator[Check]:
    """The model that the configuration names, with its encoder."""
    from edge.inference.catalog import find_model
    from edge.recognizers.speech_emotion import SpeechRecognizer

    if config.microphone.source == "none":
        return
    try:
        recognizer = SpeechRecognizer(find_model("speech-emotion", config.speech.model))
    except AffectEdgeError as error:
        yield Check("models", "speech", _unless_auto(config), str(error))
        return
    manifest, encoder = recognizer.manifest, recognizer.encoder_manifest
    detail = f"{manifest.name} {manifest.version} fits its encoder {encoder.name} {encoder.version}"
    yield Check("models", "speech", "ok", detail)


def check_microphones(config: Config) -> Iterator[Check]:
    """The microphones, which of them `affect-edge run` would take, and whether it delivers."""
    from edge.sources.microphone import list_microphones
    from edge.sources.sound import is_sound_file, open_audio_source

    spec = config.microphone.source
    if spec == "none":
        yield Check("microphones", "any", "info", "switched off in the configuration")
        return
    if spec.startswith("-") or is_sound_file(spec):
        yield Check("microphones", "source", "info", f"sound comes from '{spec}', says the configuration")
        return
    try:
        for microphone in list_microphones():
            default = ", the system's default" if microphone.default else ""
            channels = "1 channel" if microphone.channels == 1 else f"{microphone.channels} channels"
            detail = f"{channels}, {microphone.rate} Hz{default}"
            yield Check("microphones", f"{microphone.number} {microphone.name}", "ok", detail)
        with contextlib.closing(open_audio_source(spec)) as source:
            yield check_loudness(source)
    except AffectEdgeError as error:
        mend = "plug one in, or set microphone.source to 'none'" if spec == "auto" else "set microphone.source"
        yield Check("microphones", "in use", _unless_auto(config), str(error), mend)


def check_loudness(source: AudioSource) -> Check:
    """Listen to an open source for a second and tell how loud it is; nothing is kept."""
    power, count = 0.0, 0
    # A live source never ends by itself: what stops delivering now would be waited for.
    patience = threading.Timer(PATIENCE_SECONDS, source.close)
    patience.start()
    while count < LISTEN_SECONDS * source.rate and (block := source.read()) is not None:
        # Without the constant offset that cheap microphones add.
        power += float(np.square(block.samples - block.samples.mean()).sum(dtype=np.float64))
        count += len(block.samples)
    patience.cancel()
    name, dbfs = f"in use: {source.name}", 10 * math.log10(power / count) if power else -math.inf
    if count < LISTEN_SECONDS * source.rate:
        detail = f"stopped delivering after {count / source.rate:.2f} s"
        return Check("microphones", name, "warn", detail, "plug it in anew, or name another in microphone.source")
    if dbfs < FAINT_DBFS:
        level = f"{dbfs:.0f} dBFS" if power else "nothing but zeros"
        detail = f"{level} in {count / source.rate:.1f} s: muted, or the wrong one?"
        return Check("microphones", name, "warn", detail, "unmute it or raise its level: alsamixer, or pavucontrol")
    return Check("microphones", name, "ok", f"delivers {source.rate} Hz, {dbfs:.0f} dBFS")


def _unless_auto(config: Config) -> State:
    """'auto' goes on without sound; what is named must work."""
    return "warn" if config.microphone.source == "auto" else "fail"
