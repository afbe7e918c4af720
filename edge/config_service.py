"""The sections of the configuration that are about running for months: supervision, pause, indicator and heat."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from edge.config_sections import Section, UserPath
from edge.service.gpio import parse_line
from edge.service.quiet_hours import QuietHours


def _check_line(text: str) -> str:
    parse_line(text)
    return text


def _check_hours(entries: list[str]) -> list[str]:
    QuietHours(entries)
    return entries


def _check_absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("write the whole path, from / on: who asks for a pause may be in another folder")
    return path


GpioLine = Annotated[str, Field(min_length=1), AfterValidator(_check_line)]
"""A GPIO line as text; checked to be of the right form, not to be there."""


class ServiceConfig(Section):
    """How `affect-edge service` keeps camera, microphone and text going."""

    stall_seconds: float = Field(
        default=20.0,
        ge=1,
        le=3600,
        description="Seconds without progress after which a camera, microphone or text is closed and opened anew.",
    )
    restarts: int = Field(
        default=5, ge=1, le=1000, description="Times that one may fail within the window before its pauses grow long."
    )
    restart_window: float = Field(default=600.0, ge=1, le=86400, description="Seconds over which failures are counted.")
    backoff_seconds: float = Field(
        default=60.0,
        ge=1,
        le=86400,
        description="Seconds of the first long pause between two attempts; it doubles each time, up to ten minutes.",
    )


class PauseConfig(Section):
    """What makes the service close camera, microphone and text, beside `affect-edge pause` and SIGUSR1."""

    file: Annotated[UserPath, AfterValidator(_check_absolute)] | None = Field(
        default=None,
        description="While this file is there, nothing is sensed; its first line may be the end (2026-11-01T18:00, or "
        "seconds since 1970). `affect-edge pause` writes it. Not in /tmp or /home, which the unit hides from the "
        "service. Left out: 'pause' in the service's runtime folder.",
    )
    button: GpioLine | None = Field(
        default=None,
        description="GPIO line of a button that pauses and resumes: its name ('GPIO17'), or 'CHIP:NUMBER'.",
    )
    button_active_low: bool = Field(
        default=True,
        description="Whether the button connects the line to ground (and the board's pull-up is used), not to 3.3 V.",
    )
    quiet_hours: Annotated[list[str], AfterValidator(_check_hours)] = Field(
        default=[],
        description="Hours in which nothing is sensed, by local time: '22:00-06:30' each day, 'sat,sun 00:00-24:00', "
        "'mon-fri 08:00-17:00'.",
    )
    clock_wait: float = Field(
        default=900.0,
        ge=0,
        le=86400,
        description="Seconds after the board's start until when quiet hours wait (paused) for the clock to be set over "
        "the network; from then on the clock is believed as it is, unless it is before 2024.",
    )


class IndicatorConfig(Section):
    """What shows people that camera or microphone is open."""

    led: GpioLine | None = Field(
        default=None, description="GPIO line of a lamp: its name ('GPIO27'), or 'CHIP:NUMBER'."
    )
    led_active_low: bool = Field(default=False, description="Whether the lamp is lit when the line is low.")
    command: Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None,
        description="A program and its arguments, without a shell; it is run with 'on' added before a device is "
        "opened and with 'off' after the last one is closed, and killed after 5 seconds.",
    )
    required: bool = Field(
        default=False, description="Whether nothing may be sensed while the indicator cannot be shown."
    )

    @model_validator(mode="after")
    def _check(self) -> IndicatorConfig:
        if self.required and self.led is None and self.command is None:
            raise ValueError("an indicator is required, and none is named; set led or command")
        return self


class HeatConfig(Section):
    """When the camera is slowed down to spare a hot board."""

    enabled: bool = Field(default=True, description="Whether fewer frames are looked at while the board is hot.")
    high: float = Field(
        default=80.0, ge=20, le=150, description="Degrees Celsius from which on fewer frames are looked at."
    )
    low: float = Field(default=74.0, ge=0, le=149, description="Degrees Celsius below which more are looked at again.")
    hold: float = Field(
        default=60.0, ge=10, le=3600, description="Seconds below `low` before each step back to all frames."
    )
    slowest: int = Field(
        default=8,
        ge=1,
        le=64,
        description="Of how many frames one is looked at when it is hottest; on the way there it is every 2nd, 4th...",
    )

    @model_validator(mode="after")
    def _check(self) -> HeatConfig:
        if self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) has to be below high ({self.high:g})")
        return self
