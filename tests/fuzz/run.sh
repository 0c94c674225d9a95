#!/usr/bin/env bash
# run.sh BUILD [READER ...]: runs the fuzz targets of a build with AE_FUZZ, all or those named, and prints a table:
# target, seconds, executions, corpus (files), coverage (edges), findings.
#
#   FUZZ_SECONDS  for each target (60)            FUZZ_RUNS     instead: executions of each target
#   JOBS          targets at a time (1)           FUZZ_KEEP_ON  1: go on with other targets behind a finding
#
# The corpus grows in BUILD/corpus/<reader>, starting from the seeds and regressions beside this script; logs are
# BUILD/logs/<reader>.log, inputs that found something BUILD/findings/<reader>/. The exit status is 1 where
# anything was found.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
build=$(cd "$1" && pwd)
shift
seconds=${FUZZ_SECONDS:-60} runs=${FUZZ_RUNS:--1} jobs=${JOBS:-1}
if [ "$runs" -ge 0 ]; then seconds=0; fi

readers=("$@")
if [ ${#readers[@]} -eq 0 ]; then
    for source in "$here"/fuzz_*.c; do
        name=$(basename "$source" .c)
        [ "$name" = fuzz_mutate ] || readers+=("${name#fuzz_}")
    done
fi

# What the targets write lies in memory where that can be, and is gone at the end, crash or not.
scratch=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")/aedile-fuzz-run-XXXXXX")
pids=()
stop() {
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
    wait || true
    rm -rf "$scratch"
}
trap stop EXIT
trap 'exit 130' INT TERM

dictionary_of() {
    case $1 in
    torch_pickle | pickle) echo pickle ;;
    task | requests | dataset | snippets | run | hparams | templates | select) echo records ;;
    safetensors | checkpoint | entry | journal) echo safetensors ;;
    zip | npz | npy | torch_bin | moment) echo zip ;;
    config | tokenizer | model) echo config ;;
    esac
}

run_one() {
    local reader=$1
    local corpus=$build/corpus/$reader findings=$build/findings/$reader log=$build/logs/$reader.log
    local words=$scratch/$reader.dict begin=$SECONDS
    mkdir -p "$corpus" "$findings" "$build/logs" "$scratch/$reader"
    local folders=("$corpus")
    for kind in corpus regressions; do
        [ ! -d "$here/$kind/$reader" ] || folders+=("$here/$kind/$reader")
    done
    local dictionary
    dictionary=$(dictionary_of "$reader")
    cat "$here/dictionaries/json.dict" >"$words"
    [ -z "$dictionary" ] || cat "$here/dictionaries/$dictionary.dict" >>"$words"
    local most=16384
    case $reader in
    model) most=40000 ;;      # its seeds have 30 KB
    text_stream) most=2048 ;; # of which zstd makes 64 MB
    esac
    # A thread team of its own a target would fight with the other targets.
    TMPDIR=$scratch/$reader OMP_NUM_THREADS=1 \
        LSAN_OPTIONS=suppressions=$here/../lsan.supp:print_suppressions=0 \
        "$build/tests/fuzz/fuzz_$reader" -max_total_time="$seconds" -runs="$runs" -timeout=10 \
        -rss_limit_mb=2048 -max_len=$most -dict="$words" -artifact_prefix="$findings/" -print_final_stats=1 \
        "${folders[@]}" >"$log" 2>&1 &
    local child=$!
    trap 'kill "$child" 2>/dev/null || true' TERM # the script was ended: so is the target
    wait "$child" || true
    rm -rf "${scratch:?}/$reader"
    echo $((SECONDS - begin)) >"$scratch/$reader.seconds"
    touch "$scratch/$reader.done"
}

print_row() {
    local reader=$1 log=$build/logs/$1.log n found=-
    n=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    local edges
    edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
    # What was found now, not what earlier runs left.
    local path
    path=$(sed -n 's/.*Test unit written to //p' "$log" | tail -1)
    if [ -n "$path" ]; then
        found=$path
    elif ! grep -q '^Done [0-9]* runs' "$log"; then
        found="ended early: $log"
    fi
    printf '%-14s %8s %12s %8s %8s  %s\n' "$reader" "$(cat "$scratch/$reader.seconds")" "${n:--}" \
        "$(find "$build/corpus/$reader" -type f | wc -l)" "${edges:--}" "$found"
    [ "$found" = - ]
}

failed=0
print_finished() {
    local reader
    for reader in "${readers[@]}"; do
        [ -e "$scratch/$reader.done" ] && [ ! -e "$scratch/$reader.printed" ] || continue
        touch "$scratch/$reader.printed"
        print_row "$reader" || failed=1
    done
}

run_all() {
    local reader
    printf '%-14s %8s %12s %8s %8s  %s\n' target seconds executions corpus edges finding
    for reader in "${readers[@]}"; do
        while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
        print_finished
        if [ $failed = 1 ] && [ "${FUZZ_KEEP_ON:-0}" != 1 ]; then break; fi
        run_one "$reader" &
        pids+=($!)
    done
    while [ "$(jobs -rp | wc -l)" -gt 0 ]; do
        wait -n || true
        print_finished
    done
    pids=()
    print_finished
}

run_all
exit $failed
