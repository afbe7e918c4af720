from __future__ import annotations

from pathlib import Path

import pytest

from edge.config import Config, InvalidConfigError, parse_config


def test_nothing_of_it_is_needed() -> None:
    config = Config()
    assert config.pause.quiet_hours == []
    assert (config.pause.file, config.pause.button, config.indicator.led, config.indicator.command) == (None,) * 4
    assert not config.indicator.required
    assert config.heat.enabled
    assert config.heat.low < config.heat.high


def test_reads_all_of_it() -> None:
    text = """
        [service]
        stall_seconds = 30
        [pause]
        file = "~/away"
        button = "gpiochip0:17"
        quiet_hours = ["22:00-06:30", "sat 00:00-24:00"]
        [indicator]
        led = "GPIO27"
        led_active_low = true
        command = ["/usr/local/bin/lamp", "--red"]
        required = true
        [heat]
        high = 70
        low = 65.5
        slowest = 4
    """
    config = parse_config(text, Path("c.toml"))
    assert config.service.stall_seconds == 30
    assert config.pause.file == Path.home() / "away"
    assert config.pause.quiet_hours == ["22:00-06:30", "sat 00:00-24:00"]
    assert config.indicator.command == ["/usr/local/bin/lamp", "--red"]
    assert (config.heat.high, config.heat.low, config.heat.slowest) == (70, 65.5, 4)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "[pause]\nquiet_hours = ['22:00']",
            "c.toml:2: pause.quiet_hours: ['22:00'] is not allowed: '22:00': write such",
        ),
        ("[pause]\nquiet_hours = ['06:00-05:00', 'mon 5-6']", "'mon 5-6': write such as '22:00-06:30'"),
        ("[pause]\nquiet_hours = ['00:00-24:00']", "the whole week is quiet"),
        ("[pause]\nquiet_hours = '22:00-06:30'", "it takes a list of text in quotes"),
        ("[pause]\nfile = 'away'", 'c.toml:2: pause.file: "away" is not allowed: write the whole path'),
        ("[pause]\nbutton = '17'", "write the line's name, such as 'GPIO17', or its chip too"),
        ("[pause]\nbutton = 17", "pause.button: 17 is not allowed; it takes text in quotes"),
        ("[pause]\nclock_wait = -1", "it takes a number from 0 to 86400"),
        ("[indicator]\nled = 'GPIO 27'", "'GPIO 27' is not a GPIO line"),
        ("[indicator]\ncommand = []", "it takes a list of text in quotes, not empty"),
        ("[indicator]\ncommand = 'lamp'", "it takes a list of text in quotes, not empty"),
        ("\n[indicator]\nrequired = true", "c.toml:2: indicator: an indicator is required, and none is named"),
        ("[heat]\nlow = 80", "c.toml:1: heat: low (80) has to be below high (80)"),
        ("[heat]\nslowest = 0", "it takes a whole number from 1 to 64"),
        ("[service]\nrestarts = 0", "it takes a whole number from 1 to 1000"),
        ("[quiet]\nhours = []", "unknown section"),
    ],
)
def test_says_what_is_wrong_and_the_mend(text: str, told: str) -> None:
    with pytest.raises(InvalidConfigError) as raised:
        parse_config(text, Path("c.toml"))
    assert told.replace("['22:00']", '["22:00"]') in str(raised.value)
