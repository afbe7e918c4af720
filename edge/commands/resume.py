"""Have the service open camera, microphone and text again after a pause.

It lifts what `affect-edge pause`, the button or SIGUSR1 has asked for. Quiet hours go on to their end: they are changed
in the configuration ([pause] quiet_hours).

exit codes:
  0  no pause stands any more    1  that could not be done    3  no service runs

example:
  sudo affect-edge resume
"""

from __future__ import annotations

import argparse

from edge.commands.pause import add_config_argument, find_service

HELP = "have the service open camera and microphone again after a pause"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    from edge.service.pause_file import withdraw

    _, status, path = find_service(arguments.config)
    if withdraw(path):
        print(f"the service is asked to resume ({path} is gone)")
    else:
        print(f"no pause was asked for (there is no {path})")
        if status.get("doing") == "paused":
            print(f"what the service says: {status.get('reason')}")
    return 0
