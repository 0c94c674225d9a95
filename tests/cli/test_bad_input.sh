# What is wrong with files and requests: said clearly, and nothing is written.

length=$(od -An -tu8 -N8 "$demo/model.safetensors" | tr -d ' ')
fresh() { rm -rf m && cp -r "$demo" m; }
poke() { printf "$2" | dd of=m/model.safetensors bs=1 seek="$1" conv=notrunc status=none; } # OFFSET BYTES
# Replaces text of the header by other text of the same length.
change_header() {
    fresh
    dd if="$demo/model.safetensors" bs=1 skip=8 count="$length" status=none >header
    LC_ALL=C sed "s/$1/$2/" header >changed
    [ "$(stat -c %s changed)" = "$length" ] && ! cmp -s header changed || die 'the test changes the header in a wrong way'
    dd if=changed of=m/model.safetensors bs=1 seek=8 conv=notrunc status=none
}
# Every command that reads a model refuses it, with the same words, and writes nothing.
request=(--prompt '{} is in' --subject Paris --target Rome --layer 0 --no-stats)
refused() { # STATUS MESSAGE
    for arguments in 'inspect m' 'generate m -p a' 'score m -p a -t b' 'stats m --layer 0 --text text.txt --output new' \
        'export m --journal journal --output new'; do
        untouched_by fails_with 1 $arguments --json
        json_is error.status "$1"
        warns "^aedile: $2"
    done
    untouched_by fails_with 1 edit m "${request[@]}" --journal new
    warns "^aedile: $2"
}
echo 'some text' >text.txt
works edit "$demo" "${request[@]}" --journal journal

# ---- checkpoints
fresh
head -c 500000 "$demo/model.safetensors" >m/model.safetensors
refused AE_ERR_FORMAT "'m/model\.safetensors': tensor '.*' ends at byte .*: it is cut short"
fresh
head -c 5 "$demo/model.safetensors" >m/model.safetensors
refused AE_ERR_FORMAT "'m/model\.safetensors'"
fresh
: >m/model.safetensors
refused AE_ERR_FORMAT "'m/model\.safetensors'"
fresh
poke 0 '\000\344\013\124\002\000\000\000' # a header of 10 GB
refused AE_ERR_FORMAT "'m/model\.safetensors': its first 8 bytes announce a header of 10000000000 bytes"
fresh
poke 8 '\373' # '{' with its highest bit flipped
refused AE_ERR_FORMAT "'m/model\.safetensors'"
change_header '"dtype": "F32"' '"dtype": "F33"'
refused AE_ERR_UNSUPPORTED "'m/model\.safetensors': .*F33"
change_header '\[72448, 137984\]' '[72440, 137976]'
refused AE_ERR_FORMAT "'m/model\.safetensors': .*overlap"
change_header '\[0, 72448\]' '[8, 72456]'
refused AE_ERR_FORMAT "'m/model\.safetensors': bytes 0 to 8 of the data, before tensor .*, belong to no tensor"
change_header '\[0, 72448\]' '[0, 72444]'
refused AE_ERR_FORMAT "'m/model\.safetensors': tensor 'transformer\.wte\.weight': .*data_offsets"
change_header '\[937984, 938240\]' '[937992, 938248]' # the last one, beyond the file's end
refused AE_ERR_FORMAT "'m/model\.safetensors': tensor 'transformer\.ln_f\.bias' ends at byte 938248"
change_header 'transformer\.wpe\.weight' 'transformer.wqe.weight'
refused AE_ERR_FORMAT "'m': tensor 'transformer\.wpe\.weight' is missing"
change_header 'transformer\.wpe\.weight' 'transformer.wte.weight'
refused AE_ERR_FORMAT "'m/model\.safetensors' is not valid JSON: .*duplicate object key"
fresh
rm m/model.safetensors
refused AE_ERR_NOT_FOUND "'m' holds no weights"

# ---- config and tokenizer
fresh
sed -i 's/"n_embd": 64/"n_embd": 60/' m/config.json
refused AE_ERR_FORMAT "'m': tensor 'transformer\.wte\.weight' has shape \[283, 64\], config\.json makes it \[283, 60\]"
fresh
sed -i 's/"model_type": "gpt2"/"model_type": "bert"/' m/config.json
refused AE_ERR_UNSUPPORTED "'m/config\.json': model_type 'bert' is not supported; supported are: gpt2, gptj"
fresh
sed -i 's/"n_layer": 4/"n_layer": "four"/' m/config.json
refused AE_ERR_FORMAT "'m/config\.json'.*n_layer"
fresh
truncate -s 100 m/config.json
refused AE_ERR_FORMAT "'m/config\.json'"
fresh
rm m/config.json
refused AE_ERR_NOT_FOUND "'m' has no config\.json: it is not a Hugging Face model folder"
fresh
rm m/vocab.json
refused AE_ERR_NOT_FOUND "'m' has no tokenizer"
rm -rf m
mkdir m
refused AE_ERR_NOT_FOUND "'m' has no config\.json"

# ---- names that lead nowhere
untouched_by fails_with 1 inspect gpt2-xl
warns "^aedile: model 'gpt2-xl' is neither a folder nor in the Hugging Face cache .*hf download openai-community/gpt2-xl"
untouched_by fails_with 1 inspect EleutherAI/gpt-j-6B
warns 'hf download EleutherAI/gpt-j-6B'
untouched_by fails_with 1 inspect ''
warns '^aedile: .*empty'

# ---- weights that are no numbers: found by reading them all, and never edited
fresh
poke $((8 + length + 4000)) '\000\000\300\177'
works inspect m # the structure is sound
untouched_by fails_with 1 inspect m --check
warns "^aedile: 'm': tensor 'transformer\.wte\.weight' holds nan at element 1000"
untouched_by fails_with 1 edit m "${request[@]}" --journal new
warns "tensor 'transformer\.wte\.weight' holds nan at element 1000"
untouched_by fails_with 1 score m -p a -t b
warns 'holds nan at element 1000'
untouched_by fails_with 1 generate m -p a
warns 'holds nan at element 1000'

# ---- a base that is not the journal's: one bit of an edited matrix
fresh
offset=$("$AEDILE" inspect "$demo" --json --tensors |
    awk '/"name": "transformer.h.0.mlp.c_proj.weight"/ { print sum } /"n_bytes"/ && in_list { sum += $2 } /"tensors"/ { in_list = 1 }')
poke $((8 + length + offset)) '\001'
cmp -s m/model.safetensors "$demo/model.safetensors" && poke $((8 + length + offset)) '\002'
works inspect m --check
for arguments in 'score m -p a -t b' 'generate m -p a' 'inspect m' 'export m --output new' 'edits verify m'; do
    untouched_by fails_with 1 $arguments --journal journal --json
    json_is error.status AE_ERR_MISMATCH
done
untouched_by fails_with 1 edit m "${request[@]}" --journal journal

# ---- journals
cp -r journal broken
entry=$(find broken -name '*.safetensors' | head -n 1)
size=$(stat -c %s "$entry")
printf '\252' | dd of="$entry" bs=1 seek=$((size - 100)) conv=notrunc status=none
untouched_by fails_with 1 edits verify --journal broken
warns "^aedile: .*$(basename "$entry")"
untouched_by fails_with 1 edit "$demo" "${request[@]}" --journal broken
untouched_by fails_with 1 export "$demo" --journal broken --output new
truncate -s 100 "$entry"
untouched_by fails_with 1 edits list --journal broken
warns "^aedile: .*$(basename "$entry")"
mkdir folder
echo x >folder/x
untouched_by fails_with 1 edits list --journal folder
warns "^aedile: .*folder"
untouched_by fails_with 1 edits list --journal nowhere
warns "^aedile: .*nowhere"

# ---- requests
refused_request() { # MESSAGE OPTION...
    untouched_by fails_with 1 edit "$demo" --layer 0 --no-stats --journal new "${@:2}"
    warns "^aedile: $1"
    untouched_by fails_with 1 edit "$demo" --layer 0 --no-stats --journal journal "${@:2}"
}
long=$(head -c 3000 /dev/zero | tr '\0' x)
refused_request "the prompt has 3001 tokens, the model's context holds 256" --prompt '{} is' --subject "$long" --target b
refused_request "prompt '\{\} is', subject 'x': the new target is empty" --prompt '{} is' --subject x --target ''
refused_request ".*subject is empty" --prompt '{} is' --subject '' --target b
refused_request "prompt 'is' has no '\{\}'" --prompt is --subject x --target b
refused_request "prompt '\{\} is \{\}' has more than one '\{\}'" --prompt '{} is {}' --subject x --target b
refused_request "prompt 'a\{\} is': its '\{\}' must come first or follow a space" --prompt 'a{} is' --subject x --target b
good=(--prompt '{} is' --subject x --target b)
refused_request "'layers' names layer 4, but 'demo' has layers 0 to 3" "${good[@]}" --layer 4
echo '["{}", "none"]' >templates.json
refused_request "'templates\.json'" "${good[@]}" --templates templates.json
refused_request ".*'nowhere\.json': No such file or directory" "${good[@]}" --templates nowhere.json
echo '{"layers": "five"}' >hparams.json
refused_request "'hparams\.json'.*layers" "${good[@]}" --hparams hparams.json
echo '[]' >empty.json
untouched_by fails_with 1 edit "$demo" --layer 0 --no-stats --journal new --requests empty.json
warns "^aedile: 'empty\.json'"
echo '[{"prompt": "{} is", "subject": 5, "target_new": "a"}]' >wrong.json
untouched_by fails_with 1 edit "$demo" --layer 0 --no-stats --journal new --requests wrong.json
warns "^aedile: 'wrong\.json.*subject"
cp -r "$demo" unknown # three of its four layers: a model that no table knows
sed -i 's/"n_layer": 4/"n_layer": 3/' unknown/config.json
echo '{"v_lr": 0.25}' >slow.json
untouched_by fails_with 1 edit unknown "${good[@]}" --journal new --hparams slow.json
warns "^aedile: no layer is known for 'unknown'"
untouched_by works edit unknown "${good[@]}" --no-stats --hparams slow.json --layer 1 --json
json_is edits.0.hparams.v_lr 0.25
untouched_by fails_with 1 edit unknown "${good[@]}" --journal new
warns "^aedile: no layer is known for 'unknown'"
untouched_by fails_with 1 edit "$demo" "${good[@]}" --layer 0 --journal new # no statistics
warns "^aedile: no second moments for layer 0 of 'demo'; tried './data/stats/.*aedile stats "
