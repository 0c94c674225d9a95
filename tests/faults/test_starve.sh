# One allocation of the process fails, of whichever library it is: the command ends with exit code 1 and says why, or does
# without; what was there is as it was; given again, it ends with the result of an undisturbed one.
[ -z "${AE_SANITIZED:-}" ] || exit 77 # sanitizers have an allocator of their own
. "$source_folder/tests/faults/cases.sh"
export STARVE_REPORT=$report
starve=$build/libstarve.so
make_given

refused=0 failed=0
for name in "${cases[@]}"; do
    begin "$name"
    next_command "$name"
    in_now env LD_PRELOAD="$starve" "$AEDILE" "${command[@]}"
    [ $code = 0 ] || die "$name: exit code $code"
    count=$(<"$report")
    [ "$count" -gt 1000 ] || [ "$name" = select ] || die "$name made $count allocations"
    if [ "$wanted" = all ]; then tries=${AE_TEST_STARVE:-$count}; else tries=$((2 * wanted)); fi
    for ((k = 0; k < tries && k < count; k++)); do
        n=$((1 + k * count / tries + RANDOM % (count / tries + 1)))
        begin "$name"
        next_command "$name"
        rm -f "$report"
        in_now env LD_PRELOAD="$starve" STARVE_AT=$n "$AEDILE" "${command[@]}"
        [ -s "$report" ] || continue # it has made fewer
        at="$name, allocation $n ($(<"$report"))" said=$code
        grep -q ^refused "$report" || continue
        refused=$((refused + 1))
        case $code in
        0) same_result "$name" ;;
        1)
            failed=$((failed + 1))
            warns '^aedile: .' || die "$at: it does not say why"
            ;;
        *) die "$at: exit code $code" ;;
        esac
        unharmed "$name"
        [ $said != 0 ] || continue
        next_command "$name"
        if [ ${#command[@]} -gt 0 ]; then
            in_now "$AEDILE" "${command[@]}"
            [ $code = 0 ] || die "$at: given again, it fails with $code"
        fi
        same_result "$name"
        [ -z "$(leftovers)" ] || die "$at: $(leftovers) was left behind"
    done
    echo "$name: $count allocations" >&2
done
[ $failed -ge 1 ] || die 'no allocation was missed'
echo "$refused allocations refused, $failed of them fatal" >&2
