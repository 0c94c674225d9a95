# summarize: runs written by hand, as table, CSV and JSON; comparisons; what is no run.

# A run's folder in the form of the reference. FOLDER [MEMBERS of params.json]
begin_run() {
    mkdir -p "$1"
    echo "{\"enable_random_prefix_keys\": true, \"enable_prompt_keys\": false, \"original_implementation\": true,
        \"model_name\": \"gpt2-xl\", \"dataset\": \"cf\", \"sequential\": true${2:+, $2}}" >"$1/params.json"
}
# FOLDER ID TIME NEW_REWRITE NEW_PARAPHRASE NEW_NEIGHBOUR [MEMBERS of post]: the new target's nats; the true one's are 2.
write_case() {
    local pair='[{"target_new": %s, "target_true": 2}]'
    printf '{"case_id": %d, "grouped_case_ids": [%d], "num_edits": 1, "requested_rewrite": {"prompt": "{} is in",
        "relation_id": "P1", "target_new": {"str": "Rome", "id": "Q1"}, "target_true": {"str": "Paris", "id": "Q2"},
        "subject": "S%d"}, "time": %s, "post": {"rewrite_prompts_probs": '"$pair"', "paraphrase_prompts_probs": '"$pair"',
        "neighborhood_prompts_probs": '"$pair"'%s}, "distance_from_original": {"17": 1e-07}}' \
        "$2" "$2" "$2" "$3" "$4" "$5" "$6" "${7:+, $7}" >"$1/1_edits-case_$2.json"
}

a=results/ROME/run_000 b=results/ROME/run_001
begin_run $a
write_case $a 1 1.5 1 3 3 '"ngram_entropy": 6.1, "reference_score": 0.25, "essence_score": 33'
write_case $a 2 1.5 1 1 3 '"ngram_entropy": 6.3, "reference_score": 0.35'
write_case $a 30 1.5 1 1 3
write_case $a 4 1.5 3 1 3
begin_run $b
write_case $b 1 0.05 1 1 3
write_case $b 2 0.05 1 1 1
write_case $b 30 0.05 1 1 3
write_case $b 4 0.05 1 1 3
write_case $b 7 0.05 3 3 1

# ---- the table
untouched_by works summarize $a
silent_on_stderr
[ "$(cat "$out")" = "\
run      variant  cases     ES     PS      NS      GE     RS      S   time
run_000  r-rome       4  75.00  75.00  100.00  620.00  30.00  81.82  1.5 s" ] || die 'another table'
works summarize run_000 --std # a name, among the results
[ "$(cat "$out")" = "\
run      variant cases          ES          PS          NS           GE         RS    S  time
run_000  r-rome      4 75.0 (43.3) 75.0 (43.3) 100.0 (0.0) 620.0 (10.0) 30.0 (5.0) 81.8 1.5 s" ] || die 'another table'
[ "$(wc -L <"$out")" -le 100 ] || die 'the table is too wide'
cp -r results elsewhere
works summarize run_001 --results elsewhere
says '^run_001  r-rome       5  80\.00  80\.00  60\.00   -   -  72\.00  50 ms$'

# ---- two runs
works summarize $a $b
silent_on_stderr
[ "$(sed -n 3p "$out")" = 'run_001  r-rome       5  80.00  80.00   60.00       -      -  72.00  50 ms' ]
says '^run_001 less run_000, over the cases of both$'
says '^ +difference +95 % interval +cases$'
says '^  ES +\+25\.00 +\+0\.00 to \+75\.00 +4$'
says '^  PS +\+25\.00 +\+0\.00 to \+75\.00 +4$'
says '^  NS +-25\.00 +-75\.00 to \+0\.00 +4$'
says '^  S +\+8\.18 +[-+][0-9.]+ to \+[0-9.]+ +4$' # 3 / (2/100 + 1/75) - 3 / (2/75 + 1/100)
says '^  time/s +-1\.45 +-1\.45 to -1\.45 +4$'
grep -Eq '^  (GE|RS)' "$out" && die 'what one of them did not measure is compared'
[ "$(wc -L <"$out")" -le 100 ] || die 'the table is too wide'
works summarize $a elsewhere/ROME/run_000 # of one name: told apart by their folders
says '^results/ROME/run_000    r-rome '
says '^elsewhere/ROME/run_000  r-rome '
says '^elsewhere/ROME/run_000 less results/ROME/run_000, '

# ---- only the first
works summarize $a $b --first 1 --json
json_is runs.0.n_cases 1
json_is runs.1.values.time.n 1
json_is differences.0.values.time.n 1
works summarize $a --first 4 --json
json_is runs.0.n_cases 4

# ---- JSON
works summarize $a $b --json
silent_on_stderr
json_is runs.# 2
json_is runs.0.folder $a
json_is runs.0.name run_000
json_is runs.0.variant r-rome
json_is runs.0.model gpt2-xl
json_is runs.0.dataset cf
json_is runs.0.n_cases 4
json_is runs.0.n_edits 4
json_is runs.0.n_flagged 0
json_is runs.0.n_skipped 0
json_is runs.0.values.post_rewrite_success.mean 75.0
json_is runs.0.values.post_rewrite_success.std 43.3012702
json_is runs.0.values.post_rewrite_success.n 4
json_is runs.0.values.post_rewrite_success.low 25.0
json_is runs.0.values.post_rewrite_success.high 100.0
json_is runs.0.values.post_essence_score.mean 33.0
json_is runs.0.values.post_ngram_entropy.n 2
json_is runs.0.values.post_score.std null
json_is runs.0.values.post_score.low null
json_is runs.1.n_edits 5
json_is differences.# 1
json_is differences.0.folder $b
json_is differences.0.base $a
json_is differences.0.values.post_rewrite_success.mean 25.0
json_is differences.0.values.post_score.n 4
json_is written.# 0
json_is warnings.# 0

# ---- CSV: a line for each run and number, every digit
begin_run 'odd, "name"'
write_case 'odd, "name"' 3 0.1 1 1 1
write_case 'odd, "name"' 4 0.2 1 1 1
works summarize $a 'odd, "name"' --csv
silent_on_stderr
[ "$(head -1 "$out")" = folder,run,variant,model,dataset,measure,mean,std,low,high,cases ]
says '^results/ROME/run_000,run_000,r-rome,gpt2-xl,cf,post_rewrite_success,75,43\.30127018922193,25,100,4$'
says '^results/ROME/run_000,run_000,r-rome,gpt2-xl,cf,post_score,81\.8181818181818[0-9]*,,,,4$'
says '^"odd, ""name""","odd, ""name""",r-rome,gpt2-xl,cf,time,0\.15000000000000002,0\.05,0\.1,0\.2,2$'
[ "$(wc -l <"$out")" = 20 ] || die 'another number of lines'

# ---- evals/summary.json
works summarize $b --write
warns '^aedile: wrote results/ROME/run_001/evals/summary\.json$'
[ "$(cat $b/evals/summary.json)" = '{"time": [0.05, 0.0], "post_rewrite_success": [80.0, 40.0], '\
'"post_rewrite_diff": [16.89, 12.72], "post_paraphrase_success": [80.0, 40.0], "post_paraphrase_diff": [16.89, 12.72], '\
'"post_neighborhood_success": [60.0, 48.99], "post_neighborhood_diff": [-4.17, 15.58], "post_score": [72.0, null], '\
'"run_dir": "results/ROME/run_001", "num_cases": 5}' ] || die 'another summary.json'
works summarize $a $b --write --json --quiet
silent_on_stderr
json_is written "[\"$a/evals/summary.json\",\"$b/evals/summary.json\"]"
[ -s $a/evals/summary.json ]

# ---- zsRE; runs that do not belong together
z=results/ROME/run_002
begin_run $z
sed -i 's/"cf"/"zsre"/; s/gpt2-xl/gpt2/' $z/params.json
echo '{"case_id": 3, "time": 200, "post": {"rewrite_prompts_correct": [true, true, false, true],
    "paraphrase_prompts_correct": [true], "neighborhood_prompts_correct": [false]}}' >$z/1_edits-case_3.json
works summarize $a $z
says '^run_002  r-rome       1  75\.00  100\.00    0\.00       -      -      -  3 min$'
warns "^aedile: warning: '$z' is over the data set 'zsre', '$a' over 'cf': only cases with the same request are compared$"
warns "^aedile: warning: '$z' edits the model 'gpt2', '$a' the model 'gpt2-xl'$"
warns "^aedile: warning: '$z' and '$a' have no measured case in common; they are not compared$"
grep -q ' less ' "$out" && die 'runs without a common case are compared'

# ---- what stands out
write_case $b 7 0.05 3 3 1
sed -i 's/}}$/}, "aedile": {"flag": "update norm 14 times the median"}}/' $b/1_edits-case_7.json
works summarize $b --quiet --json
json_is runs.0.n_flagged 1
json_is warnings.0 "'$b': edits out of line: 1 of 5 cases; the first is case 7: update norm 14 times the median"

# ---- what is wrong
fails() { untouched_by fails_with "$@"; }
fails 2 summarize
warns '^aedile: RUN is missing$'
fails 2 summarize $a --first -1
warns "^aedile: --first: '-1' is not a whole number"
fails 2 summarize $a --csv --json
warns '^aedile: --csv contradicts --json$'
json_is error.status AE_ERR_ARGUMENT
fails 2 summarize $a --csv --std
warns '^aedile: --csv has deviations anyway'
fails 2 summarize $a --write --first 2
warns '^aedile: --write writes the summary of all cases'
fails 1 summarize run_999 --json
warns "^aedile: there is no run 'run_999': no such folder$"
json_is error.status AE_ERR_NOT_FOUND
fails 1 summarize $a/params.json
warns "^aedile: there is no run '$a/params\.json': it is a file, not a folder$"
mkdir none
fails 1 summarize none
warns "^aedile: 'none' is no run's folder"
begin_run begun
fails 1 summarize begun
warns "^aedile: 'begun' holds no case files .* yet$"
fails 1 summarize $a begun # all or nothing
[ ! -s "$out" ] || die 'half a table was printed'
file=$a/1_edits-case_2.json
cp $file kept.json
head -c 300 kept.json >$file
fails 1 summarize $a --json
json_is error.status AE_ERR_FORMAT
warns "^aedile: '$file' is not valid JSON: "
sed 's/"time": 1.5/"time": [1.5]/' kept.json >$file
fails 1 summarize $a
warns "^aedile: '$file': field 'time' is an array, expected a number$"
sed 's/"target_true": 2}/"target_true": "2"}/' kept.json >$file
fails 1 summarize $a
warns "^aedile: '$file': field 'target_true' is a string, expected a number$"
sed 's/"case_id": 2/"case_id": 3/' kept.json >$file
fails 1 summarize $a
warns "^aedile: '$file': field 'case_id' is 3, the file's name says 2$"
sed 's/6\.3/NaN/' kept.json >$file # Python's NaN, in what the reference writes
works summarize $a --json
json_is runs.0.values.post_ngram_entropy.n 1
cp kept.json $file
echo '[]' >$a/params.json
fails 1 summarize $a
warns "^aedile: '$a/params\.json' holds an array, expected an object$"
