#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: GPL-3.0-or-later
# debug-prepare: makes the lab's debuggee ready for Debugger Mode, over the way that its machine has
# to the debugger: memory of an ivshmem device with COM2 as its bell (QEMU), or COM2 alone (Bochs),
# which the agent leaves then. `debug-prepare close` ends it and lets the agent have the line again,
# where it left it; `rm /run/debug-line` alone does the latter. The exit status is
# that of `.debug prepare`, which also fails where the machine is prepared already; 1: the agent does
# not let go of the line.
export PATH=/bin HOME=/root

has_shared_memory() {
    for device in /sys/bus/pci/devices/*; do
        case "$(cat "$device/vendor") $(cat "$device/device")" in
        "0x1af4 0x1110") return 0 ;;
        esac
    done
    return 1
}

# Ends the agent and waits until nobody starts it again. A lab without agent has nobody who does.
take_line() {
    : >/run/debug-line
    rm -f /run/agent-waits # of an earlier time
    case " $(cat /proc/cmdline) " in *" lab.mode=bare "*) return 0 ;; esac
    for _ in $(seq 500); do
        [ -e /run/agent-waits ] && return 0
        # The agent ends in order at the first signal; another one finds it ended, or the next one.
        agent=$(cat /run/agent.pid 2>/dev/null) && kill "$agent" 2>/dev/null
        usleep 20000
    done
    return 1
}

give_line_back() {
    rm -f /run/debug-line
}

if [ "${1-}" = close ]; then
    [ -e /run/debug-line ] || exit 0
    ringside -c '.connect local' -c '.debug close' >/dev/null 2>&1 # nothing to end: fine
    give_line_back
    exit 0
fi
if has_shared_memory; then
    exec ringside --batch -c '.debug prepare shmem ttyS1'
fi
if ! take_line; then
    give_line_back
    echo "debug-prepare: the agent does not let go of ttyS1" >&2
    exit 1
fi
said=$(ringside --batch -c '.debug prepare serial 115200 ttyS1' 2>&1)
status=$?
echo "$said"
case "$said" in
*c000103a*) ;; # Debugger Mode has the line, from an earlier time
*) [ $status -eq 0 ] || give_line_back ;;
esac
exit $status
