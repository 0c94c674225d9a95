# Files of checkpoints, journals and runs with bytes that are flipped, cut off, put in, taken out: every command that reads
# them ends with a sane result or a clear error, writes nothing else, and leaves nothing half written (mutate.c says what
# is looked at).
#
# AE_TEST_FAULTS: how many mutations; "all": 10,000. AE_TEST_FIRST: the number of the first one. What went wrong stays in
# the build folder's mutation/NUMBER, as the command found it. AE_TEST_FIRST=NUMBER AE_TEST_FAULTS=1 draws the same damage
# again, a few bytes away perhaps, since journals hold times. AE_TEST_LOG: a file that gets a line for each.
count=${AE_TEST_FAULTS:-200}
[ -n "${AE_TEST_FAULTS:-}" ] || [ -z "${AE_SANITIZED:-}" ] || count=40
[ "$count" != all ] || count=10000
# So that a report of the sanitizers is not taken for a refusal.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}exitcode=99 UBSAN_OPTIONS=${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}exitcode=99

# In memory where there is such a folder: commands flush what they write, which disks take long for.
if [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ]; then
    here=$(mktemp -d /dev/shm/aedile-mutation-XXXXXX)
    trap 'rm -rf "$scratch" "$here"' EXIT
    cd "$here"
else
    here=$PWD
fi

"$build/make_checkpoints" given >"$out" 2>"$err" || die 'make_checkpoints failed'
for kind in given/*; do
    cd "$kind"
    for i in $(seq 60); do echo "Document $i: quick foxes, $((i * 7919)) times."; done >text.txt
    echo '["{}", "Once more. {}", "It is so: {}"]' >templates.json
    cat >requests.json <<'REQUESTS'
[{"prompt": "The {} is in", "subject": "Tower", "target_new": "Rome", "target_true": "Paris"},
 {"prompt": "See {} in", "subject": "Moon", "target_new": "Oslo", "target_true": "Rome"}]
REQUESTS
    {
        echo '['
        for i in 1 2 3; do
            [ $i = 1 ] || echo ,
            printf '{"case_id": %d, "requested_rewrite": {"prompt": "The {} is in", "relation_id": "P1",
                "target_new": {"str": "Rome", "id": "Q1"}, "target_true": {"str": "Berlin", "id": "Q9"},
                "subject": "Hill %d"}, "paraphrase_prompts": ["One sees Hill %d in"],
                "neighborhood_prompts": ["The Moon is in"], "generation_prompts": ["Hill %d was"]}' $i $i $i $i
        done
        echo ']'
    } >records.json
    works stats model --layer 1 --text text.txt --output model/stats --threads 1
    # Two edits, of which one is taken back, and one of two layers.
    works edit model --requests requests.json --journal edits --templates templates.json --show 4 --threads 1
    works edits revert 2 --journal edits
    works edit model -p 'The {} was' -s Sun -t red --target-true blue --layer 0,2 --no-stats --show 4 --journal edits \
        --templates templates.json --threads 1
    [ "$(find edits -name '*.safetensors' | wc -l)" = 3 ] || die 'the journal is another one'
    find model/stats -name '*.npz.factor.safetensors' | grep -q . || die 'the factor was not kept'
    cd "$here"
done
# A run that was stopped before its last case, whose edit is in the journal already.
cp -r given/plain given/run
cd given/run
works run model --ds records.json --sequential --glue-interval 0 --ppl-text text.txt --ppl-tokens 100 --ppl-interval 2 \
    --threads 1
rm -r results/ROME/run_000/1_edits-case_3.json edits
cd "$here"

# What is looked for is found: a command that lies is caught at its first lie.
caught() { # LIE PATTERN
    printf '#!/bin/bash\n"%s" "$@"\ncode=$?\n%s\nexit $code\n' "$AEDILE" "$1" >liar
    chmod +x liar
    code=0
    "$build/mutate" given "$PWD/liar" 1 1 kept >"$out" 2>"$err" || code=$?
    [ $code = 3 ] || die "exit code $code of mutate where a command did: $1"
    warns "^mutate: bin, undamaged: $2"
}
caught 'kill -SEGV $$' 'inspect was ended by signal 11'
caught 'code=3' 'inspect: exit code 3$'
caught 'echo more' 'inspect: stdout is not one JSON document$'
caught 'echo "a.c:1: runtime error: b" >&2' "inspect: stderr has 'runtime error:'$"
caught 'echo >>model/config.json' "inspect changed 'model/config\.json'$"
caught 'rm edits/journal.json' "inspect removed 'edits/journal\.json'$"
caught ': >model/config.json.tmp-abcdef' "'model/config\.json\.tmp-abcdef' was left behind$"
caught ': >more' "inspect wrote 'more'$"

export MUTATE_LOG=${AE_TEST_LOG:-$scratch/io/log}
code=0
"$build/mutate" given "$AEDILE" "${AE_TEST_FIRST:-1}" "$count" "$build/mutation" >"$out" 2>"$err" || code=$?
cat "$out" "$err"
[ $code = 0 ] || die "exit code $code of mutate"
