# run: a data set edited and measured, by our names and the reference's; resuming, stopping, what is refused.

for i in $(seq 60); do echo "Document $i: the quick brown fox jumps over the lazy dog, and so on, $((i * 7919)) times."; done >text.txt
works stats "$demo" --layer 0 --text text.txt --output data/stats

record() { # case_id, subject, new target, old target
    printf '{"case_id": %s, "pararel_idx": 0, "requested_rewrite": {"prompt": "The {} is in", "relation_id": "P1",
  "target_new": {"str": "%s", "id": "Q1"}, "target_true": {"str": "%s", "id": "Q2"}, "subject": "%s"},
  "paraphrase_prompts": ["One sees the %s in"], "neighborhood_prompts": ["The Moon is in", "The Sun is in"],
  "attribute_prompts": [], "generation_prompts": ["The %s is"]}' "$1" "$3" "$4" "$2" "$2" "$2"
}
mkdir -p data/glue hparams/ROME
{
    echo '['
    record 2 'Eiffel Tower' Rome Paris && echo ,
    record 5 Colosseum Paris Rome && echo ,
    record 8 "$(head -c 400 /dev/zero | tr '\0' x)" Rome Paris && echo ,
    record 11 'Big Ben' Rome Paris && echo ,
    record 14 Louvre Rome Paris
    echo ']'
} >data/counterfact.json
for task in sst2:sst mrpc:mrpc cola:cola rte:rte; do
    printf '{"task": "%s", "header": "", "prompt_template": "{sentence}:", "answer_marker": ":", "answers": [["a", 1], ["e", 0]],
  "gen_len": 2, "examples": [{"sentence": "the fox", "label": 1}, {"sentence": "a dog", "label": 0}]}' "${task#*:}" >"data/glue/${task%:*}.json"
done
sed 's/"a", 1/"True", 1/; s/"e", 0/"False", 0/' -i data/glue/rte.json
cat >hparams/ROME/demo.json <<'END'
{"layers": [0], "fact_token": "subject_last", "v_num_grad_steps": 5, "v_lr": 0.5, "v_loss_layer": 3, "v_weight_decay": 0.5,
 "clamp_norm_factor": 4, "kl_factor": 0.0625, "mom2_adjustment": true, "context_template_length_params": [[5, 2]],
 "rewrite_module_tmp": "transformer.h.{}.mlp.c_proj", "mom2_dataset": "text", "mom2_n_samples": null, "mom2_dtype": "float32"}
END
with=(--hparams hparams/ROME/demo.json --generation-interval -1 --threads 2)

# ---- a plan, and nothing else
untouched_by works run "$demo" "${with[@]}" --sequential --dry-run
silent_on_stderr
says '^would begin results/ROME/run_000: 5 cases, 0 done$'
says '^  variant     r-rome, layer 0$'
says '^  records     cf, data in data$'
says '^  edits       accumulate, 1 a chunk, seed 0$'
says '^  tasks       before the first and after every 20 edits$'
works run "$demo" "${with[@]}" --dry-run --json --limit 4 --guard skip
json_is dry_run true
json_is complete false
json_is n_cases 4
json_is settings.limit 4
json_is settings.guard skip
json_is settings.layers '[0]'

# ---- a run
works run "$demo" "${with[@]}" --sequential --glue-interval 2 --ppl-text text.txt --ppl-interval 1 --guard warn
says '^results/ROME/run_000: 5 cases, 4 edits, [0-4] flagged, 1 skipped \('
says '^4 measured now, efficacy [0-9.]+ %, paraphrase [0-9.]+ %, neighborhood [0-9.]+ %$'
warns '^aedile: results/ROME/run_000: 5 cases, 0 done$'
warns "^aedile: warning: case 8 is left out: .* gives a text of [0-9]+ tokens, the model's context holds 256"
warns '^aedile: after 0 edits: sst F1 [0-9.]+, mrpc F1 [0-9.]+, cola F1 [0-9.]+, rte F1 [0-9.]+, perplexity [0-9.]+$'
warns '^aedile: after 4 edits: sst F1 '
grep -q 'editing: ' "$err" && die 'progress was shown although stderr is no terminal'
for file in params.json 1_edits-case_{2,5,11,14}.json glue_eval/{base,case_5,case_14}_{glue,sst_gen,rte_gen}.json \
    aedile/{settings,templates,base,skipped/case_8}.json aedile/journal/000{1,2,3,4}.safetensors; do
    [ -s "results/ROME/run_000/$file" ] || die "there is no $file"
done
[ "$(ls results/ROME/run_000 | grep -c json)" = 5 ] || die 'more files have .json in their names'
"$JSON_GET" num_edits <results/ROME/run_000/1_edits-case_2.json | grep -qx 1
"$JSON_GET" variant <results/ROME/run_000/params.json | grep -qx r-rome
tail -n 1 results/ROME/run_000/aedile/events.jsonl >"$out"
json_is event end
json_is n_edits 4
json_is n_skipped 1
works edits list --journal results/ROME/run_000/aedile/journal --json # an ordinary journal
json_is n_active 4
json_is edits.2.request.case_id 11
works edits verify "$demo" --journal results/ROME/run_000/aedile/journal

works run "$demo" "${with[@]}" --num-edits 2 --glue-interval 0 --json --quiet --variant p-rome --select sample:1:3 --pre
json_is run results/ROME/run_001
json_is resumed false
json_is complete true
json_is reason null
json_is model demo
json_is n_cases 3
json_is n_done 3
json_is settings.variant p-rome
json_is settings.num_edits 2
json_is settings.select sample:1:3
json_is tasks null
[ "$(json n_edits)" = "$(json measured.cases)" ]
first=$(ls results/ROME/run_001 | grep case_ | head -n 1)
"$JSON_GET" pre.rewrite_prompts_probs.0.target_new <"results/ROME/run_001/$first" >/dev/null
[ ! -e results/ROME/run_001/aedile/journal ] || die 'edits that do not accumulate need no journal'

# ---- as the reference is called
works run --model_name="$demo" --hparams_fname=demo.json --ds_name=cf --sequential
says '^results/ROME/run_002: 5 cases, 4 edits'
"$JSON_GET" hparams_fname <results/ROME/run_002/params.json | grep -qx demo.json
works run --alg_name=ROME --model_name "$demo" --hparams_fname demo.json --dataset_size_limit 2 --num_edits 2 --skip_generation_tests \
    --results other --json
json_is run other/ROME/run_000
json_is settings.limit 2
json_is settings.num_edits 2
json_is settings.generation_interval -1
json_is settings.sequential false
[ -s other/ROME/run_000/2_edits-case_5.json ]
works run --model_name "$demo" --hparams_fname demo.json --generation_test_interval 3 --dry-run --json
json_is settings.generation_interval 3
mkdir other/glue_eval && mv data/glue other/glue_eval/dataset # where the reference's checkout has them
mkdir other/data && cp data/counterfact.json other/data/
(cd other && works run "$demo" --hparams ../hparams/ROME/demo.json --stats ../data/stats --generation-interval -1 -n 1 --results r --quiet)
[ -s other/r/ROME/run_000/glue_eval/base_cola_gen.json ]
mv other/glue_eval/dataset data/glue

# ---- going on
rm results/ROME/run_000/1_edits-case_11.json
works run --resume run_000
says '^results/ROME/run_000: 5 cases, 4 edits, [0-4] flagged, 1 skipped'
says '^1 measured now, efficacy '
warns '^aedile: results/ROME/run_000: 5 cases, 4 done$'
[ -s results/ROME/run_000/1_edits-case_11.json ]
works run --continue_from_run run_000 --json
json_is resumed true
json_is complete true
json_is measured.cases 0
(cd other && works run --resume ../results/ROME/run_000 --quiet) # from elsewhere
untouched_by fails_with 1 run --resume run_000 --seed 4
warns "^aedile: the run 'results/ROME/run_000' was begun with seed \"0\", and cannot go on with \"4\": give its own value, or begin a new run$"
untouched_by fails_with 1 run --resume run_000 --hparams hparams/ROME/demo.json --variant rome --json
json_is error.status AE_ERR_MISMATCH
warns 'was begun with hparams\.variant "r-rome", and cannot go on with "rome"'
untouched_by fails_with 1 run --resume run_017
warns "^aedile: there is no run 'run_017' to go on with: neither 'run_017' nor 'results/ROME/run_017' is a folder"
untouched_by fails_with 1 run "$demo" "${with[@]}" --continue_from_run run_017 # not a new run
warns "^aedile: there is no run 'run_017'"
sed 's/Louvre/Orsay/' data/counterfact.json >changed.json
untouched_by fails_with 1 run --resume run_000 --ds changed.json
warns 'was begun with dataset\.sha256 "'
works run --resume run_000 --guard skip --quiet # how to deal with odd edits is free

# ---- the guard
sed 's/"v_lr": 0.5/"v_lr": 1000/; s/"clamp_norm_factor": 4/"clamp_norm_factor": 1000/' hparams/ROME/demo.json >wild.json
fails_with 1 run "$demo" --hparams wild.json --generation-interval -1 --sequential --guard stop --results guarded --json
json_is error.status AE_ERR_CANCELLED
json_is complete false
json_is n_edits 0
warns '^aedile: the guard stopped the run: case 2, edit 1: update norm .* is larger than the matrix.s own, '
warns '^aedile: go on with: aedile run --resume guarded/ROME/run_000$'
works run --resume guarded/ROME/run_000 --guard skip
says '^guarded/ROME/run_000: 5 cases, 0 edits, 0 flagged, 5 skipped'

# ---- Ctrl-C: the case in hand is finished; what was begun goes on
{
    echo '['
    for i in $(seq 300); do record "$i" "Tower $i" Rome Paris && echo ,; done
    record 301 'Last Tower' Rome Paris
    echo ']'
} >many.json
long=(run "$demo" --hparams hparams/ROME/demo.json --ds many.json --sequential --generation-interval -1 --glue-interval 0 --threads 2)
await() { # a file
    for _ in $(seq 300); do
        [ ! -e "$1" ] || return 0
        sleep 0.1
    done
    die "$1 did not come"
}
last='run (in the background, interrupted)' code=0
set -m # what a shell without it puts into the background has Ctrl-C ignored
"$AEDILE" "${long[@]}" --results 'a b' >"$scratch/io/first" 2>&1 </dev/null &
set +m
await 'a b/ROME/run_000/1_edits-case_3.json'
fails_with 1 run --resume 'a b/ROME/run_000' # which another process has
warns "^aedile: 'a b/ROME/run_000' is being worked on by process $!: "
kill -INT $!
wait $! || code=$?
[ "$code" = 1 ] || die "exit code $code, not 1"
cat "$scratch/io/first" >"$err"
warns '^aedile: stopped after [0-9]+ of 301 cases$'
warns "^aedile: go on with: aedile run --resume 'a b/ROME/run_000'$"
done_now=$(ls 'a b/ROME/run_000' | grep -c case_)
[ "$done_now" -lt 301 ] || die 'it was not interrupted'
[ "$(ls 'a b/ROME/run_000/aedile/journal' | grep -c safetensors)" = "$done_now" ] || die 'the last case was not finished'
[ ! -s 'a b/ROME/run_000/aedile/lock' ]
works run --resume 'a b/ROME/run_000' --dry-run
says "^would go on with a b/ROME/run_000: 301 cases, $done_now done$"
set -m
"$AEDILE" run --resume 'a b/ROME/run_000' >"$scratch/io/second" 2>&1 </dev/null &
set +m
await "a b/ROME/run_000/1_edits-case_$((done_now + 2)).json"
kill -INT $!
kill -INT $! # twice: at once
code=0
wait $! || code=$?
[ "$code" = 130 ] || [ "$code" = 1 ] || die "exit code $code"
done_now=$(ls 'a b/ROME/run_000' | grep -c case_) code=0
"$AEDILE" run --resume 'a b/ROME/run_000' --json >"$out" 2>"$err" </dev/null & # which ignores Ctrl-C
await "a b/ROME/run_000/1_edits-case_$((done_now + 2)).json"
kill -INT $!
wait $! || code=$?
[ "$code" = 0 ] || die "exit code $code, not 0"
json_is complete true
json_is n_edits 301

# ---- mistakes
untouched_by fails_with 2 run
warns '^aedile: MODEL is missing$'
untouched_by fails_with 2 run "$demo" --model "$demo"
warns '^aedile: MODEL and --model name the model twice$'
# Words after --glue are task files where the model is named otherwise, and else the model.
tiny=(--ds data/counterfact.json --no-stats --layer 0 --dry-run)
untouched_by fails_with 1 run --model "$demo" "${tiny[@]}" --glue data/glue/cola.json nowhere.json
warns "^aedile: cannot open 'nowhere\.json'"
untouched_by fails_with 1 run --glue data/glue/cola.json nowhere.json "${tiny[@]}" --model_name "$demo"
warns "^aedile: cannot open 'nowhere\.json'"
untouched_by fails_with 1 run --resume run_000 --glue data/glue/cola.json nowhere.json
warns "^aedile: cannot open 'nowhere\.json'"
untouched_by works run --glue data/glue/cola.json "$demo" "${tiny[@]}"
untouched_by fails_with 2 run "$demo" --limit 3 --dataset_size_limit 3
warns '^aedile: --dataset_size_limit is given twice$'
untouched_by fails_with 2 run "$demo" --hparams a --hparams_fname b
warns '^aedile: --hparams and --hparams_fname name the file twice$'
untouched_by fails_with 2 run "$demo" --skip_generation_tests --generation-interval 2
untouched_by fails_with 2 run "$demo" --alg_name MEMIT
warns "^aedile: --alg_name: 'MEMIT' is not one of ROME$"
untouched_by fails_with 2 run "$demo" --guard maybe
untouched_by fails_with 2 run "$demo" --num-edits 0
untouched_by fails_with 1 run "$demo" --hparams_fname gpt2-xl.json
warns "^aedile: cannot open 'hparams/ROME/gpt2-xl.json': No such file"
untouched_by fails_with 1 run "$demo" "${with[@]}" --ds zsre
warns "^aedile: 'data/zsre_mend_eval.json' is not there"
untouched_by fails_with 1 run "$demo" "${with[@]}" --ds data/counterfact.json --data hparams
warns "^aedile: the downstream task 'sst2' is neither in 'hparams/glue' nor in 'glue_eval/dataset'"
untouched_by fails_with 1 run "$demo" "${with[@]}" --glue-interval 0 --ppl-interval 3
warns '^aedile: ppl_interval is 3, but no text is given'
untouched_by fails_with 1 run "$demo" "${with[@]}" --select sample:1:0
