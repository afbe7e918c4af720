#!/bin/sh
# Runs on the Raspberry Pi, from the folder affect-edge of its boot partition, where prepare_card.sh has put it: turns a
# fresh Raspberry Pi OS Lite into a device. Each step can be done twice, so that power may be cut at any moment.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

UNIT=affect-edge-first-boot.service
CONFIG=/etc/affect-edge/config.toml

usage() {
    cat <<'USAGE'
usage: first_boot.sh arrange|install [--dry-run]

  arrange    have systemd run the rest as soon as there is a network, now or after the next start, until it is done
  install    install the package that lies beside this script, with its settings; the system log goes to memory,
             and nothing is swapped to the card
  --dry-run  say each step and what it is for; change nothing
USAGE
}

say() { echo "affect-edge: $*"; }

step() { echo "* $*"; }

run() {
    if [ -n "$dry_run" ]; then echo "    $*"; else "$@"; fi
}

fail() {
    say "$*" >&2
    exit 1
}

arrange() {
    step "have $UNIT install affect-edge once there is a network"
    if [ -n "$dry_run" ]; then
        echo "    write /etc/systemd/system/$UNIT"
    else
        # A card may be moved to another system, where its boot partition lies elsewhere: the place of this script counts.
        cat >"/etc/systemd/system/$UNIT.new" <<UNIT
[Unit]
Description=Install affect-edge from the boot partition
Wants=network-online.target
After=network-online.target cloud-init.target
RequiresMountsFor=$here
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/bin/sh $here/first_boot.sh install
TimeoutStartSec=infinity
Restart=on-failure
RestartSec=60

[Install]
WantedBy=multi-user.target
UNIT
        mv "/etc/systemd/system/$UNIT.new" "/etc/systemd/system/$UNIT"
    fi
    run systemctl daemon-reload
    run systemctl --quiet enable "$UNIT"
    # Not where the kernel's command line has systemd run this alone, and start anew afterwards. It is not waited for: the
    # network may take its time, and whoever calls this has other things to do.
    if ! grep -q 'systemd\.run=' /proc/cmdline; then run systemctl --no-block start "$UNIT"; fi
}

install() {
    package=$(find "$here" -maxdepth 1 -name 'affect-edge_*.deb' | sort -V | tail -n 1)
    [ -n "$package" ] || fail "there is no affect-edge_*.deb in $here: run prepare_card.sh again"

    step "keep the system log in memory, and nothing swapped: a card wears out by being written"
    if [ -f "$here/journald.conf" ]; then
        run mkdir -p /etc/systemd/journald.conf.d
        run cp "$here/journald.conf" /etc/systemd/journald.conf.d/affect-edge.conf
        run systemctl restart systemd-journald
    fi
    # Raspberry Pi OS up to Debian 12 swaps to a file; later ones compress memory first.
    if systemctl --quiet is-enabled dphys-swapfile 2>/dev/null; then
        run systemctl --quiet disable --now dphys-swapfile
    fi

    if [ -f "$here/config.toml" ] && [ ! -e "$CONFIG" ]; then
        step "take over the settings from the card"
        run mkdir -p "$(dirname "$CONFIG")"
        run cp "$here/config.toml" "$CONFIG.new"
        run mv "$CONFIG.new" "$CONFIG"
    fi

    step "install $(basename "$package") and what it needs from Debian"
    run apt-get update --quiet --quiet || say "apt-get update fails; going on with what is here" >&2
    set -- python3-venv python3-pyaudio
    # Debian itself does not have it; only Raspberry Pi OS does.
    if apt-cache policy python3-picamera2 2>/dev/null | grep -q 'Candidate: [0-9]'; then set -- "$@" python3-picamera2; fi
    # Settings that lie there already are kept. The package starts the service; that it does not get ready without a
    # camera is no reason to install it again.
    DEBIAN_FRONTEND=noninteractive run apt-get install --quiet --quiet --yes --no-install-recommends \
        --option Dpkg::Options::=--force-confold "$@" "$package" || check_installed

    step "be done"
    run systemctl --quiet disable "$UNIT"
    run rm -f "/etc/systemd/system/$UNIT"
    run systemctl daemon-reload
    say "installed; journalctl --unit affect-edge tells how it goes"
}

# What counts is that the environment stands, and that systemd will start it.
check_installed() {
    if [ ! -x /opt/affect-edge/current/bin/affect-edge ] || ! systemctl --quiet is-enabled affect-edge; then
        fail "it is not installed, see above; it is tried again in a minute and after each start"
    fi
    dpkg --configure --pending || say "installed, but not ready; it goes on trying: is a camera or microphone there?" >&2
}

command="" dry_run=""
for argument in "$@"; do
    case $argument in
    arrange | install) command=$argument ;;
    --dry-run) dry_run=1 ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
done
[ -n "$command" ] || { usage >&2 && exit 2; }
[ -n "$dry_run" ] || [ "$(id -u)" = 0 ] || fail "only root can do this: sudo sh $0 $command (or --dry-run)"

if [ -n "$dry_run" ]; then
    "$command"
    exit 0
fi
# What happened can be read on any computer, if the device does not come into the network.
rm -f "$here/$command.done"
{
    "$command"
    : >"$here/$command.done"
} 2>&1 | tee "$here/first_boot.log"
[ -e "$here/$command.done" ]
