# run: killed (SIGKILL) at random instants and resumed until it is complete, it ends with the files of a run that was
# never killed, byte for byte but for times. AE_TEST_KILLS says how often; the instants follow from a seed.
# (At every single change of the disk it is killed in tests/unit/eval/test_run_kill.c.)
kills_wanted=${AE_TEST_KILLS:-15}
RANDOM=37

for i in $(seq 60); do echo "Document $i: the quick brown fox jumps over the lazy dog, and so on, $((i * 7919)) times."; done >text.txt
works stats "$demo" --layer 0 --text text.txt --output stats
{
    echo '['
    for i in $(seq 10); do
        subject="Tower $i"
        [ "$i" != 7 ] || subject=$(head -c 400 /dev/zero | tr '\0' x) # which does not fit the model
        printf '{"case_id": %d, "requested_rewrite": {"prompt": "The {} is in", "relation_id": "P1", "target_new": {"str": "%s",
            "id": "Q%d"}, "target_true": {"str": "Berlin", "id": "Q9"}, "subject": "%s"}, "paraphrase_prompts": ["One sees the %s in"],
            "neighborhood_prompts": ["The Moon is in"], "generation_prompts": ["The %s was"]}' \
            $((i * 2)) "$([ $((i % 2)) = 0 ] && echo Rome || echo Paris)" $((i % 2)) "$subject" "$subject" "$subject"
        [ "$i" = 10 ] || echo ,
    done
    echo ']'
} >records.json
printf '{"task": "sst", "header": "", "prompt_template": "{sentence}:", "answer_marker": ":", "answers": [["a", 1], ["e", 0]],
    "gen_len": 2, "examples": [{"sentence": "the fox", "label": 1}, {"sentence": "a dog", "label": 0}]}' >task.json

options=(run "$demo" --ds records.json --layer 0 --stats stats --stats-dataset text --glue task.json --glue-interval 3
    --ppl-text text.txt --ppl-tokens 300 --ppl-interval 2 --quiet)
mode() { # sets how edits are put together
    case $1 in
    0) how=(--sequential) ;;
    1) how=(--sequential --num-edits 3 --guard skip --pre) ;;
    2) how=(--num-edits 2) ;;
    esac
}
same() { "$build/compare_runs" "$1" "$2" >"$out" || die "$1 and $2 differ"; }

began=$(date +%s%3N)
for m in 0 1 2; do
    mode $m
    works "${options[@]}" "${how[@]}" --threads 2 --results whole-$m
done
milliseconds=$((($(date +%s%3N) - began) / 3)) # that a run takes
works "${options[@]}" --sequential --threads 2 --results again
same again/ROME whole-0/ROME # as it is compared: the same run, twice
echo >>again/ROME/run_000/1_edits-case_4.json
"$build/compare_runs" again/ROME whole-0/ROME >"$out" && die 'a changed file was not noticed'
says "^'run_000/1_edits-case_4.json' differs at byte"

kills=0 round=0
while [ $kills -lt "$kills_wanted" ]; do
    mode $((round % 3))
    results=killed-$round code=137
    while [ $code = 137 ]; do
        resume=(--threads 2)
        # With any number of threads: it changes no byte.
        [ ! -d $results/ROME/run_000 ] || resume=(--threads $((RANDOM % 3 + 1)) --resume run_000)
        last="${options[*]} ${how[*]} ${resume[*]} (killed $kills times)" code=0
        "$AEDILE" "${options[@]}" "${how[@]}" --results $results "${resume[@]}" >"$out" 2>"$err" </dev/null &
        if [ $kills -lt "$kills_wanted" ]; then
            instant=$((RANDOM % milliseconds))
            sleep "$((instant / 1000)).$(printf %03d $((instant % 1000)))"
            kill -KILL $! 2>/dev/null || true
        fi
        wait $! 2>/dev/null || code=$?
        [ $code = 0 ] || [ $code = 137 ] || die "exit code $code"
        kills=$((kills + (code == 137)))
    done
    sed -i 's/"n_threads": [13]/"n_threads": 2/' $results/ROME/run_000/aedile/settings.json # says who ended it
    same $results/ROME whole-$((round % 3))/ROME
    rm -r $results
    round=$((round + 1))
done
[ $round -gt 0 ]
echo "$kills kills, $round runs" >&2
