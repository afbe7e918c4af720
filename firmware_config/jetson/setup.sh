#!/bin/sh
# Look at a Jetson, and set it up for affect-edge: power mode, clocks, CSI camera.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# Tests look at another tree than this machine's.
root=${AFFECT_EDGE_ROOT:-}

UNITS=/etc/systemd/system
CLOCKS=affect-edge-clocks.service
CSI=affect-edge.service.d/csi.conf

usage() {
    cat <<'USAGE'
usage: setup.sh [--dry-run] [--mode NAME|NUMBER] [--clocks high|auto] [--csi | --no-csi]

Without options it looks, and changes nothing: which JetPack, Python, power mode, GPU (Vulkan), camera.

  --mode MODE      take this power mode, by its name or number; it lists them if there is no such one
  --clocks high    hold the clocks as high as the mode allows, from each start on: steadier, and hotter
  --clocks auto    let the kernel choose them again, which is the default
  --csi, --no-csi  let the service use the CSI camera (source = "csi"), or no more
  --dry-run        say each step and what it is for; change nothing

Exit codes: 0 done, or all is there; 1 not done, or something is missing that affect-edge needs; 2 wrong usage.
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

wrong() {
    echo "affect-edge: $*; see setup.sh --help" >&2
    exit 2
}

good() { echo "  ok  $*"; }

note() { echo "  --  $*"; }

bad() {
    echo "  !!  $*"
    lacks=1
}

# The number of L4T, as in "# R36 (release), REVISION: 4.3, GCID: ...": the JetPacks count on from it.
look_at_jetpack() {
    release=$(sed -n 's/^# R\([0-9]*\) (release), REVISION: \([0-9.]*\).*/\1.\2/p' "$root/etc/nv_tegra_release")
    model=$(tr -d '\0' <"$root/proc/device-tree/model" 2>/dev/null) || model="a Jetson"
    case ${release%%.*} in
    "") bad "/etc/nv_tegra_release is not read: JetPack unknown" ;;
    3[0-2]) bad "$model, L4T $release is JetPack 4: its Ubuntu 18.04 is too old" ;;
    3[45]) note "$model, L4T $release is JetPack 5: its Python is 3.8, another one has to be put below /usr" ;;
    36) good "$model, L4T $release is JetPack 6" ;;
    *) note "$model, L4T $release is later than what affect-edge was written for (JetPack 6)" ;;
    esac
}

look_at_python() {
    for python in python3 python3.13 python3.12 python3.11 python3.10; do
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
        case $version in 3.1[0-3]) good "Python $version ($python)" && return ;; esac
    done
    bad "no Python 3.10 to 3.13: take JetPack 6, or sudo apt install python3.10 python3.10-venv if your Ubuntu has it"
}

modes() {
    sed -n 's/^< *POWER_MODEL ID=\([0-9]*\) NAME=\([^ >]*\).*/\1 \2/p' "$root/etc/nvpmodel.conf" 2>/dev/null
}

look_at_power() {
    if ! command -v nvpmodel >/dev/null; then
        note "nvpmodel is not here: the power mode cannot be told"
        return
    fi
    present=$(nvpmodel -q 2>/dev/null | sed -n 's/^NV Power Mode: *//p')
    note "power mode ${present:-unknown}; there are: $(modes | awk '{ printf "%s%s (%s)", n++ ? ", " : "", $2, $1 }')"
    if systemctl --quiet is-enabled "$CLOCKS" 2>/dev/null; then note "its clocks are held high"; fi
}

# accelerator = "gpu" runs on Vulkan: a loader, NVIDIA's driver file for it, the driver, the device nodes.
look_at_gpu() {
    icd=$(find "$root/etc/vulkan/icd.d" "$root/usr/share/vulkan/icd.d" -name '*nvidia*.json' 2>/dev/null | head -n 1)
    driver=""
    if [ -n "$icd" ]; then
        driver=$(sed -n 's/.*"library_path" *: *"\([^"]*\)".*/\1/p' "$icd")
    fi
    if [ -z "$icd" ]; then
        note "GPU: no driver file of NVIDIA's for Vulkan (nvidia_icd.json); JetPack brings it in nvidia-l4t-3d-core"
    elif [ -z "$driver" ]; then
        note "GPU: ${icd#"$root"} names no library_path"
    elif ! find "$root/usr/lib" -name "${driver##*/}" 2>/dev/null | grep -q .; then
        note "GPU: ${driver##*/}, which ${icd#"$root"} names, is not below /usr/lib"
    elif ! find "$root/usr/lib" -name 'libvulkan.so.1' 2>/dev/null | grep -q .; then
        note "GPU: no Vulkan loader: sudo apt install libvulkan1"
    else
        good "GPU: Vulkan by ${icd#"$root"}"
    fi
    for node in /dev/nvmap /dev/dri/renderD128; do
        if [ -e "$root$node" ]; then good "GPU: $node"; else note "GPU: there is no $node"; fi
    done
    if find "$root/dev" -maxdepth 1 \( -name 'nvhost-*' -o -name nvgpu \) 2>/dev/null | grep -q .; then
        good "GPU: /dev/nvhost-* or /dev/nvgpu"
    else
        note "GPU: there is neither /dev/nvhost-* nor /dev/nvgpu"
    fi
}

look_at_camera() {
    # shellcheck disable=SC2012
    cameras=$(ls "$root"/dev/video* 2>/dev/null | sed "s|^$root||" | tr '\n' ' ')
    if [ -z "$cameras" ]; then
        note "camera: no /dev/video*; a CSI camera is set up with  sudo /opt/nvidia/jetson-io/jetson-io.py"
        return
    fi
    good "camera: $cameras"
    if ! gst-inspect-1.0 nvarguscamerasrc >/dev/null 2>&1; then
        note "CSI camera: GStreamer has no nvarguscamerasrc: sudo apt install gstreamer1.0-tools nvidia-l4t-gstreamer"
    elif ! python3 -c 'import gi; gi.require_version("GstApp", "1.0")' 2>/dev/null; then
        note "CSI camera: sudo apt install python3-gi gir1.2-gst-plugins-base-1.0"
    elif ! systemctl --quiet is-active nvargus-daemon 2>/dev/null; then
        note "CSI camera: nvargus-daemon does not run: sudo systemctl enable --now nvargus-daemon"
    elif [ ! -e "$root$UNITS/$CSI" ]; then
        note "CSI camera: the service may not use it: setup.sh --csi"
    else
        good "CSI camera: source = \"csi\""
    fi
}

look() {
    lacks=""
    look_at_jetpack
    look_at_python
    look_at_power
    look_at_gpu
    look_at_camera
    if [ -n "$lacks" ]; then fail "something is missing that affect-edge needs, see !!"; fi
}

take_mode() {
    command -v nvpmodel >/dev/null || fail "nvpmodel is not here: is nvidia-l4t-nvpmodel installed?"
    known=$(modes)
    [ -n "$known" ] || fail "$root/etc/nvpmodel.conf names no power modes"
    number=$(echo "$known" | awk -v mode="$mode" '$1 == mode || $2 == mode { print $1; exit }')
    [ -n "$number" ] || fail "there is no power mode '$mode' here; there are: $(echo "$known" |
        awk '{ printf "%s%s (%s)", n++ ? ", " : "", $2, $1 }')"
    step "take power mode $mode; the board keeps it"
    # Some modes hold from the next start on; nvpmodel asks whether to start anew at once, and is told no.
    if [ -n "$dry_run" ]; then
        run nvpmodel -m "$number"
    elif ! echo no | nvpmodel -m "$number"; then
        fail "nvpmodel -m $number fails, see above; some modes can be left by a new start only: sudo reboot"
    elif [ "$(nvpmodel -q 2>/dev/null | sed -n '/^[0-9]*$/p' | tail -n 1)" != "$number" ]; then
        say "the mode holds from the next start on: sudo reboot"
    fi
}

set_clocks() {
    if [ "$clocks" = high ]; then
        command -v jetson_clocks >/dev/null || fail "jetson_clocks is not here: is nvidia-l4t-tools installed?"
        step "hold the clocks high, now and after each start"
        run cp "$here/$CLOCKS" "$root$UNITS/$CLOCKS"
        run systemctl daemon-reload
        run systemctl --quiet enable --now "$CLOCKS"
    elif [ -e "$root$UNITS/$CLOCKS" ]; then
        step "let the kernel choose the clocks again"
        run systemctl --quiet disable --now "$CLOCKS"
        run rm -f "$root$UNITS/$CLOCKS"
        run systemctl daemon-reload
    fi
}

set_csi() {
    if [ "$csi" = yes ]; then
        for name in gpu jetson; do
            [ -e "$root$UNITS/affect-edge.service.d/$name.conf" ] ||
                fail "the CSI camera's pictures lie in the GPU's memory: first  sudo firmware_config/install.sh --with jetson"
        done
        step "let the service use the CSI camera"
        run cp "$here/csi.conf" "$root$UNITS/$CSI"
    elif [ -e "$root$UNITS/$CSI" ]; then
        step "take the CSI camera from the service"
        run rm -f "$root$UNITS/$CSI"
    fi
    run systemctl daemon-reload
    say "it holds from the service's next start on: sudo systemctl restart affect-edge"
}

mode="" clocks="" csi="" dry_run=""
while [ $# -gt 0 ]; do
    case $1 in
    --mode | --clocks) [ $# -ge 2 ] || wrong "$1 needs a value" ;;
    esac
    case $1 in
    --dry-run) dry_run=1 ;;
    --mode) mode=$2 && shift ;;
    --clocks) clocks=$2 && shift ;;
    --csi) csi=yes ;;
    --no-csi) csi=no ;;
    -h | --help) usage && exit 0 ;;
    *) wrong "unknown option $1" ;;
    esac
    shift
done
case $clocks in "" | high | auto) ;; *) wrong "--clocks is high or auto, not '$clocks'" ;; esac
[ -f "$root/etc/nv_tegra_release" ] || fail "this is no Jetson: there is no /etc/nv_tegra_release"

if [ -z "$mode$clocks$csi" ]; then
    look
    exit 0
fi
if [ -z "$dry_run$root" ] && [ "$(id -u)" != 0 ]; then fail "only root can do this: sudo $0 (or --dry-run)"; fi
if [ -n "$mode" ]; then take_mode; fi
if [ -n "$clocks" ]; then set_clocks; fi
if [ -n "$csi" ]; then set_csi; fi
if [ -n "$dry_run" ]; then say "this was a dry run: nothing was changed"; fi
