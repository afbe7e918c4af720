"""setup.sh for a Jetson, on made-up trees of files, with stand-ins for NVIDIA's commands and systemctl."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.firmware_config.bed import FIRMWARE

FOLDER = FIRMWARE / "jetson"

RELEASE = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n"

MODES = """\
# Of an Orin Nano, in short.
< PARAM TYPE=FILE NAME=CPU_ONLINE >
CORE_0 /sys/devices/system/cpu/cpu0/online
< POWER_MODEL ID=0 NAME=15W >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=1 NAME=25W >
< POWER_MODEL ID=2 NAME=MAXN_SUPER >
< PM_CONFIG DEFAULT=1 >
"""

NVPMODEL = """\
#!/bin/sh
state=$STAND_IN/mode
case $1 in
-q) printf 'NV Power Mode: %s\\n%s\\n' "$(awk -v n="$(cat "$state")" '$0 ~ "POWER_MODEL ID=" n " " { print $4 }' \
    "$AFFECT_EDGE_ROOT/etc/nvpmodel.conf" | sed 's/NAME=//')" "$(cat "$state")" ;;
-m)
    read -r answer
    echo "nvpmodel $* ($answer)" >>"$STAND_IN/calls"
    [ -e "$STAND_IN/later" ] || echo "$2" >"$state" ;;
esac
"""

CALLED = '#!/bin/sh\necho "$(basename "$0") $*" >>"$STAND_IN/calls"\n'


class Jetson:
    """A tree that looks like one, and what was called."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.stand_in = folder / "bin"
        self.stand_in.mkdir()
        self.write("etc/nv_tegra_release", RELEASE)
        self.write("etc/nvpmodel.conf", MODES)
        self.write("proc/device-tree/model", "NVIDIA Jetson Orin Nano Developer Kit\0")
        (self.root / "etc/systemd/system/affect-edge.service.d").mkdir(parents=True)
        self.stand_in.joinpath("mode").write_text("1\n")
        self.command("nvpmodel", NVPMODEL)
        for name in ("systemctl", "jetson_clocks", "gst-inspect-1.0"):
            self.command(name, CALLED)

    def write(self, path: str, text: str = "") -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def command(self, name: str, text: str) -> None:
        file = self.stand_in / name
        file.write_text(text)
        file.chmod(0o755)

    def setup(self, *options: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "PATH": f"{self.stand_in}:{os.environ['PATH']}",
            "AFFECT_EDGE_ROOT": str(self.root),
            "STAND_IN": str(self.stand_in),
        }
        command = ["sh", str(FOLDER / "setup.sh"), *options]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    @property
    def calls(self) -> list[str]:
        file = self.stand_in / "calls"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def files(self) -> dict[str, str]:
        return {str(file.relative_to(self.root)): file.read_text() for file in self.root.rglob("*") if file.is_file()}


@pytest.fixture
def jetson(tmp_path: Path) -> Jetson:
    return Jetson(tmp_path)


def test_it_looks_and_changes_nothing(jetson: Jetson) -> None:
    before = jetson.files
    done = jetson.setup()
    assert done.returncode == 0, done.stderr
    assert "ok  NVIDIA Jetson Orin Nano Developer Kit, L4T 36.4.3 is JetPack 6" in done.stdout
    assert "power mode 25W; there are: 15W (0), 25W (1), MAXN_SUPER (2)" in done.stdout
    assert "no driver file of NVIDIA's for Vulkan" in done.stdout
    assert "there is no /dev/nvmap" in done.stdout
    assert "camera: no /dev/video*" in done.stdout
    assert jetson.files == before
    assert not [call for call in jetson.calls if not call.startswith("systemctl --quiet is-")]


def test_all_is_there(jetson: Jetson) -> None:
    jetson.write("etc/vulkan/icd.d/nvidia_icd.json", '{"ICD": {"library_path": "libGLX_nvidia.so.0"}}')
    jetson.write("usr/lib/aarch64-linux-gnu/nvidia/libGLX_nvidia.so.0")
    jetson.write("usr/lib/aarch64-linux-gnu/libvulkan.so.1")
    for node in ("nvmap", "dri/renderD128", "nvhost-gpu", "video0"):
        jetson.write(f"dev/{node}")
    jetson.write("etc/systemd/system/affect-edge.service.d/csi.conf")
    jetson.command("python3", "#!/bin/sh\ncase $2 in *gi*) ;; *) echo 3.10 ;; esac\n")
    done = jetson.setup()
    assert (done.returncode, done.stderr) == (0, "")
    assert "--  " not in done.stdout.replace("--  power mode", "").replace("--  its clocks", "")
    assert "ok  GPU: Vulkan by /etc/vulkan/icd.d/nvidia_icd.json" in done.stdout
    assert 'ok  CSI camera: source = "csi"' in done.stdout
    jetson.command("gst-inspect-1.0", "#!/bin/sh\nexit 1\n")
    assert "GStreamer has no nvarguscamerasrc" in jetson.setup().stdout


def test_a_vulkan_that_cannot_work(jetson: Jetson) -> None:
    jetson.write("etc/vulkan/icd.d/nvidia_icd.json", '{"ICD": {"library_path": "libGLX_nvidia.so.0"}}')
    assert "libGLX_nvidia.so.0, which /etc/vulkan/icd.d/nvidia_icd.json names, is not below" in jetson.setup().stdout
    jetson.write("usr/lib/libGLX_nvidia.so.0")
    assert "no Vulkan loader" in jetson.setup().stdout
    jetson.write("etc/vulkan/icd.d/nvidia_icd.json", "{}")
    assert "names no library_path" in jetson.setup().stdout


@pytest.mark.parametrize(
    ("release", "code", "said"),
    [
        (RELEASE.replace("R36", "R35"), 0, "--  .*JetPack 5: its Python is 3.8"),
        (RELEASE.replace("R36", "R32"), 1, "!!  .*JetPack 4"),
        (RELEASE.replace("R36", "R38"), 0, "--  .*later than"),
        ("", 1, "!!  .*JetPack unknown"),
    ],
)
def test_other_jetpacks(jetson: Jetson, release: str, code: int, said: str) -> None:
    jetson.write("etc/nv_tegra_release", release)
    done = jetson.setup()
    assert done.returncode == code
    assert any(line.startswith(f"  {said[:2]}") and said.split(".*")[1] in line for line in done.stdout.splitlines())


@pytest.mark.parametrize("mode", ["MAXN_SUPER", "2"])
def test_a_power_mode(jetson: Jetson, mode: str) -> None:
    dry = jetson.setup("--mode", mode, "--dry-run")
    assert (dry.returncode, jetson.calls) == (0, [])
    assert "nvpmodel -m 2" in dry.stdout
    done = jetson.setup("--mode", mode)
    assert (done.returncode, jetson.calls) == (0, ["nvpmodel -m 2 (no)"])
    assert "reboot" not in done.stdout


def test_a_power_mode_that_needs_a_new_start(jetson: Jetson) -> None:
    (jetson.stand_in / "later").touch()
    assert "the mode holds from the next start on: sudo reboot" in jetson.setup("--mode", "15W").stdout


def test_clocks(jetson: Jetson) -> None:
    before = jetson.files
    assert jetson.setup("--clocks", "high", "--dry-run").returncode == 0
    assert (jetson.files, jetson.calls) == (before, [])
    assert jetson.setup("--clocks", "high").returncode == 0
    unit = "etc/systemd/system/affect-edge-clocks.service"
    assert jetson.files[unit] == (FOLDER / "affect-edge-clocks.service").read_text()
    assert "systemctl --quiet enable --now affect-edge-clocks.service" in jetson.calls
    assert jetson.setup("--clocks", "auto").returncode == 0
    assert "systemctl --quiet disable --now affect-edge-clocks.service" in jetson.calls
    assert jetson.files == before
    calls = jetson.calls
    assert jetson.setup("--clocks", "auto").returncode == 0
    assert jetson.calls == calls


def test_the_csi_camera(jetson: Jetson) -> None:
    refused = jetson.setup("--csi")
    assert (refused.returncode, "install.sh --with jetson" in refused.stderr) == (1, True)
    for name in ("gpu", "jetson"):
        jetson.write(f"etc/systemd/system/affect-edge.service.d/{name}.conf")
    before = jetson.files
    assert jetson.setup("--csi", "--dry-run").returncode == 0
    assert jetson.files == before
    assert jetson.setup("--csi").returncode == 0
    drop_in = "etc/systemd/system/affect-edge.service.d/csi.conf"
    assert jetson.files[drop_in] == (FOLDER / "csi.conf").read_text()
    assert jetson.setup("--no-csi").returncode == 0
    assert jetson.files == before


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--mode", "40W"], 1, "there is no power mode '40W' here; there are: 15W (0), 25W (1), MAXN_SUPER (2)"),
        (["--mode"], 2, "--mode needs a value"),
        (["--clocks", "low"], 2, "--clocks is high or auto, not 'low'"),
        (["--what"], 2, "unknown option --what"),
    ],
)
def test_wrong_use(jetson: Jetson, options: list[str], code: int, said: str) -> None:
    done = jetson.setup(*options)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert not [call for call in jetson.calls if call.startswith("nvpmodel")]


def test_it_is_no_jetson(jetson: Jetson) -> None:
    (jetson.root / "etc/nv_tegra_release").unlink()
    done = jetson.setup()
    assert (done.returncode, "this is no Jetson" in done.stderr) == (1, True)
