"""What the kernel tells about clocks and governors, and why a sensor says nothing."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path("/")
_POLICIES = "sys/devices/system/cpu/cpufreq"


def governors(root: Path = _ROOT) -> dict[str, str]:
    """Who chooses the clock of each cpufreq policy, such as {'policy0': 'ondemand'}; those that can be read."""
    return _each_policy(root, "scaling_governor")


def clocks(root: Path = _ROOT) -> dict[str, float]:
    """Of each cpufreq policy, Megahertz; those that can be read."""
    found = {}
    for policy, text in _each_policy(root, "scaling_cur_freq").items():
        try:
            found[policy] = int(text) / 1000
        except ValueError:  # "<unsupported>"
            continue
    return found


def why_no_policy(name: str, root: Path = _ROOT) -> str:
    """Why neither a governor ('scaling_governor') nor a clock ('scaling_cur_freq') is known."""
    folder = root / _POLICIES
    files = sorted(folder.glob(f"policy*/{name}"))
    if not files:
        return f"{folder} has no policy: a virtual machine, or a kernel without cpufreq"
    return why_unreadable(files[0])


def why_no_temperature(root: Path = _ROOT) -> str:
    """Why `edge.board.temperatures` found nothing."""
    folder = root / "sys/class/thermal"
    files = sorted(folder.glob("thermal_zone*/temp"))
    if not files:
        return f"{folder} has no thermal zone: a virtual machine, or no sensor that the kernel knows"
    return why_unreadable(files[0])


def why_unreadable(file: Path) -> str:
    """What happens when it is read, in words."""
    try:
        text = file.read_text(errors="replace").strip()
    except PermissionError:
        return f"{file}: no permission to read it: run as root, or  sudo chmod a+r {file}"
    except OSError as error:
        return f"{file}: cannot be read: {error.strerror}"
    return f"{file}: says '{text[:40]}', which is no reading"


def _each_policy(root: Path, name: str) -> dict[str, str]:
    found = {}
    folder = root / _POLICIES
    for policy in sorted(folder.glob("policy[0-9]*"), key=lambda path: (len(path.name), path.name)):
        try:
            found[policy.name] = (policy / name).read_text().strip()
        except (OSError, UnicodeDecodeError):  # no permission, or a core that was switched off
            continue
    return found
