# tests/faults/cases.sh: the commands that write files, each with what it starts from and what must come of it.
# Read by tests/faults/test_*.sh, which run in a fresh folder with the words of tests/cli/run.sh.
#
#     cases             the names
#     make_given        makes given/: what the commands start from, and whole/CASE/: what each comes to undisturbed
#     begin CASE        makes now/ the folder that the case starts from
#     next_command CASE sets `command` to what a user types now, to begin or to go on; empty where all is done
#     in_now COMMAND... runs it in now/; keeps out, err and code
#     same_result CASE  now/ holds what an undisturbed command leaves
#     unharmed CASE     nothing that was there before has changed: the base model, entries, inputs; the journal can be
#                       read and verifies
#     leftovers         temporary files in now/
#
# AE_TEST_FAULTS says how many calls of each case are disturbed in each way: a number (2), or "all".
wanted=${AE_TEST_FAULTS:-2}
RANDOM=11
report=$scratch/io/report

cases=(${AE_TEST_CASES:-edit edit_more revert stats stats_resumed export_hf export_lora run select summarize report report_csv})

requests() { # N...: a file of these requests
    local i first=1 city
    echo '['
    for i in "$@"; do
        [ $first = 1 ] || echo ,
        first=0
        city=Paris
        [ $((i % 2)) = 1 ] || city=Rome
        printf '{"prompt": "The {} is in", "subject": "Tower %d", "target_new": "%s", "target_true": "Berlin"}' $i $city
    done
    echo ']'
}

edit_options=(--layer 0 --stats stats --dataset text --threads 1 --show 0)

next_command() {
    case $1 in
    edit | edit_more)
        requests 1 2 >now/requests.json
        command=(edit "$demo" --requests requests.json --journal edits --resume "${edit_options[@]}")
        [ "$1" != edit ] || command+=(--save-templates templates.json)
        ;;
    revert)
        command=()
        local ids=()
        for i in 1 2; do [ ! -e now/edits/000$i.safetensors ] || ids+=($i); done
        [ ${#ids[@]} = 0 ] || command=(edits revert "${ids[@]}" --journal edits)
        ;;
    stats | stats_resumed)
        command=()
        [ ! -e "now/new/$moment" ] || return 0
        command=(stats "$demo" --layer 0 --text text.txt --output new --checkpoint 0.001 --threads 1)
        ;;
    export_hf)
        command=(export "$demo" --journal edits --output exported --threads 1)
        [ ! -d now/exported ] || command=()
        ;;
    export_lora)
        command=(export "$demo" --journal edits --output exported --format lora --threads 1)
        [ ! -d now/exported ] || command=()
        ;;
    run)
        command=(run "$demo" --ds records.json --layer 0 --stats stats --stats-dataset text --sequential
            --glue-interval 0 --ppl-text text.txt --ppl-tokens 100 --ppl-interval 2 --threads 1 --quiet)
        [ ! -d now/results/ROME/run_000 ] || command+=(--resume run_000)
        ;;
    select) command=(select sample:37:50 --total 200 --output selection.json) ;;
    summarize) command=(summarize results/ROME/run_000 --write --quiet) ;;
    report) command=(report results/ROME/run_000 --output report.html) ;;
    report_csv) command=(report results/ROME/run_000 --format csv --output figures) ;;
    esac
}

# A folder's files and what is in them, but for temporary files, locks and what the test itself writes.
contents() {
    (cd "$1" && find . -type f ! -name '*.tmp-??????' ! -path '*.tmp-??????/*' ! -name lock ! -name '*.lock' ! -path ./requests.json \
        ! -name '*.factor.safetensors' -exec sha256sum {} + | sort -k 2)
}

same_result() {
    local whole=whole/$1 difference=''
    case $1 in
    edit | edit_more | revert) "$build/compare_runs" now/edits "$whole/edits" >"$out" || difference=$(<"$out") ;;
    run)
        : >now/results/ROME/run_000/aedile/lock # a number that stayed in it says nothing: nobody holds it
        "$build/compare_runs" now/results "$whole/results" >"$out" || difference=$(<"$out")
        ;;
    esac
    case $1 in
    edit) cmp -s now/templates.json $whole/templates.json || difference='templates.json differs' ;;
    edit_more | revert | run) ;;
    stats*)
        cmp -s "now/new/$moment" "$whole/new/$moment" || difference="$moment differs"
        # What a collection went on from stays if the user is told, or if it was killed when nothing else was left to do.
        [ ! -e "now/new/$moment.partial" ] || [ ${#command[@]} = 0 ] || warns 'is done with but could not be removed'
        ;;
    *) difference=$(diff <(contents now) <(contents $whole)) || true ;;
    esac
    [ -z "$difference" ] || die "$1: the result is another one: $difference"
}

unharmed() {
    local name
    [ "$(sha256sum "$demo"/*)" = "$sum_of_model" ] || die "$1: the base model was changed"
    while read -r sum name; do
        case $1:$name in # what the case itself is to replace
        revert:./edits/000[12].safetensors) [ -e "now/$name" ] || name=${name%.safetensors}.reverted.safetensors ;;
        stats_resumed:*.partial) continue ;;
        esac
        [ -e "now/$name" ] || die "$1: '$name' is gone"
        [ "$(sha256sum <"now/$name")" = "$sum  -" ] || die "$1: '$name' was changed"
    done < <(contents given/"$1")
    if [ -e now/edits/journal.json ]; then
        works edits list --journal now/edits
        works edits verify "$demo" --journal now/edits
    fi
}

leftovers() { find now -name '*.tmp-??????' | sort; }

begin() {
    rm -rf now
    cp -rp given/"$1" now
}

in_now() {
    last="$*" code=0
    (cd now && exec "$@") >"$out" 2>"$err" </dev/null || code=$?
}

make_given() {
    local name
    moment=demo/text_stats/transformer.h.0.mlp.c_proj_float32_mom2.npz
    sum_of_model=$(sha256sum "$demo"/*)
    mkdir -p base given whole
    for i in $(seq 200); do
        echo "Document $i: the quick brown fox jumps over the lazy dog, and so on, $((i * 7919)) times."
    done >base/text.txt
    works stats "$demo" --layer 0 --text base/text.txt --output base/stats
    requests 7 8 >requests.json
    for name in "${cases[@]}"; do
        mkdir given/"$name"
        case $name in
        edit) cp -rp base/stats given/"$name" ;; # without the factor
        edit_more | revert | export_*)
            if [ ! -d base/edits ]; then
                (cd base && works edit "$demo" --requests ../requests.json --journal edits "${edit_options[@]}")
            fi
            cp -rp base/edits base/stats given/"$name"
            ;;
        stats) cp -p base/text.txt given/"$name" ;;
        stats_resumed)
            # What a collection leaves that is killed when it has written its first checkpoint.
            cp -p base/text.txt given/"$name"
            begin "$name"
            next_command "$name"
            in_now "$build/disturb" count 0 "$scratch/io/report" "$AEDILE" "${command[@]}"
            written=$(grep -n 'rename.*\.partial$' "$scratch/io/report" | head -n 1 | cut -d : -f 1)
            begin "$name"
            in_now "$build/disturb" kill $((written + 1)) "$scratch/io/report" "$AEDILE" "${command[@]}"
            cp -rp now/new given/"$name"
            [ -s "given/$name/new/$moment.partial" ] || die 'there is no checkpoint to go on from'
            ;;
        run)
            cp -rp base/text.txt base/stats given/"$name"
            {
                echo '['
                for i in 1 2; do
                    printf '{"case_id": %d, "requested_rewrite": {"prompt": "The {} is in", "relation_id": "P1",
                        "target_new": {"str": "Rome", "id": "Q1"}, "target_true": {"str": "Berlin", "id": "Q9"},
                        "subject": "Tower %d"}, "paraphrase_prompts": ["One sees Tower %d in"],
                        "neighborhood_prompts": ["The Moon is in"], "generation_prompts": ["Tower %d was"]}' $i $i $i $i
                    [ $i = 2 ] || echo ,
                done
                echo ']'
            } >given/"$name"/records.json
            ;;
        summarize | report | report_csv)
            [ -d base/results ] || "$build/make_run" base/results/ROME/run_000 healthy 6 || die 'make_run failed'
            cp -rp base/results given/"$name"
            ;;
        esac
        begin "$name"
        next_command "$name"
        in_now "$AEDILE" "${command[@]}"
        [ $code = 0 ] || die "undisturbed, it fails with $code"
        [ -z "$(leftovers)" ] || die "undisturbed, it leaves $(leftovers)"
        mv now whole/"$name"
    done
}

# Which calls are disturbed, of those that the case makes undisturbed: sets `first`, `step` and `most`.
choose_instants() { # CASE KIND
    local calls=$scratch/io/calls-$1${DISTURB_NAMED:-}
    if [ ! -e "$calls" ]; then
        begin "$1"
        next_command "$1"
        in_now "$build/disturb" count 0 "$calls" "$AEDILE" "${command[@]}"
        [ $code != 77 ] || exit 77 # this kernel cannot tell
        [ $code = 0 ] || die "$1: exit code $code"
    fi
    case $2 in
    half | short) most=$(grep -Ec '^p?write(64)? ' "$calls" || true) ;;
    EACCES) most=$(grep -Evc '^(p?writev?(64)?|fsync|fchmod|ftruncate) ' "$calls" || true) ;;
    *) most=$(wc -l <"$calls") ;;
    esac
    first=1 step=1
    [ "$wanted" = all ] && return
    step=$(((most + wanted - 1) / wanted))
    [ $step -gt 0 ] || step=1
    first=$((RANDOM % step + 1))
}
