# Numbers that are no numbers: every command that meets one names it and keeps nothing; what verify finds.

length=$(od -An -tu8 -N8 "$demo/model.safetensors" | tr -d ' ')
request=(--prompt '{} is in' --subject Paris --target Rome --layer 1 --no-stats)
echo 'some text' >text.txt
echo '["{}", "So. {}"]' >templates.json
works edit "$demo" "${request[@]}" --journal journal
works edit "$demo" "${request[@]}" --journal journal
works edits revert 2 --journal journal
mkdir data
cat >data/counterfact.json <<'END'
[{"case_id": 2, "pararel_idx": 0, "requested_rewrite": {"prompt": "The {} is in", "relation_id": "P1",
  "target_new": {"str": "Rome", "id": "Q1"}, "target_true": {"str": "Paris", "id": "Q2"}, "subject": "Inn"},
  "paraphrase_prompts": [], "neighborhood_prompts": [], "attribute_prompts": [], "generation_prompts": []}]
END
echo '{"layers": [1], "mom2_adjustment": false, "v_num_grad_steps": 2}' >hparams.json

offset() { # TENSOR: where its data begin in the file
    echo $((8 + length + $("$AEDILE" inspect "$demo" --json --tensors |
        awk -v name="\"$1\"" 'index($0, "\"name\": " name) { print sum } /"n_bytes"/ && in_list { sum += $2 } /"tensors"/ { in_list = 1 }')))
}
damage() { # TENSOR ELEMENT BYTES
    rm -rf m && cp -r "$demo" m
    printf "$3" | dd of=m/model.safetensors bs=1 seek=$(($(offset "$1") + 4 * $2)) conv=notrunc status=none
}
nan='\000\000\300\177' inf='\000\000\200\177' minus_inf='\000\000\200\377'

# ---- weights: whatever the model is read for. Layer 0 is below the edited one.
refused() { # MESSAGE
    for arguments in 'generate m -p the' 'score m -p the -t in' 'inspect m --check' \
        'run m --hparams hparams.json --sequential --glue-interval 0'; do
        untouched_by fails_with 1 $arguments --json
        json_is error.status AE_ERR_NUMERIC
        warns "^aedile: .*$1"
    done
    fails_with 1 stats m --layer 1 --text text.txt --output new --json
    json_is error.status AE_ERR_NUMERIC
    warns "^aedile: a key at layer 1, near document 1 of those chosen, is not finite: $1"
    [ -z "$(find new -type f)" ] || die 'statistics were written'
    rm -r new
    for templates in '' '--templates templates.json'; do
        untouched_by fails_with 1 edit m "${request[@]}" $templates --journal new --json
        json_is error.status AE_ERR_NUMERIC
        warns "^aedile: .*$1"
    done
}
damage transformer.h.0.mlp.c_fc.bias 7 "$minus_inf"
refused "'m': tensor 'transformer\.h\.0\.mlp\.c_fc\.bias' holds -inf at element 7: the checkpoint is damaged"
damage transformer.h.0.attn.c_attn.weight 100 "$inf"
refused "'m': tensor 'transformer\.h\.0\.attn\.c_attn\.weight' holds inf at element 100"
damage transformer.h.0.ln_2.weight 3 "$nan"
refused "'m': tensor 'transformer\.h\.0\.ln_2\.weight' holds nan at element 3"

# A run whose templates are given meets it at the first edit: the run is there to be gone on with, no record is.
fails_with 1 run m --hparams hparams.json --sequential --glue-interval 0 --templates templates.json
warns "tensor 'transformer\.h\.0\.ln_2\.weight' holds nan at element 3"
[ -z "$(find results -name '*case_*')$(find results -name '*.safetensors')" ] || die 'the run kept something'
rm -r results

# ---- an export copies what no edit touches as it stands; the journal's own matrices are checked.
works edits verify m --journal journal
works export m --journal journal --output exported
fails_with 1 inspect exported --check
warns "^aedile: 'exported': tensor 'transformer\.h\.0\.ln_2\.weight' holds nan at element 3"
damage transformer.h.1.mlp.c_proj.weight 3 "$nan"
untouched_by fails_with 1 edits verify m --journal journal
warns "transformer\.h\.1\.mlp\.c_proj' has sha256"
untouched_by fails_with 1 export m --journal journal --output new
warns "transformer\.h\.1\.mlp\.c_proj' has sha256"
untouched_by fails_with 1 edit m "${request[@]}" --journal new
warns "tensor 'transformer\.h\.1\.mlp\.c_proj\.weight' holds nan at element 3"

# ---- numbers on the command line
for ridge in nan inf 1e999 -1 0x1p3 ''; do
    untouched_by fails_with 2 edit "$demo" "${request[@]}" --journal new --ridge "$ridge"
done
for value in NaN Infinity 1e999 -0.0; do
    echo "{\"v_lr\": $value}" >bad.json
    untouched_by fails_with 1 edit "$demo" "${request[@]}" --hparams bad.json --journal new
    warns "^aedile: 'bad\.json'"
done

# ---- verify: any bit of journal.json, too, and files that changed places
works edits verify "$demo" --journal journal
silent_on_stderr
flipped() { # FILE BYTE: its lowest bit
    rm -rf j && cp -r journal j
    local byte
    byte=$(od -An -tu1 -j "$2" -N1 "j/$1" | tr -d ' ')
    printf "\\$(printf %03o $((byte ^ 1)))" | dd of="j/$1" bs=1 seek="$2" conv=notrunc status=none
    untouched_by fails_with 1 edits verify --journal j
    warns "^aedile: 'j/${1//./\\.}'"
}
size=$(stat -c %s journal/journal.json)
for byte in 0 1 $((size / 3)) $((size / 2)) $((size - 3)) $((size - 2)); do flipped journal.json "$byte"; done
flipped 0001.safetensors 300
flipped 0002.reverted.safetensors 4000
rm -rf j && cp -r journal j && mv j/0001.safetensors j/0001.safetensorr
works edits verify --journal j
warns "the journal 'j' has no entry 1, although there is an entry 2"
warns "'j/0001\.safetensorr' is no part of the journal and has no effect"
