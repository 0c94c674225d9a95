#!/usr/bin/env bash
# run.sh BUILD: a long sequence of edits on the demo model, every case evaluated, tasks and perplexity in between
# (`make soak`): does its memory stay flat, does it come out the same again, and after kills, and what can be done
# with its journal. An edit with its evaluations takes about 0.7 s of a processor: with 2,000 edits an hour and a half.
#
#   SOAK_EDITS     edits (2000)                    SOAK_TASKS     downstream tasks after every so many (20)
#   SOAK_KILLS     SIGKILLs of the third run (8)   SOAK_SEED      where they fall (37)
#   SOAK_THREADS   threads of aedile (2)           SOAK_SECONDS   between two samples (0.5)
#   SOAK_GROWTH    most growth of the heap and of anonymous memory that is allowed, bytes an edit (1024)
#   SOAK_VARIANT   r-rome, rome or p-rome (r-rome)
#   SOAK_STAGES    of: first again killed journal leaks (all, in this order; again, killed and journal need `first`)
#
# Everything lies in BUILD/soak: first/, again/ and killed/ are the runs, first.tsv the samples of the first
# (watch.c tells the columns), report.txt what is printed. The exit status is 1 where something did not hold.
#
# What grows by design is some hundred bytes an edit: an entry of the journal's list with its block's rounding, two
# numbers for the guard, a name. Their arrays double, so that growth comes in steps.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
[ $# = 1 ] || { sed -n '2,17s/^# \{0,1\}//p' "$0" >&2; exit 2; }
build=$(cd "$1" && pwd)
edits=${SOAK_EDITS:-2000} tasks=${SOAK_TASKS:-20} kills=${SOAK_KILLS:-8} threads=${SOAK_THREADS:-2}
interval=${SOAK_SECONDS:-0.5} growth=${SOAK_GROWTH:-1024} variant=${SOAK_VARIANT:-r-rome}
stages=${SOAK_STAGES:-first again killed journal leaks}
RANDOM=${SOAK_SEED:-37}
aedile=$build/aedile demo=$build/demo data=$build/demo/data folder=$build/soak
export OMP_WAIT_POLICY=passive LC_ALL=C
. "$here/samples.sh"
failed=0
pid=

mkdir -p "$folder"
cd "$folder"
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true' EXIT
exec > >(tee -a report.txt) 2>&1

fault() {
    echo "NOT SO: $1"
    failed=1
}
check() { # WORDS COMMAND...: the words with "ok", or a fault
    local words=$1
    shift
    if "$@"; then echo "ok: $words"; else fault "$words"; fi
}

run_options() { # of the run that goes to $1
    options=(run "$demo" --ds records.json --data "$data" --sequential --max-edits "$edits" --variant "$variant"
        --glue-interval "$tasks" --ppl-text "$data/held_out.txt" --threads "$threads" --results "$1" --quiet)
}
journal_of() { echo "$1/ROME/run_000/aedile/journal"; }
count_entries() { find "$(journal_of "$1")" -name '*.safetensors' 2>/dev/null | wc -l; }

# ---- what the samples tell -------------------------------------------------------------------------------------

# A line for every tenth of the run, over the samples of that tenth.
table_of() {
    awk -v edits="$edits" '
        NR == 1 { next }
        { b = int($2 * 10 / edits); if (b > 9) b = 9
          if (!(b in n) || $3 < low[b]) low[b] = $3
          if (!(b in n) || $11 < heap[b]) heap[b] = $11
          if ($3 > high[b]) high[b] = $3
          if (!n[b]++) { s0[b] = $1; e0[b] = $2; w0[b] = $9; c0[b] = $10 }
          s1[b] = $1; e1[b] = $2; w1[b] = $9; c1[b] = $10; file[b] = $4; maps[b] = $6; fds[b] = $7; threads[b] = $8 }
        END {
            printf "%12s %9s %10s %10s %9s %5s %4s %8s %10s %10s %10s\n", "edits", "heap KiB", "anon KiB", "at most", "file KiB",
                "maps", "fds", "threads", "s/edit", "cpu s/edit", "KiB/edit"
            for (b = 0; b < 10; b++) if (n[b] && e1[b] > e0[b]) {
                d = e1[b] - e0[b]
                printf "%5d - %4d %9.1f %10d %10d %9d %5d %4d %8d %10.3f %10.3f %10.1f\n", e0[b], e1[b], heap[b] / 1024, low[b], high[b],
                    file[b], maps[b], fds[b], threads[b], (s1[b] - s0[b]) / d, (c1[b] - c0[b]) / d,
                    (w1[b] - w0[b]) / d / 1024
            }
        }' "$1"
}
# Means of the case files of a tenth of the run: seconds of the stages, and how the model does.
stages_of() {
    local run=$1/ROME/run_000 tenth=$((edits / 10)) first
    printf '%12s %9s %9s %9s %9s %9s %9s %9s %9s %9s\n' edits keys solve optimise update measure efficacy \
        paraphr. neighb. flagged
    for first in $(seq 0 "$tenth" $((edits - tenth))); do
        seq -f "$run/1_edits-case_%.0f.json" "$first" $((first + tenth - 1)) | xargs cat | awk -v first="$first" -v tenth="$tenth" '
            function value(line) { sub(/^[^:]*: */, "", line); sub(/,$/, "", line); return line }
            /^  "seconds_keys"/ { k += value($0); n++ }
            /^  "seconds_solve"/ { s += value($0) }
            /^  "seconds_optimise"/ { o += value($0) }
            /^  "seconds_update"/ { u += value($0) }
            /^  "seconds_measure"/ { m += value($0) }
            /^  "efficacy"/ { e += value($0) }
            /^  "paraphrase"/ { p += value($0) }
            /^  "neighborhood"/ { h += value($0) }
            /^  "flag"/ { f += value($0) != "null" }
            END { if (n) printf "%5d - %4d %9.4f %9.4f %9.4f %9.4f %9.4f %9.3f %9.3f %9.3f %9d\n", first, first + tenth,
                      k / n, s / n, o / n, u / n, m / n, e / n, p / n, h / n, f }'
    done
}
# Tasks and perplexity, at ten places.
tasks_of() {
    grep '"event": "tasks"' "$1/ROME/run_000/aedile/events.jsonl" | awk -v edits="$edits" '
        function field(name,   at) { at = index($0, "\"" name "\": "); return at ? substr($0, at + length(name) + 4) + 0 : "-" }
        BEGIN { printf "%12s %11s %s\n", "edits", "perplexity", "accuracy of sst, mrpc, cola, rte" }
        { n = field("n_edits"); if (n > 0 && n < next_one) next; next_one = n + edits / 10
          printf "%12d %11.4g", n, field("perplexity")
          line = $0; while ((at = index(line, "\"accuracy\": "))) { line = substr(line, at + 12); printf " %6.3f", line + 0 }
          print "" }'
}

# ---- stages ----------------------------------------------------------------------------------------------------

first() {
    rm -rf first first.tsv
    "$build/soak_make_records" "$data/counterfact.json" "$edits" records.json
    run_options first
    SECONDS=0
    SOAK_HEAP=heap "$build/soak_watch" first.tsv "$(journal_of first)" "$interval" \
        env LD_PRELOAD="$build/soak_heap.so" "$aedile" "${options[@]}" ||
        { fault "the run ends well"; exit 1; }
    echo "first: $edits edits, $SECONDS s"
    table_of first.tsv
    stages_of first
    tasks_of first
    local heap resident
    heap=$(heap_growth_of first.tsv)
    check "the heap grows by $heap bytes an edit over the second half, at most $growth" is_at_most "$heap" "$growth"
    resident=$(resident_growth_of first.tsv)
    if [ "$edits" -ge 1000 ]; then
        check "resident anonymous memory grows by $resident, at most $growth" is_at_most "$resident" "$growth"
    else
        echo "resident anonymous memory grows by $resident, which tells little below 1000 edits"
    fi
    local column low high
    for column in fds maps threads; do
        read -r low high < <(range_of first.tsv $column)
        # A file is open while it is read or written; a large block has a mapping of its own.
        check "$column between $low and $high over the second half" [ $((high - low)) -le 8 ]
    done
}

again() {
    rm -rf again
    run_options again
    "$aedile" "${options[@]}" || { fault "the second run ends well"; exit 1; }
    check 'run again: the same bytes but for times' "$build/compare_runs" first/ROME again/ROME
}

killed() {
    rm -rf killed
    local i=0 goal code resume where=''
    local goals
    goals=$(for _ in $(seq "$kills"); do echo $(((RANDOM * 32768 + RANDOM) % edits)); done | sort -n)
    for goal in $goals; do
        resume=()
        [ ! -d killed/ROME/run_000 ] || resume=(--resume run_000)
        run_options killed
        "$aedile" "${options[@]}" "${resume[@]}" &
        pid=$! code=0
        while kill -0 $pid 2>/dev/null && [ "$(count_entries killed)" -lt "$goal" ]; do sleep 0.2; done
        sleep "0.$(printf %03d $((RANDOM % 1000)))"
        kill -KILL $pid 2>/dev/null || true
        wait $pid 2>/dev/null || code=$?
        pid=
        [ $code = 137 ] || [ $code = 0 ] || fault "a killed run ends with $code"
        [ $code != 137 ] || i=$((i + 1))
        where="$where $(count_entries killed)"
    done
    run_options killed
    "$aedile" "${options[@]}" --resume run_000 || fault "the resumed run ends well"
    check "killed $i times, with$where entries in the journal, and resumed: the same bytes" \
        "$build/compare_runs" first/ROME killed/ROME
}

# A command over the journal: wall seconds, processor seconds and the most memory of it, and what it says last.
measured() {
    local began=${EPOCHREALTIME/[.,]/} code=0
    "$build/soak_watch" command.tsv . 0.004 "$aedile" "$@" >command.out 2>command.err || code=$?
    local wall=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
    [ $code = 0 ] || { cat command.err; fault "aedile $*: exit code $code"; }
    printf '%6d ms %7s KiB  %s\n' $wall "$(awk 'NR > 1 && $5 > m { m = $5 } END { print m + 0 }' command.tsv)" \
        "aedile ${*#"$build/"}: $(tail -1 command.out | cut -c1-80)"
}
journal() {
    rm -rf journal edited adapter copied
    cp -r "$(journal_of first)" journal
    measured edits list --journal journal
    check "$edits entries are listed" [ "$(grep -c ' active ' command.out)" = "$edits" ]
    measured edits show $((edits / 2)) --journal journal
    measured edits verify --journal journal
    measured edits verify "$demo" --journal journal
    measured generate "$demo" --prompt 'The capital of France is' --max-tokens 1 --journal journal --threads "$threads"
    measured export "$demo" --journal journal --output edited
    measured export "$demo" --journal journal --format lora --output adapter
    "$build/soak_journal" "$demo" journal copied edited || failed=1
    check 'the new journal is the old one, byte for byte but for times' "$build/compare_runs" journal copied
    measured edits revert $((edits / 2)) --journal journal
    measured edits revert "$edits" --journal journal
    measured edits verify "$demo" --journal journal
    rm -rf edited copied
    measured export "$demo" --journal journal --output edited
    "$build/soak_journal" "$demo" journal copied edited || failed=1
    # The run measured its last case on the weights that it had made: base and journal give the same measurement.
    rm -rf replayed
    cp -r first replayed
    local last="replayed/ROME/run_000/1_edits-case_$((edits - 1)).json"
    rm "$last"
    run_options replayed
    SECONDS=0
    "$aedile" "${options[@]}" --resume run_000 || fault 'the replayed run ends well'
    echo "resumed behind $((edits - 1)) cases: $SECONDS s"
    check 'the last case measured again on base and journal: the same bytes' \
        "$build/compare_runs" first/ROME replayed/ROME
}

# The short soak of the tests with every command under valgrind.
leaks() {
    command -v valgrind >/dev/null || { echo 'valgrind is not installed: left out'; return; }
    SECONDS=0
    if SOAK_VALGRIND=1 OMP_NUM_THREADS=1 "$here/../cli/run.sh" "$here/test_soak.sh" "$build"; then
        echo "ok: valgrind finds no leak and no wrong access in a short soak, $SECONDS s"
    else
        fault 'valgrind finds nothing'
    fi
}

for stage in $stages; do
    echo "== $stage"
    $stage
done
exit $failed
