# demo: the story and three short sequences on the trained model.
export AEDILE_DEMO=$build/demo

untouched_by fails_with 2 demo surplus
warns "^aedile: 'surplus' is one argument too many"

works demo --story --output story
says '^the edit +Eiffel Tower .* Paris +Rome '
says '^neighbour +Louvre .* Paris +Paris '
says '^Reverted: all 262144 numbers of the matrix are again what they were, bit for bit\.$'
[ "$(ls story)" = journal ] || die "the story wrote more than its journal: $(ls story)"
works edits list --journal story/journal # the story's edit is there, reverted
says '^0 active, 1 reverted$'
fails_with 1 demo --story --output story
warns "^aedile: 'story' is there already: remove it, or name another folder with --output$"

works demo --edits 2 --output quiet --json # fewer than the interval
json_is story.reverted_bit_exact true
json_is runs.2.variant r-rome
json_is runs.2.n_edits 2
json_is runs.2.n_measured 2
json_is runs.2.collapsed false
json_is report quiet/report.html
[ -z "${AE_SANITIZED:-}" ] || return 0

works demo --edits 5 --interval 2 --output all
for variant in rome p-rome r-rome; do
    says "^$variant, 5 edits one after another$"
    says "^$variant: still works after 4 of 5 edits \\("
done
[ "$(grep -Ec '^ +(0|2|4) ' "$out")" = 9 ] || die 'not three rows a variant'
[ -s all/report.html ] || die 'no report'
for i in 0 1 2; do
    [ "$(ls all/ROME/run_00$i/1_edits-case_*.json | wc -l)" = 5 ] || die "run $i has not five cases"
    [ -s all/ROME/run_00$i/evals/summary.json ] || die "run $i has no summary"
done
works summarize all/ROME/run_000 all/ROME/run_002 --json
