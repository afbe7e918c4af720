#!/bin/sh
# Put affect-edge on a card that holds a fresh Raspberry Pi OS Lite: its first start makes it a device.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

usage() {
    cat <<'USAGE'
usage: prepare_card.sh [--dry-run] [--config FILE] --package FILE BOOT

Write Raspberry Pi OS Lite (64-bit, Debian 12 or later) to a card, with Raspberry Pi Imager or without, plug it in again,
and name the folder where its boot partition is mounted (it holds cmdline.txt). May be run again.

  --package FILE  the Debian package of affect-edge (make deb)
  --config FILE   its settings, taken over as /etc/affect-edge/config.toml
  --dry-run       say each step and what it is for; change nothing

Exit codes: 0 done, 1 not done, 2 wrong usage.
USAGE
}

BEGIN="# --- affect-edge, by prepare_card.sh"
END="# --- end of affect-edge"
ARRANGE="sh /boot/firmware/affect-edge/first_boot.sh arrange"

step() { echo "* $*"; }

run() {
    if [ -n "$dry_run" ]; then echo "    $*"; else "$@"; fi
}

fail() {
    echo "affect-edge: $*" >&2
    exit 1
}

wrong() {
    echo "affect-edge: $*; see prepare_card.sh --help" >&2
    exit 2
}

# replace FILE: takes its new content from standard input, whole or not at all. The old one is kept beside it, once.
replace() {
    if [ -n "$dry_run" ]; then
        if [ -e "$1" ]; then diff -u "$1" - | sed 's/^/    /' || true; else sed "s|^|    > |"; fi
        return 0
    fi
    cat >"$1.new"
    if [ -e "$1" ] && [ ! -e "$1.before-affect-edge" ]; then cp "$1" "$1.before-affect-edge"; fi
    mv "$1.new" "$1"
}

# The last line of a file may lack its end.
whole_lines() { awk 1 "$1"; }

copy_files() {
    step "copy the package and what installs it"
    run mkdir -p "$boot/affect-edge"
    run find "$boot/affect-edge" -name 'affect-edge_*.deb' -delete
    run cp "$package" "$boot/affect-edge/$(basename "$package")"
    run cp "$here/first_boot.sh" "$boot/affect-edge/first_boot.sh"
    run cp "$here/../journald/affect-edge.conf" "$boot/affect-edge/journald.conf"
    # Of a card that has been started already: all of it is done again.
    run rm -f "$boot/affect-edge/arrange.done" "$boot/affect-edge/install.done"
    if [ -n "$config" ]; then run cp "$config" "$boot/affect-edge/config.toml"; fi
}

set_up_board() {
    step "add to config.txt: camera, watchdog, no Bluetooth"
    {
        whole_lines "$boot/config.txt" | sed "/^$BEGIN/,/^$END/d"
        echo "$BEGIN"
        grep -v '^#' "$here/config.txt" | sed '/^$/d'
        echo "$END"
    } | replace "$boot/config.txt"
}

# Raspberry Pi OS from Debian 13 on asks cloud-init what to do at its first start.
ask_cloud_init() {
    if grep -q 'affect-edge/first_boot.sh' "$boot/user-data"; then
        step "user-data is set up already"
    elif ! grep -q '^[[:space:]]*[^#[:space:]]' "$boot/user-data"; then
        step "write user-data: have cloud-init arrange the installation"
        replace "$boot/user-data" <"$here/user-data"
    elif ! head -n 1 "$boot/user-data" | grep -q '^#cloud-config'; then
        fail "$boot/user-data is not a #cloud-config; have it run, at its end:  $ARRANGE"
    elif grep -q '^runcmd:[[:space:]]*$' "$boot/user-data"; then
        step "add to user-data's commands one that arranges the installation"
        # The items of a list all stand under each other.
        indent=$(sed -n '/^runcmd:/,/^[[:space:]]*-/s/^\([[:space:]]*\)-.*/\1/p' "$boot/user-data" | head -n 1)
        sed "/^runcmd:[[:space:]]*\$/a\\
$indent- [$(echo "$ARRANGE" | sed 's/ /, /g')]" "$boot/user-data" | replace "$boot/user-data"
    elif grep -q '^runcmd:' "$boot/user-data"; then
        fail "runcmd in $boot/user-data is not a list of one item a line; have it run:  $ARRANGE"
    else
        step "add to user-data a command that arranges the installation"
        {
            whole_lines "$boot/user-data"
            grep -A1 '^runcmd:' "$here/user-data"
        } | replace "$boot/user-data"
    fi
}

# Raspberry Pi OS of Debian 12: the kernel's command line has systemd run a script, before there is a network.
ask_systemd() {
    if grep -q 'affect-edge/first_boot.sh' "$boot/firstrun.sh" 2>/dev/null; then
        step "firstrun.sh is set up already"
    elif grep -q 'systemd\.run=' "$boot/cmdline.txt"; then
        [ -f "$boot/firstrun.sh" ] ||
            fail "$boot/cmdline.txt has systemd run something else; start that card once, then run this again"
        step "add to Imager's firstrun.sh a command that arranges the installation"
        sed "1a\\
$ARRANGE || true" "$boot/firstrun.sh" | replace "$boot/firstrun.sh"
    else
        step "have systemd run firstrun.sh at the first start: it arranges the installation"
        replace "$boot/firstrun.sh" <<FIRSTRUN
#!/bin/sh
$ARRANGE
rm -f /boot/firmware/firstrun.sh
sed -i 's| systemd\\.run[^ ]*||g; s| systemd\\.unit=[^ ]*||' /boot/firmware/cmdline.txt
exit 0
FIRSTRUN
        # All of it is one line.
        {
            head -n 1 "$boot/cmdline.txt" | tr -d '\n'
            echo " systemd.run=/boot/firmware/firstrun.sh systemd.run_success_action=reboot" \
                "systemd.unit=kernel-command-line.target"
        } | replace "$boot/cmdline.txt"
    fi
}

package="" config="" boot="" dry_run=""
while [ $# -gt 0 ]; do
    case $1 in
    --package | --config) [ $# -ge 2 ] || wrong "$1 needs a value" ;;
    esac
    case $1 in
    --dry-run) dry_run=1 ;;
    --package) package=$2 && shift ;;
    --config) config=$2 && shift ;;
    -h | --help) usage && exit 0 ;;
    -*) wrong "unknown option $1" ;;
    *) [ -z "$boot" ] || wrong "one folder, not two: $boot and $1" && boot=$1 ;;
    esac
    shift
done
[ -n "$boot" ] || wrong "where is the card's boot partition mounted?"
[ -n "$package" ] || wrong "--package is missing (make deb builds one)"
case ${package##*/} in
affect-edge_*.deb) [ -f "$package" ] || fail "there is no file $package" ;;
*) fail "$package is not affect-edge_VERSION_ARCHITECTURE.deb" ;;
esac
[ -z "$config" ] || [ -f "$config" ] || fail "there is no file $config"
for file in cmdline.txt config.txt; do
    [ -f "$boot/$file" ] || fail "$boot is not the boot partition of a Raspberry Pi OS: it has no $file"
done
[ -n "$dry_run" ] || [ -w "$boot" ] || fail "$boot cannot be written: is the card's lock set, or is it root's?"

# First what is run, then what runs it.
copy_files
if [ -e "$boot/user-data" ]; then ask_cloud_init; else ask_systemd; fi
set_up_board
run sync
if [ -n "$dry_run" ]; then
    echo "this was a dry run: nothing was changed"
else
    echo "done: unmount the card and start the Raspberry Pi with it. When it has a network it installs affect-edge;" \
        "affect-edge/first_boot.log on the card tells how that went."
fi
