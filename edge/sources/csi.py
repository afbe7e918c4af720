"""A Jetson's CSI camera: NVIDIA gives its pictures to GStreamer alone."""

from __future__ import annotations

from fractions import Fraction

from edge.sources.gstreamer import FRAME_TIMEOUT, GStreamerSource


def csi_source(
    number: int = 0, *, width: int = 640, height: int = 480, fps: float = 15.0, timeout: float = FRAME_TIMEOUT
) -> GStreamerSource:
    """A Jetson's CSI camera.

    Its image processor scales to the size asked for, from the sensor's mode that is nearest.

    Parameters
    ----------
    number
        The sensor's, 0 is the first.
    width, height
        Size of the frames in pixels.
    fps
        Frames per second.
    timeout
        Seconds without a frame after which `read` raises.

    Raises
    ------
    MissingDependencyError
        When PyGObject or GStreamer is not installed.
    SourceError
        When this is no Jetson, there is no such camera, or it is in use or broken.
    """
    return GStreamerSource(
        csi_pipeline(number, width=width, height=height, fps=fps),
        name="csi" if number == 0 else f"csi:{number}",
        hint="is a camera attached and set up (ls /dev/video*, sudo /opt/nvidia/jetson-io/jetson-io.py), does another "
        "program use it, and does its daemon run (sudo systemctl restart nvargus-daemon)?",
        timeout=timeout,
    )


def csi_pipeline(number: int, *, width: int, height: int, fps: float) -> str:
    """The text of the pipeline that reads a Jetson's CSI camera."""
    rate = Fraction(fps).limit_denominator(1001)
    # The camera writes NV12 into memory that only the Jetson's own elements can read; nvvidconv brings it out.
    return (
        f"nvarguscamerasrc sensor-id={number} ! video/x-raw(memory:NVMM),format=NV12,width={width},height={height},"
        f"framerate={rate.numerator}/{rate.denominator} ! nvvidconv ! video/x-raw,format=BGRx"
    )
