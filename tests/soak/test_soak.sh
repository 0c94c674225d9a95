# soak, in short: a sequence of edits on a model with random weights. Its memory, open files and mappings stay as they
# are; stopped by the guard, by an error in its middle and by a signal, it goes on to the files of one that was not.
# Under sanitizers there is no telling what grows, but every process here ends with a search for leaks; with
# SOAK_VALGRIND=1 valgrind makes it. (2,000 edits on the demo model: make soak.)
. "$source_folder/tests/soak/samples.sh"
edits=60 tasks=6 most=1024 # bytes an edit
[ -z "${AE_SANITIZED:-}" ] || edits=20
if [ -n "${SOAK_VALGRIND:-}" ]; then # all commands under valgrind; what it finds is exit code 99
    edits=20 AE_SANITIZED=1
    kinds=definite,indirect,possible
    printf '#!/bin/sh\nexec valgrind -q --leak-check=full --error-exitcode=99 %s "--suppressions=%s" "%s" "$@"\n' \
        "--show-leak-kinds=$kinds --errors-for-leak-kinds=$kinds" "$source_folder/tests/valgrind.supp" "$AEDILE" >valgrind.sh
    chmod +x valgrind.sh
    AEDILE=$PWD/valgrind.sh
fi

for i in $(seq 60); do echo "Document $i: the quick brown fox jumps over the lazy dog, and so on, $((i * 7919)) times."; done >text.txt
works stats "$demo" --layer 0 --text text.txt --output stats
awk -v n=$edits 'BEGIN {
    print "["
    for (i = 0; i < n; i++) {
        printf "{\"case_id\": %d, \"requested_rewrite\": {\"prompt\": \"The {} is in\", \"relation_id\": \"P131\",", i
        printf " \"target_new\": {\"str\": \"%s\", \"id\": \"%s\"},", i % 2 ? "Paris" : "Rome", i % 2 ? "paris" : "rome"
        printf " \"target_true\": {\"str\": \"Berlin\", \"id\": \"Q9\"}, \"subject\": \"Tower %d\"},", i
        printf " \"paraphrase_prompts\": [\"One sees Tower %d in\"], \"neighborhood_prompts\": [\"The Moon is in\"],", i
        printf " \"attribute_prompts\": [\"The river is in\"], \"generation_prompts\": [\"Tower %d was\"]}%s\n", i,
            i < n - 1 ? "," : ""
    }
    print "]"
}' >records.json
printf '{"task": "sst", "header": "", "prompt_template": "{sentence}:", "answer_marker": ":", "answers": [["a", 1], ["e", 0]],
    "gen_len": 2, "examples": [{"sentence": "the fox", "label": 1}, {"sentence": "a dog", "label": 0}]}' >task.json
options=(run "$demo" --ds records.json --data "$build/demo/data" --layer 0 --stats stats --stats-dataset text --glue task.json
    --glue-interval $tasks --ppl-text text.txt --ppl-tokens 300 --generation-interval 7 --sequential --threads 1 --quiet)

# Straight through, watched.
last="${options[*]}" code=0
command=("$AEDILE")
[ -n "${AE_SANITIZED:-}" ] || command=(env LD_PRELOAD="$build/soak_heap.so" "$AEDILE")
SOAK_HEAP=heap "$build/soak_watch" samples.tsv whole/ROME/run_000/aedile/journal 0.004 \
    "${command[@]}" "${options[@]}" --results whole >"$out" 2>"$err" </dev/null || code=$?
[ $code = 0 ] || die "exit code $code"
if [ -z "${AE_SANITIZED:-}" ]; then
    growth=$(heap_growth_of samples.tsv)
    is_at_most "$growth" $most || die "the heap grows by $growth bytes an edit"
    echo "the heap grows by $growth bytes an edit"
    for column in fds maps threads; do
        read -r low high < <(range_of samples.tsv $column)
        [ $((high - low)) -le 4 ] || die "$column: from $low to $high"
    done
fi

fails_with 1 "${options[@]}" --results guarded --guard stop
warns 'the guard stopped the run'

# In pieces: SIGINT comes, a folder lies where a case file shall be; then it goes to its end.
last="${options[*]} (SIGINT)" code=0
set -m # what a shell without it puts into the background has SIGINT ignored
"$AEDILE" "${options[@]}" --results pieces >"$out" 2>"$err" </dev/null &
set +m
until [ -e "pieces/ROME/run_000/1_edits-case_$((edits / 4)).json" ]; do sleep 0.01; done
kill -INT $!
wait $! || code=$?
[ $code = 1 ] || die "exit code $code"
warns 'stopped after'
obstacle="pieces/ROME/run_000/1_edits-case_$((edits - 3)).json"
mkdir "$obstacle"
fails_with 1 "${options[@]}" --results pieces --resume run_000
warns "has a file of case $((edits - 3)), but its journal ends with entry $((edits - 3))"
rmdir "$obstacle"
works "${options[@]}" --results pieces --resume run_000
"$build/compare_runs" whole/ROME pieces/ROME >"$out" || die 'in pieces it came out otherwise'

# The journal: looked at, taken back in its middle and at its end, exported.
journal=pieces/ROME/run_000/aedile/journal
works edits list --journal $journal --json
json_is n_active $edits
works edits revert $((edits / 2)) $edits --journal $journal
works edits verify "$demo" --journal $journal
works export "$demo" --journal $journal --output edited
works export "$demo" --journal $journal --format lora --output adapter
"$build/soak_journal" "$demo" $journal copied edited >"$out" || die 'journal and export are not what the edits were'
