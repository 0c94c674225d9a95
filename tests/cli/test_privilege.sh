# What a stranger's files could try (SECURITY.md): nothing outside of the folders given is read, written or waited for,
# nothing is run, and no text steers the terminal.
mkdir outside
echo 'a secret of the user' >outside/secret
: >outside/x.json.tmp-abcdef # what is cleared away where a run or a journal lies
outside=$PWD/outside
cp "$demo/model.safetensors" outside/weights.safetensors
outside_was=$(cd outside && listing)
is_safe() { [ "$(cd outside && listing)" = "$outside_was" ] || die 'something outside was changed'; }

# A command that waits for a pipe ends with 124.
limit=120
printf '#!/bin/sh\nexec timeout %d "%s" "$@"\n' $limit "$AEDILE" >limited
chmod +x limited
AEDILE=$PWD/limited

fresh() { rm -rf m && cp -r "$demo" m; }
request=(--prompt '{} is in' --subject Paris --target Rome --layer 0 --no-stats --show 0)

# ---- a model's folder: what is no file where a file is expected
not_a_file() { # NAME MESSAGE: every way, and who reads it says so at once
    local name=$1 shown
    shown=$(sed 's/\./\\./g' <<<"m/$name")
    rm -rf "m/$name"
    mkfifo "m/$name"
    fails_with 1 "${@:2}"
    warns "^aedile: .*'$shown' is not a regular file"
    rm "m/$name"
    ln -s /dev/zero "m/$name"
    fails_with 1 "${@:2}"
    warns "^aedile: .*'$shown' is not a regular file"
    rm "m/$name"
    mkdir "m/$name"
    fails_with 1 "${@:2}"
    warns "^aedile: .*'$shown' is a folder, a file was expected"
}
for name in config.json model.safetensors vocab.json merges.txt added_tokens.json tokenizer.json; do
    fresh
    not_a_file $name inspect m
done
fresh
not_a_file hparams.json edit m --prompt '{} is in' --subject Paris --target Rome --layer 0
fresh
rm m/model.safetensors
not_a_file pytorch_model.bin inspect m
fresh
rm m/model.safetensors
not_a_file model.safetensors.index.json inspect m
mkdir -p hub/models--a--b/refs hub/models--a--b/snapshots
mkfifo hub/models--a--b/refs/main
HF_HUB_CACHE=$PWD/hub fails_with 1 inspect a/b
warns "refs/main' is not a regular file"

# ---- an index of shards: plain names of files in its folder, nothing else
index_names() { # JSON-STRING: an index that says that all tensors are in this file
    "$build/aedile" inspect "$demo" --json --tensors | sed -n 's/^ *"name": \("transformer.*"\),/\1/p' >names
    { printf '{"metadata": {}, "weight_map": {' && sed "s|\$|: $1|" names | paste -sd , && printf '}}'; } >"m/$index"
}
for index in model.safetensors.index.json pytorch_model.bin.index.json; do
    fresh
    rm m/model.safetensors
    for name in '"../outside/weights.safetensors"' "\"$outside/weights.safetensors\"" '"sub/../../outside/weights.safetensors"' \
        '".hidden"' '".."' '""' '"a\\\\b"' '"weights.safetensors\\u0000.bin"' '7' '["x"]'; do
        index_names "$name"
        untouched_by fails_with 1 inspect m
        warns "^aedile: 'm/${index//./\\.}': weight_map\['transformer\.[^']*'\] is .*, expected (the plain name of a file in the same folder|a file name)$"
    done
    index_names "\"$index\""
    fails_with 1 inspect m
    mkfifo m/shard
    index_names '"shard"'
    fails_with 1 inspect m
    warns "'m/shard' is not a regular file"
done
fresh
mv m/model.safetensors m/weights.safetensors
index=model.safetensors.index.json
index_names '"weights.safetensors"'
works inspect m # so it was the names

# ---- names from files that become parts of paths
fresh
for dataset in '../../outside' 'a/b'; do
    printf '{"mom2_dataset": "%s"}' "$dataset" >m/hparams.json
    untouched_by fails_with 1 edit m --prompt '{} is in' --subject Paris --target Rome --layer 0
    warns "'mom2_dataset' is '$dataset', expected a name without '/'"
done

# ---- a zip archive's members are looked at in place: their names lead nowhere
for i in $(seq 60); do echo "Document $i: the quick brown fox jumps over the lazy dog, and so on, $((i * 7919)) times."; done >text.txt
works stats "$demo" --layer 0 --text text.txt --output stats --quiet
npz=stats/demo/text_stats/transformer.h.0.mlp.c_proj_float32_mom2.npz
LC_ALL=C sed 's|mom2\.mom2\.npy|../../out.npy|g' $npz >climbing.npz
! cmp -s $npz climbing.npz
untouched_by fails_with 1 edit "$demo" "${request[@]:0:6}" --layer 0 --stats climbing.npz
warns "'climbing\.npz' has no array 'mom2\.mom2'"
# Nor is a lock made or emptied that is somebody else's file.
for kind in 'ln -s' 'ln'; do
    $kind outside/secret new.lock
    mkdir -p new/demo/text_stats
    mv new.lock "new/demo/text_stats/$(basename $npz).lock"
    [ "$kind" = ln ] || ln -sf "$outside/secret" "new/demo/text_stats/$(basename $npz).lock"
    fails_with 1 stats "$demo" --layer 0 --text text.txt --output new
    warns "\.npz\.lock' is no file of its own \(a link, or the like\), which a lock must be: remove it$"
    rm -r new
    is_safe
done

# ---- export: a link that leads out of the model's folder would carry another file along
works edit "$demo" "${request[@]}" --journal journal
fresh
ln -s ../outside/secret m/notes.txt
untouched_by fails_with 1 export m --journal journal --output exported
warns "^aedile: 'm/notes\.txt' is a link out of the model's folder, to '.*/outside/secret', which an export would carry along"
ln -sf config.json m/notes.txt
ln -s / m/checkpoints # a folder, which is not copied
works export m --journal journal --output exported
cmp exported/notes.txt m/config.json
[ ! -L exported/notes.txt ] || die 'a link was exported'
# In the hub's cache every file is a link, to the model's own part of it.
model=hub/models--x--demo
mkdir -p $model/snapshots/abc $model/blobs
for file in "$demo"/*; do
    cp "$file" "$model/blobs/$(basename "$file")-blob"
    ln -s "../../blobs/$(basename "$file")-blob" "$model/snapshots/abc/$(basename "$file")"
done
HF_HUB_CACHE=$PWD/hub works export x/demo --journal journal --output exported2
cmp exported2/config.json "$demo/config.json"
ln -s ../../../../outside/secret $model/snapshots/abc/notes.txt
HF_HUB_CACHE=$PWD/hub fails_with 1 export x/demo --journal journal --output exported3
warns "notes\.txt' is a link out of the model's folder"
mkdir snapshots # which looks a little like it
cp -r "$demo" snapshots/abc
ln -s ../../outside/secret snapshots/abc/notes.txt
fails_with 1 export snapshots/abc --journal journal --output exported3
warns "notes\.txt' is a link out of the model's folder"
# What lies where an export is to be written: only a killed export's folder that is our own is cleared away.
mkdir exported3.tmp-aaaaaa
: >exported3.tmp-aaaaaa/aedile.lock
chmod 777 exported3.tmp-aaaaaa
ln -s outside exported3.tmp-bbbbbb
works export "$demo" --journal journal --output exported3
[ -e exported3.tmp-aaaaaa/aedile.lock ] && [ -L exported3.tmp-bbbbbb ] || die "somebody else's folder was removed"
ln -s outside/new exported4
fails_with 1 export "$demo" --journal journal --output exported4
warns "'exported4' exists and is not a folder"
is_safe

# ---- a journal's lock
for kind in "ln -s $outside/secret" "ln -s $outside/created" "ln $outside/secret" mkfifo; do
    rm journal/lock
    $kind journal/lock
    fails_with 1 edit "$demo" "${request[@]}" --journal journal
    warns "^aedile: the journal 'journal' cannot be written: 'journal/lock' is no file of its own"
    is_safe
done
rm journal/lock
mkfifo journal/0002.safetensors
fails_with 1 edits list --journal journal
warns "'journal/0002\.safetensors' is not a regular file"
rm journal/0002.safetensors
mkfifo journal/0002.safetensors.tmp-abcdef
works edits revert 1 --journal journal

# ---- a run's folder
records() {
    printf '[{"case_id": 1, "requested_rewrite": {"prompt": "The {} is in", "relation_id": "P1", "target_new": {"str": "Rome",
        "id": "Q1"}, "target_true": {"str": "Berlin", "id": "Q9"}, "subject": "Tower"}, "paraphrase_prompts": ["One sees the Tower in"],
        "neighborhood_prompts": ["The Moon is in"], "generation_prompts": ["The Tower was"]}]'
}
records >records.json
works run "$demo" --ds records.json --layer 0 --no-stats --sequential --glue-interval 0 --max-edits 1 --quiet
go_on() { rm -rf again && cp -r results/ROME/run_000 again; }
for kind in "ln -s $outside/secret" "ln -s $outside/created" "ln $outside/secret" mkfifo; do
    go_on
    rm again/aedile/lock
    $kind again/aedile/lock
    fails_with 1 run --resume ./again
    warns "^aedile: the run './again' cannot be written: './again/aedile/lock' is no file of its own"
    is_safe
done
for name in aedile aedile/skipped aedile/journal glue_eval evals; do
    go_on
    mkdir -p again/$name
    rm -r again/$name
    case $name in aedile) cp -r results/ROME/run_000/aedile moved && ln -s ../moved again/aedile ;; *) ln -s "$outside" again/$name ;; esac
    fails_with 1 run --resume ./again
    warns "again/$name' is a link, not a folder: nothing is written there$"
    is_safe
    rm -rf moved
done
fails_with 1 summarize ./again --write
warns "again/evals' is a link, not a folder: nothing is written there$"
# Files that are written anew take the place of a link, not of what it leads to.
go_on
rm again/1_edits-case_1.json again/params.json
for name in aedile/part aedile/events.jsonl params.json 1_edits-case_1.json aedile/base.json; do ln -sf "$outside/secret" again/$name; done
run run --resume ./again
is_safe
# What the settings name is read, but must be a file, and what it was.
settings() { # SED-SCRIPT
    go_on
    sed -i "$1" again/aedile/settings.json
    ! cmp -s again/aedile/settings.json results/ROME/run_000/aedile/settings.json || die 'the test changes nothing'
}
mkfifo pipe
settings "s|\"dataset\": \".*records.json\"|\"dataset\": \"$PWD/pipe\"|"
fails_with 1 run --resume ./again
warns "pipe' is not a regular file"
settings 's|"name": "demo"|"name": ".."|'
run run --resume ./again
is_safe

# ---- texts that would steer a terminal are shown, in whatever they come
hostile='\u001b[2K\u0007\u009b31m\u202etxt\r\naedile: forged'
shown='\\u001b\[2K\\u0007\\u009b31m\\u202etxt\\u000d\\naedile: forged'
is_plain() {
    ! LC_ALL=C grep -q -e $'[\001-\010\013-\037\177]' -e $'\302[\200-\237]' -e $'\342\200[\250-\256]' "$1" ||
        die "it could steer a terminal: $(LC_ALL=C cat -v "$1")"
}
shows() { # FILE
    is_plain "$1"
    grep -Eq -- "$shown" "$1" || die "the text is not shown in $1"
}
fresh
sed -i "s/\"model_type\": \"gpt2\"/\"model_type\": \"${hostile//\\/\\\\}\"/" m/config.json
fails_with 1 inspect m --json
shows "$err"
is_plain "$out"
json error.message | LC_ALL=C grep -q $'\e\\[2K' # in the document it is what it was
printf '[{"prompt": "{} is in", "subject": "%s", "target_new": "Rome"}]' "$hostile" >requests.json
works edit "$demo" --requests requests.json --layer 0 --no-stats --journal journal2
shows "$out"
works edits list --journal journal2
shows "$out"
works edits show 1 --journal journal2 --json
is_plain "$out"
works score "$demo" --prompt a --target $'\e[2Kb'
is_plain "$out"
"$build/make_run" odd healthy 6
sed -i "s/\"model_name\": \"[^\"]*\"/\"model_name\": \"${hostile//\\/\\\\}\"/; s/\"variant\": \"[^\"]*\"/\"variant\": \"${hostile//\\/\\\\}\"/" odd/params.json
works summarize ./odd
is_plain "$out"
says '\\u001b\[2K'
directory=$'folder\e[2K'
cp -r "$demo" "$directory"
works inspect "$directory"
is_plain "$out"
says '^folder\\u001b\[2K$'
# ... nor do paths, wherever a command names them.
odd=$'odd\e[2K\nforged' shown_odd='odd\\u001b\[2K\\nforged'
names_it() { # PATTERN COMMAND...: which prints the path within this
    works "${@:2}"
    is_plain "$out"
    is_plain "$err"
    says "$1"
}
cp -r journal2 "$odd"
names_it "^  journal       $shown_odd: 1 edit applied$" inspect "$demo" --journal "$odd"
names_it "^$shown_odd is sound: 1 edit, 1 active$" edits verify --journal "$odd"
rm "$odd"/*.safetensors
names_it "^$shown_odd holds no edits\.$" edits list --journal "$odd"
names_it "^$shown_odd\.hf: 1 edit as " export "$demo" --journal journal2 --output "$odd.hf"
names_it "^$shown_odd\.json: 2 of 5 records$" select sample:1:2 --total 5 --output "$odd.json"
names_it "^$shown_odd\.html: 1 run as " report ./odd --output "$odd.html"
each=("$demo" --ds records.json --layer 0 --no-stats --sequential --glue-interval 0 --results "$odd.runs")
names_it "^would begin $shown_odd\.runs/ROME/run_000: 1 cases, 0 done$" run "${each[@]}" --dry-run
names_it "^$shown_odd\.runs/ROME/run_000: 1 cases, 1 edits, " run "${each[@]}"
# The command that goes on does, in a shell.
printf '{"v_lr": 1000, "clamp_norm_factor": 1000}' >wild.json
fails_with 1 run "${each[@]}" --hparams wild.json --guard stop
is_plain "$err"
resume=$(sed -n 's/^aedile: go on with: aedile //p' "$err")
[ -n "$resume" ] || die 'it does not say how to go on'
eval "works $resume --guard skip"
says "^$shown_odd\.runs/ROME/run_001: 1 cases, 0 edits, 0 flagged, 1 skipped"

# ---- reports: what a run says of itself is text in a page, not a part of it
markup='</script><script>alert(1)</script><img src=x onerror=alert(2)>\\"\x27'
"$build/make_run" marked healthy 6
for field in model_name variant dataset; do sed -i "s|\"$field\": \"[^\"]*\"|\"$field\": \"$markup\"|" marked/params.json; done
sed -i "s|\"subject\": \"|&$markup|; s|\"prompt\": \"|&$markup|" marked/*_edits-case_*.json
mv marked 'a<script>b'
works report './a<script>b' --output report.html --title '</title><script>alert(3)</script>'
[ "$(grep -o '<script' report.html | wc -l)" = 2 ] || die 'a script got into the page'
! grep -Eq '<img|alert\(3\)</script>' report.html || die 'markup got into the page'
grep -q "default-src 'none'" report.html
works report './a<script>b' --format svg --output figures
! grep -rq '<script' figures || die 'a script got into a figure'

# ---- the caller's own pipes are read as before
mkfifo requests.pipe
fails_with 1 edit "$demo" --requests requests.pipe --layer 0 --no-stats
warns "'requests\.pipe' is not a regular file"
works edit "$demo" --requests <(cat requests.json) --layer 0 --no-stats
"$AEDILE" edit "$demo" --requests /dev/stdin --layer 0 --no-stats <requests.json >"$out"
cat requests.json | "$AEDILE" edit "$demo" --requests /dev/stdin --layer 0 --no-stats >"$out"
is_safe

# ---- how the programs are built
for file in "$build/aedile" "$build/libaedile.so"; do
    readelf -hldsW "$file" >elf
    grep -Eq 'Type: +DYN' elf || die "$file is not position-independent"
    grep -q GNU_RELRO elf && grep -Eq 'BIND_NOW|Flags: .*NOW' elf || die "$file: its tables stay writable"
    grep -Eq 'GNU_STACK.* RW ' elf || die "$file: its stack can be run"
    grep -q __stack_chk_fail elf || die "$file: its stack is not checked"
    [ -n "${AE_SANITIZED:-}" ] || grep -Eq '__(mem|str|sn?)[a-z]*_chk' elf || die "$file: its copies are not checked"
    # A library is looked for in no folder that depends on where the program is started.
    runpath=$(sed -n 's/.*R.*PATH.*\[\(.*\)\]$/\1/p' elf)
    case :$runpath: in :: | :/*) ;; *) die "$file looks for libraries in '$runpath'" ;; esac
    case $runpath in *:) die "$file looks for libraries in the current folder ('$runpath')" ;; *::* | *:[!/]*) die "$runpath" ;; esac
done
