#!/bin/sh
# Remove the service affect-edge. Journal and configuration stay, unless --purge is given.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"

usage() {
    cat <<'USAGE'
usage: uninstall.sh [--dry-run] [--purge]

Stops and removes the service. May be run again at any time.

  --dry-run  say each step; change nothing
  --purge    remove the journal, what the service has cached, and its configuration too. On a flash card the old
             sectors live on until they are used again: `affect-edge log erase` before this overwrites what it can.
  --packaged for the Debian package, which removes units and rules itself
USAGE
}

purge="" packaged=""
for option in "$@"; do
    case $option in
    --dry-run) dry_run=1 ;;
    --purge) purge=1 ;;
    --packaged) packaged=1 ;;
    -h | --help) usage && exit 0 ;;
    *) echo "affect-edge: unknown option $option; see uninstall.sh --help" >&2 && exit 2 ;;
    esac
done

check_root
lock
if [ -z "$packaged" ] && dpkg-query -W -f '${Status}' affect-edge 2>/dev/null | grep -q ' installed$'; then
    require "the Debian package affect-edge is installed: apt remove affect-edge (or apt purge)"
fi
step "stop the service; what it has recorded is written before it ends"
if systemd_runs; then run systemctl stop affect-edge 2>/dev/null || true; fi
run systemctl disable --quiet affect-edge 2>/dev/null || true
step "remove its unit, rules and environments"
changed=""
drop "$JOURNALD"
restart_journald
drop "$PREFIX" "$GPIO_RULES"
for name in network gpu jetson gpio csi; do drop "$DROP_INS/$name.conf"; done
# What you have put there yourself stays.
if [ -d "$DROP_INS" ]; then run rmdir --ignore-fail-on-non-empty "$DROP_INS"; fi
if [ -z "$packaged" ]; then
    drop "$UNIT" "$RULES/70-affect-edge.rules"
    if [ "$(readlink "$COMMAND")" = "$PREFIX/current/bin/affect-edge" ]; then drop "$COMMAND"; fi
fi
if systemd_runs; then
    run systemctl daemon-reload
    run systemctl reset-failed affect-edge 2>/dev/null || true
    if [ -S /run/udev/control ]; then run udevadm control --reload || true; fi
fi
if [ -n "$purge" ]; then
    step "remove the journal, the cache and the configuration"
    drop /var/lib/affect-edge /var/lib/private/affect-edge /var/cache/affect-edge /var/cache/private/affect-edge \
        /etc/affect-edge
elif [ -e /var/lib/private/affect-edge ] || [ -e "$CONFIG" ]; then
    say "kept: the journal in /var/lib/affect-edge and the settings in /etc/affect-edge (--purge removes them)"
fi
[ -z "$dry_run" ] || say "this was a dry run: nothing was changed"
