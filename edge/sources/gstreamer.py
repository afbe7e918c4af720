"""Frames from a GStreamer pipeline: whatever GStreamer can read.

PyPI's OpenCV is built without GStreamer, so the pipeline is run through PyGObject and ends in an appsink of ours.
"""

from __future__ import annotations

import importlib
import mmap
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from edge.errors import MissingDependencyError, SourceError
from edge.observation import Frame, Image
from edge.sources.base import FrameSource, file_frame, live_frame
from edge.sources.video import without_password

SYSTEM_PACKAGES = (
    "python3-gi gir1.2-gst-plugins-base-1.0 gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
)
"""Debian's names for PyGObject and the parts of GStreamer that the usual pipelines need."""

FRAME_TIMEOUT = 10.0
"""Seconds to wait for one frame before the pipeline counts as stalled."""

_SLICE = 0.1
"""Seconds of one wait: an error of the pipeline does not always end the wait for a frame."""

_SINK = "affect_edge_frames"

# What is appended to every pipeline. No clock: the newest frame is wanted, at once.
_TAIL = f"videoconvert ! video/x-raw,format=BGR ! appsink name={_SINK} sync=false max-buffers=2"

# A pipeline written for OpenCV ends in an appsink; ours takes its place.
_APPSINK = re.compile(r"\s*!\s*appsink\b[^!]*$")

_SECRET = re.compile(r"""(?i)\b([\w-]*(?:pw|pass|passwd|passphrase|password|token|secret)\s*=\s*)("[^"]*"|\S+)""")

_ELEMENTS = {"nvarguscamerasrc": "nvidia-l4t-gstreamer, on a Jetson only", "nvvidconv": "nvidia-l4t-gstreamer"}
"""Packages of elements that Debian does not have."""


_LIBRARIES = ("Gst", "GstVideo", "GstApp")


@dataclass(frozen=True)
class GStreamer:
    """What PyGObject gives of it."""

    gst: Any
    """The module gi.repository.Gst."""
    video: Any
    """The module gi.repository.GstVideo."""
    error: type[Exception]
    """What is raised for a text that is no pipeline."""


class GStreamerSource(FrameSource):
    """The frames that a pipeline delivers, in the size it gives them.

    What GStreamer calls a live pipeline (a camera, a network stream) loses frames that are not read in time, and must
    not end; of any other (a file) every frame is handed out, with its time in the stream, to its end.

    Parameters
    ----------
    pipeline
        As for gst-launch-1.0, to where an appsink can be added: it must end in raw video in main memory. An
        appsink at its end is taken for ours.
    name
        What frames and errors call the source; None: the pipeline itself, without passwords.
    hint
        What to look at when no frame comes, for errors.
    timeout
        Seconds without a frame after which `read` raises.

    Raises
    ------
    MissingDependencyError
        When PyGObject or GStreamer is not installed.
    SourceError
        When the pipeline is not one, an element of it is missing or fails, or no frame comes.
    """

    def __init__(
        self, pipeline: str, *, name: str | None = None, hint: str = "", timeout: float = FRAME_TIMEOUT
    ) -> None:
        self._pipeline: Any = None
        self.name = name if name is not None else f"gstreamer:{_without_secrets(pipeline.strip())}"
        self.live = False
        self._hint = f"; {hint}" if hint else ""
        self._timeout = timeout
        self._index = 0
        self._position = -1.0
        self._problem: str | None = None
        self._library = import_gstreamer()
        self._gst = self._library.gst
        text = _APPSINK.sub("", pipeline).strip().removesuffix("!").strip()
        if not text:
            raise SourceError("'gstreamer:' needs a pipeline, such as gstreamer:v4l2src device=/dev/video0")
        try:
            self._pipeline = self._parse(text)
            self._sink = self._pipeline.get_by_name(_SINK)
            self._start()
            self._first: Frame | None = self._next()
            if self._first is None:
                raise SourceError(f"'{self.name}' ended before its first frame{self._hint}")
        except BaseException:
            self.close()
            raise

    def read(self) -> Frame | None:
        if self._pipeline is None:
            return None
        if self._first is not None:
            frame, self._first = self._first, None
            return frame
        return self._next()

    def close(self) -> None:
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.set_state(self._gst.State.NULL)
            self._sink = None

    def __del__(self) -> None:
        # GStreamer ends the process when a pipeline that plays is freed.
        self.close()

    def _parse(self, text: str) -> Any:
        try:
            return self._gst.parse_launch(f"{text} ! {_TAIL}")
        except self._library.error as error:
            raise SourceError(self._explain(_one_line(getattr(error, "message", error)))) from None

    def _explain(self, message: str) -> str:
        """What GStreamer says about a text that it does not take, with the mend."""
        element = re.search(r'no element "([^"]+)"', message)
        if element is not None:
            package = _ELEMENTS.get(element[1], f"apt search gstreamer1.0-plugins; gst-inspect-1.0 {element[1]}")
            return f"'{self.name}': GStreamer has no element '{element[1]}' here ({package})"
        if "could not link" in message:
            message += " (it must end in raw video in main memory, not in a sink; on a Jetson, add  ! nvvidconv)"
        return f"'{self.name}' is not a pipeline that GStreamer takes: {_without_secrets(message)}"

    def _start(self) -> None:
        """Set it going, and learn whether it is live: then it has nothing to show while it is paused."""
        states, changes = self._gst.State, self._gst.StateChangeReturn
        change = self._pipeline.set_state(states.PAUSED)
        deadline = time.monotonic() + self._timeout
        while change == changes.ASYNC and self._problem is None and time.monotonic() < deadline:
            change, _, _ = self._pipeline.get_state(round(_SLICE * self._gst.SECOND))
            self._listen()
        if change == changes.FAILURE or self._problem is not None:
            raise self._failure()
        if change == changes.ASYNC:
            raise self._stalled()
        self.live = change == changes.NO_PREROLL
        self._sink.set_property("drop", self.live)
        if self._pipeline.set_state(states.PLAYING) == changes.FAILURE:
            raise self._failure()

    def _next(self) -> Frame | None:
        deadline = time.monotonic() + self._timeout
        while True:
            sample = self._sink.try_pull_sample(round(_SLICE * self._gst.SECOND))
            # In any case: what the pipeline reports would pile up otherwise.
            self._listen()
            if sample is not None:
                return self._frame(sample)
            if self._problem is not None:
                raise self._failure()
            if self._sink.is_eos():
                # Of what fails downstream of its first element the end comes before the error.
                self._listen(wait=_SLICE)
                if self._problem is not None:
                    raise self._failure()
                if self.live:
                    raise SourceError(f"'{self.name}' ended{self._hint}")
                return None
            if time.monotonic() >= deadline:
                raise self._stalled()

    def _frame(self, sample: Any) -> Frame:
        try:
            image = picture(sample, self._library)
        except ValueError as error:
            raise SourceError(f"'{self.name}': {error}") from None
        index = self._index
        self._index += 1
        if self.live:
            return live_frame(image, index, self.name)
        time_stamp = sample.get_buffer().pts
        told = time_stamp / self._gst.SECOND if time_stamp != self._gst.CLOCK_TIME_NONE else -1.0
        # Times never run back, whatever the file says; frames without any are taken for 1/25 s apart.
        self._position = told if told > self._position else max(self._position, -1 / 25) + 1 / 25
        return file_frame(image, index, self._position, self.name)

    def _listen(self, wait: float = 0.0) -> None:
        """Take what the pipeline reports, and keep its first error."""
        bus, error = self._pipeline.get_bus(), self._gst.MessageType.ERROR
        while (message := bus.timed_pop_filtered(round(wait * self._gst.SECOND), error)) is not None:
            what, where = message.parse_error()
            # The place in GStreamer's source is before the first line's end; what was meant comes after it.
            detail = _one_line((where or "").partition("\n")[2])
            told = f"{_one_line(what.message)}{f' ({detail})' if detail else ''}"
            element = message.src.get_name() if message.src is not None else "GStreamer"
            self._problem = self._problem or _without_secrets(f"{element}: {told}")

    def _failure(self) -> SourceError:
        self._listen()
        return SourceError(f"'{self.name}' failed: {self._problem or 'it does not start'}{self._hint}")

    def _stalled(self) -> SourceError:
        return SourceError(f"'{self.name}' gave no frame for {self._timeout:g} s{self._hint}")


def picture(sample: Any, library: GStreamer) -> Image:
    """A GstSample's picture, copied out of it.

    Parameters
    ----------
    sample
        Of caps video/x-raw,format=BGR.
    library
        That made it.

    Returns
    -------
    Height x width x 3, uint8, BGR.

    Raises
    ------
    ValueError
        When the buffer cannot be read or is smaller than its caps promise.
    """
    form, buffer = sample.get_caps().get_structure(0), sample.get_buffer()
    width, height = form.get_int("width")[1], form.get_int("height")[1]
    layout = library.video.buffer_get_video_meta(buffer)
    # Without a layout of its own a buffer has GStreamer's: rows begin at multiples of four bytes.
    offset, stride = (layout.offset[0], layout.stride[0]) if layout is not None else (0, (3 * width + 3) // 4 * 4)
    is_mapped, mapped = buffer.map(library.gst.MapFlags.READ)
    if not is_mapped:
        raise ValueError("a frame cannot be read from memory")
    try:
        data = np.frombuffer(mapped.data, np.uint8)
        # The last row need not be padded.
        if stride < 3 * width or data.size < offset + stride * (height - 1) + 3 * width:
            raise ValueError(f"a frame of {data.size} bytes is too small for {width}x{height} pixels")
        rows = np.lib.stride_tricks.as_strided(data[offset:], (height, width, 3), (stride, 3, 1))
        return cast(Image, rows.copy())
    finally:
        buffer.unmap(mapped)


def import_gstreamer() -> GStreamer:
    """Load and initialise GStreamer.

    Raises
    ------
    MissingDependencyError
        When PyGObject or a part of GStreamer is not installed.
    SourceError
        When they are, and do not work.
    """
    _prepare_environment()
    try:
        gi = importlib.import_module("gi")
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "PyGObject",
            "gstreamer",
            f"a GStreamer source (rather: sudo apt install {SYSTEM_PACKAGES}, and a virtual environment made with "
            "--system-site-packages)",
        ) from error
    except ImportError as error:  # built for another Python, or against another GLib
        raise SourceError(f"PyGObject is installed but does not load: {_one_line(error)}") from error
    try:
        for library in _LIBRARIES:
            gi.require_version(library, "1.0")
        # GstApp is what gives appsink its methods.
        gst, video, _, glib = (importlib.import_module(f"gi.repository.{name}") for name in (*_LIBRARIES, "GLib"))
    except (ValueError, ImportError) as error:
        raise _NoGStreamerError(_one_line(error)) from error
    if not gst.is_initialized():
        is_ready, _ = gst.init_check(None)
        if not is_ready:
            raise SourceError("GStreamer cannot be initialised")
    if gst.ElementFactory.find("appsink") is None or gst.ElementFactory.find("videoconvert") is None:
        raise _NoGStreamerError("appsink and videoconvert are missing")
    return GStreamer(gst, video, glib.Error)


class _NoGStreamerError(MissingDependencyError):
    """What lacks is no Python package."""

    def __init__(self, lacks: str) -> None:
        Exception.__init__(self, f"GStreamer is not installed ({lacks}): sudo apt install {SYSTEM_PACKAGES}")


def _prepare_environment() -> None:
    """What GStreamer reads from the environment when it is loaded; the user's own choice stands."""
    # Its list of plug-ins would be written below the home folder, which a service has not.
    folder = os.environ.get("CACHE_DIRECTORY")
    if folder:
        os.environ.setdefault("GST_REGISTRY", str(Path(folder.split(":")[0], "gstreamer-registry.bin")))
    # Its converters are compiled when they are first used, and end the process where that is forbidden (systemd's
    # MemoryDenyWriteExecute): then the slower ones that come ready-made do.
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    except OSError:
        os.environ.setdefault("ORC_CODE", "backup")


def _without_secrets(text: str) -> str:
    words = (without_password(word) for word in re.split(r"(\s+)", text))
    return _SECRET.sub(r"\1***", "".join(words))


def _one_line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__
