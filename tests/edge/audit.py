"""A program for a process of its own that tells what a command opens."""

WATCHED = """
import sys
seen = []
def hook(event, args):
    if event.startswith("socket.") and event != "socket.gethostname":
        seen.append((event, str(args[:1])))
    if event == "open" and isinstance(args[0], str) and (set(str(args[1] or "r")) & set("wax+") or (args[2] or 0) & 3):
        seen.append((event, args[0]))
sys.addaudithook(hook)
from edge.cli import main
code = main(sys.argv[1:])
print("code", code)
for event in seen:
    print(*event)
"""
"""Runs `affect-edge` with its arguments, prints 'code' and the exit code, then every socket and every file opened for
writing, as the interpreter's audit hook sees them."""
