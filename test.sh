#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The one command that says whether everything works.
#
# usage: ./test.sh [--quick | --full] [--filter RE]
#   (nothing)    set-up, checks of the source, build, unit/language/session/conformance tests, lab
#   --quick      without the lab: the inner loop
#   --full       also clang-tidy, sanitizer builds, fuzzing, the lab's long soaks, and the long form
#                of tests that draw random numbers
#   --filter RE  only tests whose name matches, and no checks of the source
#
# The last line is always 'N passed, N failed, N skipped'; exit status 0 if nothing failed, 1 if
# something did, 2 for wrong options. Logs: build/test-logs.
# shellcheck disable=SC2317 # stages are called by name
set -uo pipefail
cd "$(dirname "$0")" || exit 1
# shellcheck source=tools/build.sh
. tools/build.sh

mode=normal filter=
while [ $# -gt 0 ]; do
    case $1 in
        --quick) mode=quick ;;
        --full) mode=full ;;
        --filter) [ $# -gt 1 ] || { echo "err, '--filter' needs a value" >&2; exit 2; }; filter=$2; shift ;;
        --filter=*) filter=${1#*=} ;;
        -h | --help) sed -n '3,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "err, unknown option '$1'" >&2; echo "hint: see './test.sh --help'" >&2; exit 2 ;;
    esac
    shift
done

# Debian's own Python has pytest and pexpect; another python3 may come first in PATH.
PYTHON=/usr/bin/python3
export JOBS=${JOBS:-$(nproc)}
export PYTHONDONTWRITEBYTECODE=1
logs=build/test-logs

passed=0 failed=0 skipped=0
stages=() failures=() skips=()
began=$SECONDS

# stage NAME COMMAND...: runs one stage, with its time in the summary; its status is kept.
stage() {
    local name=$1 start=$SECONDS status=0 word=ok
    shift
    echo "== $name"
    "$@" || status=$?
    [ $status -eq 0 ] || word=FAILED
    stages+=("$(printf '%-24s %-7s %5d s' "$name" "$word" $((SECONDS - start)))")
    return "$status"
}

# check NAME COMMAND...: a stage that counts as one test.
check() {
    local name=$1
    if stage "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        failures+=("$name")
    fi
}

skip() {
    skipped=$((skipped + 1))
    skips+=("$1: $2")
}

# count FILE PREFIX: adds a JUnit file to the sums.
count() {
    local good bad left kind name
    while read -r kind name; do
        case $kind in
            failed) failures+=("$2$name") ;;
            skipped) skips+=("$2$name") ;;
            *)
                good=$kind
                read -r bad left <<<"$name"
                passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + left))
                ;;
        esac
    done < <($PYTHON tools/junit_summary.py "$1")
}

finish() {
    local row
    echo
    for row in "${stages[@]}"; do echo "   $row"; done
    echo "   total $((SECONDS - began)) s; logs in $logs"
    for row in "${skips[@]}"; do echo "skipped: $row"; done
    for row in "${failures[@]}"; do echo "FAILED: $row"; done
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ] || exit 1
    [ $((passed + skipped)) -gt 0 ] || { echo "err, no test matches '$filter'" >&2; exit 1; }
    exit 0
}
beside= # the process group of a stage that runs beside this one
interrupted() {
    echo "interrupted" >&2
    if [ -n "$beside" ]; then
        kill -INT -- "-$beside" 2>/dev/null
        wait "$beside"
    fi
    failures+=("interrupted") failed=$((failed + 1))
    finish
}
trap interrupted INT TERM HUP

check_format() {
    # The shim and the test modules follow the kernel's own layout; the rest is clang-format's.
    local report=$logs/format.log
    if $PYTHON tools/source_files.py --c++ | grep -v '^linux/\|^tests/lab/kick/' |
        xargs -r clang-format --dry-run -Werror 2>"$report"; then
        return 0
    fi
    grep '^[^ ]*:[0-9]*:[0-9]*: error' "$report" | cut -d: -f1 | sort -u | sed 's/^/   not formatted: /'
    echo "hint: clang-format -i FILE"
    return 1
}

check_shell() { $PYTHON tools/source_files.py --shell | xargs -r shellcheck -x; }

check_tidy() {
    $PYTHON tools/source_files.py --c++ | grep '^\(core\|debugger\)/.*\.cpp$' |
        xargs -r -P "$JOBS" -n 4 clang-tidy-19 --quiet -p build >"$logs/tidy.log" 2>/dev/null ||
        { grep -A 4 'warning:\|error:' "$logs/tidy.log" | head -60; return 1; }
}

# fuzz TARGET: a minute of hostile input; what breaks it is kept beside the log.
fuzz() {
    mkdir -p "$logs/corpus-$1"
    "build-fuzz/tests/fuzz/fuzz_$1" -max_total_time=60 -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix="$logs/fuzz-$1-" "$logs/corpus-$1" "tests/fuzz/seeds/$1" >"$logs/fuzz-$1.log" 2>&1 ||
        { tail -n 40 "$logs/fuzz-$1.log"; return 1; }
    tail -n 1 "$logs/fuzz-$1.log"
}

# run_ctest FOLDER NAME [CTEST OPTION...]
run_ctest() {
    local folder=$1 name=$2 status=0
    shift 2
    # A file of an earlier run must not be counted again.
    rm -f "$logs/$name.xml"
    ctest --test-dir "$folder" -j "$JOBS" --output-on-failure --no-tests=ignore --timeout 300 \
        ${filter:+-R "$filter"} --output-junit "$PWD/$logs/$name.xml" "$@" >"$logs/$name.log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then cat "$logs/$name.log"; else tail -n 3 "$logs/$name.log" | head -n 1; fi
    return "$status"
}

# run_pytest NAME ARGUMENT...: exit status 5 of pytest means that no test matched.
run_pytest() {
    local name=$1 status=0
    shift
    rm -f "$logs/$name.xml"
    $PYTHON -m pytest -p no:cacheprovider --name-filter "$filter" \
        --junitxml "$logs/$name.xml" -o junit_family=xunit1 -rN -q "$@" 2>&1 | tee "$logs/$name.log" ||
        status=$?
    [ "$status" -ne 5 ] || status=0
    return "$status"
}

wait_for_bochs() {
    local status=0
    wait "$beside" || status=$?
    cat "$logs/lab-bochs.log"
    return "$status"
}

# Bochs takes twice as long as QEMU does: what its machine is good for last is left until then.
last_in_bochs=(tests/lab/vmx_lab_test.py tests/lab/leaving_test.py)

groups=(build test)
[ $mode = quick ] || groups+=(lab)
[ $mode = full ] && groups+=(full)
stage set-up tools/setup.sh --quiet "${groups[@]}" ||
    { failed=1; failures+=("set-up"); finish; }
mkdir -p $logs

if [ -z "$filter" ]; then
    check format check_format
    check licences $PYTHON tools/check_spdx.py
    check includes $PYTHON tools/check_includes.py
    if command -v shellcheck >/dev/null; then
        check shell check_shell
    elif [ $mode = full ]; then
        skip shell "shellcheck is not installed"
    fi
fi

if ! stage build build_preset release build; then
    failed=$((failed + 1)) failures+=("build")
    finish
fi
[ -n "$filter" ] || check headers build_preset release build headers

# Bochs takes longest and keeps one processor busy: beside everything that follows. What it said is
# shown when it has ended. A process group of its own takes an interrupt as pytest expects it, and
# only once.
lab_options=()
[ $mode = full ] && lab_options+=(--full-run)
if [ $mode != quick ]; then
    set -m
    run_pytest lab-bochs tests/lab "${last_in_bochs[@]/#/--ignore=}" "${lab_options[@]}" \
        --emulator=bochs >/dev/null &
    beside=$!
    set +m
fi

# With --full, tests that draw random numbers draw many more (tests/support/scale.hpp); not in the
# slower sanitizer builds further down.
[ $mode = full ] && export RINGSIDE_FULL=1
stage tests run_ctest build tests || :
unset RINGSIDE_FULL
count $logs/tests.xml ""

# pytest's files outside the lab: the scripts of the house, transcripts at a terminal.
folders=()
for folder in tests/*/; do
    [ "$folder" = tests/lab/ ] || ! compgen -G "$folder*_test.py" >/dev/null || folders+=("$folder")
done
stage scripts run_pytest scripts "${folders[@]}" || :
count $logs/scripts.xml ""

if [ $mode = full ]; then
    if command -v clang-tidy-19 >/dev/null; then check clang-tidy check_tidy; else skip clang-tidy "not installed"; fi
    for preset in asan tsan; do
        if stage "build $preset" build_preset $preset build-$preset; then
            stage "tests $preset" run_ctest build-$preset tests-$preset || :
            count $logs/tests-$preset.xml "$preset: "
        else
            failed=$((failed + 1)) failures+=("build $preset")
        fi
    done
    if stage "build fuzz" build_preset fuzz build-fuzz fuzzers; then
        for seeds in tests/fuzz/seeds/*/; do
            target=$(basename "$seeds")
            check "fuzz $target" fuzz "$target"
        done
    else
        failed=$((failed + 1)) failures+=("build fuzz")
    fi
fi

if [ $mode = quick ]; then
    [ -n "$filter" ] || skip "lab tests" "--quick"
else
    stage lab-qemu run_pytest lab-qemu tests/lab "${lab_options[@]}" --emulator=qemu || :
    stage lab-bochs-last run_pytest lab-bochs-last "${last_in_bochs[@]}" "${lab_options[@]}" \
        --emulator=bochs || :
    stage lab-bochs wait_for_bochs || :
    beside=
    for part in lab-qemu lab-bochs lab-bochs-last; do count $logs/$part.xml ""; done
fi
finish
