# Two processes at one journal, one run, one file of statistics: the second is told so and stops, and the first comes to
# what it would have come to alone. Readers are not kept out.
. "$source_folder/tests/faults/cases.sh"
make_given
export DISTURB_FILE=$scratch/io/gate

# The first command, which is held before the first call that matches; the second ones come meanwhile.
hold() { # CASE PATTERN: begins the case
    local n
    rm -f "$DISTURB_FILE"
    begin "$1"
    next_command "$1"
    in_now "$build/disturb" count 0 "$report" "$AEDILE" "${command[@]}"
    [ $code != 77 ] || exit 77
    n=$(grep -En -m 1 "$2" "$report" | cut -d : -f 1)
    begin "$1"
    next_command "$1"
    : >"$report"
    (cd now && exec "$build/disturb" hold "$n" "$report" "$AEDILE" "${command[@]}") >"$scratch/io/first" 2>&1 </dev/null &
    first=$!
    until [ -s "$report" ]; do
        kill -0 $first || die "the first command has ended: $(<"$scratch/io/first")"
        sleep 0.01
    done
}
let_go() { # CASE
    : >"$DISTURB_FILE"
    wait $first || die "the first command failed: $(<"$scratch/io/first")"
    same_result "$1"
    unharmed "$1"
}
is_told() { # PATTERN ARGUMENT...: the second command
    local pattern=$1
    shift
    in_now "$AEDILE" "$@"
    [ $code = 1 ] || die "exit code $code"
    warns "$pattern"
}

in_use="^aedile: the journal 'edits' is in use: another process holds it for writing; try again when that has ended$"
hold edit_more '0003\.safetensors'
is_told "$in_use" "${command[@]}"
is_told "$in_use" edits revert 1 --journal edits
in_now "$AEDILE" edits list --journal edits
[ $code = 0 ] || die 'a reader was kept out'
says '^2 active, 0 reverted$'
in_now "$AEDILE" edits verify --journal edits
[ $code = 0 ] || die 'a reader was kept out'
let_go edit_more
works edits revert 1 --journal now/edits # what could not be done meanwhile can be now

hold edit 'journal\.json$' # a journal that is being made
is_told 'is in use: another process' edit "$demo" -p 'The {} is in' -s Tower -t Rome --journal edits "${edit_options[@]}"
let_go edit

hold run 'case_1'
is_told "^aedile: 'results/ROME/run_000' is being worked on by process [0-9]+: wait for it to end, or stop it$" \
    "${command[@]}" --resume run_000
let_go run

hold stats 'linkat .*\.partial$'
is_told "^aedile: 'new/$moment' is being worked on by process [0-9]+: wait for it to end, or stop it$" "${command[@]}"
(
    # Another layer is another file.
    in_now "$AEDILE" stats "$demo" --layer 1 --text text.txt --output new --threads 1
    [ $code = 0 ] || die 'another layer cannot be collected meanwhile'
    rm "now/new/${moment/h.0/h.1}"
)
let_go stats
[ "$(find now/new -type f)" = "now/new/$moment" ] || die "something else was left: $(find now/new -type f)"

# Two exports to one name: the one that ends first has it, the other is told, and neither disturbs the other's files.
hold export_hf 'config\.json$'
in_now "$AEDILE" "${command[@]}"
[ $code = 0 ] || die "exit code $code"
same_result export_hf
: >"$DISTURB_FILE"
code=0
wait $first || code=$?
[ $code = 1 ] || die "exit code $code"
grep -q "^aedile: cannot rename the finished folder to 'exported': Directory not empty$" "$scratch/io/first"
same_result export_hf
[ -z "$(leftovers)" ] || die "left behind: $(leftovers)"
