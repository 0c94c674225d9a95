# Somebody else cuts the model's file short, writes into it, or removes it while a command uses it: the command ends with
# a sentence that names the file, and keeps nothing that it computed from a mixture; a file that was removed is still there
# for whoever has opened it.
. "$source_folder/tests/faults/cases.sh"
make_given
original=$demo demo=$PWD/model/demo # which the cases use from here on, and which is made anew each time

meddle() { # KIND N COMMAND...
    rm -rf model
    mkdir model
    cp -rp "$original" model
    export DISTURB_FILE=$demo/model.safetensors
    in_now "$build/disturb" "$@"
    [ $code != 77 ] || exit 77
    [ -s "$report" ] || die 'nothing happened to the file'
}
entries() { find now/edits -name '0*.safetensors' 2>/dev/null | wc -l; }
of_edit=(edit "$demo" -p 'The {} is in' -s Tower -t Rome --journal edits "${edit_options[@]}")
of_stats=(stats "$demo" --layer 3 --text text.txt --output new --threads 1)
of_export=(export "$demo" --journal edits --output exported --threads 1)

# Cut short, before the first change of the disk: the weights are mapped, not all have been read.
begin edit
meddle cut 1 "$report" "$AEDILE" "${of_edit[@]}"
[ $code = 1 ] || die "exit code $code"
warns "^aedile: '/.*/demo/model\.safetensors' was cut short while it was in use, or its disk failed: nothing was kept"
[ "$(entries)" = 0 ] || die 'an edit was kept'
begin edit
meddle cut 1 "$report" "$AEDILE" "${of_edit[@]/%1/2}" --json # on whichever thread it is noticed, it is told once
[ $code = 1 ] || die "exit code $code"
[ "$(grep -c 'cut short' "$err")" = 1 ] || die 'it is told more than once'
json_is error.status AE_ERR_IO
grep -q "demo/model.safetensors' was cut short" <<<"$(json error.message)"
begin stats
meddle cut 1 "$report" "$AEDILE" "${of_stats[@]}"
[ $code = 1 ] || die "exit code $code"
warns "demo/model\.safetensors' was cut short"
[ -z "$(find now/new -type f ! -name '*.lock')" ] || die 'something was written'
for n in 1 6; do # before it is copied, and meanwhile
    begin export_hf
    meddle cut $n "$report" "$AEDILE" "${of_export[@]}"
    [ $code = 1 ] || die "exit code $code"
    warns "demo/model\.safetensors' was (changed while it was in use|cut short)"
    [ -z "$(leftovers)" ] || grep -q 'cut short' "$err" || die "$(leftovers) was left behind"
    [ ! -e now/exported ] || die 'a part of a model was exported'
done
cp -p "$original"/* model/demo
in_now "$AEDILE" "${of_export[@]}"
[ $code = 0 ] || die 'the export cannot be repeated'
[ -z "$(leftovers)" ] || die "the folder of the export that was cut off was not removed: $(leftovers)"

# Written into: noticed before anything is kept.
begin edit
meddle change 1 "$report" "$AEDILE" "${of_edit[@]}"
[ $code = 1 ] || die "exit code $code"
warns "demo/model\.safetensors' was changed while it was in use: what was computed from it is not kept; run this again$"
[ "$(entries)" = 0 ] || die 'an edit was kept'
begin export_hf
meddle change 1 "$report" "$AEDILE" "${of_export[@]}"
[ $code = 1 ] || die "exit code $code"
warns "demo/model\.safetensors' was changed while it was in use"
[ ! -e now/exported ] && [ -z "$(leftovers)" ] || die 'a mixture of models was exported'

# Removed: no matter. The model that was opened is edited.
begin edit
next_command edit
meddle remove 1 "$report" "$AEDILE" "${command[@]}"
[ $code = 0 ] || die "exit code $code"
same_result edit
begin export_lora
meddle remove 1 "$report" "$AEDILE" "${of_export[@]}" --format lora
[ $code = 0 ] || die "exit code $code"
cmp now/exported/adapter_model.safetensors whole/export_lora/exported/adapter_model.safetensors

# An entry that is cut short on the disk, and one that is damaged: no command goes on with it.
begin edit_more
truncate -s 1000 now/edits/0002.safetensors
for command in "edits list" "edits verify" "score $original -p x -t y"; do
    in_now "$AEDILE" $command --journal edits
    [ $code = 1 ] || die "$command: exit code $code"
    warns "^aedile: 'edits/0002\.safetensors'"
done
