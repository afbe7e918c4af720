"""Times .tflite files on whatever machine it runs on: the one part of the converter that is sent to a board.

It stands alone: the standard library, NumPy and one of the three interpreters, Python 3.7 or later. Nothing is written
to the machine's disk: `bench` starts Python there with `BOOTSTRAP`, which reads this file from its standard input, and
the models follow in the same stream. The answers are lines on standard output that begin with `MARK`; others, such as
a login script's, are not ours.
"""

from __future__ import annotations

import json
import os
import platform
import random
import sys
import time
from pathlib import Path
from typing import Any

MARK = "affect-edge-bench "

BOOTSTRAP = "import sys; n = int(sys.stdin.buffer.readline()); exec(sys.stdin.buffer.read(n).decode())"
"""The first line of the input is the length of this file; no single quotes, so that any shell hands it on."""

RUNTIMES = (  # name, distribution, module: those of edge.inference.interpreter, in the same order
    ("litert", "ai-edge-litert", "ai_edge_litert.interpreter"),
    ("tflite-runtime", "tflite-runtime", "tflite_runtime.interpreter"),
    ("tensorflow", "tensorflow", "tensorflow"),
)

BURST = 3
"""Runs of one file in a row that are counted, after one that is not: it finds the caches, and the threads that some
kernels keep spinning for a while, as another file left them."""

LEAST_TURNS = 5


def main() -> None:
    """Read an order and its files from standard input, time them, and answer."""
    stream = sys.stdin.buffer
    order = json.loads(stream.readline())
    files = [(str(name), stream.read(size)) for name, size in order["files"]]
    cores = len(os.sched_getaffinity(0))
    said: dict[str, Any] = {"machine": _machine(cores)}
    try:
        import numpy
    except Exception as error:
        _say({**said, "missing": ["numpy: " + _one_line(error)]})
        return
    runtime, failures = _runtime()
    if runtime is None:
        _say({**said, "missing": failures})
        return
    name, version, interpreter_class = runtime
    said["machine"].update(runtime=name + " " + version, numpy=numpy.__version__)
    _say(said)
    threads = order["threads"] or default_threads(cores)
    others = _Others()
    for position, count in enumerate(threads):
        timings, errors = _time(interpreter_class, files, count, order, (position / len(threads), 1 / len(threads)))
        _say({"threads": count, "timings": timings, "errors": errors})
    _say({"end": {"temperature_c": _temperature(), "others": others.cores()}})


def default_threads(cores: int) -> list[int]:
    """1, 2, 4 and so on, up to all cores."""
    return sorted({count for count in (1, 2, 4, 8) if count < cores} | {min(cores, 8)})


def _time(
    interpreter_class: Any,
    files: list[tuple[str, bytes]],
    threads: int,
    order: dict[str, Any],
    share: tuple[float, float],
) -> tuple[dict[str, Any], dict[str, str]]:
    """Milliseconds of each file with so many threads, and what kept others from running.

    The files take turns in an order that is shuffled anew, so that the machine's moods meet all alike. One number of
    threads is finished before the next begins: interpreters of all numbers at once would not fit a small board.
    `share` tells what part of the whole was done before, and what part this is.
    """
    invokes: dict[str, Any] = {}
    errors: dict[str, str] = {}
    turn_seconds = 0.0
    for name, content in files:
        _say({"at": name})
        try:
            # Should the process die of it, the line above has told of which.
            invoke = _load(interpreter_class, content, threads)
            invoke()
            turn_seconds += (BURST + 1) * _seconds(invoke)
            invokes[name] = invoke
        except (RuntimeError, ValueError, SystemError, MemoryError) as error:
            errors[name] = _one_line(error)
    _say({"at": None})
    affordable = int(order["seconds"] / turn_seconds) if invokes else 0
    turns = min(order["turns"], max(LEAST_TURNS, affordable))
    names = list(invokes)
    taken: dict[str, list[float]] = {name: [] for name in names}
    shuffler = random.Random(0)
    for turn in range(turns):
        shuffler.shuffle(names)
        for name in names:
            invoke = invokes[name]
            invoke()
            taken[name].extend(_seconds(invoke) for _ in range(BURST))
        _say({"done": share[0] + share[1] * (turn + 1) / turns})
    return {name: _spread(taken[name]) for name in taken}, errors


def _load(interpreter_class: Any, content: bytes, threads: int) -> Any:
    """The `invoke` of a file, its input set to zeros, which are valid for numbers and for entries of a table."""
    import numpy as np

    interpreter = interpreter_class(model_content=content, num_threads=threads)
    interpreter.allocate_tensors()
    for entry in interpreter.get_input_details():
        interpreter.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))
    return interpreter.invoke


def _seconds(invoke: Any) -> float:
    began = time.perf_counter()
    invoke()
    return time.perf_counter() - began


def _spread(seconds: list[float]) -> dict[str, Any]:
    import numpy as np

    p5, median, p95 = (1000 * float(value) for value in np.percentile(seconds, [5, 50, 95]))
    return {"median": median, "p5": p5, "p95": p95, "runs": len(seconds)}


def _runtime() -> tuple[tuple[str, str, Any] | None, list[str]]:
    """Name, version and class of the first interpreter that can be imported; and why the others cannot."""
    import importlib
    import importlib.util

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    failures = []
    for name, distribution, module in RUNTIMES:
        if importlib.util.find_spec(module.partition(".")[0]) is None:
            continue
        try:
            loaded = importlib.import_module(module)
            found = loaded.lite.Interpreter if name == "tensorflow" else loaded.Interpreter
        # A native module that was built for another machine or NumPy raises all kinds.
        except Exception as error:
            failures.append(distribution + ": " + _one_line(error))
            continue
        return (name, _version(distribution), found), failures
    return None, failures


def _version(distribution: str) -> str:
    try:
        from importlib.metadata import version  # Python 3.8

        return version(distribution)
    except Exception:
        return "unknown"


class _Others:
    """How much processor time other processes take."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), _system_seconds(), _own_seconds()

    def cores(self) -> float | None:
        """Of how many cores on average, since the beginning; None where Linux's /proc/stat cannot be read."""
        began, system, own = self._began
        now = _system_seconds()
        if system is None or now is None:
            return None
        return max(0.0, round((now - system - (_own_seconds() - own)) / (time.perf_counter() - began), 2))


def _system_seconds() -> float | None:
    """Seconds for which a core of the machine was not idle, all cores together."""
    text = _read("/proc/stat")
    if text is None:
        return None
    # user, nice, system, idle, iowait, irq, softirq, steal; the guests' are among the user's.
    ticks = [int(field) for field in text.splitlines()[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    return sum(os.times()[:2])


def _machine(cores: int) -> dict[str, Any]:
    return {
        "name": _board() or _processor() or platform.machine(),
        "system": " ".join((platform.system(), platform.release(), platform.machine())),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "cores": cores,
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "temperature_c": _temperature(),
    }


def _board() -> str | None:
    return _read("/proc/device-tree/model")


def _processor() -> str | None:
    for line in (_read("/proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model"):
            return value.strip()
    return None


def _temperature() -> float | None:
    text = _read("/sys/class/thermal/thermal_zone0/temp")
    return int(text) / 1000 if text and text.lstrip("-").isdigit() else None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _say(what: dict[str, Any]) -> None:
    print(MARK + json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
