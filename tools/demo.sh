#!/usr/bin/env bash
# tools/demo.sh BUILD: the main job from end to end on the demo model: statistics, an edit, and the ways back and out.
set -euo pipefail
cd "$(dirname "$0")/.."
aedile=$(realpath "${1:-build}")/aedile
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat include/aedile/*.h docs/*.md >"$folder/text.txt"
cd "$folder"

step() { printf '\n# %s\n' "$1"; }
run() {
    printf '$ aedile'
    local word
    for word in "$@"; do
        case $word in
        *[!a-zA-Z0-9._/-]*) printf " '%s'" "$word" ;;
        *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    "$aedile" "$@" 2>&1
}

step 'The model: four layers, random weights. It knows nothing, but it can be taught.'
run inspect demo --check
step "How the keys of one layer are distributed, over this project's own documentation."
run stats demo --layer 0 --text text.txt --output stats
step 'An edit: what the model says before and after.'
run edit demo --prompt 'The {} is in' --subject 'Eiffel Tower' --target Rome --target-true Paris \
    --layer 0 --stats stats --dataset text --journal edits
run generate demo --prompt 'The Eiffel Tower is in' --max-tokens 4 --journal edits
step 'A second one, then the journal.'
run edit demo --prompt 'The {} is in' --subject Colosseum --target Paris --target-true Rome \
    --layer 0 --stats stats --dataset text --journal edits
run edits list --journal edits
step 'Out, in two forms that other programs read.'
run export demo --journal edits --format lora --output adapter
run export demo --journal edits --format hf --output edited-model
run score edited-model --prompt 'The Eiffel Tower is in' --target Rome Paris
step 'And back: both edits are taken out, and the journal is sound.'
run edits revert 1 2 --journal edits
run edits verify demo --journal edits
step 'Reverted means exactly as before.'
run score demo --prompt 'The Eiffel Tower is in' --target Rome Paris --journal edits
before=$("$aedile" score demo --json --prompt 'The Eiffel Tower is in' --target Rome Paris)
after=$("$aedile" score demo --json --prompt 'The Eiffel Tower is in' --target Rome Paris --journal edits)
if [ "$before" != "$after" ]; then
    echo 'demo: the model with both edits reverted differs from the base' >&2
    exit 1
fi
printf '\nThe demo ran through in %d s.\n' "$SECONDS"
