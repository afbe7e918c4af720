"""A whole arm64 board, emulated: Debian starts, the package is installed, camera and microphone are used for real.

QEMU emulates the board. The kernel's own virtual devices are its camera (vivid, a V4L2 device whose picture is what is
written to its output: the demonstration's portraits) and its sound card (snd-aloop, whose microphone hears what its
loudspeaker plays: eSpeak NG's voice). The package is put onto its boot partition as onto a Raspberry Pi's card
(firmware_config/raspberry_pi), and installed by systemd as there. Then: observe, pause, resume, be killed, stop.

An hour or more on two cores; all but the first time less. What it does on the way is printed.

examples:
  sudo make board
  sudo make board ARGS="--write docs/board.md"
  sudo python -m benchmarks.board --json
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import soundfile

from benchmarks import measuring
from benchmarks.board_image import DEFAULT, BoardImage, build
from benchmarks.board_report import as_markdown, check, read
from benchmarks.fetching import UnavailableError, call
from benchmarks.pages import rewrite
from edge.errors import AffectEdgeError
from edge.features.resampling import resample
from edge.sources.demo import DemoSource

FIRMWARE = Path(__file__).resolve().parents[1] / "firmware_config"
GUEST = Path(__file__).with_name("board_guest.sh")

# Of the emulated S-Video output (PAL); three seconds, in which the face stays in the picture.
_SIZE, _RATE, _FRAMES = (720, 576), 25, 75
_VOICE_RATE = 16000
_SAYING = (
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background! Is it easy to tell the "
    "depth of a well? These days a chicken leg is a rare dish. Rice is often served in round bowls."
)

_SETTINGS = """\
[camera]
source = "/dev/video0"
# As the output has them.
width = 720
height = 576

[microphone]
# ALSA's own default, which has a longer buffer than the bare device: an emulated processor comes late.
source = "default"

# The processor is emulated: it cannot search four times a second.
[face]
interval = 2.0

[service]
stall_seconds = 120
"""

_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")

_HOURS = 3.0


def build_package(folder: Path) -> Path:
    """The Debian package of this checkout with all its wheels for arm64 and Debian's Python; they are fetched once.

    Raises
    ------
    UnavailableError
        A wheel cannot be fetched, or the package not be built.
    """
    wheels = folder / "wheels"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(wheels)]
    pip += ["--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=abi3", "--abi=none"]
    pip += [f"--platform={platform}" for platform in _PLATFORMS]
    call([*pip, *_requirements()], "board")
    package = [
        str(FIRMWARE / "build_deb.sh"),
        "--wheels",
        str(wheels),
        "--out",
        str(folder),
        "--python",
        sys.executable,
    ]
    call(package, "board")
    found = sorted(folder.glob("affect-edge_*_arm64.deb"), key=lambda file: file.stat().st_mtime)
    if not found:
        raise UnavailableError("board: build_deb.sh made no affect-edge_*_arm64.deb")
    return found[-1]


def prepare(boot: Path, package: Path) -> None:
    """Make a folder what a Raspberry Pi's boot partition is after prepare_card.sh, with what feeds the devices."""
    boot.mkdir(parents=True)
    (boot / "cmdline.txt").write_text("console=ttyAMA0 root=/dev/vda\n")
    (boot / "config.txt").write_text("")
    settings = boot / "site.toml"
    settings.write_text(_SETTINGS)
    card = [str(FIRMWARE / "raspberry_pi/prepare_card.sh"), "--package", str(package), "--config", str(settings)]
    call([*card, str(boot)], "board")
    shutil.copy(GUEST, boot)
    write_frames(boot / "frames.bgr")
    write_voice(boot / "voice.raw")


def write_frames(file: Path) -> None:
    """The demonstration's first seconds, as the camera's output takes them: rows of B, G, R, frame after frame."""
    width, height = _SIZE
    source = DemoSource(width=width, height=height, fps=_RATE, paced=False, frames=_FRAMES)
    with file.open("wb") as out, source:
        for frame in source:
            out.write(frame.image.tobytes())


def write_voice(file: Path) -> None:
    """Sentences of the Harvard list, read by eSpeak NG, which the model hears as speech; raw, 16 bits, 16 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder, "said.wav")
        call(["espeak-ng", "-v", "en-us", "-s", "150", "-w", str(said), _SAYING], "board")
        sound, rate = soundfile.read(said, dtype="float32")
    resampled = resample(sound, rate, _VOICE_RATE)
    (np.clip(resampled, -1, 1) * 32767).astype("<i2").tofile(file)


def boot_board(image: BoardImage, boot: Path, *, cpu: str, limit: float, console: Path) -> float:
    """Start the board, show what it tells, and wait until it has switched itself off.

    Parameters
    ----------
    image
        Not written to.
    boot
        The folder that the board has as its boot partition.
    cpu
        Of QEMU's processors.
    limit
        Seconds after which it is switched off.
    console
        Where all that it prints goes.

    Returns
    -------
    Seconds that it took.

    Raises
    ------
    UnavailableError
        QEMU fails, or the limit is reached.
    """
    began = time.monotonic()
    with subprocess.Popen(
        qemu(image, boot, cpu), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as board:
        # A board that hangs prints nothing, so that the wait for a line cannot have the limit.
        switch_off = threading.Timer(limit, board.kill)
        switch_off.start()
        try:
            assert board.stdout is not None
            with console.open("wb") as out:
                for line in board.stdout:
                    out.write(line)
                    out.flush()
                    text = line.decode(errors="replace").strip()
                    if "BOARD " in text:
                        print(text[text.index("BOARD ") :], file=sys.stderr, flush=True)
        finally:
            switch_off.cancel()
            board.kill()
    seconds = time.monotonic() - began
    if seconds >= limit:
        raise UnavailableError(f"board: not done after {limit / 3600:.1f} hours; what it printed is in {console}")
    return seconds


def qemu(image: BoardImage, boot: Path, cpu: str) -> list[str]:
    """The command that starts the board; its disk is not written to, and it has no network."""
    return [
        *("nice", "-n", "10", "qemu-system-aarch64", "-M", "virt", "-cpu", cpu, "-smp", "2", "-m", "2048"),
        *("-accel", "tcg,thread=multi", "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot"),
        *("-kernel", str(image.kernel), "-initrd", str(image.ram_disk)),
        *("-append", "console=ttyAMA0 root=/dev/vda rw quiet systemd.show_status=no"),
        *("-drive", f"file={image.disk},format=raw,if=virtio,snapshot=on", "-nic", "none"),
        *("-virtfs", f"local,path={boot},mount_tag=boot,security_model=mapped-xattr"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=DEFAULT, help="where the image is kept (default: build/board)")
    parser.add_argument(
        "--cpu", default="cortex-a72", help="QEMU's name of the processor (default: a Raspberry Pi 4's)"
    )
    parser.add_argument("--hours", type=float, default=_HOURS, help="after which the board is switched off")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the summary into this document")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    try:
        image = build(arguments.folder)
        package = build_package(arguments.folder)
        with tempfile.TemporaryDirectory(prefix="board-", dir=arguments.folder) as scratch:
            boot = Path(scratch, "boot")
            prepare(boot, package)
            console = arguments.folder / "console.log"
            seconds = boot_board(image, boot, cpu=arguments.cpu, limit=arguments.hours * 3600, console=console)
            kept = arguments.folder / "results"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(boot / "results", kept)
        results = read(kept) | {"seconds": round(seconds), "package": package.name, "cpu": arguments.cpu}
        if arguments.write is not None:
            rewrite(arguments.write, as_markdown(results, measuring.environment()))
    except AffectEdgeError as error:
        print(f"board: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(results, indent=2) if arguments.json else as_markdown(results, measuring.environment()))
    for problem in (problems := check(results)):
        print(f"FAILED: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _requirements() -> list[str]:
    """What the package needs on a board with Debian's Python 3.11, and where the demonstration's portraits are."""
    import configparser

    setup = configparser.ConfigParser()
    setup.read(FIRMWARE.parent / "setup.cfg")
    lines = setup["options"]["install_requires"].strip().splitlines()
    return [line.partition(";")[0].strip() for line in lines if "python_version" not in line]


if __name__ == "__main__":
    sys.exit(main())
