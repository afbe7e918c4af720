#!/bin/sh
# Runs on the emulated board, by systemd, when it has started; benchmarks.board reads what it leaves in /boot/firmware/results,
# and the lines that begin with BOARD on the console.
set -u
boot=/boot/firmware
results=$boot/results
journal=/var/lib/affect-edge/journal.db
mkdir -p "$results"

uptime_s() { cut -d ' ' -f 1 /proc/uptime; }

# Not to standard output: the login on the console hangs up whoever has it open.
tell() { echo "BOARD $(uptime_s) $*" >/dev/console; }

keep() { printf '%s\n' "$2" >"$results/$1"; }

# wait_for SECONDS CONDITION...: whether it came true.
wait_for() {
    end=$(($(cut -d . -f 1 /proc/uptime) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(cut -d . -f 1 /proc/uptime)" -lt "$end" ] || return 1
        sleep 2
    done
}

property() { systemctl show --property="$1" --value affect-edge; }

senses() { affect-edge status; }

is_installed() { [ -e $boot/affect-edge/install.done ] || grep -q 'not installed, see above' $boot/affect-edge/first_boot.log; }

# How many records of a kind the journal has.
count() { affect-edge log --journal $journal --json --limit 100000 --modality "$1" 2>/dev/null | wc -l; }

# How many observations a loop has made, as the service tells it: to ask the journal takes the processor from it.
made() { sed -n "s/.*\"$1\": [^}]*\"observations\": \([0-9]*\).*/\1/p" /run/affect-edge/status.json; }

# has_made LOOP COUNT: whether it has made so many.
has_made() { [ "$(made "$1")" -ge "$2" ]; }

# How many times the camera and the microphone are open.
holders() { stat -L -c %t:%T /proc/[0-9]*/fd/* 2>/dev/null | grep -cxF "$(stat -c %t:%T /dev/video0 /dev/snd/pcmC*c)"; }

nobody_holds() { [ "$(holders)" -eq 0 ]; }

has_restarted() { [ "$(property NRestarts)" -ge 1 ] && senses; }

make_devices() {
    # An S-Video camera whose picture is what is written to an S-Video output, and a sound card whose microphone hears
    # what its loudspeaker plays.
    modprobe vivid n_devs=1 node_types=0x101 num_inputs=1 input_types=2 num_outputs=1 output_types=0
    modprobe snd-aloop
    udevadm settle
    # It crashes the kernel when it scales what it loops, and OpenCV asks for 640x480 first.
    for control in enable_capture_scaler=0 enable_capture_composing=0 enable_capture_cropping=0 osd_text_mode=2; do
        v4l2-ctl --device=/dev/video0 --set-ctrl="$control" || tell "the camera does not take $control"
    done
    tell "camera $(v4l2-ctl --device=/dev/video0 --info | sed -n 's/.*Card type *: //p')" \
        "microphone $(arecord -l | grep -c '^card')"
}

# The loudspeaker plays on and on, from before anybody listens: its rate becomes the microphone's, and the microphone of
# this sound card stands still where nothing is played.
play_voice() {
    cp $boot/voice.raw /dev/shm/
    while :; do cat /dev/shm/voice.raw; done | aplay -q -D plughw:Loopback,1,0 -t raw -f S16_LE -r 16000 2>"$results/aplay.log" &
}

# What the camera sees; before, that is its own test picture, in which nothing moves. In kernels that are older or newer
# the control may have another name.
show_frames() {
    v4l2-ctl --device=/dev/video0 --set-ctrl=loop_video=1 || tell "the camera does not loop"
    cp $boot/frames.bgr /dev/shm/
    v4l2-ctl --device=/dev/video1 --set-fmt-video-out=width=720,height=576,pixelformat=BGR3 \
        --stream-out-mmap --stream-loop --stream-from=/dev/shm/frames.bgr >/dev/null 2>"$results/feeder.log" &
}

install() {
    began=$(cut -d . -f 1 /proc/uptime)
    sh $boot/affect-edge/first_boot.sh arrange
    wait_for 5400 is_installed || tell "not installed in time"
    cp $boot/affect-edge/first_boot.log "$results/" 2>/dev/null
    keep install_seconds $(($(cut -d . -f 1 /proc/uptime) - began))
    tell "installed after $(cat "$results/install_seconds") s: $(dpkg-query -W -f '${Package} ${Version} ${Architecture} ${Status}' affect-edge)"
}

observe() {
    wait_for 1800 senses || tell "it does not sense"
    tell "senses: $(property StatusText)"
    began=$(cut -d . -f 1 /proc/uptime)
    while sleep 60; do tell "$(property StatusText); heard $(made microphone) times"; done &
    telling=$!
    # One after the other: a face that moves takes all that an emulated processor can do.
    wait_for 1200 has_made microphone 5 || tell "too little was heard"
    tell "heard: $(made microphone) observations"
    show_frames
    wait_for 600 has_made camera 20 || tell "too little was seen"
    kill $telling
    # Figures of a while, not of the first moments.
    sleep 60
    keep sensing_seconds $(($(cut -d . -f 1 /proc/uptime) - began))
    affect-edge status >"$results/status.txt" 2>&1
    cat /run/affect-edge/status.json >"$results/status.json"
    affect-edge log summary --journal $journal >"$results/summary.txt" 2>&1
    affect-edge log --journal $journal --json --limit 100000 >"$results/observations.jsonl" 2>/dev/null
    systemctl show affect-edge --property=NRestarts,MemoryCurrent,MemoryMax,CPUUsageNSec,TasksCurrent,DynamicUser,UID \
        >"$results/properties"
    systemd-analyze security --no-pager affect-edge 2>/dev/null | tail -n 1 >"$results/security"
    tell "observed: $(count face) faces, $(count speech) of speech"
}

# affect-edge pause closes both devices; resume opens them again.
pause_and_resume() {
    keep held_before "$(holders)"
    affect-edge pause
    wait_for 120 nobody_holds
    keep held_paused "$(holders)"
    affect-edge status >/dev/null
    keep status_paused $?
    affect-edge resume
    wait_for 600 senses && keep resumed yes
    tell "paused: $(cat "$results/held_before") held the devices, then $(cat "$results/held_paused")"
}

# Killed, it comes back by itself and has lost nothing that it had committed.
kill_it() {
    before=$(count face)
    systemctl kill --signal=KILL --kill-whom=main affect-edge
    wait_for 1800 has_restarted && keep came_back yes
    keep kept $(($(count face) - before))
    tell "killed: $(property NRestarts) restart, $(($(count face) - before)) faces more than before"
}

stop_it() {
    began=$(cut -d . -f 1 /proc/uptime)
    systemctl stop affect-edge
    keep stop_seconds $(($(cut -d . -f 1 /proc/uptime) - began))
    keep stop_result "$(property Result)"
    affect-edge log events --journal $journal >"$results/events.txt" 2>&1
    journalctl --unit=affect-edge --no-pager --output=short-iso >"$results/journald.txt"
    ls -laR /var/lib/private/affect-edge >"$results/state.txt"
    tell "stopped: $(cat "$results/stop_result")"
}

keep boot_seconds "$(uptime_s)"
keep machine "$(uname -srm), $(nproc) of $(sed -n 's/^CPU part.*: //p' /proc/cpuinfo | sort -u), $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)"
tell "$(cat "$results/machine")"
make_devices
play_voice
install
observe
pause_and_resume
kill_it
stop_it
keep complete yes
tell "done"
sync
systemctl --no-block poweroff
