"""Made-up /sys and /proc trees, as boards have them."""

from __future__ import annotations

from pathlib import Path


def put(root: Path, files: dict[str, str]) -> Path:
    """Write the files below `root`; returns it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def raspberry_pi(root: Path, governor: str = "ondemand") -> Path:
    """A Raspberry Pi 4, cool and at 1.5 GHz."""
    policy = "sys/devices/system/cpu/cpufreq/policy0"
    return put(
        root,
        {
            "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
            "proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n\nSerial\t: 1000abcdef01\n",
            "proc/meminfo": "MemTotal:        3884000 kB\nMemFree: 1 kB\n",
            "etc/os-release": 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
            f"{policy}/scaling_governor": f"{governor}\n",
            f"{policy}/scaling_cur_freq": "1500000\n",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "48312\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "50000\n",
        },
    )


def jetson(root: Path) -> Path:
    """The rails of an Orin Nano: what all takes, and two parts of it."""
    chip = "sys/class/hwmon/hwmon1"
    files = {f"{chip}/name": "ina3221\n"}
    for number, (name, millivolts, milliamperes) in enumerate(
        [("VDD_IN", 5000, 1200), ("VDD_CPU_GPU_CV", 5000, 300), ("VDD_SOC", 5000, 200)], start=1
    ):
        files |= {
            f"{chip}/in{number}_label": f"{name}\n",
            f"{chip}/in{number}_input": f"{millivolts}\n",
            f"{chip}/curr{number}_input": f"{milliamperes}\n",
        }
    return put(root, files)


def pc(root: Path, microjoules: int = 1_000_000) -> Path:
    """RAPL of one package, with the cores as a part of it."""
    package = "sys/class/powercap/intel-rapl:0"
    return put(
        root,
        {
            f"{package}/name": "package-0\n",
            f"{package}/energy_uj": f"{microjoules}\n",
            f"{package}/max_energy_range_uj": "2000000\n",
            "sys/class/powercap/intel-rapl:0:0/name": "core\n",
            "sys/class/powercap/intel-rapl:0:0/energy_uj": "5\n",
        },
    )
