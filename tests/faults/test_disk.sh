# A disk that is full, fails, is read-only or refuses: at whichever call that changes a file it happens, the command ends
# with exit code 1 and a sentence that names the file and the cause, or does without what failed; what was there is as it
# was; given again on a disk that works, the command ends with the result of an undisturbed one. A write that takes less
# than it was given (which is no error) changes nothing.
. "$source_folder/tests/faults/cases.sh"
make_given

declare -A reason=([ENOSPC]='No space left on device' [EIO]='Input/output error' [EACCES]='Permission denied'
    [EROFS]='Read-only file system')

# The sentence on stderr: the cause, and the file's own name, not that of its temporary.
check_message() {
    local call path file
    read -r call path <"$report"
    file=$(basename "${path%.tmp-??????}")
    warns "^aedile: .*: ${reason[$kind]}"
    case $kind:$path in
    E[NR]O*) ;;            # which of the calls that fail the command speaks of is its own choice
    *'/#'*' (deleted)') ;; # a file without a name: which one it was to be, only the command knows
    *:*/aedile.lock | *:*/aedile/lock) ;; # a file of ours in a folder that is told of
    *:*/aedile/part) ;;    # where a run prepares all its files
    *:"$PWD/now") ;;       # the folder that the command runs in: '.'
    *)
        grep -Fq "$file" "$err" || grep -Fq "'$(basename "$(dirname "$path")")" "$err" ||
            die "$at: the message does not name '$file'"
        ;;
    esac
    grep -q "'" "$err" || die "$at: the message names no file"
    ! grep -v 'cannot flush folder' "$err" | grep -q '\.tmp-' || die "$at: the message names a temporary file"
}

declare -A injected failed
for name in "${cases[@]}"; do
    for kind in ENOSPC EIO EACCES EROFS short; do
        choose_instants "$name" $kind
        for ((n = first; n <= most; n += step)); do
            begin "$name"
            next_command "$name"
            in_now "$build/disturb" $kind $n "$report" "$AEDILE" "${command[@]}"
            at="$name, $kind at change $n ($(<"$report"))"
            ended=$code
            [ -s "$report" ] || break
            injected[$kind]=$((${injected[$kind]:-0} + 1))
            case $ended in
            0) same_result "$name" ;;
            1)
                [ $kind != short ] || die "$at: a short write is no error"
                failed[$kind]=$((${failed[$kind]:-0} + 1))
                check_message
                ;;
            *) die "$at: exit code $ended" ;;
            esac
            unharmed "$name"
            if [ $ended = 1 ]; then
                [ $kind = EROFS ] || [ -z "$(leftovers)" ] || die "$at: $(leftovers) was left behind"
                next_command "$name"
                if [ ${#command[@]} -gt 0 ]; then
                    in_now "$AEDILE" "${command[@]}"
                    [ $code = 0 ] || die "$at: given again, it fails with $code"
                fi
                same_result "$name"
            fi
        done
    done
done
for kind in ENOSPC EIO EACCES EROFS short; do
    [ "${injected[$kind]:-0}" -ge 1 ] || die "$kind never happened"
    [ $kind = short ] || [ "${failed[$kind]:-0}" -ge 1 ] || die "$kind never made a command fail"
    echo "$kind: ${injected[$kind]} times, ${failed[$kind]:-0} of them fatal" >&2
done
