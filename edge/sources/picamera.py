"""The Raspberry Pi's camera module, through Picamera2 and libcamera."""

from __future__ import annotations

import concurrent.futures
import importlib
import os
from types import ModuleType
from typing import Any

from edge.errors import MissingDependencyError, SourceError
from edge.observation import Frame, Image
from edge.sources.base import FrameSource, live_frame

_FRAME_TIMEOUT = 10.0
"""Seconds to wait for one frame before the camera counts as stalled."""


class PicameraSource(FrameSource):
    """A camera module by its number in `Picamera2.global_camera_info()`.

    Parameters
    ----------
    number
        0 is the first camera.
    width, height
        Size of the frames in pixels; the camera's image processor scales to it.
    fps
        Frames per second.
    timeout
        Seconds without a frame after which `read` raises.

    Raises
    ------
    MissingDependencyError
        When Picamera2 is not installed.
    SourceError
        When there is no such camera, or it is in use or broken.
    """

    live = True

    def __init__(
        self,
        number: int = 0,
        *,
        width: int = 640,
        height: int = 480,
        fps: float = 15.0,
        timeout: float = _FRAME_TIMEOUT,
    ) -> None:
        self.name = "picamera" if number == 0 else f"picamera:{number}"
        self._timeout = timeout
        self._index = 0
        self._camera: Any = None
        modules = _modules(_import_picamera2())
        if number >= len(modules):
            known = ", ".join(f"{n} ({model})" for n, model in enumerate(modules)) or "none"
            raise SourceError(
                f"there is no camera module {number} (found: {known}); see 'rpicam-hello --list-cameras', "
                "and check the ribbon cable"
            )
        try:
            self._camera = _import_picamera2().Picamera2(number)
            self._camera.configure(
                self._camera.create_video_configuration(
                    # libcamera names formats by the order of bits in a word: its RGB888 is B, G, R in memory,
                    # which is OpenCV's order.
                    main={"size": (width, height), "format": "RGB888"},
                    controls={"FrameRate": fps},
                    buffer_count=4,
                )
            )
            self._camera.start()
            self._first: Image | None = self._capture()
        except SourceError:
            self.close()
            raise
        except Exception as error:  # Picamera2 and libcamera promise no particular type
            self.close()
            raise SourceError(
                f"cannot start the camera '{self.name}': {_one_line(error)}; does another program use it?"
            ) from error

    def read(self) -> Frame | None:
        if self._camera is None:
            return None
        if self._first is not None:
            image, self._first = self._first, None
        else:
            image = self._capture()
        index = self._index
        self._index += 1
        return live_frame(image, index, self.name)

    def _capture(self) -> Image:
        """Copy the next picture out of the camera's buffer and give the buffer back."""
        try:
            request = self._camera.capture_request(wait=self._timeout)
            try:
                image: Image = request.make_array("main")
            finally:
                request.release()
        except (TimeoutError, concurrent.futures.TimeoutError) as error:  # one class only since Python 3.11
            raise SourceError(f"the camera '{self.name}' gave no frame for {self._timeout:g} s") from error
        except Exception as error:
            raise SourceError(f"the camera '{self.name}' failed: {_one_line(error)}") from error
        return image

    def close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()  # stops it first


def attached_modules() -> list[str]:
    """Models of the camera modules that Picamera2 sees; empty where it is not installed or does not work."""
    try:
        return _modules(_import_picamera2())
    except (MissingDependencyError, SourceError):
        return []


def _modules(picamera2: ModuleType) -> list[str]:
    """Without USB cameras, which Picamera2 lists last: they are read through V4L2."""
    try:
        cameras = picamera2.Picamera2.global_camera_info()
    except Exception as error:
        raise SourceError(f"libcamera cannot list the camera modules: {_one_line(error)}") from error
    return [str(camera.get("Model", "camera")) for camera in cameras if "/usb" not in camera["Id"]]


def _import_picamera2() -> ModuleType:
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")  # it tells each step on stderr otherwise
    try:
        return importlib.import_module("picamera2")
    except ModuleNotFoundError as error:
        if error.name == "picamera2":
            raise MissingDependencyError(
                "picamera2",
                "pi",
                "the Raspberry Pi camera (on Raspberry Pi OS rather: sudo apt install python3-picamera2, and a virtual "
                "environment made with --system-site-packages)",
            ) from error
        raise _broken(error) from error
    except Exception as error:
        raise _broken(error) from error


def _broken(error: Exception) -> SourceError:
    return SourceError(
        f"picamera2 is installed but does not load ({_one_line(error)}): "
        "on Raspberry Pi OS, sudo apt install python3-picamera2 brings what it needs"
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
