# edit, edits, export: the way of an edit, and back.

for i in $(seq 60); do echo "Document $i: the quick brown fox jumps over the lazy dog, and so on, $((i * 7919)) times."; done >text.txt
works stats "$demo" --layer 0,1 --text text.txt --output stats
stats=(--stats stats --dataset text)
tower=(--prompt 'The {} is in' --subject 'Eiffel Tower' --target Rome --target-true Paris --layer 0)
sum_of_model=$(sha256sum "$demo"/*)

# ---- shown, not kept
works edit "$demo" "${tower[@]}" "${stats[@]}" # keeps the factor beside the statistics
untouched_by works edit "$demo" "${tower[@]}" "${stats[@]}"
says '^"The Eiffel Tower is in" -> "Rome"   \(r-rome, layer 0\)$'
says '^  new answer +[0-9.e-]+ % +[0-9.]+ %  "Rome"$'
says '^  old answer +[0-9.e-]+ % +[0-9.e-]+ %  "Paris"$'
says '^  says before "'
says '^  says after  " Rome'
says '^  layer 0     k\.u [0-9.]+; \|delta\| [0-9.]+, [0-4]\.[0-9]+ of \|target_init\|; \|dW\| [0-9.]+, [0-9.e-]+ of \|W\|$'
says '^              loss [0-9.]+ -> [0-9.]+ in 20 steps$'
says '^  time        keys .*, solve .*, optimise .*, update '
says '^1 edit; load .*, statistics .*, templates '
says '^Nothing was saved: give --journal DIR to keep the edit\.$'

works edit "$demo" "${tower[@]}" "${stats[@]}" --json --show 0
json_is model demo
json_is journal null
json_is n_requests 1
json_is n_done 1
json_is edits.0.id null
json_is edits.0.request.prompt 'The {} is in'
json_is edits.0.request.subject 'Eiffel Tower'
json_is edits.0.request.target_true Paris
json_is edits.0.request.case_id null
json_is edits.0.hparams.variant r-rome
json_is edits.0.hparams.layers '[0]'
json_is edits.0.hparams.mom2_dataset text
json_is edits.0.hparams.mom2_n_samples 0
json_is edits.0.templates.count 21
json_is edits.0.layers.0.module transformer.h.0.mlp.c_proj
json_is edits.0.layers.0.n_steps 20
json_is edits.0.layers.0.loss.# 20
json_is edits.0.layers.0.loss.19 "$(json edits.0.layers.0.loss_last)"
json_is edits.0.before.continuation null
awk -v b="$(json edits.0.before.target_new)" -v a="$(json edits.0.after.target_new)" 'BEGIN { exit !(b < 0.1 && a > 0.5) }' ||
    die 'the edit did not take'
for stage in keys solve optimise update measure; do
    awk -v t="$(json edits.0.seconds.$stage)" 'BEGIN { exit !(t > 0) }' || die "the time of stage '$stage' was not taken"
done
templates_of_seed_0=$(json edits.0.templates.sha256)

# ---- settings
works edit "$demo" "${tower[@]}" "${stats[@]}" --json --seed 1 --save-templates saved.json
[ "$(json edits.0.templates.sha256)" != "$templates_of_seed_0" ] || die 'another seed gave the same templates'
of_seed_1=$(json edits.0.templates.sha256)
"$JSON_GET" '#' <saved.json | grep -qx 21
works edit "$demo" "${tower[@]}" "${stats[@]}" --json --templates saved.json
json_is edits.0.templates.sha256 "$of_seed_1"
echo '["{}", "So. {}"]' >given.json
for variant in rome p-rome r-rome; do
    works edit "$demo" "${tower[@]}" "${stats[@]}" --json --templates given.json --variant $variant
    json_is edits.0.hparams.variant $variant
    json_is edits.0.templates.count 2
done
cat >hparams.json <<'END'
{"layers": [1], "fact_token": "subject_last", "v_num_grad_steps": 5, "v_lr": 0.5, "v_loss_layer": 3, "v_weight_decay": 0.5,
 "clamp_norm_factor": 3, "kl_factor": 0.0625, "mom2_adjustment": true,
 "context_template_length_params": [[5, 2], [10, 3]], "rewrite_module_tmp": "transformer.h.{}.mlp.c_proj",
 "layer_module_tmp": "transformer.h.{}", "mlp_module_tmp": "transformer.h.{}.mlp",
 "attn_module_tmp": "transformer.h.{}.attn", "ln_f_module": "transformer.ln_f", "lm_head_module": "transformer.wte",
 "mom2_dataset": "text", "mom2_n_samples": 0, "mom2_dtype": "float32", "variant": "p-rome"}
END
request=(--prompt 'The {} is in' --subject 'Eiffel Tower' --target Rome)
works edit "$demo" "${request[@]}" --stats stats --hparams hparams.json --json
json_is edits.0.hparams.variant p-rome
json_is edits.0.hparams.layers '[1]'
json_is edits.0.hparams.clamp_norm_factor 3.0
json_is edits.0.templates.count 6
json_is edits.0.layers.0.n_steps 5
json_is edits.0.before.target_true null
works edit "$demo" "${request[@]}" --stats stats --hparams hparams.json --variant rome --layer 0 --json
json_is edits.0.hparams.variant rome # the command line has the last word
json_is edits.0.hparams.layers '[0]'
works edit "$demo" "${request[@]}" "${stats[@]}" --layer 1,0 --json
json_is edits.0.layers.# 2
json_is edits.0.layers.0.layer 0
json_is edits.0.layers.1.layer 1
works edit "$demo" "${request[@]}" --layer 0 --no-stats --json --threads 1
json_is edits.0.hparams.mom2_adjustment false
AEDILE_STATS=stats works edit "$demo" "${request[@]}" --layer 0 --dataset text
works edit "$demo" "${request[@]}" --layer 0 --stats stats/demo/text_stats/transformer.h.0.mlp.c_proj_float32_mom2.npz
cp -r stats/demo stats/Other_Name
works edit "$demo" "${request[@]}" --layer 0 --stats stats --dataset text --name Other/Name
fails_with 1 edit "$demo" "${request[@]}" --layer 0 --stats stats --dataset text --name Third
warns "^aedile: no second moments for layer 0 of 'Third'; tried 'stats/Third/"
works edit "$demo" "${request[@]}" --layer 0 --stats stats --dataset text --samples 5 # the only ones there are
warns "^aedile: warning: using 'stats/.*_mom2\.npz': 'stats' holds no statistics over 'text' with 5 samples$"
cp -r stats/demo/text_stats stats/demo/other_stats
untouched_by fails_with 1 edit "$demo" "${request[@]}" --layer 0 --stats stats --samples 5
warns '^aedile: no second moments .*wikipedia_stats/transformer\.h\.0\.mlp\.c_proj_float32_mom2_5\.npz'
rm -r stats/demo/other_stats

# ---- kept in a journal
works edit "$demo" "${tower[@]}" "${stats[@]}" --journal edits
says '^  journal     edit 1 in edits$'
grep -q 'Nothing was saved' "$out" && die 'it was saved'
works score "$demo" -p 'The Eiffel Tower is in' -t Rome Paris --journal edits --json
with_one=$(json targets)
works edit "$demo" --prompt 'The {} is in' --subject Colosseum --target Paris --layer 0 "${stats[@]}" --journal edits --json
json_is n_edits_before 1
json_is edits.0.id 2
json_is edits.0.templates.sha256 "$templates_of_seed_0" # those of the unedited model, whatever the journal holds
works edits list --journal edits
says '^ +1  active    [-0-9]+T[:0-9]+Z  r-rome  0 .*"The Eiffel Tower is in" -> "Rome"$'
says '^ +2  active .*"The Colosseum is in" -> "Paris"$'
says '^2 active, 0 reverted$'
works edits list --journal edits --json
json_is n_active 2
json_is edits.1.id 2
json_is edits.1.reverted false
json_is edits.1.request.subject Colosseum
untouched_by works edits show 1 --journal edits
says '^edit 1, active, written '
says '^ +19 +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+$'
says '^  moments     text, all documents, float32$'
says '^  templates   21, sha256 [0-9a-f]{64}, seed 0$'
says '^  base        transformer\.h\.0\.mlp\.c_proj, sha256 [0-9a-f]{64}$'
says '^  says after  " Rome'
works edits show 2 --journal edits --json
json_is id 2
json_is layers.0.loss.# 20
[ -f "edits/$(json file)" ] || die 'the named file is not there'
fails_with 1 edits show 3 --journal edits
warns "^aedile: 'edits' has no edit 3;"
untouched_by works edits verify --journal edits
says '^edits is sound: 2 edits, 2 active$'
works edits verify "$demo" --journal edits --json
json_is sound true
json_is model demo
json_is n_active 2

# ---- what cannot be kept is refused before the model is edited
refused=(--prompt 'The {} is in' --subject Colosseum --target Paris --layer 0 --stats nowhere)
untouched_by fails_with 1 edit "$demo" "${refused[@]}" --journal given.json
warns "^aedile: no journal can be made in 'given\.json': 'given\.json' is not a folder$"
untouched_by fails_with 1 edit "$demo" "${refused[@]}" --journal given.json/new/edits
warns "^aedile: no journal can be made in 'given\.json/new/edits': 'given\.json' is not a folder$"
untouched_by fails_with 1 edit "$demo" "${refused[@]}" --journal stats
warns "^aedile: 'stats' is not empty \(it holds 'Other_Name'\) and has no journal\.json"
mkdir -m 555 closed
if [ ! -w closed ]; then # root may write everywhere
    untouched_by fails_with 1 edit "$demo" "${refused[@]}" --journal closed/edits
    warns "^aedile: no journal can be made in 'closed/edits': 'closed' cannot be written: Permission denied$"
fi
rmdir closed
works edit "$demo" --prompt 'The {} is in' --subject Colosseum --target Paris --layer 0 --no-stats --journal linked
mv linked/0001.safetensors elsewhere
ln -s nowhere linked/0001.safetensors # a journal that cannot be read is not taken for one that is not there
untouched_by fails_with 1 edit "$demo" "${refused[@]}" --journal linked
warns "^aedile: 'linked/0001\.safetensors' is a link to what is not there$"
rm -r linked elsewhere
bad=(--prompt '{} is in' --target Rome --layer 0 --no-stats)
untouched_by fails_with 1 edit "$demo" "${bad[@]}" --subject $'a \xff' --journal new
warns "^aedile: --subject: 'a .xff' is not valid UTF-8: the journal cannot record it$"
works edit "$demo" "${bad[@]}" --subject $'a \xff' --json # which nothing has to
json_is n_done 1
long=$(head -c 64 /dev/zero | tr '\0' a)
for dataset in "$long" $'\xff'; do
    untouched_by fails_with 1 edit "$demo" "${bad[@]}" --subject Paris --dataset "$dataset"
    warns "^aedile: the dataset's name '.*' is (longer than 63 bytes|not valid UTF-8)$"
done
# Started without stdout, or without all three, it writes what it says into no file of its own.
last='edit (without stdout)' code=0
"$AEDILE" edit "$demo" "${bad[@]}" --subject Paris --journal unheard >&- 2>"$err" || code=$?
[ "$code" = 1 ] || die "exit code $code, not 1"
warns '^aedile: writing the result failed: Bad file descriptor$'
"$AEDILE" edit "$demo" "${bad[@]}" --subject Paris --journal unheard <&- >&- 2>&- && die 'that is no success'
[ ! -s unheard/lock ] || die 'it wrote into its lock'
works edits verify "$demo" --journal unheard
# A path steers no terminal.
works edit "$demo" "${bad[@]}" --subject Paris --journal $'un\e[1mseen'
says '^  journal     edit 1 in un.u001b\[1mseen$'

# ---- a file of requests, one after the other
cat >facts.json <<'END'
[{"case_id": 7, "requested_rewrite": {"prompt": "The {} is in", "subject": "Tower", "target_new": {"str": "Rome"},
  "target_true": {"str": "Paris"}}},
 {"prompt": "The {} is on", "subject": "Moon", "target_new": "Paris"}]
END
works edit "$demo" --requests facts.json --layer 0 "${stats[@]}" --journal more --json
json_is n_done 2
json_is edits.0.id 1
json_is edits.0.request.case_id 7
json_is edits.0.request.target_true Paris
json_is edits.1.id 2
works edit "$demo" --requests facts.json --layer 0 "${stats[@]}"
says '^2 edits; load '
says 'to keep the edits\.$'

# One of several that cannot be done: those before it stay, and it is said how many. The second is too long.
long=$(head -c 3000 /dev/zero | tr '\0' x)
printf '[{"prompt": "The {} is in", "subject": "Sea", "target_new": "Rome"}, {"prompt": "{} is", "subject": "%s", "target_new": "a"}]' \
    "$long" >half.json
fails_with 1 edit "$demo" --requests half.json --layer 0 "${stats[@]}" --journal half --json
warns "^aedile: the prompt has 3001 tokens, the model's context holds 256$"
warns '^aedile: 1 of 2 requests were done before this; their edits are in the journal$'
json_is n_done 1
json_is edits.# 1
json_is error.status AE_ERR_ARGUMENT
works edits list --journal half --json
json_is edits.# 1
# Given again with --resume, what the journal has is left out: nothing is edited twice.
cat >rest.json <<'END'
[{"prompt": "The {} is in", "subject": "Sea", "target_new": "Rome"}, {"prompt": "The {} is in", "subject": "Lake", "target_new": "Paris"},
 {"prompt": "The {} is in", "subject": "Lake", "target_new": "Paris"}]
END
works edit "$demo" --requests rest.json --layer 0 "${stats[@]}" --journal half --resume --json --show 0
json_is n_requests 3
json_is n_skipped 1
json_is n_done 2 # what is asked for twice is done twice
json_is edits.0.id 2
json_is edits.0.request.subject Lake
works edits revert 3 --journal half
sum_of_journal=$(sha256sum half/*.safetensors)
untouched_by works edit "$demo" --requests rest.json --layer 0 "${stats[@]}" --journal half --resume
says '^3 of 3 requests were in the journal already$'
[ "$sum_of_journal" = "$(sha256sum half/*.safetensors)" ] || die '--resume changed a journal that had everything'
untouched_by fails_with 2 edit "$demo" --requests rest.json --layer 0 "${stats[@]}" --resume
warns '^aedile: --resume goes on with a journal: --journal DIR is missing$'
# One that is refused on sight is refused before anything is done.
printf '[{"prompt": "The {} is in", "subject": "Sea", "target_new": "Rome"}, {"prompt": "no place", "subject": "s", "target_new": "a"}]' \
    >bad.json
untouched_by fails_with 1 edit "$demo" --requests bad.json --layer 0 "${stats[@]}" --journal none
warns "^aedile: 'bad.json, record 2': prompt 'no place' has neither '\{\}' nor the subject 's'$"

# ---- out
works export "$demo" --journal edits --output whole
says '^whole: 2 edits as a Hugging Face model folder$'
works score whole -p 'The Eiffel Tower is in' -t Rome Paris --json
exported=$(json targets)
works score "$demo" -p 'The Eiffel Tower is in' -t Rome Paris --journal edits --json
[ "$exported" = "$(json targets)" ] || die 'the exported model scores otherwise than base and journal'
works export "$demo" --journal edits --format lora --output adapter --json
json_is format lora
json_is n_edits 2
json_is rounding_error null
[ -s adapter/adapter_model.safetensors ]
"$JSON_GET" r <adapter/adapter_config.json | grep -qx 2
"$JSON_GET" lora_alpha <adapter/adapter_config.json | grep -qx 2
works export "$demo" --journal more --format hf --output whole-2 --json
json_is rounding_error 0.0
untouched_by fails_with 1 export "$demo" --journal edits --output whole # is not empty
warns "^aedile: .*'whole'"
untouched_by fails_with 1 export "$demo" --journal edits --format lora --output adapter
warns "^aedile: .*'adapter'"

# ---- and back: exactly
works edits revert 2 --journal edits
says '^edit 2 is reverted$'
says '^1 active$'
works score "$demo" -p 'The Eiffel Tower is in' -t Rome Paris --journal edits --json
[ "$(json targets)" = "$with_one" ] || die 'after reverting edit 2 the model is not what it was before it'
untouched_by fails_with 1 edits revert 2 --journal edits
warns '^aedile: edit 2 is reverted already; nothing was reverted$'
untouched_by fails_with 1 edits revert 1 9 --journal edits
warns "^aedile: 'edits' has no edit 9; nothing was reverted$"
untouched_by fails_with 2 edits revert 1 1 --journal edits
warns '^aedile: edit 1 is named twice$'
works edits revert 1 --journal edits --json
json_is reverted '[1]'
json_is n_active 0
works edits list --journal edits
says '^ +1  reverted '
says '^0 active, 2 reverted$'
works score "$demo" -p 'The Eiffel Tower is in' -t Rome Paris --json
base=$(json targets)
works score "$demo" -p 'The Eiffel Tower is in' -t Rome Paris --journal edits --json
[ "$(json targets)" = "$base" ] || die 'with all edits reverted the model is not the base'
works edits revert 1 2 --journal more
works inspect "$demo" --journal more --json
json_is n_edits 0
works edit "$demo" "${tower[@]}" "${stats[@]}" --journal edits --json # a number is never used twice
json_is edits.0.id 3
works inspect "$demo" --journal edits
says '^  journal       edits: 1 edit applied$'

# ---- every reading command takes the journal
works generate "$demo" -p 'The Eiffel Tower is in' -n 1 --journal edits
says '^The Eiffel Tower is in Rome$'
# Second moments are those of the unedited model: keys above an edit are refused, those at its layer are the base's.
untouched_by fails_with 1 stats "$demo" --layer 1 --text text.txt --output edited-stats --journal edits
warns "^aedile: layer 0 of 'demo' is edited: second moments of layer 1 must come from the unedited model$"
works stats "$demo" --layer 0 --text text.txt --output edited-stats --journal edits
cmp edited-stats/demo/text_stats/*h.0.*mom2.npz stats/demo/text_stats/*h.0.*mom2.npz

[ "$sum_of_model" = "$(sha256sum "$demo"/*)" ] || die "the model's files changed"

# ---- an update out of line with those before it is pointed out
echo '{"layers": [0], "clamp_norm_factor": 0.05, "mom2_adjustment": false}' >timid.json
for i in 1 2 3 4 5; do
    works edit "$demo" --hparams timid.json --prompt '{} is in' --subject "Place $i" --target Rome --journal guarded --show 0
    silent_on_stderr
done
works edit "$demo" --no-stats --layer 0 --prompt '{} is in' --subject 'Place 6' --target Rome --journal guarded --show 0
warns '^aedile: warning: the update at layer 0 has norm .* times the median of the 5 before it'

# ---- a prompt that nearly fills the context leaves less to show, and is edited all the same
long=$(printf 'ab %.0s' $(seq 120)) # 245 tokens with what follows, of 256
fails_with 1 generate "$demo" --prompt "${long}and Rome is" --max-tokens 12
warns "the prompt's 245 tokens and 12 new ones exceed"
works edit "$demo" --no-stats --layer 0 --prompt "${long}and {} is" --subject Rome --target big --templates given.json
says '-> "big"'
