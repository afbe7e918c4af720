"""The real unit, installed by the real installer, under the real systemd: in a Debian of its own, without a network.

One Debian is booted for all tests here; each sets the configuration that it needs. The first run makes the Debian and
fetches the wheels, which takes minutes; see bed.py.
"""

from __future__ import annotations

import platform
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from edge.sources import open_frame_source
from tests.firmware_config.bed import Bed, build_package, build_wheel, skip_unless_possible, wheel_folder

pytestmark = pytest.mark.timeout(1800)

DEMONSTRATION = """
[camera]
source = "demo"
[microphone]
source = "none"
[journal]
interval = 0.2
batch_seconds = 1.0
"""

# Frames as a network camera sends them; one connection falls silent, and stays open, when /run/silent is made.
CAMERA = """\
import http.server, itertools, pathlib, time
frames = [file.read_bytes() for file in sorted(pathlib.Path("/own/frames").iterdir())]
silent = pathlib.Path("/run/silent")
class Camera(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for frame in itertools.cycle(frames):
            if silent.exists():
                silent.unlink()
                time.sleep(600)
            head = b"--frame\\r\\nContent-Type: image/jpeg\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(frame)
            self.wfile.write(head + frame + b"\\r\\n")
            time.sleep(0.1)
http.server.ThreadingHTTPServer(("127.0.0.1", 8090), Camera).serve_forever()
"""

STREAM_AND_TEXT = """
[camera]
source = "http://127.0.0.1:8090/live.mjpg"
[microphone]
source = "none"
[text]
source = "/run/said"
[service]
stall_seconds = 3
"""

# Tries to write into every folder, and every mount.
PROBE = """\
{
    find / -xdev \\( -path /proc -o -path /sys \\) -prune -o -type d -print 2>/dev/null
    while read -r _ mount _; do echo "$mount"; done </proc/self/mounts
} | while read -r folder; do
    case $folder in /proc/* | /sys/*) continue ;; esac
    if (: >"$folder/.probe") 2>/dev/null; then
        rm "$folder/.probe"
        echo "$folder"
    fi
done
"""

INSTALL = "/firmware_config/install.sh --no-apt"


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """A Debian in which the service runs on the demonstration."""
    skip_unless_possible()
    booted = Bed(tmp_path_factory.mktemp("bed"))
    try:
        build_wheel(booted.own)
        booted.sh("mkdir /run/from /etc/affect-edge; ln -s /wheels/* /own/*.whl /run/from")
        configure(booted, DEMONSTRATION)
        said = booted.sh(f"{INSTALL} --from /run/from 2>&1")
        assert "is installed" in said, said
        yield booted
    finally:
        booted.close()


def configure(bed: Bed, text: str) -> None:
    (bed.own / "config.toml").write_text(text, encoding="utf-8")
    bed.sh("cp /own/config.toml /etc/affect-edge/config.toml")


def serve(bed: Bed) -> None:
    """Have it run on the demonstration; returns when it is ready."""
    if (bed.show("ActiveState"), bed.sh("cat /etc/affect-edge/config.toml")) != ("active", DEMONSTRATION):
        configure(bed, DEMONSTRATION)
        bed.sh("systemctl daemon-reload; systemctl reset-failed; systemctl restart affect-edge")


def records(bed: Bed) -> int:
    """Observations that the journal has on disk."""
    return len(bed.sh("affect-edge log --journal /var/lib/affect-edge/journal.db --json").splitlines())


def test_it_is_ready_when_the_installer_says_so(bed: Bed) -> None:
    assert bed.show("ActiveState") == "active"
    assert bed.show("NRestarts") == "0"
    assert bed.run("systemctl", "is-enabled", "affect-edge").stdout.strip() == "enabled"
    assert "affect-edge" in bed.log()
    bed.wait_until(lambda: bed.status().get("loops", {}).get("camera", {}).get("state") == "running")
    bed.wait_until(lambda: records(bed) > 0)
    assert bed.run("affect-edge", "status").returncode == 0


def test_udev_understands_the_rules(bed: Bed) -> None:
    said = bed.sh("udevadm test /sys/devices/virtual/mem/null 2>&1 | grep affect-edge")
    assert said.splitlines() == ["Reading rules file: /etc/udev/rules.d/70-affect-edge.rules"]


def test_its_state_is_where_systemd_keeps_state(bed: Bed) -> None:
    serve(bed)
    user = bed.sh(f"stat -c %U /proc/{bed.show('MainPID')}").strip()
    bed.wait_until(lambda: "journal.db" in bed.sh("ls /var/lib/private/affect-edge"))
    assert bed.sh("stat -c '%a %U' /var/lib/private/affect-edge").split() == ["700", user]
    assert bed.sh("stat -c %a /var/lib/private/affect-edge/journal.db").strip() == "600"
    assert user not in ("root", "nobody")
    assert bed.sh("stat -c %a /run/affect-edge /run/affect-edge/status.json").split() == ["755", "644"]


def test_nothing_is_writable_elsewhere(bed: Bed) -> None:
    """Tried in every folder that there is, as the service's user, in what the service sees of the file system."""
    serve(bed)
    pid = bed.show("MainPID")
    user = bed.sh(f"stat -c %u /proc/{pid}").strip()
    (bed.own / "probe.sh").write_text(PROBE, encoding="utf-8")
    enter = f"nsenter --target {pid} --mount setpriv --reuid {user} --regid {user} --groups video,audio"
    found = bed.sh(f"{enter} sh -s < /own/probe.sh")
    writable = set(found.splitlines())
    private = {"/tmp", "/var/tmp", "/dev/shm"}  # its own, and gone with it
    places = ("run", "var/lib", "var/lib/private", "var/cache", "var/cache/private")
    own = {f"/{place}/affect-edge" for place in places}
    assert {"/run/affect-edge", "/var/lib/private/affect-edge"} <= writable, writable
    assert writable <= private | own, writable - private - own


def test_it_has_no_network_and_no_privileges(bed: Bed) -> None:
    serve(bed)
    pid = bed.show("MainPID")
    interfaces = bed.sh(f"tail -n +3 /proc/{pid}/net/dev | cut -d: -f1").split()
    assert interfaces == ["lo"]
    assert bed.sh(f"readlink /proc/{pid}/ns/net") != bed.sh("readlink /proc/1/ns/net")
    state = bed.sh(f"cat /proc/{pid}/status")
    for line in (r"CapEff:\s0+", r"CapBnd:\s0+", r"NoNewPrivs:\s1", r"Seccomp:\s2"):
        assert re.search(rf"^{line}$", state, re.MULTILINE), line


def test_a_loop_that_hangs_is_begun_anew_and_the_other_goes_on(bed: Bed) -> None:
    """A camera that sends nothing more, and a reader of text that notices nothing of it."""
    frames = bed.own / "frames"
    frames.mkdir()
    with open_frame_source("demo") as source:
        for number in range(20):
            assert (frame := source.read()) is not None
            assert cv2.imwrite(str(frames / f"{number:02}.jpg"), frame.image)
    (bed.own / "camera.py").write_text(CAMERA, encoding="utf-8")
    bed.sh("mkfifo -m 666 /run/said; systemd-run --quiet --unit=network-camera python3 /own/camera.py")
    configure(bed, STREAM_AND_TEXT)
    # What installations leave that are cut off from power.
    bed.sh("mkdir /opt/affect-edge/0.1.0-7 /opt/affect-edge/.install-x")
    assert "is this very version" in bed.sh(f"{INSTALL} --from /run/from --with network")
    try:
        assert bed.sh("ls -A /opt/affect-edge").split() == ["0.1.0-1", "current"]
        before = bed.status()
        bed.sh("touch /run/silent")
        bed.wait_until(lambda: bed.status()["loops"]["camera"]["restarts"] == 1)
        bed.wait_until(lambda: bed.status()["loops"]["camera"]["state"] == "running")
        bed.sh("echo 'What a wonderful morning!' >/run/said")
        bed.wait_until(
            lambda: (
                '"modality": "text"'
                in bed.sh("affect-edge log --journal /var/lib/affect-edge/journal.db --json --modality text")
            )
        )
        after = bed.status()
        assert after["pid"] == before["pid"]
        assert after["loops"]["text"]["restarts"] == 0
        assert bed.show("NRestarts") == "0"
        assert "camera: " in bed.log()
    finally:
        # The installed copy does for this.
        bed.sh("/opt/affect-edge/current/firmware_config/install.sh --no-apt --without network")
        bed.sh("systemctl stop network-camera; test ! -e /etc/systemd/system/affect-edge.service.d")


def test_a_process_that_hangs_is_killed_and_started_again(bed: Bed) -> None:
    """Stopped, as one is that hangs in the kernel; the watchdog is the unit's, only its patience is shorter here."""
    shorter = "/run/systemd/system/affect-edge.service.d"
    bed.sh(f"mkdir -p {shorter}; printf '[Service]\\nWatchdogSec=5\\nRestartSec=1\\n' >{shorter}/test.conf")
    bed.sh("systemctl stop affect-edge")
    serve(bed)
    bed.wait_until(lambda: records(bed) > 0)
    kept, pid = records(bed), bed.show("MainPID")
    bed.sh(f"kill -STOP {pid}")
    bed.wait_until(lambda: bed.show("NRestarts") == "1" and bed.show("ActiveState") == "active")
    bed.sh(f"rm -r {shorter}; systemctl daemon-reload")
    assert bed.show("MainPID") != pid
    assert "Watchdog timeout" in bed.log()
    assert records(bed) >= kept


def test_a_configuration_that_is_broken_does_not_start_it_again_and_again(bed: Bed) -> None:
    configure(bed, "[camera]\nsauce = 1\n")
    bed.sh("systemctl restart affect-edge || true")
    assert (bed.show("ActiveState"), bed.show("ExecMainStatus"), bed.show("NRestarts")) == ("failed", "78", "0")
    assert "camera.sauce" in bed.log()
    serve(bed)


def test_it_stops_cleanly(bed: Bed) -> None:
    serve(bed)
    bed.wait_until(lambda: records(bed) > 0)
    began = time.monotonic()
    bed.sh("systemctl stop affect-edge")
    assert time.monotonic() - began < 15  # TimeoutStopSec, after which systemd kills
    assert (bed.show("Result"), bed.show("ExecMainStatus")) == ("success", "0")
    assert bed.run("test", "-e", "/run/affect-edge", check=False).returncode == 1
    assert bed.run("affect-edge", "status", check=False).returncode == 3
    assert records(bed) > 0


def test_an_upgrade_that_does_not_get_ready_is_taken_back(bed: Bed) -> None:
    serve(bed)
    broken(bed.own)
    bed.sh("mkdir /run/next; ln -s /wheels/* /own/next/*.whl /run/next")
    done = bed.run("sh", "-c", f"{INSTALL} --from /run/next", check=False)
    assert done.returncode == 1
    assert "the upgrade was taken back" in done.stderr
    assert bed.show("ActiveState") == "active"
    assert bed.sh("readlink /opt/affect-edge/current").startswith("0.1.0-")
    assert bed.sh("ls -A /opt/affect-edge").split() == ["0.1.0-1", "current"]


def broken(own: Path) -> None:
    """A later version, which passes every check and ends when it is to serve."""
    (wheel,) = own.glob("*.whl")
    (own / "next").mkdir()
    version = wheel.name.split("-")[1]
    with (
        zipfile.ZipFile(wheel) as old,
        zipfile.ZipFile(own / "next" / wheel.name.replace(version, "99.0", 1), "w") as new,
    ):
        for name in old.namelist():
            data = old.read(name)
            if name == "edge/commands/service.py":
                data = data.replace(
                    b"    config = load_config", b"    raise OSError('broken')\n    config = load_config"
                )
            elif name.endswith("/METADATA"):
                data = data.replace(f"\nVersion: {version}".encode(), b"\nVersion: 99.0")
            new.writestr(name.replace(f"-{version}.", "-99.0."), data.replace(f"-{version}.".encode(), b"-99.0."))


def test_an_installation_that_fails_leaves_all_as_it_was(bed: Bed) -> None:
    """There is no network; then there is no room."""
    serve(bed)
    pid = bed.show("MainPID")
    wheel = next(bed.own.glob("next/*.whl")).name
    done = bed.run("env", "PIP_RETRIES=0", *INSTALL.split(), "--wheel", f"/own/next/{wheel}", check=False)
    assert done.returncode == 1
    assert "pip cannot install it" in done.stderr
    assert "no network?" in done.stderr
    assert bed.sh("ls -A /opt/affect-edge").split() == ["0.1.0-1", "current"]
    bed.sh("mv /opt/affect-edge /opt/kept; mkdir /opt/affect-edge; mount -t tmpfs -o size=50M tmpfs /opt/affect-edge")
    try:
        done = bed.run(*INSTALL.split(), "--from", "/run/from", check=False)
    finally:
        bed.sh("umount /opt/affect-edge; rmdir /opt/affect-edge; mv /opt/kept /opt/affect-edge")
    assert done.returncode == 1
    assert "50 MB are free for /opt/affect-edge; it needs" in done.stderr
    assert (bed.show("ActiveState"), bed.show("MainPID")) == ("active", pid)


def test_restarts_before_an_installation_are_not_held_against_it(bed: Bed) -> None:
    """Its counter goes on counting where a service is stopped while it waits for its next restart."""
    serve(bed)
    bed.sh("touch /run/fails; mkdir -p /run/systemd/system/affect-edge.service.d")
    drop_in = "/run/systemd/system/affect-edge.service.d/fails.conf"
    unit = "[Service]\\nExecStartPre=/usr/bin/test ! -e /run/fails\\nRestartSec="
    try:
        bed.sh(f"printf '{unit}1\\n' >{drop_in}; systemctl daemon-reload; systemctl restart affect-edge || true")
        bed.wait_until(lambda: int(bed.show("NRestarts")) > 1)
        bed.sh(f"printf '{unit}600\\n' >{drop_in}; systemctl daemon-reload")
        bed.wait_until(lambda: bed.show("SubState") == "auto-restart")
        assert bed.sh(f"rm /run/fails; {INSTALL} --from /run/from 2>&1").splitlines()[-1].count("is installed")
    finally:
        bed.sh(f"rm -f /run/fails {drop_in}; systemctl daemon-reload")
    assert (bed.show("ActiveState"), bed.show("NRestarts")) == ("active", "0")


def test_without_it_what_was_recorded_stays_unless_it_is_purged(bed: Bed) -> None:
    bed.sh("/firmware_config/uninstall.sh")
    assert bed.run("systemctl", "cat", "affect-edge", check=False).returncode != 0
    assert bed.run("ls", "/opt/affect-edge", check=False).returncode != 0
    bed.sh("test -e /var/lib/private/affect-edge/journal.db; test -e /etc/affect-edge/config.toml")
    bed.sh("/firmware_config/uninstall.sh --purge")
    left = bed.sh("find / -xdev -name '*affect-edge*' -not -path '/proc/*' -not -path '/run/*'")
    assert left.split() == []


def test_the_debian_package_brings_a_service_that_runs_and_takes_all_away(bed: Bed) -> None:
    """Installed where nothing is left of what the tests above did, from the wheels that it carries."""
    (wheel,) = bed.own.glob("*.whl")
    package = build_package(bed.own, "--wheels", str(wheel_folder()), "--wheel", str(wheel))
    assert package.name.endswith({"x86_64": "_amd64.deb", "aarch64": "_arm64.deb"}[platform.machine()])
    bed.sh(f"DEBIAN_FRONTEND=noninteractive dpkg --install /own/{package.name}")
    assert bed.run("affect-edge", "models", "verify").returncode == 0
    # There is neither a camera nor a microphone: it waits for one to be plugged in.
    assert bed.show("ActiveState") == "activating"
    bed.wait_until(lambda: bed.status().get("loops", {}).get("camera", {}).get("state") == "waiting")
    configure(bed, DEMONSTRATION)
    bed.sh("systemctl restart affect-edge")
    assert bed.run("affect-edge", "status").returncode == 0
    bed.sh("dpkg --remove affect-edge 2>&1")
    assert bed.run("ls", "/opt/affect-edge", check=False).returncode != 0
    bed.sh("test -e /var/lib/private/affect-edge/journal.db; test -e /etc/affect-edge/config.toml")
    bed.sh("dpkg --purge affect-edge 2>&1")
    assert bed.sh("find /etc /opt /usr /var -name '*affect-edge*'").split() == []
