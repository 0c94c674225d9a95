# Killed (SIGKILL) before a system call that changes a file, or in the middle of a write, a command leaves what was
# there as it was; given again, it ends with the result of one that was never killed.
. "$source_folder/tests/faults/cases.sh"
make_given

# What may stay when the command has been given again: nothing, but for the moment between the last two steps of a file
# or folder that gets its name by renaming; and, where files without a name cannot be had (DISTURB_NAMED), a file that was
# being written outside a journal or a run, under a name that nothing reads.
check_leftovers() {
    local name
    for name in $(leftovers); do
        case $1:$name in
        *:now/edits/* | *:now/results/*/aedile/*) die "$at: $name was not removed" ;;
        unnamed:*) grep -Eq '^(rename|renameat2?|unlink|unlinkat) ' "$report" || die "$at: $name was left behind" ;;
        esac
    done
}

total=0 total_left=0
for mode in unnamed named; do
    unset DISTURB_NAMED
    if [ $mode = named ]; then
        export DISTURB_NAMED=1
        [ "$wanted" != 2 ] || [ -n "${AE_TEST_CASES:-}" ] || cases=(edit stats run) # which write in every way there is
    fi
    for name in "${cases[@]}"; do
        kills=0 left=0
        for kind in kill half; do
            choose_instants "$name" $kind
            for ((n = first; n <= most; n += step)); do
                begin "$name"
                next_command "$name"
                in_now "$build/disturb" $kind $n "$report" "$AEDILE" "${command[@]}"
                at="$name, $mode, $kind at change $n ($(<"$report"))"
                if [ ! -s "$report" ]; then # by the clock, a checkpoint less than before
                    [ $code = 0 ] || die "$at: exit code $code"
                    same_result "$name"
                    break
                fi
                [ $code = 137 ] || die "$at: exit code $code"
                kills=$((kills + 1))
                unharmed "$name"
                next_command "$name"
                if [ ${#command[@]} -gt 0 ]; then
                    in_now "$AEDILE" "${command[@]}"
                    [ $code = 0 ] || die "$at: given again, it fails with $code"
                fi
                same_result "$name"
                check_leftovers $mode
                [ -z "$(leftovers)" ] || left=$((left + 1))
            done
        done
        [ $kills -ge 1 ] || die "$name was never killed"
        echo "$name, $mode: $kills kills, temporary files stayed after $left" >&2
        total=$((total + kills)) total_left=$((total_left + left))
    done
done
echo "$total kills, temporary files stayed after $total_left" >&2
