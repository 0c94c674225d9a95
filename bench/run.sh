#!/usr/bin/env bash
# bench/run.sh BUILD: the whole measurement at real sizes (`make bench`): random-weight checkpoints in the shapes of
# published models, made once in a cache folder; then bench/speed for each of them, then bench/scaling.
# Writes BUILD/bench/speed.md, speed.jsonl, scaling.md, scaling.jsonl. Nothing else should run on the machine meanwhile.
#
# Settings, as environment variables:
#   BENCH_CACHE      where the checkpoints are kept (~/.cache/aedile-bench): gpt2 0.5 GB, gpt2-xl 6.2 GB, gpt-j 12.1 GB each
#   BENCH_SHAPES     which shapes, in turn (gpt2 gpt2-xl gpt-j-6B-fp16 gpt-j-6B-bf16)
#   BENCH_TOKENIZER  a folder with GPT-2's vocab.json and merges.txt (../shared/data/gpt2 beside the project; where that is not,
#                    the demo model's, with which texts are longer)
#   BENCH_DATA       a folder with text/wikipedia.jsonl, counterfact/counterfact.json and glue/ (../shared/data; else the demo model's)
#   BENCH_REPEATS    pairs of a measurement (3)
#   BENCH_THREADS    of both sides (one a processor)
#   PYTHON           an interpreter with torch and transformers (python3); where it has none our side is measured alone
set -euo pipefail # a benchmark that fails ends it, though tee does not
build=$1
here=$(cd "$(dirname "$0")/.." && pwd)
cache=${BENCH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aedile-bench}
shapes=${BENCH_SHAPES:-gpt2 gpt2-xl gpt-j-6B-fp16 gpt-j-6B-bf16}
python=${PYTHON:-python3}
repeats=${BENCH_REPEATS:-3}
threads=${BENCH_THREADS:-$(nproc)}
out=$build/bench
export GOMP_SPINCOUNT="${GOMP_SPINCOUNT:-1000}" # as the command sets it for itself
mkdir -p "$out" "$cache"

if [ -n "${BENCH_TOKENIZER:-}" ]; then
    tokenizer=$BENCH_TOKENIZER
elif [ -f "$here/../shared/data/gpt2/vocab.json" ]; then
    tokenizer=$here/../shared/data/gpt2
else
    tokenizer=$here/data/demo
    echo "bench: no BENCH_TOKENIZER: taking the demo model's, with which texts have more tokens than with GPT-2's" >&2
fi
data=${BENCH_DATA:-$here/../shared/data}
if [ -f "$data/counterfact/counterfact.json" ]; then
    text=$data/text/wikipedia.jsonl counterfact=$data/counterfact/counterfact.json glue=$data/glue
else
    echo "bench: no BENCH_DATA: taking the demo model's records, text and tasks" >&2
    text=$here/data/demo/data/text.jsonl.gz counterfact=$here/data/demo/data/counterfact.json glue=$here/data/demo/data/glue
fi
if ! "$python" -c 'import torch, transformers' 2>/dev/null; then
    echo "bench: $python has no torch and transformers: our side is measured alone (set PYTHON)" >&2
    python=
fi

: >"$out/speed.jsonl"
"$build/machine" "$threads" | tee "$out/speed.md"
for shape in $shapes; do
    "$build/make_shape" "$shape" "$cache/$shape" --tokenizer "$tokenizer"
    options= examples=0 reference=$python
    case $shape in
    gpt2) options='--layer 5' ;;                                          # the papers name none for it
    gpt2-xl) examples=40 ;;                                               # of each task: all would take a quarter of an hour
    gpt-j*) options='--layer 5 --only fresh,edit,case' reference= ;;      # in fp32 PyTorch needs more memory than most machines have
    esac
    # shellcheck disable=SC2086
    "$build/speed" "$cache/$shape" $options --threads "$threads" --repeats "$repeats" --python "$reference" \
        --reference "$here/bench/reference.py" --aedile "$build/aedile" --text "$text" --counterfact "$counterfact" \
        --glue "$glue" --task-examples "$examples" --json "$out/speed.jsonl" | tee -a "$out/speed.md"
done
"$build/long_sequence" "$build/demo" --threads "$threads" | tee -a "$out/speed.md"
: >"$out/scaling.jsonl"
: >"$out/scaling.md"
for shape in $shapes; do
    case $shape in
    gpt2) layer=5 ;;
    gpt2-xl) layer=17 ;;
    *) continue ;;
    esac
    "$build/scaling" "$cache/$shape" --layer $layer --json "$out/scaling.jsonl" | tee -a "$out/scaling.md"
done
echo "bench: tables in $out; pictures: bench/plot.py $out/scaling.jsonl" >&2
