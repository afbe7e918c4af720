# shellcheck shell=sh
# One version of affect-edge in a folder of its own below /opt/affect-edge, VERSION-N; `current` names the one in use.
# Sourced by install.sh.

LEAST_MB=900
made="" temporary=""

# Nothing half-made stays: on failure, on Ctrl-C, and after power was cut (the next run finds no file `complete`).
clean_up() {
    if [ -n "$made" ] && [ ! -e "$made/complete" ]; then rm -rf "$made"; fi
    if [ -n "$temporary" ]; then rm -rf "$temporary"; fi
}

find_python() {
    for found_python in ${python:-python3 /usr/bin/python3 python3.13 python3.12 python3.11 python3.10}; do
        "$found_python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null || continue
        # The service sees no home folders, and executes nothing outside /usr and /opt/affect-edge.
        case $("$found_python" -c 'import os, sys; print(os.path.realpath(sys.base_prefix))') in
        /usr | /usr/*) return 0 ;;
        esac
    done
    require "${python:-what is installed} is no Python 3.10 to 3.13 below /usr, where the service can use it; \
sudo apt install python3 python3-venv, or name another with --python"
}

# The wheel to install: the one named, the newest of the folder named, or one made of this checkout.
find_wheel() {
    if [ -n "$wheels" ]; then
        [ -d "$wheels" ] || fail "--from: there is no folder $wheels"
        wheels=$(cd "$wheels" && pwd)
        # shellcheck disable=SC2012
        wheel=$(ls "$wheels"/affect_edge-*.whl 2>/dev/null | sort -V | tail -n 1)
        [ -n "$wheel" ] || fail "--from: there is no affect_edge-*.whl in $wheels"
    elif [ -n "$wheel" ]; then
        [ -f "$wheel" ] || fail "--wheel: there is no file $wheel"
        wheel=$(cd "$(dirname "$wheel")" && pwd)/$(basename "$wheel")
    elif [ ! -e "$here/../setup.cfg" ]; then
        fail "this is no checkout: name what to install with --wheel FILE or --from DIR"
    fi
    case ${wheel##*/} in
    affect_edge-*-*.whl) number=${wheel##*/affect_edge-} && number=${number%%-*} ;;
    "") number=$(sed -n 's/^version = //p' "$here/../setup.cfg") ;;
    *) fail "$wheel is no wheel of affect-edge (affect_edge-VERSION-py3-none-any.whl)" ;;
    esac
}

check_space() {
    place=$PREFIX
    [ -d "$place" ] || place=/
    free=$(df -Pm "$place" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$LEAST_MB" ] || require "$free MB are free for $PREFIX; it needs $LEAST_MB, half of it for a moment"
}

# Sets `version` to the folder of what was asked for: a new one, or the one in use where it is the same, or where this
# is its own copy of the installer, which was asked for --with and --without alone.
make_version() {
    if [ -z "$wheel$wheels" ] && [ ! -e "$here/../setup.cfg" ] && [ -e "$PREFIX/current/complete" ]; then
        version=$PREFIX/$former
        return
    fi
    find_python
    find_wheel
    check_space
    next=1
    while [ -e "$PREFIX/$number-$next/complete" ]; do next=$((next + 1)); done
    version=$PREFIX/$number-$next
    step "make a new environment beside the one in use (${former:-none yet}), and install affect-edge $number there"
    if [ -z "$dry_run" ]; then
        trap clean_up EXIT
        trap 'exit 1' INT TERM HUP
        mkdir -p "$PREFIX"
        # Not in /tmp, which is memory on many devices; nor in pip's cache, which nobody reads again.
        temporary=$(mktemp -d "$PREFIX/.install-XXXXXX")
        export TMPDIR="$temporary" PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
        if [ -n "$wheels" ]; then export PIP_NO_INDEX=1 PIP_FIND_LINKS="$wheels"; fi
        if [ -z "$wheel" ]; then build_wheel; fi
    fi
    system=$("$found_python" -c 'from importlib.util import find_spec
print(*[name for name in ("picamera2", "pyaudio", "gi") if find_spec(name)])' 2>/dev/null) || system=""
    if [ -z "$dry_run" ]; then
        abi=$("$found_python" -c 'import sysconfig; print(sysconfig.get_config_var("SOABI"))')
        mark="$(sha256sum "$wheel" | cut -d ' ' -f 1) $abi $system"
        if [ -n "$former" ] && [ "$(cat "$PREFIX/$former/complete" 2>/dev/null)" = "$mark" ]; then
            say "$former is this very version"
            version=$PREFIX/$former
            refresh_files
            return
        fi
        rm -rf "$version"
        made=$version
    fi
    fill_version
    check_health
    if [ -z "$dry_run" ]; then printf '%s\n' "$mark" >"$version/complete"; fi
}

# setuptools builds in the tree: a copy, so that nothing is left there, and nothing old gets in.
build_wheel() {
    mkdir "$temporary/source" "$temporary/wheel"
    for part in edge converter training models setup.cfg pyproject.toml README.md LICENSE; do
        cp -R "$here/../$part" "$temporary/source/"
    done
    "$found_python" -m venv "$temporary/builder" || fail "no environment can be made: sudo apt install python3-venv"
    SOURCE_DATE_EPOCH=315532800 "$temporary/builder/bin/python" -m pip wheel --quiet --no-deps \
        --wheel-dir "$temporary/wheel" "$temporary/source" ||
        fail "no wheel can be made of this checkout; without a network name one:  --wheel FILE, --from DIR"
    wheel=$(echo "$temporary"/wheel/*.whl)
}

fill_version() {
    # Those three are Debian's (gi is GStreamer's) and are found only by an environment that sees the system's packages.
    # All others are taken anew, so that an upgrade of Debian's does not change ours.
    run "$found_python" -m venv ${system:+--system-site-packages} "$version" ||
        fail "no environment can be made: sudo apt install python3-venv"
    set -- --quiet ${system:+--ignore-installed}
    case $system in
    # Debian's picamera2 is compiled against its NumPy: the next major one breaks it (picamera2's issue 1211).
    *picamera2*)
        major=$("$found_python" -c 'import numpy; print(numpy.__version__.split(".")[0])') ||
            fail "Picamera2 is installed without NumPy: sudo apt install --reinstall python3-picamera2 python3-numpy"
        set -- "$@" "numpy<$((major + 1))"
        ;;
    esac
    run "$version/bin/python" -m pip install "$@" "${wheel:-this checkout}" ||
        fail "pip cannot install it; see above: no network? (--from DIR needs none), disk full?"
    case $system in
    *pyaudio*) ;;
    *)
        run "$version/bin/python" -m pip install --quiet "pyaudio>=0.2.14" 2>/dev/null ||
            say "no PyAudio: all works but the microphone (sudo apt install python3-pyaudio, then run this again)" >&2
        ;;
    esac
    if [ -d "$here/demo" ]; then
        run mkdir -p "$version/share/affect-edge"
        run cp -R "$here/demo" "$version/share/affect-edge/"
    else
        run "$version/bin/python" "$here/take_portraits.py" || true
    fi
    refresh_files
}

# What else belongs to a version: its units, and the way back to itself.
refresh_files() {
    run mkdir -p "$version/firmware_config"
    run cp -R "$here/." "$version/firmware_config"
}

# By an unprivileged user, as the service will be; nothing is opened, nothing kept.
check_health() {
    step "see whether it works: its models, your configuration, three seconds of the demonstration"
    config=$CONFIG
    if [ ! -e "$config" ]; then config=$version/firmware_config/config.toml; fi
    healthy "it does not take your configuration" validate-config "$config"
    healthy "its models are damaged" models verify
    if [ -n "$dry_run" ] || ls "$version"/share/affect-edge/demo/* >/dev/null 2>&1; then
        healthy "it does not run" run --source demo --mic none --no-journal --duration 3
    else
        say "no portraits for the demonstration: the models are checked alone" >&2
    fi
}

# healthy WHAT_IF_NOT ARGUMENTS...
healthy() {
    otherwise=$1
    shift
    run setpriv --reuid=nobody --regid=nogroup --groups=video --no-new-privs env HOME=/ AFFECT_EDGE_CONFIG="$config" \
        "$version/bin/affect-edge" "$@" >"${temporary:-/dev}/null" 2>&1 ||
        fail "$(tail -n 3 "$temporary/null")
the new version is not taken into use: $otherwise${former:+; $former stays}"
}

# At once, so that there is always one in use.
switch_to() {
    run ln -sfn "$(basename "$1")" "$PREFIX/.current.new"
    run mv -fT "$PREFIX/.current.new" "$PREFIX/current"
}

# The former version is kept until the next upgrade; older ones, and what was left half-made, go.
tidy() {
    for folder in "$PREFIX"/*-[0-9]* "$PREFIX"/.install-*; do
        if [ "${version##*/}" = "$former" ] && [ -e "$folder/complete" ]; then continue; fi
        case ${folder##*/} in
        "${version##*/}" | "$former" | '*-[0-9]*' | '.install-*' | "${temporary##*/}") ;;
        *) step "remove ${folder##*/}" && run rm -rf "$folder" ;;
        esac
    done
}
