# What is half-written is its owner's alone, lies where the result will lie and nowhere else, and gets the mode that the
# user's umask says when it is done. No command starts a program or a process, or reaches for another or for the network.
. "$source_folder/tests/faults/cases.sh"
[ "$wanted" = all ] || cases=(edit stats export_hf run report)
[ -z "${AE_SANITIZED:-}" ] || cases=(edit export_hf run report)
umask 0022
make_given
export DISTURB_FILE=$scratch/io/gate

half_written() { find now \( -name '*.tmp-??????' -o -path '*/aedile/part' \) -printf '%y %m %p\n'; }
# What is new and has another mode than these, of files and of folders.
modes() { # FILES FOLDERS
    local mode path
    find now \( ! -type d ! -perm "$1" -o -type d ! -perm "$2" \) -printf '%m %P\n' | while read -r mode path; do
        [ -e "given/$name/$path" ] || echo "$mode $path"
    done
}

# The command is held at this one of its calls; what has a name then is looked at.
look_at() { # CASE CALL-NUMBER
    local process found
    rm -f "$DISTURB_FILE"
    begin "$1"
    next_command "$1"
    : >"$report"
    (cd now && exec "$build/disturb" hold "$2" "$report" "$AEDILE" "${command[@]}") >"$out" 2>"$err" </dev/null &
    process=$!
    until [ -s "$report" ]; do
        kill -0 $process || die "$1: the command has ended before call $2"
        sleep 0.005
    done
    found=$(half_written)
    : >"$DISTURB_FILE"
    wait $process || die "$1: the command failed"
    [ -z "$found" ] || seen=$((seen + 1))
    ! grep -Ev '^(f 600|d 700) ' <<<"$found" | grep . || die "$1: others can read what is half-written"
}

for named in '' yes; do
    [ -z "$named" ] || export DISTURB_NAMED=1
    for name in "${cases[@]}"; do
        calls=$scratch/io/calls
        begin "$name"
        next_command "$name"
        in_now "$build/disturb" count 0 "$calls" "$AEDILE" "${command[@]}"
        [ $code != 77 ] || exit 77
        [ $code = 0 ] || die "$name: exit code $code"
        # Finished files are as the umask has them, temporary ones had no other place.
        [ -z "$(modes 0644 0755)" ] || die "$name: $(modes 0644 0755)"
        ! sed 's/^[a-z0-9]* //' "$calls" | grep -E '^(/|\.\.)' | grep -Ev "^$PWD/now(/|\$)" || die "$name: something else was written"
        [ "$name" != revert ] || continue # which only renames
        # Held where a file is being written: of each kind the first such call, and the last.
        seen=0 places=
        for kind in '\.tmp-......' '/part$' '\(deleted\)$'; do
            calls_of_kind=$(grep -nE "^(write|pwrite64) .*$kind" "$calls" | cut -d : -f 1) || continue
            [ "$wanted" = all ] || calls_of_kind=$(sed -n '1p;$p' <<<"$calls_of_kind" | uniq)
            places+=" $calls_of_kind"
        done
        for place in $places; do look_at "$name" "$place"; done
        [ -n "$places" ] || die "$name: nothing was written"
        [ -z "$named" ] || [ $seen -gt 0 ] || die "$name: nothing was seen half-written"
    done
done
unset DISTURB_NAMED

umask 0077
name=edit
begin $name
next_command $name
in_now "$AEDILE" "${command[@]}"
[ -z "$(modes 0600 0700)" ] || die "$(modes 0600 0700)"
umask 0022

# ---- nothing is run, nobody is called
# As a user starts it, the command starts itself over once (src/cli/main.c); the first is the start itself.
unset OMP_WAIT_POLICY GOMP_SPINCOUNT
export ASAN_OPTIONS=detect_leaks=0 # which a sanitizer does by a process of its own
alone() { # in_now's words
    in_now "$build/disturb" meet 0 "$report" "$AEDILE" "$@"
    [ "$(sort -u "$report")" = "execve $(realpath "$AEDILE")" ] && [ "$(wc -l <"$report")" -le 2 ] || die "it called: $(<"$report")"
}
for name in "${cases[@]}"; do
    begin "$name"
    next_command "$name"
    alone "${command[@]}"
    [ $code = 0 ] || die "$name: exit code $code"
done
begin report
for arguments in 'report results/ROME/run_000 --format png --output figures' "inspect $demo" "generate $demo -p a" 'inspect no/such' \
    'summarize results/ROME/run_000'; do
    alone $arguments
done
# Pickles that say "run this" (more of them in tests/unit/format/test_pickle.c and in the fuzzers' corpus).
printf 'cos\nsystem\n(S"touch run-by-pickle"\ntR.' >now/evil.pkl
(cd now && mkdir evil && cp "$demo"/*.* evil && rm evil/model.safetensors && cp evil.pkl evil/pytorch_model.bin)
alone inspect evil
[ $code = 1 ] || die "a pickle was taken for weights"
alone run "$demo" --ds records.json --glue evil.pkl --glue-interval 1 --layer 0 --no-stats --quiet
[ ! -e now/run-by-pickle ] || die 'a pickle was run'
# This test would see it.
in_now "$build/disturb" meet 0 "$report" sh -c 'true | true'
grep -Eq '^(clone|fork|vfork|clone3) ' "$report" || die 'the tool does not see a new process'
