#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs what Ringside needs from Debian 12, and nothing that is there already.
#
# usage: tools/setup.sh [--list] [--quiet] [build|lab|test|full ...]     (default: build lab test)
#
# Everything is said on stderr. RINGSIDE_SETUP=skip leaves the machine alone (other systems, or a
# machine without root access where the packages came by another way).
set -euo pipefail

# One row a package: group, package, reason.
packages() {
    cat <<'TABLE'
build  g++                the compiler; also builds the kernel module (gcc-12, as Debian's kernel)
build  cmake              build description, presets
build  ninja-build        runs the build
build  make               kbuild, for the kernel module
build  pkg-config         finds libraries without a CMake file
build  linux-headers-amd64  headers of the kernel the lab boots
build  libfmt-dev         formatting
build  libcli11-dev       command line of the program
build  libreadline-dev    the prompt: history, completion, paste
build  libasio-dev        event loop, sockets, signals
build  nettle-dev         keyed hash that lets two ends of a link know each other
build  nlohmann-json3-dev  reads QEMU's control protocol
build  zlib1g-dev         CRC-32 of the frames on a link
build  llvm-14-dev        the assembler
build  libzydis-dev       the disassembler
build  libelf-dev         symbols of programs and modules
build  libtomlplusplus-dev  reads and writes the user's settings
build  libgtest-dev       unit tests (the release preset configures them)
build  libgmock-dev       unit tests: matchers
build  librapidcheck-dev  property tests
lab    qemu-system-x86    the emulated AMD machine
lab    bochs              the emulated Intel machine
lab    bochs-sdl          a display for it that needs no screen and opens no port
lab    bochsbios          its firmware
lab    vgabios            its display's firmware
lab    busybox-static     user space of the debuggee
lab    cpio               packs the debuggee's initramfs
lab    xz-utils           unpacks kernel modules and packages
lab    kmod               loads modules in the debuggee
test   python3-pytest     lab and tool tests
test   python3-pexpect    drives the prompt through a terminal
test   clang-format       layout of the source
full   clang-tidy-19      common slips (clang 14 cannot read coroutines of gcc 12)
full   clang-19           libFuzzer targets
full   libclang-rt-19-dev run-time libraries of the fuzz targets
full   shellcheck         slips in shell scripts
TABLE
}

list=no quiet=no
groups=()
for argument in "$@"; do
    case $argument in
        --list) list=yes ;;
        --quiet) quiet=yes ;;
        build | lab | test | full) groups+=("$argument") ;;
        -h | --help) sed -n '3,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "err, setup: unknown word '$argument' (groups: build lab test full)" >&2; exit 2 ;;
    esac
done
[ ${#groups[@]} -gt 0 ] || groups=(build lab test)

say() { echo "setup: $*" >&2; }

declare -A reason=()
wanted=()
while read -r group package text; do
    case " ${groups[*]} " in
        *" $group "*) wanted+=("$package"); reason[$package]=$text ;;
    esac
done < <(packages)

print_rows() { for package; do printf '    %-20s %s\n' "$package" "${reason[$package]}"; done; }

if [ $list = yes ]; then print_rows "${wanted[@]}"; exit 0; fi
if [ "${RINGSIDE_SETUP:-}" = skip ]; then exit 0; fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    {
        echo "err, this is not a Debian system: nothing was installed"
        echo "hint: install what these Debian 12 packages stand for, then run again with RINGSIDE_SETUP=skip:"
        print_rows "${wanted[@]}"
    } >&2
    exit 1
fi

missing=()
declare -A installed=()
# Architecture-qualified answers and packages unknown to dpkg both count as what they are.
while read -r package state; do
    [ "$state" = installed ] && installed[$package]=yes
done < <(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null || true)
for package in "${wanted[@]}"; do
    [ -n "${installed[$package]:-}" ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    [ $quiet = yes ] || say "nothing to install"
    exit 0
fi

# shellcheck disable=SC1091 # the system's own file
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ "$codename" = bookworm ] ||
    say "this is '${codename:-an unnamed release}'; Ringside is tried on Debian 12 (bookworm), names may differ"

say "installing ${#missing[@]} of ${#wanted[@]} packages:"
print_rows "${missing[@]}" >&2

root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "err, neither root nor sudo here" >&2
        echo "hint: as root: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    root=(sudo)
    if [ ! -t 0 ] && ! sudo -n true 2>/dev/null; then
        echo "err, sudo would ask for a password and there is no terminal" >&2
        echo "hint: run first: sudo apt-get install ${missing[*]}" >&2
        exit 1
    fi
fi

log=$(mktemp -t ringside-setup.XXXXXX)
trap 'rm -f "$log"' EXIT

# apt WORDS...: one apt-get run, silent unless it fails; waits for another apt to finish.
apt() {
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
        -o Acquire::Retries=3 "$@" >"$log" 2>&1 </dev/null
}
install() { apt install --yes --no-install-recommends "${missing[@]}"; }
# The list files carry the archive's own dates; only their folder tells when apt last looked.
lists_are_fresh() {
    [ -n "$(find /var/lib/apt/lists -maxdepth 0 -mtime -7 2>/dev/null)" ] &&
        [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -print -quit 2>/dev/null)" ]
}

started=$SECONDS
updated=no
update() { say "updating the package lists"; apt update || return; updated=yes; }

fail() {
    tail -n 30 "$log" >&2
    echo "err, $1" >&2
    echo "hint: the packages come from Debian 12's main archive; is the network there?" >&2
    exit 1
}

lists_are_fresh || update || fail "'apt-get update' failed"
if ! install; then
    # Lists may be fresh by age and still name versions the archive no longer has.
    [ $updated = no ] || fail "'apt-get install' failed"
    update || fail "'apt-get update' failed"
    install || fail "'apt-get install' failed"
fi
say "installed in $((SECONDS - started)) s"
