"""What the emulated board left behind: read, judged, and written into a document."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.fetching import UnavailableError
from benchmarks.measuring import Results

_WORDS = (
    "machine",
    "boot_seconds",
    "install_seconds",
    "sensing_seconds",
    "held_before",
    "held_paused",
    "status_paused",
    "resumed",
    "came_back",
    "kept",
    "stop_seconds",
    "stop_result",
    "security",
)


def read(folder: Path) -> Results:
    """Everything in the board's folder of results, as plain types; what is missing is None.

    Raises
    ------
    UnavailableError
        The board did not come to its end.
    """
    if not (folder / "complete").is_file():
        done = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
        raise UnavailableError(f"board: it did not come to its end; there are {', '.join(done) or 'no results'}")
    found: Results = {name: _number(_text(folder / name)) for name in _WORDS}
    found["properties"] = dict(
        line.split("=", 1) for line in (_text(folder / "properties") or "").splitlines() if "=" in line
    )
    status = _text(folder / "status.json")
    found["status"] = json.loads(status) if status else None
    found["observations"] = _observations(folder / "observations.jsonl")
    found["summary"] = _text(folder / "summary.txt")
    found["events"] = _text(folder / "events.txt")
    found["journald"] = (_text(folder / "journald.txt") or "").splitlines()
    return found


def check(results: Results) -> list[str]:
    """What went wrong, in words; empty if nothing did."""
    loops = (results["status"] or {}).get("loops", {})
    counts = results["observations"]
    wrong = [f"the {kind} did not run" for kind in ("camera", "microphone") if not _runs(loops.get(kind))]
    wrong += [f"nothing was observed of {kind}" for kind in ("face", "speech") if not counts.get(kind)]
    expected = {
        "held_paused": (0, "devices were open while it was paused"),
        "status_paused": (4, "`affect-edge status` did not tell the pause"),
        "resumed": ("yes", "it did not resume"),
        "came_back": ("yes", "it did not come back after it was killed"),
        "stop_result": ("success", "it did not stop cleanly"),
    }
    wrong += [f"{words}: {results[name]}" for name, (value, words) in expected.items() if results[name] != value]
    if not (results["held_before"] or 0):
        wrong.append("nobody had the devices open while it sensed")
    if not isinstance(results["kept"], int) or results["kept"] < 0:
        wrong.append(f"records were lost when it was killed: {results['kept']}")
    if not results["journald"]:
        wrong.append("journald has nothing of it")
    return wrong


def as_markdown(results: Results, machine: Results) -> str:
    """A summary of a run, for a document or the screen."""
    properties, status = results["properties"], results["status"] or {}
    rows = [
        ("board", f"{results['machine']}; QEMU {results['cpu']}"),
        ("emulated on", f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_average']}"),
        ("package", results["package"]),
        ("from power to systemd", f"{results['boot_seconds']} s"),
        ("package installed by systemd", f"after {results['install_seconds']} s"),
        *(_loop(kind, loop) for kind, loop in status.get("loops", {}).items()),
        ("observed", _counted(results)),
        ("memory of the service", f"{int(properties.get('MemoryCurrent', 0)) / 1e6:.0f} MB"),
        ("processor time of the service", f"{int(properties.get('CPUUsageNSec', 0)) / 1e9:.0f} s"),
        ("systemd-analyze security", str(results["security"]).lstrip("→ ").replace("affect-edge.service: ", "")),
        (
            "paused",
            f"{results['held_before']} held the devices, then {results['held_paused']}; resumed: {results['resumed']}",
        ),
        ("killed (SIGKILL)", f"came back: {results['came_back']}; records lost: {max(0, -(results['kept'] or 0))}"),
        ("stopped", f"{results['stop_result']}, in {results['stop_seconds']} s"),
        ("the whole run", f"{results['seconds'] / 60:.0f} minutes"),
        ("failed", "; ".join(check(results)) or "nothing"),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    parts = [f"| | |\n|---|---|\n{table}"]
    for title, text in (
        ("`affect-edge log summary`", results["summary"]),
        ("`affect-edge log events`", results["events"]),
        ("`journalctl -u affect-edge`, the first and the last lines", _ends(results["journald"])),
    ):
        parts.append(f"{title}:\n\n```\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def _text(file: Path) -> str | None:
    return file.read_text(errors="replace").strip() if file.is_file() else None


def _number(text: str | None) -> Any:
    for kind in (int, float):
        try:
            return kind(text or "")
        except ValueError:
            continue
    return text


def _observations(file: Path) -> dict[str, dict[str, int]]:
    """How often each label of each modality was recorded."""
    counts: dict[str, Counter[str]] = {}
    for line in (_text(file) or "").splitlines():
        record = json.loads(line)
        counts.setdefault(record["modality"], Counter())[record["label"]] += 1
    return {modality: dict(labels.most_common()) for modality, labels in counts.items()}


def _runs(loop: dict[str, Any] | None) -> bool:
    return loop is not None and loop["state"] == "running" and not loop["restarts"]


def _loop(kind: str, loop: dict[str, Any]) -> tuple[str, str]:
    return kind, f"{loop['source']}: {loop['state']}, {loop['rate']:.1f} a second, begun anew {loop['restarts']} times"


def _counted(results: Results) -> str:
    parts = (
        f"{sum(labels.values())} of {modality} ({', '.join(f'{label} {count}' for label, count in labels.items())})"
        for modality, labels in results["observations"].items()
    )
    return f"{'; '.join(parts) or 'nothing'} in {results['sensing_seconds']} s"


def _ends(lines: list[str], count: int = 12) -> str:
    return "\n".join(lines if len(lines) <= 2 * count else [*lines[:count], "...", *lines[-count:]])
