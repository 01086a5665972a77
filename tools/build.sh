# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# For run.sh and test.sh: configures a preset when needed and builds, showing one line of progress.

# build_preset PRESET FOLDER [TARGET ...]: FOLDER is the preset's build folder. Configures only if
# FOLDER has no build files yet: after that ninja itself sees what changed. Output goes to
# FOLDER/build.log, and to stderr where something failed.
build_preset() {
    local preset=$1 folder=$2 log=$2/build.log
    shift 2
    mkdir -p "$folder"
    if [ ! -f "$folder/build.ninja" ]; then
        echo "configuring $folder" >&2
        if ! cmake --preset "$preset" >"$log" 2>&1; then
            cat "$log" >&2
            echo "err, cmake failed; the text above is in $log" >&2
            return 1
        fi
    fi
    local status=0 started=$SECONDS
    {
        NINJA_STATUS='[%f/%t] ' ninja -C "$folder" -j "${JOBS:-$(nproc)}" "$@" 2>&1 || echo "ninja: failed"
    } | tee "$log" | build_progress "$folder" || true
    if tail -n 1 "$log" | grep -q '^ninja: failed$'; then status=1; fi
    if [ $status -ne 0 ]; then
        # ninja prints the output of each failed command after its FAILED line.
        grep -n -m 1 '^CMake Error\|^FAILED: \|error:' "$log" | cut -d: -f1 | {
            read -r first || first=1
            sed -n "$first,$((first + 80))p" "$log"
        } >&2
        echo "err, the build failed; everything it said is in $log" >&2
        return 1
    fi
    if [ $((SECONDS - started)) -gt 2 ]; then echo "built in $((SECONDS - started)) s" >&2; fi
}

# build_progress FOLDER: ninja's status lines, on a terminal as one line that is wiped at the end,
# else as a single line when there is something to build.
build_progress() {
    local line said=no width
    width=$(tput cols 2>/dev/null || echo 80)
    while read -r line; do
        case $line in
            '['*'] Re-'*) continue ;; # ninja looks at globs and CMake files first
            '['[0-9]*'/'[0-9]*']'*) ;;
            *) continue ;;
        esac
        if [ -t 2 ]; then
            printf '\r\033[K%s' "${line:0:width-1}" >&2
        elif [ $said = no ]; then
            line=${line%%]*}
            echo "building $1: ${line#*/} steps, log in $1/build.log" >&2
            said=yes
        fi
    done
    if [ -t 2 ]; then printf '\r\033[K' >&2; fi
}
