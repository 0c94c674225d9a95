#!/usr/bin/env bash
# tools/demo.sh BUILD: the main job from end to end on the demo model: statistics, an edit, and the ways back and out.
set -euo pipefail
cd "$(dirname "$0")/.."
aedile=$(cd "${1:-build}" && pwd)/aedile
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

texts=(include/aedile/*.h)
for file in README.md docs/*.md; do
    [ -f "$file" ] && texts+=("$file")
done
layer=0
export OMP_WAIT_POLICY=passive # threads that wait give way: much faster where the machine is busy

step() { printf '\n# %s\n' "$1"; }
run() {
    printf '$ aedile'
    printf ' %q' "$@" | sed "s|$folder|DIR|g"
    printf '\n'
    "$aedile" "$@"
}

step 'The model: four layers, random weights. It knows nothing, but it can be taught.'
run inspect demo --check
step 'How the keys of one layer are distributed, over this project'"'"'s own documentation.'
run stats demo --layer "$layer" --text "${texts[@]}" --output "$folder/stats"
step 'An edit: what the model says before and after.'
run edit demo --prompt 'The {} is in' --subject 'Eiffel Tower' --target Rome --target-true Paris \
    --layer "$layer" --stats "$folder/stats" --dataset text --journal "$folder/edits"
run generate demo --prompt 'The Eiffel Tower is in' --max-tokens 4 --journal "$folder/edits"
step 'A second one, then the journal.'
run edit demo --prompt 'The {} is in' --subject Colosseum --target Paris --target-true Rome \
    --layer "$layer" --stats "$folder/stats" --dataset text --journal "$folder/edits"
run edits list --journal "$folder/edits"
step 'Out, in two forms that other programs read.'
run export demo --journal "$folder/edits" --format lora --output "$folder/adapter"
run export demo --journal "$folder/edits" --format hf --output "$folder/edited"
step 'And back: the first edit is taken out, and the journal is sound.'
run edits revert 1 --journal "$folder/edits"
run edits verify demo --journal "$folder/edits"
run edits revert 2 --journal "$folder/edits"

step 'Reverted means exactly as before.'
before=$("$aedile" score demo --prompt 'The Eiffel Tower is in' --target Rome Paris)
after=$("$aedile" score demo --prompt 'The Eiffel Tower is in' --target Rome Paris --journal "$folder/edits")
printf '%s\n' "$after"
if [ "$before" != "$after" ]; then
    echo 'demo: the model with both edits reverted differs from the base' >&2
    exit 1
fi
printf '\nThe demo ran through in %d s.\n' "$SECONDS"
