"""A benchmark's document as a board would write it."""

from __future__ import annotations

from typing import Any

from edge.bench.document import Document


def document(**changes: Any) -> Document:
    """Of a Raspberry Pi; `changes` replace whole parts."""
    moment = {
        "at_s": 0.0,
        "governors": {"policy0": "ondemand"},
        "clocks_mhz": {"policy0": 1500.0},
        "celsius": 50.0,
        "throttled": [],
        "load": 0.1,
    }
    times = {"min_ms": 1.0, "p50_ms": 2.0, "p90_ms": 3.0, "p99_ms": 4.0}
    fast = times | {
        "count": 90,
        "mean_ms": 2.5,
        "models_ms": 2.0,
        "overhead": 0.25,
        "cpu_overhead": 0.2,
        "invocations": 1.3,
    }
    paced = times | {
        "seconds": 2.0,
        "due": 31,
        "missed": 1,
        "a_second": 15.0,
        "cpu_ms_a_second": 55.0,
        "observations": 30,
    }
    memory = {"start_mb": 13.0, "loaded_mb": 80.0, "peak_mb": 97.0, "after_mb": None}
    sample = {
        "frames_a_second": 20.0,
        "ms_a_second_of_sound": 10.0,
        "clock_mhz": 1500.0,
        "throttled": [],
        "watts": 4.5,
        "memory_mb": 120.0,
    }
    whole: dict[str, Any] = {
        "kind": "affect-edge bench",
        "schema": 1,
        "started": "2026-11-22T09:00:00+00:00",
        "seconds": 30.0,
        "interrupted": False,
        "protocol": {
            "quick": True,
            "rounds": 2,
            "repeats": 60,
            "seconds": 0.2,
            "loop_seconds": 2.0,
            "starts": 1,
            "minutes": 0.0,
            "threads": [1, 2],
            "clock": "time.perf_counter_ns",
            "own_processes": True,
        },
        "machine": {
            "board": "Raspberry Pi 4 Model B Rev 1.4",
            "cpu": "Cortex-A72",
            "cores": 4,
            "architecture": "aarch64",
            "memory_mb": 3977.0,
            "os": "Debian GNU/Linux 12 (bookworm)",
            "kernel": "Linux 6.6",
            "emulator": None,
        },
        "versions": {
            "affect_edge": "0.1.0",
            "python": "CPython 3.11.2",
            "numpy": "2.0",
            "opencv": "4.10",
            "runtimes": {"litert": "2.3.0"},
        },
        "state": {
            "start": moment,
            "end": moment | {"at_s": 30.0},
            "governor_changes": [],
            "hottest_celsius": 61.0,
            "throttled": [],
        },
        "models": [
            times
            | {
                "model": "expression/expression",
                "version": "2",
                "sha256": "a" * 64,
                "accelerator": "cpu",
                "threads": threads,
                "runtime": "litert 2.3.0",
                "software": False,
                "load_ms": 20.0,
                "first_ms": 3.0,
                "warmup": 10,
                "repeats": 60,
                "rounds": 2,
            }
            for threads in (1, 2)
        ],
        "camera": {
            "scene": "the demonstration",
            "width": 640,
            "height": 480,
            "fps": 15.0,
            "detector": "face_near",
            "expression": "expression",
            "runtime": "litert 2.3.0",
            "memory": memory,
            "back_to_back": fast,
            "frames_a_second": 400.0,
            "searched": 0.3,
            "observed": 1.0,
            "paced": paced,
        },
        "microphone": {
            "sound": "a voice",
            "rate": 48000,
            "model": "speech",
            "hop_s": 0.5,
            "runtime": "litert 2.3.0",
            "memory": memory,
            "back_to_back": fast,
            "ms_a_second": 4.0,
            "real_time_factor": 0.004,
            "silence_ms_a_second": 1.0,
            "paced": paced,
        },
        "start": {"first_s": 3.0, "starts": 1, "min_s": 2.0, "p50_s": 2.0, "max_s": 2.0, "peak_mb": 95.0},
        "energy": {
            "meter": "INA sensors of the board: VDD_IN",
            "rails": ["VDD_IN"],
            "phases": [
                {"phase": "idle", "seconds": 2.0, "joules": 6.0, "watts": 3.0, "above_idle_watts": None},
                {"phase": "camera", "seconds": 2.0, "joules": 8.0, "watts": 4.0, "above_idle_watts": 1.0},
            ],
        },
        "cross_check": [
            {
                "model": "expression/expression",
                "threads": 1,
                "repeats": 60,
                "own_p50_ms": 2.0,
                "tool_p50_ms": 1.9,
                "ratio": 1.053,
            }
        ],
        "sustained": {
            "planned_s": 60.0,
            "seconds": 60.0,
            "samples": [sample | {"at_s": float(at), "celsius": 50.0 + at / 5} for at in range(5, 61, 5)],
            "kept": 0.9,
            "hottest_celsius": 62.0,
            "slowest_mhz": 1500.0,
            "throttled": [],
        },
        "absent": [{"what": "gpu", "reason": "GPU: there is no Vulkan | none"}],
        "not_measured": [],
        "notes": [],
    }
    return Document.model_validate(whole | changes)
