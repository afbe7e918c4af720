# shellcheck shell=sh
# What install.sh and uninstall.sh share: where things lie, and how they say what they do. Sourced, not run.

PREFIX=/opt/affect-edge
CONFIG=/etc/affect-edge/config.toml
UNIT=/etc/systemd/system/affect-edge.service
DROP_INS=/etc/systemd/system/affect-edge.service.d
RULES=/etc/udev/rules.d
GPIO_RULES=$RULES/70-affect-edge-gpio.rules
JOURNALD=/etc/systemd/journald.conf.d/affect-edge.conf
COMMAND=/usr/local/bin/affect-edge
PACKAGED=/usr/share/affect-edge/firmware_config
OPTIONS="network gpu jetson gpio card"

dry_run=""
warned=""
# Where a dry run tells its steps, whatever becomes of the output of what it does not run.
exec 3>&1

say() { echo "affect-edge: $*"; }

fail() {
    echo "affect-edge: $*" >&2
    exit 1
}

# In a dry run what would end the script is told, and the script goes on.
require() {
    if [ -n "$dry_run" ]; then
        echo "  ! it would end here: $*"
        warned=1
    else
        fail "$@"
    fi
}

# A step, and why.
step() { echo "* $*"; }

# Does what is given, or in a dry run tells it.
run() {
    if [ -n "$dry_run" ]; then
        echo "    $*" >&3
    else
        "$@"
    fi
}

# put FILE PLACE: copies a file whole or not at all, and only where it differs; `changed` says that it did.
put() {
    if cmp -s "$1" "$2"; then return 0; fi
    run mkdir -p "$(dirname "$2")"
    run install -m 644 "$1" "$2.new"
    run mv -f "$2.new" "$2"
    changed=1
}

# drop PLACE...: removes what is there; `changed` says that something was.
drop() {
    for place in "$@"; do
        if [ -e "$place" ] || [ -L "$place" ]; then
            run rm -rf "$place"
            changed=1
        fi
    done
}

restart_journald() {
    if [ -n "$changed" ] && systemd_runs; then run systemctl restart systemd-journald; fi
}

systemd_runs() { [ -d /run/systemd/system ]; }

check_root() {
    [ "$(id -u)" = 0 ] || require "only root can do this: sudo $0 (or --dry-run, to see what it would do)"
}

# One at a time: two would make the same folders.
lock() {
    [ -z "$dry_run" ] || return 0
    mkdir -p /run/lock
    exec 9>/run/lock/affect-edge-install.lock
    flock -n 9 || fail "another installation is at work; wait for it"
}
