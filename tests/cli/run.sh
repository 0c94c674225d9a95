#!/usr/bin/env bash
# tests/cli/run.sh TEST.sh BUILD: runs one test of the command in a fresh folder, with the words below at hand.
#
#     run ARGUMENT...        runs aedile, keeps its stdout, stderr and exit code
#     fails_with CODE ARG... the same, and the exit code must be this; `works` is `fails_with 0`
#     says PATTERN           stdout holds a line that matches (extended regular expression)
#     warns PATTERN          stderr does
#     silent_on_stderr       stderr is empty
#     json PATH              prints a value of the document on stdout
#     json_is PATH VALUE     ... which must be this
#     near A B               the numbers agree within 1e-5 of their size: what batches of other sizes may round away
#     untouched_by COMMAND.. runs it; no file in the test's folder may appear, vanish or change
#
# The test runs under `set -e`: any other command that fails ends it, too.
set -euo pipefail

test_script=$(realpath "$1")
build=$(realpath "$2")
source_folder=$(realpath "$(dirname "$0")/../..")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/work" "$scratch/io"

# Threads that wait give way: tests run beside each other, and spinning would starve them.
export OMP_WAIT_POLICY=passive
export AEDILE=$build/aedile JSON_GET=$build/json_get
export HF_HUB_CACHE=$scratch/cache LC_ALL=C.UTF-8
unset AEDILE_STATS AEDILE_DEMO HF_HOME
demo=$build/small/demo # random weights; the trained model is $build/demo
out=$scratch/io/out err=$scratch/io/err last='(nothing yet)'

die() {
    trap - ERR
    echo "FAILED: $1"
    echo "--- command: aedile $last"
    echo '--- stdout:'
    head -c 4000 "$out" || true
    echo '--- stderr:'
    head -c 4000 "$err" || true
    echo '--- at:'
    local frame=1
    while caller $frame; do frame=$((frame + 1)); done
    exit 1
}
trap 'die "a command failed"' ERR
set -E

run() {
    last="$*" code=0
    "$AEDILE" "$@" >"$out" 2>"$err" </dev/null || code=$?
}
fails_with() {
    local expected=$1
    shift
    run "$@"
    [ "$code" = "$expected" ] || die "exit code $code, not $expected"
}
works() { fails_with 0 "$@"; }
says() { grep -Eq -- "$1" "$out" || die "stdout does not say '$1'"; }
warns() { grep -Eq -- "$1" "$err" || die "stderr does not say '$1'"; }
silent_on_stderr() { [ ! -s "$err" ] || die 'stderr is not empty'; }
json() { "$JSON_GET" "$1" <"$out"; }
json_is() {
    local got
    got=$(json "$1") || die "no '$1' in the document"
    [ "$got" = "$2" ] || die "$1 is '$got', not '$2'"
}
near() {
    awk -v a="$1" -v b="$2" 'BEGIN { d = a - b; s = b < 0 ? -b : b; exit !(d <= 1e-5 * s && d >= -1e-5 * s) }' ||
        die "$1 is not near $2"
}
listing() { find . -exec stat -c '%n %F %s' {} + | sort; find . -type f -exec sha256sum {} + | sort; }
untouched_by() {
    local before after
    before=$(listing)
    "$@"
    after=$(listing)
    [ "$before" = "$after" ] || die "files were written: $(diff <(echo "$before") <(echo "$after"))"
}

cd "$scratch/work"
. "$test_script"
