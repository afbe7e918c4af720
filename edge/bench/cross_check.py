"""LiteRT's own benchmark, which the ai-edge-litert wheel installs as `litert-benchmark`: a second opinion on a time."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge.bench.child import Child, JobError, NoProcessError, python_command
from edge.bench.settings import Settings

_MODULE = "ai_edge_litert.tools.benchmark_litert_model"
_MEDIAN = re.compile(r"^Inference \(median\):\s+([\d.]+) ms", re.MULTILINE)
_PATIENCE = 120.0
_WARMUP = 10

LEAST_MS = 0.1
"""The tool tells hundredths of a millisecond: of shorter times, more than a tenth would be rounding."""


def cross_checks(
    settings: Settings, models: Mapping[str, Path], times: Mapping[str, float]
) -> Iterator[dict[str, Any]]:
    """Time models by the tool and by us, one thread on the CPU; yields 'row's of `document.CrossCheck`, or 'absent's.

    Parameters
    ----------
    settings
        With `quick`, the expression model alone.
    models
        Their files.
    times
        Milliseconds that they take.

    Raises
    ------
    NoProcessError
        No process can be started here.
    """
    if reason := why_absent():
        yield {"absent": "cross-check", "reason": reason}
        return
    names = list(models)
    if settings.quick:
        names = [name for name in names if name.startswith("expression/")][:1] or names[:1]
    for name in names:
        if times[name] < LEAST_MS:
            reason = f"takes under {LEAST_MS} ms, of which litert-benchmark tells hundredths only"
        else:
            try:
                yield {"row": _cross_check(settings, name, models[name], times[name])}
                continue
            except NoProcessError:
                raise
            except JobError as error:
                reason = str(error)
        yield {"absent": f"cross-check: {name}", "reason": reason}


def _cross_check(settings: Settings, name: str, path: Path, about_ms: float) -> dict[str, Any]:
    """The tool between two runs of ours, each in a process of its own; with --quick, beside the model's row."""
    repeats = max(10, min(settings.repeats, round(1e3 * settings.seconds / about_ms)))
    before = after = about_ms
    if not settings.quick:
        before = _own_median_ms(settings, name, path, repeats)
    tool = tool_median_ms(path, threads=1, repeats=repeats, warmup=_WARMUP, launcher=settings.launcher)
    if not settings.quick:
        after = _own_median_ms(settings, name, path, repeats)
    own = (before + after) / 2
    return {
        "model": name,
        "threads": 1,
        "repeats": repeats,
        "own_p50_ms": round(own, 4),
        "tool_p50_ms": tool,
        "ratio": round(own / tool, 3),
    }


def _own_median_ms(settings: Settings, name: str, path: Path, repeats: int) -> float:
    options = {"models": [[name, str(path)]], "threads": [1], "rounds": 1, "repeats": repeats, "seconds": 60.0}
    with Child("models", options, launcher=settings.launcher) as child:
        for event in child.events():
            if "model" in event:
                return float(event["model"]["p50_ms"])
            raise JobError(str(event["reason"]))
    raise JobError("gave no time")


def why_absent() -> str | None:
    """Why the tool cannot be used; None where it can, as far as can be seen."""
    try:
        found = importlib.util.find_spec(_MODULE)
    except ModuleNotFoundError:
        found = None
    if found is None:
        return "litert-benchmark is not installed (ai-edge-litert 2 brings it)"
    if importlib.util.find_spec("ml_dtypes") is None:
        return "litert-benchmark needs the package 'ml_dtypes', which does not come with it: pip install ml_dtypes"
    return None


def tool_median_ms(model: Path, *, threads: int, repeats: int, warmup: int, launcher: str | None) -> float:
    """What the tool says a model takes, milliseconds, rounded to hundredths.

    Raises
    ------
    NoProcessError
        No process can be started here.
    JobError
        It failed; says how.
    """
    command = [
        *python_command(launcher, _MODULE),
        f"--model={model}",
        f"--num_threads={threads}",
        f"--num_runs={repeats}",
        f"--warmup_runs={warmup}",
    ]
    try:
        child = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE, errors="replace"
        )
    except OSError as error:
        raise NoProcessError(f"no process can be started ({error.strerror or error})") from None
    except subprocess.TimeoutExpired:
        raise JobError(f"litert-benchmark did not end within {_PATIENCE:g} s") from None
    if child.returncode == 0 and (found := _MEDIAN.search(child.stdout)):
        return float(found[1])
    said = [line.strip() for line in child.stderr.splitlines() if "Error" in line and not line.startswith("INFO")]
    raise JobError(f"litert-benchmark failed: {(said or ['no reason given'])[-1][:200]}")
