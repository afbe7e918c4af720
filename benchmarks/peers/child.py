"""One system in a process of its own: runs under any Python from 3.9 on that has NumPy and what the system needs.

It needs nothing of this project, for it runs in environments that hold one peer and nothing else. It is started with
the adapter's file and its settings as JSON:

    {"files": {NAME: PATH}, "threads": "shipped" or "one", "scratch": DIR, "distributions": [NAME], "editable": [PATH]}

Each request on stdin is a line of JSON and, after it, as many bytes as it tells; each answer is a line of JSON:

    {"item": {"kind": "frame", "shape": [480, 640, 3], "time": S}, "bytes": N}   uint8, BGR
    {"item": {"kind": "sound", "shape": [8000], "rate": 16000}, "bytes": N}      float32
    {"item": {"kind": "text"}, "bytes": N}                                       UTF-8
    {"item": {"kind": "face", "shape": [48, 48]}, "bytes": N}                    uint8 grey, a face alone
    {"about": "process"}                                                         Python, CPU time, memory, threads
    {"about": "disk"}                                                            versions, what the packages take up
    {"prepare": {NAME: VALUE}}                                                   the adapter's own `prepare`

An item's seconds are those from its decoded input to its answer, the pipe not among them.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)
"""Variables that libraries read when they are loaded."""


def restrain() -> None:
    """One thread where a library lets itself be told, and one core for those that do not."""
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def load_adapter(path: str) -> Any:
    """The module in a file, which lies on no path of imports."""
    spec = importlib.util.spec_from_file_location("adapter", path)
    assert spec is not None and spec.loader is not None  # it is a .py file
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_item(about: dict[str, Any], data: bytes) -> Any:
    """An array or a text."""
    import numpy as np

    if about["kind"] == "text":
        return data.decode()
    kind = np.float32 if about["kind"] == "sound" else np.uint8
    return np.frombuffer(data, kind).reshape(about["shape"]).copy()


def read_exactly(stream: BinaryIO, count: int) -> bytes:
    """That many bytes; ends the process where the pipe ends before."""
    data = stream.read(count)
    if len(data) < count:
        raise SystemExit(0)
    return data


def closure(names: list[str]) -> dict[str, importlib.metadata.Distribution]:
    """The distributions of these names and all that they ask for without an extra, as they are installed here."""
    found: dict[str, importlib.metadata.Distribution] = {}
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform or Python, as its marker says
        for line in found[name].requires or []:
            wanted, _, marker = line.partition(";")
            if "extra" not in marker:
                match = re.match(r"[A-Za-z0-9._-]+", wanted.strip())
                waiting += [match.group()] if match else []
    return found


def disk_bytes(names: list[str], editable: list[str]) -> dict[str, Any]:
    """What the installed packages take up; `editable` are the folders of one that is installed from a checkout."""
    packages = closure(names)
    sizes = {}
    for name, distribution in packages.items():
        files = (Path(str(distribution.locate_file(file))) for file in distribution.files or [])
        sizes[name] = sum(file.stat().st_size for file in files if file.is_file())
    if names and '"editable": true' in (packages[names[0]].read_text("direct_url.json") or ""):
        sizes[names[0]] += sum(folder_bytes(Path(folder)) for folder in editable)
    return {
        "disk_bytes": sum(sizes.values()),
        "packages": len(sizes),
        "versions": {name: packages[name].version for name in sizes if name in names},
    }


def folder_bytes(folder: Path) -> int:
    """All its files, as a wheel would carry them."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def process_status() -> dict[str, int]:
    """VmHWM and VmRSS (KiB) and the threads of this process."""
    status = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("VmHWM", "VmRSS", "Threads"):
            status[name] = int(rest.split()[0])
    return status


class Child:
    """The system: loaded with its first item, so that the time to the first answer holds all of the start."""

    def __init__(self, adapter: str, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._adapter = load_adapter(adapter)
        self._calls: dict[bool, Any] = {}

    def take(self, about: dict[str, Any], data: bytes) -> dict[str, Any]:
        """One item."""
        alone = about["kind"] == "face"
        if alone not in self._calls:
            self._calls[alone] = (self._adapter.expressions if alone else self._adapter.load)(self._settings)
        item = read_item(about, data)
        cpu, began = time.process_time(), time.perf_counter()
        answer = self._calls[alone](item, about)
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
        return {"seconds": seconds, "cpu_seconds": cpu_seconds, "answer": answer}

    def about(self, what: str) -> dict[str, Any]:
        """What this process is and has used, or what it is installed from."""
        if what == "disk":
            return disk_bytes(self._settings["distributions"], self._settings["editable"])
        status = process_status()
        return {
            "runtime": f"Python {platform.python_version()}",
            "cpu_seconds": time.process_time(),
            "peak_kib": status["VmHWM"],
            "resident_kib": status["VmRSS"],
            "threads": status["Threads"],
        }

    def prepare(self, values: dict[str, Any]) -> dict[str, Any]:
        """What a system needs once, before it is measured."""
        told: dict[str, Any] = self._adapter.prepare(values)
        return told


def main() -> None:
    adapter, settings = sys.argv[1], json.loads(sys.argv[2])
    # Some systems greet on stdout: from here on that is stderr, and the answers have the real one to themselves.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    if settings["threads"] == "one":
        restrain()
    child = Child(adapter, settings)
    requests = sys.stdin.buffer
    while line := requests.readline():
        request = json.loads(line)
        if "about" in request:
            answer = child.about(request["about"])
        elif "prepare" in request:
            answer = child.prepare(request["prepare"])
        else:
            answer = child.take(request["item"], read_exactly(requests, request["bytes"]))
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
