# run: on the published data sets and downstream tasks, with GPT-2's own tokenizer; a small random model is edited.
# They lie beside the project, in ../shared/data; where they do not, there is nothing to do here.

published=$source_folder/../shared/data
if [ ! -d "$published" ]; then
    echo "skipped: there is no folder $published"
    return 0
fi
published=$(realpath "$published")

"$build/make_small_model" gpt2-small --tokenizer "$published/gpt2"
works inspect gpt2-small --json
json_is n_vocab 50257
json_is n_ctx 1024
works stats gpt2-small --layer 1 --text "$published/text/wikipedia.jsonl" --dataset wikipedia --samples 100 --quiet
mkdir -p hparams/ROME
cat >hparams/ROME/gpt2-small.json <<'END_OF_HPARAMS'
{"layers": [1], "fact_token": "subject_last", "v_num_grad_steps": 6, "v_lr": 5e-1, "v_loss_layer": 3, "v_weight_decay": 0.5,
 "clamp_norm_factor": 4, "kl_factor": 0.0625, "mom2_adjustment": true, "context_template_length_params": [[5, 10], [10, 10]],
 "rewrite_module_tmp": "transformer.h.{}.mlp.c_proj", "mom2_dataset": "wikipedia", "mom2_n_samples": 100, "mom2_dtype": "float32"}
END_OF_HPARAMS

# ---- the reference's data folder; its snippets and TF-IDF (926 MB) are stood in for by our own
get() { "$JSON_GET" "$2" <"$1"; } # FILE PATH
ln -s "$published/counterfact/counterfact.json" "$published/zsre/zsre_mend_eval.json" "$published/glue" data/
{
    echo '['
    for i in 0 1 2 3 4 5; do
        rewrite=$(get data/counterfact.json $i.requested_rewrite)
        echo "$rewrite" >rewrite.json
        [ $i = 0 ] || echo ,
        printf '{"relation_id": "%s", "target_id": "%s", "samples": [{"name": "%s", "text": "One is made by the other."}]}' \
            "$(get rewrite.json relation_id)" "$(get rewrite.json target_new.id)" "$(get rewrite.json subject)"
    done
    echo ']'
} >data/attribute_snippets.json
echo '{"the": 0, "by": 1, "of": 2}' >data/tfidf_vocab.json
{
    printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }"
    printf '\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\xf0\x3f' # 1, 2, 1
} >data/idf.npy

with=(gpt2-small --hparams hparams/ROME/gpt2-small.json --sequential --threads 2)
file_is() { # FILE PATH VALUE
    local got
    got=$(get "$1" "$2") || die "$1 has no '$2'"
    [ "$got" = "$3" ] || die "$1: $2 is '$got', not '$3'"
}
has_files() { # RUN N
    local n
    n=$(find "$1" -type f | wc -l)
    [ "$n" = "$2" ] || die "$1 has $n files, not $2: $(find "$1" -type f)"
}
# FILE INDENT KEY...: the members that stand that deep are these, in this order
has_keys() {
    local file=$1 indent=$2 got
    shift 2
    got=$(grep -oE "^ {$indent}\"[^\"]+\"" "$file" | tr -d ' "' | tr '\n' ' ')
    [ "$got" = "$* " ] || die "$file has: $got"
}
cases_of() { # RUN: their ids, ascending
    ls "$1" | sed -n 's/^1_edits-case_\([0-9]*\)\.json$/\1/p' | sort -n | tr '\n' ' '
}
same() { "$build/compare_runs" "$1" "$2" >"$out" || die "$1 and $2 differ"; }
case_keys=(case_id grouped_case_ids num_edits requested_rewrite time post distance_from_original aedile)
common=8 # files of a run: params, summary; settings, templates, events, lock; the journal's own two
by_case=2 # the case's and the journal's
by_tasks=5 # scores, and a file of generated texts a task

# ---- CounterFact, with generated text, the four tasks and perplexity
counterfact=(run "${with[@]}" --ds cf --max-edits 6 --glue-interval 6 --ppl-text "$published/text/wikitext2.test.txt" --ppl-tokens 1000)
works "${counterfact[@]}"
says '^results/ROME/run_000: 6 cases, 6 edits, [0-6] flagged, 0 skipped \('
warns '^aedile: after 0 edits: sst F1 [0-9.]+, mrpc F1 [0-9.]+, cola F1 [0-9.]+, rte F1 [0-9.]+, perplexity [0-9.]+$'
warns '^aedile: after 6 edits: sst F1 '
r=results/ROME/run_000
has_files $r $((common + 6 * by_case + 2 * by_tasks + 1)) # aedile/base.json, the perplexity
[ "$(cases_of $r)" = '18 34 46 70 76 82 ' ] || die "other cases: $(cases_of $r)"
for i in 0 1 2 3 4 5; do
    id=$(get data/counterfact.json $i.case_id)
    file=$r/1_edits-case_$id.json
    has_keys $file 1 "${case_keys[@]}"
    file_is $file requested_rewrite "$(get data/counterfact.json $i.requested_rewrite)"
    file_is $file aedile.n_edits $((i + 1))
    file_is $file aedile.error null
    has_keys $file 2 prompt relation_id target_new target_true subject rewrite_prompts_probs paraphrase_prompts_probs \
        neighborhood_prompts_probs attribute_prompts_probs ngram_entropy reference_score text essence_score essence_text 1 n_edits \
        journal flag error k_dot_u update_norm weight_norm update_distance delta_norm target_init_norm n_steps efficacy paraphrase \
        neighborhood perplexity seconds_keys seconds_solve seconds_optimise seconds_update seconds_measure time layers
    file_is $file post.rewrite_prompts_probs.# 1
    file_is $file post.paraphrase_prompts_probs.# 2
    for kind in neighborhood_prompts_probs attribute_prompts_probs text; do file_is $file post.$kind.# 10; done
    file_is $file post.essence_text.# 1
    prompt=$(get data/counterfact.json $i.generation_prompts.0)
    text=$(get $file post.text.0)
    [ "${text#"$prompt"}" != "$text" ] || die "'$text' does not go on from '$prompt'"
done
for point in base case_82; do
    for task in sst mrpc cola rte; do
        file_is $r/glue_eval/${point}_${task}_gen.json '#' 200
        file_is $r/glue_eval/${point}_glue.json $task.total 200
        sum=0
        for kind in correct incorrect invalid; do sum=$((sum + $(get $r/glue_eval/${point}_glue.json $task.$kind))); done
        [ $sum = 200 ] || die "$point, $task: $sum examples"
    done
done
has_keys $r/glue_eval/base_glue.json 4 sst mrpc cola rte aedile
has_keys $r/glue_eval/case_82_glue.json 4 edit_num case_id sst mrpc cola rte aedile
cmp -s $r/glue_eval/{base,case_82}_cola_gen.json && die 'six edits changed nothing that is generated'

works summarize run_000 --json
json_is runs.0.n_cases 6
json_is runs.0.values.post_rewrite_success.n 6
json_is runs.0.values.post_reference_score.n 6
works report run_000 --output page.html
grep -q 'run_000' page.html
works edits verify gpt2-small --journal $r/aedile/journal
works "${counterfact[@]}" --quiet
same $r results/ROME/run_001

# ---- the tasks as the reference ships them; no snippets, no generated text
works run "${with[@]}" --data "$published/counterfact" --max-edits 1 --glue "$published"/glue/{sst2,mrpc,cola,rte}.pkl --results pickled
warns "^aedile: warning: '$published/counterfact' has no attribute_snippets.json, .*: there are no generation tests"
for file in $r/glue_eval/base_*_gen.json; do cmp "$file" pickled/ROME/run_000/glue_eval/"${file##*/}" >"$out"; done
[ ! -e pickled/ROME/run_000/glue_eval/case_18_glue.json ] || die 'tasks before 20 edits'
file_is pickled/ROME/run_000/1_edits-case_18.json post.rewrite_prompts_probs "$(get $r/1_edits-case_18.json post.rewrite_prompts_probs)"

# ---- zsRE
zsre=(run "${with[@]}" --ds zsre --max-edits 4 --glue-interval 0)
works "${zsre[@]}" --results zsre
grep -v -e ': 4 cases, 0 done$' -e 'larger than the matrix' "$err" >other && die "stderr says $(cat other)"
z=zsre/ROME/run_000
has_files $z $((common + 4 * by_case))
[ "$(cases_of $z)" = '0 1 2 3 ' ] || die "other cases: $(cases_of $z)"
for id in 0 1 2 3; do
    file=$z/1_edits-case_$id.json
    has_keys $file 1 "${case_keys[@]}"
    file_is $file requested_rewrite.subject "$(get data/zsre_mend_eval.json $id.subject)"
    file_is $file requested_rewrite.target_new.str "$(get data/zsre_mend_eval.json $id.answers.0)"
    file_is $file requested_rewrite.target_true.str '<|endoftext|>'
    for kind in rewrite paraphrase neighborhood; do get $file post.${kind}_prompts_correct.0 | grep -Eqx 'true|false'; done
done
works summarize $z --json
json_is runs.0.n_cases 4
json_is runs.0.values.post_rewrite_acc.n 4
works report $z -o zsre.html
works "${zsre[@]}" --results zsre --quiet
same $z zsre/ROME/run_001

# ---- EasyEdit's flat form: all 21,919 facts, which are published in three parts
{
    echo '['
    for part in edit train val; do
        [ $part = edit ] || echo ,
        tr -d '\r' <"$published/counterfact/counterfact-$part.json" | sed '1d;$d'
    done
    echo ']'
} >all.json
works select sample:37:5000 --total 21919 --output list.json # the reference's list, by case id
flat=(run "${with[@]}" --ds all.json --glue-interval 0)
works "${flat[@]}" --select sample:37:5000 --dry-run --json
json_is n_cases 5000
works "${flat[@]}" --dry-run --json
json_is n_cases 21919
works "${flat[@]}" --select list.json --dry-run --json
json_is n_cases 5000
works "${flat[@]}" --select list.json --max-edits 4 --results flat
f=flat/ROME/run_000
grep -Eo '^ *"case_id": [0-9]+' all.json | tr -dc '0-9\n' >ids
tr -d ' ",\n{}' <list.json | sed 's/true/\n/g; s/[0-9]*:false//g' | tr -d : >listed
[ "$(wc -l <listed)" = 5000 ] || die 'another list'
[ "$(cases_of $f)" = "$(grep -Fxf listed ids | head -n 4 | sort -n | tr '\n' ' ')" ] || die "other cases: $(cases_of $f)"
has_files $f $((common + 4 * by_case))
for file in $f/1_edits-case_*.json; do
    has_keys $file 1 "${case_keys[@]}"
    for kind in rewrite paraphrase neighborhood; do file_is $file post.${kind}_prompts_probs.# 1; done
    file_is $file post.attribute_prompts_probs.# 0
done
works summarize $f --json
json_is runs.0.n_cases 4
works report $f -o flat.html
works "${flat[@]}" --select list.json --max-edits 4 --results flat --quiet
same $f flat/ROME/run_001
part=(run "${with[@]}" --glue-interval 0 --ds "$published/counterfact/counterfact-val.json") # 1,919 facts
works "${part[@]}" --select sample:37:500 --dry-run --json
json_is n_cases 500
untouched_by fails_with 1 "${part[@]}" --select sample:37:5000
warns "^aedile: .*selection 'sample:37:5000': expected "
untouched_by fails_with 1 "${part[@]}" --select list.json
warns 'list\.json'

# ---- word for word the command of the reference's README, but for the program, where its files lie as it has them
mkdir -p checkout/data checkout/glue_eval checkout/hparams/ROME
cd checkout
ln -s ../gpt2-small gpt2-small
ln -s ../../../hparams/ROME/gpt2-small.json hparams/ROME/
ln -s ../../data/{stats,attribute_snippets.json,tfidf_vocab.json,idf.npy,counterfact.json} data/
ln -s "$published/glue" glue_eval/dataset
MODEL_NAME=gpt2-small HPARAM_FILE_NAME=gpt2-small.json
works run --model_name=${MODEL_NAME} --hparams_fname=${HPARAM_FILE_NAME} --ds_name=cf --sequential --dry-run
says '^would begin results/ROME/run_000: 1099 cases, 0 done$'
says '^  tasks       before the first and after every 20 edits$'
rm data/counterfact.json # of which the first records are enough
awk '{ n += /^ }/ } n == 21 { print " }\n]"; exit } 1' ../data/counterfact.json >data/counterfact.json
works run --model_name=${MODEL_NAME} --hparams_fname=${HPARAM_FILE_NAME} --ds_name=cf --sequential
says '^results/ROME/run_000: 21 cases, 21 edits, '
has_files results/ROME/run_000 $((common + 21 * by_case + 2 * by_tasks))
file_is results/ROME/run_000/params.json hparams_fname gpt2-small.json
file_is results/ROME/run_000/params.json dataset cf
[ -s results/ROME/run_000/glue_eval/case_"$(get data/counterfact.json 19.case_id)"_rte_gen.json ] || die 'no tasks after 20 edits'
works summarize run_000 --json
json_is runs.0.n_cases 21
