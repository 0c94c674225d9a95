# inspect, generate, score: over the demo model.
export demo

# ---- inspect
untouched_by works inspect "$demo"
says '^  architecture  gpt2: 4 layers, d_model 64, d_mlp 256, 4 heads of 16$'
says '^  weights       234560 parameters, F32, '
says '^  vocabulary    283 tokens; context 256 tokens; output matrix tied to the embedding$'
silent_on_stderr
works inspect "$demo" --check --tensors
says '^  values        all finite$'
says '^  transformer\.h\.3\.mlp\.c_proj\.weight +F32 +\[256, 64\]$'
works inspect demo # beside the executable
AEDILE_DEMO=$demo works inspect demo
AEDILE_DEMO=/nowhere fails_with 1 inspect demo
warns "^aedile: AEDILE_DEMO is '/nowhere', which is not a folder$"
works inspect "$demo" --json --tensors --threads 1
silent_on_stderr
json_is architecture gpt2
json_is dtype F32
json_is n_layer 4
json_is d_model 64
json_is d_mlp 256
json_is n_head 4
json_is d_head 16
json_is n_vocab 283
json_is n_ctx 256
json_is n_parameters 234560
json_is n_bytes "$(stat -c %s "$demo/model.safetensors")"
json_is tied_head true
json_is mlp_out_module transformer.h.%d.mlp.c_proj
json_is folder "$demo"
json_is name demo
json_is n_threads 1
json_is journal null
json_is n_edits 0
json_is finite null
json_is tensors.# 52
json_is tensors.0.name transformer.wte.weight
json_is tensors.0.shape '[283,64]'
json_is tensors.0.n_bytes 72448
works inspect "$demo" --check --json
json_is finite true

# ---- generate
prompt='The Eiffel Tower is in'
untouched_by works generate "$demo" --prompt "$prompt" --max-tokens 6
[ "$(head -c ${#prompt} "$out")" = "$prompt" ] || die 'the prompt is not repeated'
cp "$out" first.txt
works generate "$demo" -p "$prompt" -n 6 --quiet --threads 1
cmp first.txt "$out" || die 'greedy generation is not the same twice'
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then # on a terminal it comes piece by piece, and is the same
    export prompt
    timeout 60 script -qec '"$AEDILE" generate "$demo" -p "$prompt" -n 6' /dev/null </dev/null | tr -d '\r' >"$out"
    cmp first.txt "$out" || die 'what streams to a terminal is another text'
    timeout 60 script -qec '"$AEDILE" generate "$demo" -p "$prompt" -n 6000' /dev/null </dev/null | tr -d '\r' >"$out" || true
    says "^aedile: the prompt's .* exceed"
    grep -qF "$prompt" "$out" && die 'the prompt comes before the refusal'
else
    echo 'SKIPPED: no pseudo-terminal can be had here: streaming to a terminal'
fi
works generate "$demo" -p "$prompt" -n 6 --json
json_is prompt "$prompt"
json_is max_tokens 6
json_is top_k 1
json_is seed 0
json_is ignore_end false
json_is temperature 1.0
json_is model demo
[ "$prompt$(json continuation)" = "$(cat first.txt)" ] || die 'the document says another continuation'
works generate "$demo" -p "$prompt" -n 30 -k 5 -s 7 --temperature 1.5 --ignore-end
cp "$out" drawn.txt
works generate "$demo" --prompt "$prompt" --max-tokens 30 --top-k 5 --seed 7 --temperature 1.5 --ignore-end
cmp drawn.txt "$out" || die 'the same seed gave another text'
works generate "$demo" -p "$prompt" -n 30 -k 5 -s 8 --temperature 1.5 --ignore-end
cmp -s drawn.txt "$out" && die 'another seed gave the same text'
works generate "$demo" -p "$prompt" -n 30 -k 5 -s 18446744073709551615 --json
json_is seed 18446744073709551615
works generate "$demo" -p $'\xff\xfe bytes' -n 2 --json # not UTF-8: still a document
json_is prompt $'\xef\xbf\xbd\xef\xbf\xbd bytes'
works generate "$demo" -p "$prompt" -n 6 --decode compat
cmp first.txt "$out" || die 'text without spaces before signs is not the same in both ways of decoding'
fails_with 2 generate "$demo" -p "$prompt" --decode old
warns "bytes"
fails_with 1 generate "$demo" -p "$prompt" -n 1000
warns "^aedile: .*context of 256 tokens"

# ---- score
untouched_by works score "$demo" --prompt "$prompt" --target Rome Paris
says '^ +[0-9]+\.[0-9]{4} +[0-9].* %  "Rome"$'
says '^ +[0-9]+\.[0-9]{4} +[0-9].* %  "Paris"$'
silent_on_stderr
works score "$demo" --json -p "$prompt" -t Rome -t Paris 'the sea'
json_is targets.# 3
json_is targets.1.target Paris
json_is targets.2.target 'the sea'
rome=$(json targets.0.nll) paris=$(json targets.1.nll)
near "$(json targets.0.probability)" "$(awk -v n="$rome" 'BEGIN { printf "%.9g", exp(-n) }')"
works score "$demo" -t Paris -t Rome -p "$prompt" --json # the order of the answer is that of the question
near "$(json targets.0.nll)" "$paris"
near "$(json targets.1.nll)" "$rome"
works score -t Paris "$demo" -p "$prompt" --json # MODEL may come later
json_is targets.# 1
near "$(json targets.0.nll)" "$paris"
works score "$demo" -p "$prompt" -t ' Rome' --json
warns "^aedile: warning: the target ' Rome' begins with a space"
json_is warnings.# 1
fails_with 1 score "$demo" -p "$prompt" -t ''
warns '^aedile: .*empty'

# ---- a journal that is not there
for command in "inspect $demo" "generate $demo -p x" "score $demo -p x -t y"; do
    untouched_by fails_with 1 $command --journal nowhere
    warns "^aedile: .*'?nowhere"
done
