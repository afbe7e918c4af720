"""Latency on a board: a real sshd on this machine's loopback, with keys and a port of its own."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from converter import board_script, remote
from converter.bench import Effort
from converter.remote import Board
from edge.errors import BoardError, ModelError

SMALL = Path(__file__).parents[1] / "data" / "small_int8.tflite"
QUICK = Effort(threads=(1, 2), turns=2, seconds=5)
WAIT = 30
"""Seconds within which a process has to begin or end; none takes nearly so long."""


@pytest.mark.parametrize(
    ("url", "board"),
    [
        ("ssh://pi@raspberrypi.local", Board("raspberrypi.local", "pi")),
        ("ssh://jetson", Board("jetson")),
        ("ssh://MyAlias:2222/", Board("MyAlias", None, 2222)),
        ("ssh://pi@10.0.0.7:22/usr/bin/python3.11", Board("10.0.0.7", "pi", 22, "/usr/bin/python3.11")),
        ("ssh://pi@[fe80::1]:22/~/my%20env/bin/python", Board("fe80::1", "pi", 22, "~/my env/bin/python")),
    ],
)
def test_addresses(url: str, board: Board) -> None:
    assert remote.parse(url) == board


@pytest.mark.parametrize(
    "url",
    [
        "pi@raspberrypi",
        "http://pi@board",
        "ssh://",
        "ssh://-oProxyCommand=touch%20x",
        "ssh://-l@board",
        "ssh://board:port",
        "ssh://a b",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(BoardError, match=r"is no address of a board: write ssh://user@host"):
        remote.parse(url)


def test_passwords_are_refused() -> None:
    with pytest.raises(BoardError, match="use a key"):
        remote.parse("ssh://pi:raspberry@board")


def test_without_ssh() -> None:
    with pytest.raises(BoardError, match="install it with  apt install openssh-client"):
        remote.measure(Board("board"), {}, ssh=("no-such-ssh",))


@dataclass(frozen=True)
class Loopback:
    """The machine that we are on, reached by ssh."""

    board: Board
    ssh: tuple[str, ...]
    folder: Path

    def script(self, text: str) -> Board:
        """A board whose Python is this shell script."""
        path = self.folder / "a python's stand-in"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return replace(self.board, python=str(path))


@pytest.fixture(scope="module")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    sshd = shutil.which("sshd") or shutil.which("/usr/sbin/sshd")
    if sshd is None or shutil.which("ssh") is None:
        pytest.skip("needs openssh-server and openssh-client")
    folder = tmp_path_factory.mktemp("ssh")
    for name in ("host", "user", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copyfile(folder / "user.pub", folder / "authorized")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/authorized\nPasswordAuthentication no\nPermitRootLogin yes\n"
    )
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    (folder / "ssh_config").write_text(
        f"IdentityFile {folder}/user\nIdentitiesOnly yes\nIdentityAgent none\n"
        f"UserKnownHostsFile {folder}/known\nGlobalKnownHostsFile /dev/null\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd shuts its unprivileged part in
    log = folder / "sshd.log"
    server = subprocess.Popen([sshd, "-D", "-f", str(folder / "sshd_config"), "-E", str(log)])
    try:
        wait_until(lambda: listens(port) or server.poll() is not None)
        if server.poll() is not None:
            pytest.skip(f"sshd does not start here: {log.read_text().strip()}")
        board = Board("127.0.0.1", getpass.getuser(), port, sys.executable)
        yield Loopback(board, ("ssh", "-F", str(folder / "ssh_config")), folder)
    finally:
        server.terminate()
        server.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(holds: object) -> None:
    deadline = time.monotonic() + WAIT
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_models_are_timed_over_there(loopback: Loopback, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"no model")
    files = {"small": SMALL, "broken": broken}
    found = remote.measure(loopback.board, files, effort=QUICK, progress=False, ssh=loopback.ssh)
    assert set(found.timings) == {"small"}
    assert set(found.timings["small"]) == {1, 2}
    assert found.timings["small"][2].median > 0
    assert set(found.errors) == {"broken"}
    assert found.machine.where == str(loopback.board)
    assert found.machine.runtime.startswith("litert ")


def test_a_login_script_that_talks_does_no_harm(loopback: Loopback) -> None:
    board = loopback.script(f'echo Welcome; exec {sys.executable} "$@"')
    assert remote.measure(board, {}, progress=False, ssh=loopback.ssh).machine.cores >= 1


def test_nothing_is_written_there(loopback: Loopback, tmp_path: Path) -> None:
    board = loopback.script(f'cd {tmp_path}; HOME={tmp_path} TMPDIR={tmp_path} exec {sys.executable} "$@"')
    assert remote.measure(board, {"a": SMALL}, effort=QUICK, progress=False, ssh=loopback.ssh).timings
    assert list(tmp_path.iterdir()) == []


def test_the_script_ends_when_the_connection_does(loopback: Loopback, tmp_path: Path) -> None:
    board = loopback.script(f'echo $$ > {tmp_path}/pid; exec {sys.executable} "$@"')
    script, model = Path(board_script.__file__).read_bytes(), SMALL.read_bytes()
    order = {"files": [("a", len(model))], "threads": [1], "turns": 10**9, "seconds": 10**9}
    sent = b"%d\n%b%b\n%b" % (len(script), script, json.dumps(order).encode(), model)
    ssh = subprocess.Popen(remote._command(board, loopback.ssh), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert ssh.stdin is not None and ssh.stdout is not None
    with ssh.stdin, ssh.stdout:
        ssh.stdin.write(sent)
        ssh.stdin.flush()
        while b'"done"' not in ssh.stdout.readline():
            assert ssh.poll() is None
        there = Path("/proc") / (tmp_path / "pid").read_text().strip()
        assert there.exists()
        ssh.kill()
        ssh.wait()
    wait_until(lambda: not there.exists())


def test_no_python_there(loopback: Loopback) -> None:
    board = replace(loopback.board, python="/nowhere/bin/python3")
    with pytest.raises(
        BoardError, match=r"/nowhere/bin/python3 does not run there: .*(not found|No such file).*python3 3\.7 or later"
    ):
        remote.measure(board, {}, progress=False, ssh=loopback.ssh)


def test_no_interpreter_there(loopback: Loopback) -> None:
    board = loopback.script(f'exec {sys.executable} -I -S "$@"')  # without site-packages
    with pytest.raises(ModelError, match=r"^ssh://.*numpy: No module named .*pip install"):
        remote.measure(board, {}, progress=False, ssh=loopback.ssh)


def test_the_script_breaks_off_there(loopback: Loopback) -> None:
    hello = board_script.MARK + json.dumps({"machine": {"name": "x"}})
    board = loopback.script(f"echo '{hello}'; echo Killed >&2; exit 137")
    with pytest.raises(BoardError, match="ended early: Killed; has the board enough memory"):
        remote.measure(board, {}, progress=False, ssh=loopback.ssh)


def test_the_connection_is_lost(loopback: Loopback) -> None:
    hello = board_script.MARK + json.dumps({"machine": {"name": "x"}, "at": "a"})
    # The parent's parent is the sshd that serves this connection.
    kill = "kill -9 $(cut -d' ' -f4 /proc/$PPID/stat)"
    board = loopback.script(f"echo '{hello}'; sleep 0.5; {kill}; sleep 5")
    with pytest.raises(BoardError, match="the connection was lost"):
        remote.measure(board, {"a": SMALL}, progress=False, ssh=loopback.ssh)


def test_a_key_that_is_not_let_in(loopback: Loopback) -> None:
    config = (loopback.folder / "ssh_config").read_text().replace("/user\n", "/stranger\n")
    (loopback.folder / "stranger_config").write_text(config)
    ssh = ("ssh", "-F", str(loopback.folder / "stranger_config"))
    with pytest.raises(BoardError, match=rf"Permission denied.* ssh-copy-id -p {loopback.board.port} "):
        remote.measure(loopback.board, {}, progress=False, ssh=ssh)


def test_a_host_that_is_not_known_is_not_trusted(loopback: Loopback) -> None:
    ssh = (*loopback.ssh, "-o", "UserKnownHostsFile=/dev/null")
    with pytest.raises(BoardError, match="connect once by hand with  ssh -p "):
        remote.measure(loopback.board, {}, progress=False, ssh=ssh)


def test_nobody_listens(loopback: Loopback) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        board = replace(loopback.board, port=int(taken.getsockname()[1]))
        with pytest.raises(BoardError, match=r"Connection refused.*is ssh switched on there"):
            remote.measure(board, {}, progress=False, ssh=loopback.ssh)
