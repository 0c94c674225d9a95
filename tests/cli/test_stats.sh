# stats: collecting second moments.

for i in $(seq 60); do echo "Document $i: the quick brown fox jumps over the lazy dog, and so on, $((i * 7919)) times."; done >text.txt
while read -r line; do printf '{"text": "%s"}\n' "$line"; done <text.txt >text.jsonl
gzip -k text.txt

works stats "$demo" --layer 1 --text text.txt --output plain
file=plain/demo/text_stats/transformer.h.1.mlp.c_proj_float32_mom2.npz
says "^layer 1: $file \("
[ -s "$file" ] || die "$file is missing"
silent_on_stderr
[ "$(find plain -type f | wc -l)" = 1 ] || die 'something else was left behind'

# The same documents in other clothes, other threads, with frequent checkpoints: the same numbers to the byte.
works stats "$demo" -l 1 -t text.jsonl -o json-lines --restart
cmp "$file" "json-lines/${file#plain/}"
works stats "$demo" -l 1 -t text.txt.gz -o gzipped --quiet --checkpoint 0.01
cmp "$file" "gzipped/${file#plain/}"

# Names, numbers of documents, several layers and files, the document of --json.
head -n 30 text.txt >a.txt
tail -n 30 text.txt >b.txt
works stats "$demo" --layer 0,2 --text a.txt b.txt --samples 50 --output out --name Some/Model --dataset mine --json
json_is model demo
json_is files.# 2
json_is files.0.layer 0
json_is files.1.layer 2
json_is files.0.path out/Some_Model/mine_stats/transformer.h.0.mlp.c_proj_float32_mom2_50.npz
json_is files.1.path out/Some_Model/mine_stats/transformer.h.2.mlp.c_proj_float32_mom2_50.npz
[ -s "$(json files.1.path)" ] || die 'the file is missing'

# Of several layers, those whose file is there stay: that is how a list that was stopped goes on.
sum=$(sha256sum out/*/*/*)
rm "$(json files.1.path)"
works stats "$demo" --layer 0,2 --text a.txt b.txt --samples 50 --output out --name Some/Model --dataset mine --json
json_is files.0.path out/Some_Model/mine_stats/transformer.h.0.mlp.c_proj_float32_mom2_50.npz
json_is files.1.layer 2
json_is warnings.# 1
warns "^aedile: warning: 'out/.*\.h\.0\..*' is there already and stays as it is; --restart collects it anew$"
[ "$sum" = "$(sha256sum out/*/*/*)" ] || die 'the files are others now'
works stats "$demo" --layer 0,2 --text a.txt --output out --name Some/Model --dataset mine --samples 50 --restart --json
json_is warnings.# 2 # too few documents, for both
[ "$sum" != "$(sha256sum out/*/*/*)" ] || die '--restart collected nothing'
untouched_by fails_with 1 stats "$demo" --layer 0 --text text.txt --samples 50 --output out --name Some/Model --dataset mine
warns "^aedile: 'out/.*' is there already; use it, or collect anew"
# One that fails says which are done.
mkdir -p part/demo/text_stats/transformer.h.2.mlp.c_proj_float32_mom2.npz.partial
fails_with 1 stats "$demo" --layer 1,2 --text text.txt --output part --json
json_is error.status AE_ERR_IO
json_is files.# 1
json_is files.0.path part/demo/text_stats/transformer.h.1.mlp.c_proj_float32_mom2.npz
rm -r part/*/*/*.partial
mkdir part/demo/text_stats/transformer.h.2.mlp.c_proj_float32_mom2.npz # which cannot be replaced by a file
fails_with 1 stats "$demo" --layer 2,1 --text text.txt --output part --restart
warns '^aedile: warning: the layers behind 2 are not collected anew yet: name them with --layer, and --restart'
rm -r part

# The default folder.
works stats "$demo" -l 1 -t text.txt
cmp "$file" "data/stats/${file#plain/}"

# Mistakes: nothing is written.
cp -r "$demo" unknown # three of its four layers: a model that no table knows
sed -i 's/"n_layer": 4/"n_layer": 3/' unknown/config.json
untouched_by fails_with 2 stats unknown --text text.txt
warns "^aedile: --layer is missing: where to edit 'unknown' is not known$"
untouched_by fails_with 1 stats "$demo" --layer 4 --text text.txt --output o
warns "^aedile: layer 4 does not exist: 'demo' has layers 0 to 3$"
untouched_by fails_with 1 stats "$demo" --layer 0,4 --text text.txt --output o # before the first is collected
warns "^aedile: layer 4 does not exist: 'demo' has layers 0 to 3$"
untouched_by fails_with 1 stats "$demo" --layer 0,2,0 --text text.txt --output o
warns "^aedile: --layer names layer 0 twice$"
long=$(head -c 64 /dev/zero | tr '\0' a)
untouched_by fails_with 1 stats "$demo" --layer 1 --text text.txt --output o --dataset "$long"
warns "^aedile: the dataset's name '$long' is longer than 63 bytes$"
untouched_by fails_with 1 stats "$demo" --layer 1 --text nowhere.txt --output o
warns "^aedile: .*'nowhere.txt'"
: >empty.txt
untouched_by fails_with 1 stats "$demo" --layer 1 --text empty.txt --output o
warns "^aedile: 'empty.txt' holds no documents"
printf '{"text": "fine"}\n{"txt": "not"}\n' >bad.jsonl
untouched_by fails_with 1 stats "$demo" --layer 1 --text bad.jsonl --output o --json
json_is error.status AE_ERR_FORMAT
warns "^aedile: 'bad.jsonl: line 2': field 'text' is missing"

# Fewer tokens than keys have entries: a warning at once, an error when it is used, a ridge that helps.
head -n 1 text.txt >few.txt
works stats "$demo" --layer 1 --text few.txt --output few --json
warns '^aedile: warning: only [0-9]+ tokens were seen, fewer than the 256 entries of a key'
json_is warnings.# 1
untouched_by fails_with 1 edit "$demo" -p '{} is in' -s Paris -t Rome -l 1 --stats few --dataset text
warns '^aedile: .* not positive definite: [0-9]+ tokens .*--ridge'
works edit "$demo" -p '{} is in' -s Paris -t Rome -l 1 --stats few --dataset text --ridge 0.1
