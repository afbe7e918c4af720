"""Tell how the service goes: what it senses, how fast, what it had to begin anew, and whether it is paused.

exit codes:
  0  it senses    1  it runs, but a loop waits for its device    3  no service runs    4  it is paused

examples:
  affect-edge status
  affect-edge status --json | jq .loops.camera.rate
"""

from __future__ import annotations

import argparse
from typing import Any

HELP = "tell how the service goes"

_OLD_SECONDS = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the service's status file as it is")


def run(arguments: argparse.Namespace) -> int:
    import json
    import time

    from edge.service.status import read_status, service_folder

    folder = service_folder()
    document = read_status(folder)
    age = time.time() - document["written"]
    if arguments.json:
        print(json.dumps(document, indent=2))
    else:
        _print(document, age)
    if document["doing"] != "sensing":
        return 4
    return 0 if all(loop["state"] in ("running", "done") for loop in document["loops"].values()) else 1


def _print(document: dict[str, Any], age: float) -> None:
    import time

    reason = f": {document['reason']}" if document["reason"] else ""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(document["began"]))
    print(f"{document['doing']}{reason}  (pid {document['pid']}, since {since})")
    if age > _OLD_SECONDS:
        print(f"the status is {age:.0f} s old: the service hangs, or the clock was set")
    for kind, loop in document["loops"].items():
        source = loop["source"] or loop["spec"]
        again = f", begun anew {loop['restarts']} times" if loop["restarts"] else ""
        print(f"{kind:<11} {loop['state']:<9} {source}, {loop['rate']:.1f} a second{again}")
        if loop["error"]:
            print(f"{'':<11} {loop['error']}")
    journal = document["journal"]
    if journal is None:
        print("journal     none")
    else:
        trouble = f"; {journal['error']}" if journal["error"] else ""
        print(f"journal     {journal['written']} records in {journal['path']}, {journal['dropped']} lost{trouble}")
    if document["heat"]["reason"]:
        print(f"heat        one frame of {document['heat']['every']}: {document['heat']['reason']}")
    print(f"config      {document['config'] or 'the defaults'}")
