"""Measures part after part, and keeps what was measured whatever ends it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from edge.bench import cross_check, remarks, startup
from edge.bench.checklist import Checklist
from edge.bench.child import Child, Event, JobError, NoProcessError, run_job
from edge.bench.document import KIND, SCHEMA, Document, Reason
from edge.bench.energy import Meter, board_meter
from edge.bench.machine import cores, machine, versions
from edge.bench.settings import THREADS, Settings
from edge.bench.sustained import sustained
from edge.bench.timing import CLOCK
from edge.bench.watch import Watch
from edge.errors import AffectEdgeError, ModelError
from edge.inference.catalog import InstalledModel, list_models, model_folders

_LOOP_PARTS = ("memory", "back to back", "at its pace")


class Bench:
    """One run.

    Parameters
    ----------
    settings
        What is measured, and for how long.
    say
        Given a line about what comes next.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None] = lambda line: None) -> None:
        self.settings = settings
        self._say = say
        self._checklist = Checklist()
        self._absent: list[Reason] = []
        self._notes: list[str] = []
        self._found: dict[str, Any] = {"camera": None, "microphone": None, "start": None, "sustained": None}
        self._rows: dict[tuple[str, str, int], dict[str, Any]] = {}
        self._cross_check: list[dict[str, Any]] = []
        self._phases: list[tuple[str, float, float]] = []
        self._own_processes = True
        self._threads = list(settings.threads or [count for count in THREADS if count <= cores()])

    def run(self) -> Document:
        """Measure; Ctrl-C ends it early, and what was measured until then is in the document, which says so.

        Raises
        ------
        ModelError
            No model is installed.
        """
        settings = self.settings
        models = list_models()
        if not models:
            looked_in = ", ".join(str(folder) for folder in model_folders())
            raise ModelError(f"no model is installed; looked in {looked_in}")
        began, started = time.monotonic(), datetime.now(timezone.utc)
        self._plan(models)
        # Before all else: what follows can be interrupted, and is not to lose what was measured.
        about = {"machine": machine(settings.root), "versions": versions()}
        meter = self._meter()
        watch = Watch(meter, root=settings.root, vcgencmd=settings.vcgencmd)
        start = watch.moment()
        interrupted = False
        with watch:
            try:
                for name, part in self._parts(models, meter, watch):
                    watch.during = name
                    self._say(name)
                    self._measure(name, part)
            except KeyboardInterrupt:
                interrupted = True
            watch.during = "the end"
            end = watch.moment()
        if meter is not None and watch.energy_error:
            self._absent.append(Reason(what="energy", reason=f"{meter.name}: {watch.energy_error}"))
        if interrupted:
            self._tell_cut_rows()
        self._absent += remarks.absent_sensors(start, settings)
        self._notes += remarks.notes(start, end, watch, cores())
        return Document.model_validate(
            {
                "kind": KIND,
                "schema": SCHEMA,
                "started": started.isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - began, 1),
                "interrupted": interrupted,
                "protocol": self._protocol(),
                **about,
                "state": {
                    "start": start,
                    "end": end,
                    "governor_changes": watch.changes,
                    "hottest_celsius": watch.hottest,
                    "throttled": sorted(watch.throttled),
                },
                "models": list(self._rows.values()),
                **self._found,
                "energy": remarks.energy(meter, watch, self._phases),
                "cross_check": self._cross_check,
                "absent": self._absent,
                "not_measured": self._checklist.reasons("interrupted" if interrupted else "failed without a reason"),
                "notes": self._notes,
            }
        )

    def _plan(self, models: list[InstalledModel]) -> None:
        parts, plan = self.settings.parts, self._checklist.plan
        if "models" in parts:
            plan(f"models: {_name(model)}, cpu, {count} threads" for count in self._threads for model in models)
            if self.settings.threads is None:
                self._absent += [
                    Reason(what=f"{count} threads", reason=f"this process may use {cores()} cores")
                    for count in THREADS
                    if count > cores()
                ]
        plan(part for part in ("gpu", "start", "cross-check") if part in parts)
        plan(f"{loop}: {what}" for loop in ("camera", "microphone") if loop in parts for what in _LOOP_PARTS)
        if self.settings.minutes:
            plan(["sustained"])

    def _meter(self) -> Meter | None:
        if self.settings.meter is not None:
            from edge.bench.usb_meter import UsbMeter

            try:
                return UsbMeter(self.settings.meter)
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else str(error)
                self._absent.append(Reason(what="energy: USB meter", reason=f"{self.settings.meter}: {why}"))
        meter, reasons = board_meter(self.settings.root)
        self._absent += [Reason(what=what, reason=reason) for what, reason in reasons]
        return meter

    def _parts(
        self, models: list[InstalledModel], meter: Meter | None, watch: Watch
    ) -> Iterator[tuple[str, Callable[[], None]]]:
        settings = self.settings
        named = [[_name(model), str(model.path)] for model in models]
        common = {"rounds": settings.rounds, "repeats": settings.repeats, "seconds": settings.seconds}
        loop = {
            "config": str(settings.config.resolve()) if settings.config else None,
            "seconds": settings.loop_seconds,
            "paced": settings.loop_seconds,
        }
        if meter is not None:
            yield "idle", lambda: self._idle(settings.idle_seconds)
        options: dict[str, Mapping[str, Any]] = {
            "models": {"models": named, "threads": self._threads, **common},
            "gpu": {"models": named, "quick": settings.quick, **common},
            "camera": {**loop, "frames": settings.frames},
            "microphone": {**loop, "hops": settings.hops},
        }
        for job, given in options.items():
            if job in settings.parts:
                yield job, lambda job=job, given=given: self._run_job(job, given)  # type: ignore[misc]
        if "start" in settings.parts:
            yield "start", self._start
        if "cross-check" in settings.parts:
            yield "cross-check", lambda: self._cross(models)
        if settings.minutes:
            yield "sustained", lambda: self._sustain(watch)

    def _measure(self, name: str, part: Callable[[], None]) -> None:
        try:
            part()
            if self._checklist.is_open(name):
                self._checklist.fail(name, "ended without saying so")
        except (AffectEdgeError, ImportError) as error:  # such as OpenCV, which a part alone needs
            self._checklist.fail(name, str(error))

    def _idle(self, seconds: float) -> None:
        began = time.monotonic()
        time.sleep(seconds)
        self._phases.append(("idle", began, time.monotonic()))

    def _run_job(self, job: str, options: Mapping[str, Any]) -> None:
        for event in self._events(job, options):
            self._take(job, event)
        if job == "gpu":
            self._checklist.done("gpu")

    def _events(self, job: str, options: Mapping[str, Any]) -> Iterator[Event]:
        if self._own_processes:
            try:
                child = Child(job, options, launcher=self.settings.launcher)
            except NoProcessError as error:
                self._own_processes = False
                self._notes.append(f"{error}: all was measured in one process, whose memory holds what went before")
            else:
                with child:
                    yield from child.events()
                return
        try:
            yield from run_job(job, options)
        except AffectEdgeError:
            raise
        except Exception as error:  # as in a process of its own, it ends this part alone
            raise JobError(f"{type(error).__name__}: {error}") from error

    def _take(self, job: str, event: Event) -> None:
        if "model" in event:
            row = event["model"]
            self._rows[row["model"], row["accelerator"], row["threads"]] = row
            self._checklist.done(f"models: {row['model']}, {row['accelerator']}, {row['threads']} threads")
        elif "failed" in event:
            self._checklist.fail(f"models: {event['failed']}", event["reason"])
        elif "absent" in event:
            self._absent.append(Reason(what=event["absent"], reason=event["reason"]))
        elif "phase" in event:
            self._phases.append((event["phase"], event["begin"], event["end"]))
        else:
            figures = event[job]
            self._found[job] = figures
            for what in _LOOP_PARTS:
                if figures.get(what.replace("at its pace", "paced").replace(" ", "_")):
                    self._checklist.done(f"{job}: {what}")

    def _start(self) -> None:
        from edge.bench.scene import why_no_face

        if reason := why_no_face():
            self._absent.append(Reason(what="start", reason=reason))
            self._checklist.done("start")
            return
        for figures in startup.starts(self.settings):
            self._found["start"] = figures
        self._checklist.done("start")

    def _cross(self, models: list[InstalledModel]) -> None:
        times = {row["model"]: row["p50_ms"] for row in self._rows.values() if _is_plain(row)}
        paths = {_name(model): model.path for model in models if _name(model) in times}
        for event in cross_check.cross_checks(self.settings, paths, times):
            if "row" in event:
                self._cross_check.append(event["row"])
            else:
                self._absent.append(Reason(what=event["absent"], reason=event["reason"]))
        self._checklist.done("cross-check")

    def _sustain(self, watch: Watch) -> None:
        # Told anew with each sample, so that what interrupts it leaves what was measured.
        with contextlib.closing(sustained(self.settings, watch)) as states:
            for figures in states:
                self._found["sustained"] = figures
        self._checklist.done("sustained")

    def _tell_cut_rows(self) -> None:
        """Models that were begun: their rows stand, of fewer rounds than was meant."""
        rounds = self.settings.rounds
        for row in self._rows.values():
            if row["rounds"] < rounds:
                what = f"models: {row['model']}, {row['accelerator']}, {row['threads']} threads"
                left = f"rounds {row['rounds'] + 1} to {rounds}" if row["rounds"] + 1 < rounds else f"round {rounds}"
                self._checklist.plan([f"{what}: {left}"])

    def _protocol(self) -> dict[str, Any]:
        settings = self.settings
        return {
            "quick": settings.quick,
            "rounds": settings.rounds,
            "repeats": settings.repeats,
            "seconds": settings.seconds,
            "loop_seconds": settings.loop_seconds,
            "starts": settings.starts,
            "minutes": settings.minutes,
            "threads": self._threads,
            "clock": CLOCK,
            "own_processes": self._own_processes,
        }


def _name(model: InstalledModel) -> str:
    return f"{model.task}/{model.name}"


def _is_plain(row: Mapping[str, Any]) -> bool:
    return bool(row["accelerator"] == "cpu" and row["threads"] == 1)
