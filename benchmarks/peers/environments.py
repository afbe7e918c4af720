"""Makes the environments that peers run in: for each a folder of its own, by pip or npm, as its users install it.

The versions are pinned in benchmarks/peers/system.py. One that is there already is left as it is; what was begun and
did not end is removed. `fer` and `librosa` bring TensorFlow, so they take gigabytes and minutes.

examples:
  python -m benchmarks.peers.environments ../peers                        all of them
  python -m benchmarks.peers.environments ../peers mediapipe face-api     these
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import measuring
from benchmarks.fetching import UnavailableError, call
from benchmarks.peers.places import INSTALLED, NODE
from benchmarks.peers.system import ENVIRONMENTS


def make(folder: Path, name: str) -> bool:
    """Make one environment; returns whether it had to be made.

    Raises
    ------
    UnavailableError
        pip or npm fails, or the folder holds something else.
    """
    home = folder / name
    done = home / INSTALLED
    if done.is_file():
        return False
    if home.is_dir() and any(home.iterdir()):
        raise UnavailableError(f"{home}: holds something else, or an environment cut short: remove it, or name another")
    home.mkdir(parents=True, exist_ok=True)
    try:
        for command in commands(home, name):
            call(command, name)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    done.touch()
    return True


def commands(home: Path, name: str) -> list[list[str]]:
    """What makes an environment in an empty folder."""
    packages = ENVIRONMENTS[name]
    if name == NODE:
        npm = ["npm", "install", "--prefix", str(home), "--no-audit", "--no-fund", "--ignore-scripts", *packages]
        return [npm]
    python = str(home / "bin" / "python")
    return [
        [sys.executable, "-m", "venv", str(home)],
        [python, "-m", "pip", "install", "--quiet", *packages],
    ]


def run(arguments: argparse.Namespace) -> int:
    for name in arguments.names or ENVIRONMENTS:
        made = make(arguments.folder, name)
        print(f"{arguments.folder / name}: {'made' if made else 'there already'}", flush=True)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.plain_parser("benchmarks.peers.environments", __doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="where they are made")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(ENVIRONMENTS)} (default: all)")
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.names) - ENVIRONMENTS.keys():
        parser.error(f"there is no environment {', '.join(sorted(unknown))}; there are {', '.join(ENVIRONMENTS)}")
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
