#!/bin/sh
# Make a virtual environment and install this checkout into it, editable.
# usage: make_venv.sh PYTHON FOLDER [EXTRAS]      without extras: the runtime and the demonstration's portraits
set -eu

python=$1 folder=$2 extras=${3:-}

"$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' || {
    echo "affect-edge runs on Python 3.10 to 3.13; $python is $("$python" --version 2>&1)." >&2
    echo "Name another:  make PYTHON=python3.12 ..." >&2
    exit 1
}

# Debian and Raspberry Pi OS keep ensurepip, which venv needs, in a package of its own.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    package="python3-venv"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing $package, which virtual environments need" >&2
        apt-get update -qq && apt-get install -y -qq "$package"
    else
        echo "Python's venv is missing. Install it:  sudo apt install $package" >&2
        exit 1
    fi
fi

echo "installing affect-edge${extras:+[$extras]} into $folder (once)" >&2
# Picamera2 comes from apt on Raspberry Pi OS; only an environment that sees the system's packages can import it.
if "$python" -c 'import picamera2' 2>/dev/null; then
    "$python" -m venv --system-site-packages "$folder"
else
    "$python" -m venv "$folder"
fi
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".${extras:+[$extras]}"
[ -n "$extras" ] || "$folder/bin/python" firmware_config/take_portraits.py

# The microphone's PyAudio is compiled here against PortAudio, for it has no wheels. Everything else works without it, so
# nothing of this may end the script.
install_microphone() {
    "$folder/bin/python" -c 'import pyaudio' 2>/dev/null && return
    missing=""
    [ -e /usr/include/portaudio.h ] || [ -e /usr/local/include/portaudio.h ] || missing="$missing portaudio19-dev"
    command -v cc >/dev/null || missing="$missing gcc libc6-dev"
    # Debian keeps its own Python's headers in a package; others bring them along.
    "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' ||
        missing="$missing python3-dev"
    if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing$missing, which the microphone needs" >&2
        # shellcheck disable=SC2086
        apt-get update -qq >/dev/null 2>&1 && apt-get install -y -qq $missing >/dev/null 2>&1 && missing=""
    fi
    # Also where something is missing: piwheels.org has wheels for 32-bit Raspberry Pi OS.
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "affect-edge[microphone]" >/dev/null 2>&1 &&
        "$folder/bin/python" -c 'import pyaudio' 2>/dev/null && return
    echo "PyAudio could not be built: all works but the microphone. To have that too:" >&2
    echo "  ${missing:+sudo apt install$missing && }$folder/bin/python -m pip install 'affect-edge[microphone]'" >&2
}
install_microphone || true
