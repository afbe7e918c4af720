#!/bin/sh
# Install affect-edge as a service, or upgrade it: the version in use stays until the new one has shown that it works,
# and comes back if the service does not get ready with the new one. Configuration and journal are kept.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
. "$here/version.sh"

usage() {
    cat <<'USAGE'
usage: install.sh [options]

Installs this checkout as a systemd service, or upgrades it. May be run again at any time.

  --dry-run        say each step and what it is for; change nothing
  --wheel FILE     install this wheel of affect-edge; what it needs comes from pip's index
  --from DIR       install from a folder of wheels: affect-edge and all that it needs; no network is used
  --python PYTHON  Python 3.10 to 3.13, below /usr (default: the first of python3, python3.13 ... python3.10)
  --with NAME      let the service have more, from now on:
                     network  streams and integrations        gpu   the GPU        jetson  a Jetson's GPU
                     gpio     a button, a light                card  system log in memory, to spare the SD card
  --without NAME   and no more
  --no-apt         install no Debian packages
  --no-start       do not start the service, for images that are being built
  --packaged       for the Debian package, which brings units and rules along itself

The installed copies, /opt/affect-edge/current/firmware_config/install.sh and the Debian package's
/usr/share/affect-edge/firmware_config/install.sh, take --with and --without alone.
Which index pip uses is said as always: /etc/pip.conf, PIP_INDEX_URL.
Exit codes: 0 done, 1 not done (an upgrade: the former version runs on), 2 wrong usage.
USAGE
}

wheel="" wheels="" python="" use_apt=1 start=1 packaged="" with="" without=""

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
        --wheel | --from | --python | --with | --without)
            [ $# -ge 2 ] || wrong "$1 needs a value"
            ;;
        esac
        case $1 in
        --dry-run) dry_run=1 ;;
        --wheel) wheel=$2 && shift ;;
        --from) wheels=$2 && shift ;;
        --python) python=$2 && shift ;;
        --with) known "$2" && with="$with $2" && shift ;;
        --without) known "$2" && without="$without $2" && shift ;;
        --no-apt) use_apt="" ;;
        --no-start) start="" ;;
        --packaged) packaged=1 use_apt="" ;;
        -h | --help) usage && exit 0 ;;
        *) wrong "unknown option $1" ;;
        esac
        shift
    done
    if [ "$here" = "$PACKAGED" ]; then packaged=1 use_apt=""; fi
    [ -z "$wheel" ] || [ -z "$wheels" ] || wrong "--wheel and --from do not go together"
    case " $with " in *" jetson "*) with="$with gpu" ;; esac
}

wrong() {
    echo "affect-edge: $*; see install.sh --help" >&2
    exit 2
}

known() {
    case " $OPTIONS " in
    *" $1 "*) ;;
    *) wrong "there is no '$1' to have; known are: $OPTIONS" ;;
    esac
}

check_machine() {
    step "look at this machine"
    check_root
    [ "$(uname -s)" = Linux ] || require "it runs on Linux"
    command -v systemctl >/dev/null || require "there is no systemd here; run  affect-edge run  from your own init"
    if [ -n "$start" ] && ! systemd_runs; then
        if [ -n "$packaged" ]; then
            start=""
        else
            require "systemd does not run here (a container, a chroot?); --no-start prepares the service for later"
        fi
    fi
    if [ -z "$packaged" ] && dpkg-query -W -f '${Status}' affect-edge 2>/dev/null | grep -q ' installed$'; then
        require "the Debian package affect-edge is installed: upgrade that, call $PACKAGED/install.sh, or remove it"
    fi
    if [ -e "$COMMAND" ] && [ ! -L "$COMMAND" ]; then require "$COMMAND is not ours; move it away"; fi
}

# Debian's own packages: what venv needs, and what is better taken from there than compiled here.
install_packages() {
    [ -n "$use_apt" ] && command -v apt-get >/dev/null || return 0
    missing=""
    python3 -c 'import ensurepip' 2>/dev/null || missing=" python3-venv"
    python3 -c 'import pyaudio' 2>/dev/null || missing="$missing python3-pyaudio"
    if ! python3 -c 'import picamera2' 2>/dev/null && has_candidate python3-picamera2; then
        missing="$missing python3-picamera2"
    fi
    [ -n "$missing" ] || return 0
    step "install what comes from Debian:$missing (python3-venv makes environments, pyaudio reads microphones, \
picamera2 camera modules)"
    run apt-get update -qq || require "apt-get update fails: is there a network? (--no-apt does without)"
    # shellcheck disable=SC2086
    run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
        require "apt-get install$missing fails; see above (--no-apt does without)"
}

has_candidate() { apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [0-9]'; }

# What install.sh had put there itself would hide the package's own.
take_over() {
    if [ -z "$packaged" ] || ! cmp -s "$UNIT" "$PREFIX/$former/firmware_config/systemd/affect-edge.service"; then
        return 0
    fi
    step "leave to the package what was installed without it"
    drop "$UNIT" "$RULES/70-affect-edge.rules"
    if [ "$(readlink "$COMMAND")" = "$PREFIX/current/bin/affect-edge" ]; then drop "$COMMAND"; fi
}

# What systemd and udev read; from a version's own folder, so that an older one brings back its own.
put_files() {
    source=$1/firmware_config
    if [ -n "$dry_run" ]; then source=$here; fi
    changed=""
    if [ -z "$packaged" ]; then
        put "$source/systemd/affect-edge.service" "$UNIT"
        put "$source/udev/70-affect-edge.rules" "$RULES/70-affect-edge.rules"
        if [ ! -e "$CONFIG" ]; then put "$source/config.toml" "$CONFIG"; fi
        if [ "$(readlink "$COMMAND")" != "$PREFIX/current/bin/affect-edge" ]; then
            run ln -sfn "$PREFIX/current/bin/affect-edge" "$COMMAND"
        fi
    fi
    for name in network gpu jetson gpio; do
        if [ -e "$DROP_INS/$name.conf" ]; then put "$source/systemd/$name.conf" "$DROP_INS/$name.conf"; fi
    done
    reload
}

# systemd and udev read it.
reload() {
    if ! systemd_runs; then return 0; fi
    run systemctl daemon-reload
    if [ -n "$changed" ] && [ -S /run/udev/control ]; then
        run udevadm control --reload || true
        run udevadm trigger --action=change --subsystem-match=media --subsystem-match=dma_heap \
            --subsystem-match=gpio || true
    fi
}

# --with and --without.
choose() {
    changed=""
    for name in $with; do
        step "let the service have: $name"
        case $name in
        card) put "$here/journald/affect-edge.conf" "$JOURNALD" && restart_journald ;;
        gpio)
            need_group gpio
            put "$here/udev/70-affect-edge-gpio.rules" "$GPIO_RULES"
            put "$here/systemd/gpio.conf" "$DROP_INS/gpio.conf"
            ;;
        gpu)
            need_group render
            put "$here/systemd/gpu.conf" "$DROP_INS/gpu.conf"
            ;;
        *) put "$here/systemd/$name.conf" "$DROP_INS/$name.conf" ;;
        esac
    done
    for name in $without; do
        step "take from the service: $name"
        case $name in
        card) drop "$JOURNALD" && restart_journald ;;
        gpio) drop "$DROP_INS/gpio.conf" "$GPIO_RULES" ;;
        gpu) drop "$DROP_INS/gpu.conf" "$DROP_INS/jetson.conf" ;;
        *) drop "$DROP_INS/$name.conf" ;;
        esac
    done
    if [ -d "$DROP_INS" ]; then run rmdir --ignore-fail-on-non-empty "$DROP_INS"; fi
    reload
}

# A unit that names a group which is not there does not start.
need_group() {
    if ! getent group "$1" >/dev/null; then run groupadd --system "$1"; fi
}

main() {
    parse "$@"
    check_machine
    lock
    former=$(readlink "$PREFIX/current" 2>/dev/null) || former=""
    was_ready=""
    if systemd_runs && systemctl -q is-active affect-edge 2>/dev/null; then was_ready=1; fi
    install_packages
    make_version
    step "write what systemd and udev read"
    take_over
    put_files "$version"
    choose
    step "take $(basename "$version") into use"
    switch_to "$version"
    if [ -z "$former" ]; then run systemctl enable --quiet affect-edge; fi
    if [ -n "$start" ]; then start_or_go_back; fi
    tidy
    if [ -n "$dry_run" ]; then
        say "this was a dry run: nothing was changed${warned:+, and it would have ended at the first !}"
    else
        say "${version##*/} is installed. Settings: $CONFIG. Look:  affect-edge status; journalctl -u affect-edge"
    fi
}

start_or_go_back() {
    step "start the service and wait until it has seen its first frame or heard its first sound"
    start_anew
    if [ -n "$dry_run" ] || is_ready; then return 0; fi
    state=$(show ActiveState)
    said=$(show StatusText)
    if [ -n "$was_ready" ] && [ "$former" != "${version##*/}" ]; then
        go_back
    elif [ "$state" = failed ] || [ "$(show NRestarts)" != 0 ]; then
        tell_journal
        fail "installed, but the service does not start; see above. Mend it, then:  sudo systemctl restart affect-edge"
    fi
    say "the service runs and waits for its first frame or sound: ${said:-it says nothing yet}"
}

# Stopped first, so that its restarts are counted from 0: which they are not where it was waiting for the next one.
start_anew() {
    run systemctl stop affect-edge
    run systemctl reset-failed affect-edge 2>/dev/null || true
    run systemctl start --no-block affect-edge
}

# Within a minute and a half, or as long as gpu.conf gives it to measure the GPU; and still so a moment later.
is_ready() {
    limit=90
    if [ -e "$DROP_INS/gpu.conf" ]; then limit=900; fi
    while [ "$limit" -gt 0 ]; do
        sleep 1
        limit=$((limit - 1))
        case $(show ActiveState) in
        active) sleep 3 && [ "$(show ActiveState)$(show NRestarts)" = active0 ] && return ;;
        failed) return 1 ;;
        esac
        if [ "$(show NRestarts)" -gt 1 ]; then return 1; fi
        # Nothing plugged in yet: at a first installation that need not be awaited for long.
        if [ -z "$was_ready" ] && [ "$limit" -lt 60 ] && [ "$(show StatusText)" ]; then return 1; fi
    done
    return 1
}

show() { systemctl show --property="$1" --value affect-edge; }

tell_journal() {
    echo "--- what it said:" >&2
    journalctl -u affect-edge -n 15 --no-pager -o cat >&2 || true
    echo "---" >&2
}

go_back() {
    tell_journal
    say "not ready with ${version##*/}: back to $former" >&2
    switch_to "$PREFIX/$former"
    put_files "$PREFIX/$former"
    start_anew
    rm -rf "$version"
    if ! is_ready; then
        fail "$former does not get ready again either: $(show StatusText); see  journalctl -u affect-edge"
    fi
    fail "the upgrade was taken back; $former runs"
}

# On one line, which the shell has read whole: the rest of this file may be replaced meanwhile.
main "$@"; exit
