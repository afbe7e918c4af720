"""Watch, listen and read for months: the same as `affect-edge run`, supervised.

What fails or stalls is closed and opened anew; systemd, if it started this, is told when the service is ready and that
it is alive. Nothing is printed but the service's own log, on stderr. What is observed goes into the journal.

signals:
  SIGTERM, SIGINT   end: devices are closed, the journal is committed
  SIGHUP            read the configuration anew; a broken one is told and the old one goes on
  SIGUSR1, SIGUSR2  pause (camera and microphone are closed), resume

exit codes:
  0  told to end, or every source came to its end    1   a device hangs so that only a new process can mend it
  2  wrong usage                                     78  a configuration that cannot be used

The files for systemd are in firmware_config/; `affect-edge status` tells how it goes, `affect-edge pause` and
`affect-edge resume` close and open the devices.

examples:
  affect-edge service                       the configuration of this user or this machine
  affect-edge service --config site.toml
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge.commands.run import NOTICE

HELP = "the same, supervised, for months: for systemd"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration (TOML); see validate-config")


def run(arguments: argparse.Namespace) -> int:
    import faulthandler
    import logging
    import os
    import signal

    # systemd's watchdog ends a process that hangs with SIGABRT: then each thread says where it stood.
    faulthandler.enable(file=2)
    # Until the supervisor takes the signals: there is nothing yet that would have to be put in order.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))

    from edge.config import load_config
    from edge.service.assembly import assemble
    from edge.service.notify import Notifier
    from edge.service.status import runtime_folder
    from edge.service.supervisor import Supervisor

    config = load_config(arguments.config)
    if not arguments.verbose:
        logging.getLogger().setLevel(config.logging.level.upper())
    print(NOTICE, file=sys.stderr)
    folder = runtime_folder()
    setup = assemble(config, folder=folder)
    supervisor = Supervisor(
        setup,
        rebuild=lambda present: assemble(load_config(arguments.config), folder=folder, previous=present),
        notifier=Notifier(),
        folder=folder,
    )
    exit_code = supervisor.run()
    if behind := supervisor.left_behind:
        logging.getLogger(__name__).error("%s did not end in time; left behind", " and ".join(behind))
        # A thread that hangs in a driver would hold up the interpreter's own end.
        logging.shutdown()
        sys.stderr.flush()
        os._exit(exit_code)
    return exit_code
