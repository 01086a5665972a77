#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# From nothing to a Linux kernel with Ringside's hypervisor under it, and a prompt to debug it.
#
# usage: ./run.sh [--vmi | --debug [--wait SECONDS]] [--vmx] [-c COMMAND]... [--script FILE]
#                 [--keep] [--name NAME] [--smp N] [--memory MB] [--batch]
#   (nothing)      set-up, build, boot the lab, and a prompt in Debugger Mode with the machine
#                  halted: 'g' runs it, Ctrl+C halts it;
#                  without a terminal: show three commands at work in VMI Mode and exit
#   --vmi          a prompt in VMI Mode: the machine runs all the time
#   -c COMMAND     run this command instead of the prompt; repeatable, in order; in VMI Mode; the
#                  exit status tells how they ended (see 'build/ringside --help')
#   --script FILE  the same with the commands in FILE
#   --debug        -c and --script in Debugger Mode: they begin with the machine halted; after 'g'
#                  or a step the next command waits for the next halt ('sleep' and 'pause' do not);
#                  with neither, and without a terminal, commands are read from stdin
#   --wait SECONDS how long a command waits for a halt (default 60); then the exit status is 5
#   --batch        stop at the first command that fails, no colour, no progress
#   --vmx          an Intel machine in Bochs instead of an AMD machine in QEMU: slower, the same
#                  commands (lab 'vmx')
#   --keep         leave the lab running at the end ('build/ringside lab stop' ends it)
#   --name NAME    the lab to use (default: default); one that runs already is used as it is
#                  and left running
#   --smp N        vCPUs of a lab that has to be started (default 2; with --vmx 1 or 2)
#   --memory MB    its memory (default 1024; with --vmx 512)
set -uo pipefail
cd "$(dirname "$0")" || exit 1
# shellcheck source=tools/build.sh
. tools/build.sh

usage() { sed -n '3,25s/^# \{0,1\}//p' run.sh; }
wrong() { echo "err, $1" >&2; echo "hint: see './run.sh --help'" >&2; exit 2; }

program=build/ringside
name="" usual_name=default keep=no interactive=yes mode=""
start_options=() program_options=()
while [ $# -gt 0 ]; do
    option=$1
    case $option in
        -h | --help) usage; exit 0 ;;
        --keep) keep=yes ;;
        --vmx) start_options+=(--vmx); usual_name=vmx ;;
        --batch) program_options+=(--batch) ;;
        --vmi | --debug)
            [ "${mode:-$option}" = "$option" ] || wrong "'--vmi' and '--debug' exclude each other"
            mode=$option
            ;;
        -c | --script | --wait | --name | --smp | --memory | --accel | --cpu)
            [ $# -gt 1 ] || wrong "'$option' needs a value"
            shift
            case $option in
                -c | --script) program_options+=("$option" "$1"); interactive=no ;;
                --wait)
                    # Before anything is built or booted.
                    case $1 in
                        *[!0-9]* | '' | ????????*) wrong "bad number of seconds '$1'" ;;
                    esac
                    program_options+=(--wait "$1")
                    ;;
                --name) name=$1 ;;
                *) start_options+=("$option" "$1") ;;
            esac
            ;;
        *) wrong "unknown option '$option'" ;;
    esac
    shift
done

name=${name:-$usual_name}

# The mode that is meant where none is named: commands go on meaning what they did before there was
# Debugger Mode, and who is shown three commands is shown them in VMI Mode.
if [ -z "$mode" ]; then
    mode=--vmi
    if [ $interactive = yes ] && [ -t 0 ]; then mode=--debug; fi
fi
way=--load
[ "$mode" = --vmi ] || way=--debug

# What a user without a terminal is shown.
# shellcheck disable=SC2016 # $core and the like belong to the debugger's language
examples=(
    '!interrupt ec core 1 script { printf("timer: core %x pid %x rip %llx\n", $core, $pid, @rip); }'
    '!interrupt fd script { printf("wake-up: core %x was running %s\n", $core, $pname); }'
    '!interrupt script { if ($context != ec) { printf("vector %x on core %x\n", $context, $core); } }'
)

child=0          # the process in the foreground, 0 if none
started_lab=no   # whether the lab is ours to stop: no, starting, yes

# foreground COMMAND...: runs it with our terminal, so that a signal to this script can be passed
# on at once: bash would run its traps only after a command that it waits for by itself.
foreground() {
    env --default-signal=INT --default-signal=QUIT "$@" <&0 &
    child=$!
    local status=0
    while :; do
        wait "$child"
        status=$?
        # wait returns early for a trapped signal; the child may need time to end cleanly.
        kill -0 "$child" 2>/dev/null || break
    done
    child=0
    return $status
}

# shellcheck disable=SC2317 # called by traps
pass_on() {
    [ "$child" -eq 0 ] || kill -s "$1" "$child" 2>/dev/null
    # Between two commands there is nobody to pass it on to.
    [ "$child" -ne 0 ] || exit $((128 + $(kill -l "$1")))
}

# shellcheck disable=SC2317
on_interrupt() {
    # Ctrl+C at a terminal reaches the child by itself, and the child decides what it means.
    if [ "$child" -eq 0 ]; then exit 130; fi
    [ -t 0 ] || kill -s INT "$child" 2>/dev/null
}

# shellcheck disable=SC2317
at_exit() {
    local status=$?
    trap '' INT TERM HUP
    # A start that did not succeed has said why, and cleans up behind itself; this makes sure.
    [ "$started_lab" != starting ] || "$program" lab stop "${lab_words[@]}" >/dev/null 2>&1 </dev/null
    if [ "$started_lab" = yes ]; then
        if [ "$keep" = yes ]; then
            echo "the lab '$name' keeps running; 'build/ringside lab stop${lab_words[*]:+ ${lab_words[*]}}' ends it" >&2
        else
            "$program" lab stop "${lab_words[@]}" >/dev/null </dev/null || [ "$status" -ne 0 ] || status=1
        fi
    fi
    exit "$status"
}

trap on_interrupt INT
trap 'pass_on TERM' TERM
trap 'pass_on HUP' HUP

tools/setup.sh --quiet build lab || exit 1
build_preset release build lab_payload || exit 1

lab_words=()
[ "$name" = default ] || lab_words=(--name "$name")
trap at_exit EXIT
if ! "$program" lab status "${lab_words[@]}" >/dev/null 2>&1 </dev/null; then
    started_lab=starting
    foreground "$program" lab start "${lab_words[@]}" "${start_options[@]}" >&2 || exit $?
    started_lab=yes
elif [ ${#start_options[@]} -gt 0 ] && [ "$name ${start_options[*]}" != 'vmx --vmx' ]; then
    echo "notice: the lab '$name' runs already; '${start_options[*]}' has no effect" >&2
fi

if [ $interactive = no ] || [ "$mode" = --debug ] || [ -t 0 ]; then
    foreground "$program" --lab "$name" "$way" --intro "${program_options[@]}"
    exit $?
fi

# Nobody can type: show what a user would see. Numbers are hexadecimal: bb8 ms are 3 s.
result=0
for example in "${examples[@]}"; do
    printf '\n> %s\n\n' "$example"
    foreground "$program" --lab "$name" --load "${program_options[@]}" -c "$example" -c 'sleep bb8' -c 'events c all'
    status=$?
    [ $result -ne 0 ] || result=$status
    [ $status -lt 128 ] || break # a signal ended it
done
exit $result
