#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: GPL-3.0-or-later
# First process of the lab's debuggee. Each stage prints one marker line on the console; the lab
# waits for these (boot_progress.cpp has the same words).
export PATH=/bin HOME=/root
/bin/busybox mount -t devtmpfs dev /dev
exec </dev/null >/dev/console 2>&1
say() { echo "ringside-lab: $*"; }

/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox --install -s /bin
mount -t debugfs debug /sys/kernel/debug
mount -t tracefs trace /sys/kernel/tracing
mkdir -p /tmp /run /dev/pts /dev/shm
mount -t tmpfs tmp /tmp
mount -t devpts pts /dev/pts
say init

# A probe of the accelerator asks only whether this kernel runs and has SVM.
case " $(cat /proc/cmdline) " in
*" lab.mode=probe "*)
    if grep -qw svm /proc/cpuinfo; then say probe svm; else say probe no-svm; fi
    poweroff -f
    ;;
esac

order=/lib/modules/order
case " $(cat /proc/cmdline) " in *" lab.machine=bochs "*) order=$order.bochs ;; esac
while read -r module; do
    insmod "/lib/modules/$module" || say "cannot load $module"
done <$order
say modules

hostname debuggee
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2
given=/sys/firmware/qemu_fw_cfg/by_name/opt/ringside/key/raw
# Bochs has no fw_cfg: there the key is in a second archive, unpacked over the first one.
[ -e /etc/ringside.key ] || (umask 077 && cat $given >/etc/ringside.key) || say "no key from the lab"
say network

ringside-lab-shell 50001 /etc/ringside.key &
echo 7 >/proc/sys/kernel/printk
# An emulated processor loses its host's for milliseconds: no news about how long an NMI took.
echo 1000000000 >/sys/kernel/debug/x86/nmi_longest_ns

if [ -e /lib/modules/ringside.ko ]; then
    if insmod /lib/modules/ringside.ko; then say module; else say "module refused"; fi
else
    say "module absent"
fi

listening() { # PORT in hexadecimal, as /proc/net/tcp has it; state 0A is LISTEN
    grep -q ":$1 [0-9A-F]*:[0-9A-F]* 0A " /proc/net/tcp /proc/net/tcp6 2>/dev/null
}
# The agent's place: the second serial line where the lab says so, else the network.
case " $(cat /proc/cmdline) " in
*" lab.link=serial "*)
    place="--serial ttyS1"
    # shellcheck disable=SC2010 # links in /proc, not files
    agent_is_there() { ls -l "/proc/$(pidof ringside)/fd" 2>/dev/null | grep -q /dev/ttyS1; }
    ;;
*)
    place="--port 50000"
    agent_is_there() { listening C350; }
    ;;
esac
# While /run/debug-line exists, Debugger Mode has the agent's serial line: the agent is not started
# again, and /run/agent-waits says that none is being started.
serve_agent() {
    while :; do
        while [ -e /run/debug-line ]; do
            : >/run/agent-waits
            usleep 20000
        done
        rm -f /run/agent-waits
        # shellcheck disable=SC2086 # two words
        ringside agent $place --key-file /etc/ringside.key &
        echo $! >/run/agent.pid
        wait $!
        say "agent ended with status $?"
        rm -f /run/agent.pid
        [ -e /run/debug-line ] || sleep 1
    done
}
until listening C351; do usleep 20000; done
say shell
case " $(cat /proc/cmdline) " in
*" lab.mode=bare "*) ;;
*)
    serve_agent &
    until agent_is_there; do usleep 20000; done
    say agent
    ;;
esac
say ready

# Debris of other processes lands here: collect it, and do as poweroff and reboot ask.
trap 'poweroff -f' USR1 USR2
trap 'reboot -f' TERM
while :; do
    sleep 3600 &
    wait $!
done
