# The same inputs and seed give the same bytes, whatever else is different: the number of threads, the environment, where
# things lie in memory and on the disk. Every command that computes or writes runs once for each setting below, and what it
# leaves and prints is compared, byte for byte but for times (tests/compare_runs.h says which).
# AE_TEST_FAULTS=all: all settings, the trained model, too, beside busy processes; otherwise a few.

mkdir given kept
for i in $(seq 60); do echo "Document $i: the quick brown fox jumps over the lazy dog, and so on, $((i * 7919)) times."; done >given/text.txt
{
    echo '['
    for i in 2 5 8; do
        printf '{"case_id": %d, "pararel_idx": 0, "requested_rewrite": {"prompt": "The {} is in", "relation_id": "P1",
            "target_new": {"str": "Rome", "id": "Q1"}, "target_true": {"str": "Paris", "id": "Q2"}, "subject": "Tower %d"},
            "paraphrase_prompts": ["One sees Tower %d in"], "neighborhood_prompts": ["The Moon is in", "The Sun is in"],
            "attribute_prompts": [], "generation_prompts": ["Tower %d is"]}' $i $i $i $i
        [ $i = 8 ] || echo ,
    done
    echo ']'
} >given/records.json
printf '{"task": "sst", "header": "", "prompt_template": "{sentence}:", "answer_marker": ":", "answers": [["a", 1], ["e", 0]],
    "gen_len": 2, "examples": [{"sentence": "the fox", "label": 1}, {"sentence": "a dog", "label": 0}]}' >given/task.json
"$build/make_run" given/results/ROME/run_000 healthy 12

# Under the setting in `with`: a command before the program, and variables.
keep() { # FILE ARGUMENT...: the command's standard output goes to FILE
    local file=$1
    shift
    last="$* (with ${with[*]})"
    "${with[@]}" "$AEDILE" "$@" --quiet >"$file" 2>"$err" </dev/null || die 'a command failed'
}

everything() { # MODEL LAYER THREADS
    local many=(--threads "$3") at=(--layer "$2") text='The quick brown fox' variant format
    keep stats.json stats "$1" "${at[@]}" --text ../given/text.txt --output stats --json "${many[@]}"
    keep generated.json generate "$1" -p "$text" -n 20 --ignore-end --json "${many[@]}"
    keep drawn.json generate "$1" -p "$text" -n 20 -k 5 --temperature 0.9 -s 7 --ignore-end --json "${many[@]}"
    keep score.json score "$1" -p "$text" -t jumps lies --json "${many[@]}"
    for variant in r-rome rome p-rome; do
        keep edit-$variant.json edit "$1" -p 'The {} is in' -s 'Tower 3' -t Rome --target-true Paris --variant $variant "${at[@]}" \
            --stats stats --dataset text --ridge 0.1 --journal $variant --save-templates $variant.templates --json "${many[@]}"
    done
    keep edits.json edit "$1" --requests ../given/records.json "${at[@]}" --no-stats --seed 3 --journal edits --json "${many[@]}"
    keep edited.txt generate "$1" -p "$text" -n 20 --journal edits "${many[@]}"
    keep hf.json export "$1" --journal edits --output hf --json "${many[@]}"
    keep lora.json export "$1" --journal edits --output lora --format lora --json "${many[@]}"
    keep run.json run "$1" --ds ../given/records.json "${at[@]}" --stats stats --stats-dataset text --ridge 0.1 --sequential --pre \
        --glue ../given/task.json --glue-interval 2 --ppl-text ../given/text.txt --ppl-tokens 300 --json "${many[@]}"
    keep select.json select sample:37:50 --total 200 --output selection.json --json
    keep summary.json summarize ../given/results/ROME/run_000 --json
    for format in html svg png csv; do
        keep report-$format.json report ../given/results/ROME/run_000 --format $format --output report.$format --json
    done
}

# What a setting may show: the number of threads where a run records it, and the time of change of the statistics that a
# factor is for.
tidy() {
    sed -i 's/"n_threads": [0-9]*/"n_threads": 0/' results/ROME/run_000/aedile/settings.json
    sed -i 's/"statistics_stamp": "[0-9.-]*"/"statistics_stamp": ""/' stats/*/*/*.factor*.safetensors
}

compare_all() { # MODEL LAYER NAME...
    local model=$1 layer=$2 name first=
    shift 2
    for name in "$@"; do
        set_"$name"
        mkdir here
        (cd here && umask "$mask" && everything "$model" "$layer" "$threads" && tidy) || exit 1
        if [ -z "$first" ]; then
            first=$name
            mv here kept/first
            [ "$(find kept/first -type f | wc -l)" -gt 60 ] || die 'too little to compare'
        else
            "$build/compare_runs" kept/first here >"$out" || die "other results under '$name' than under '$first'"
            rm -r here
        fi
    done
    rm -r kept/first
}

plain() { with=(env) threads=2 mask=022; }
set_two_threads() { plain; }
set_again() { plain; }
set_one_thread() { plain && threads=1; }
set_three_threads() { plain && threads=3; }
set_nine_threads() { plain && threads=9; } # more than there are tasks in many loops, and mostly more than cores
set_each_core() { plain && threads=0; }
set_libraries() { # what users set for the libraries below
    plain && with=(env OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=3 OMP_SCHEDULE=dynamic,1 OMP_DYNAMIC=true OMP_WAIT_POLICY=active DNNL_VERBOSE=0)
}
set_few_allowed() { # fewer threads than are asked for
    plain && threads=4 with=(env OMP_THREAD_LIMIT=2 OMP_NESTED=true OMP_MAX_ACTIVE_LEVELS=3)
}
set_elsewhere() { # in time, space, language and memory; what was not written is not zero
    mkdir -p "$scratch/other/tmp"
    plain && threads=3 mask=077
    with=(env OMP_DYNAMIC=true OPENBLAS_NUM_THREADS=1 TZ=Pacific/Auckland LANG=tr_TR.UTF-8 LC_ALL=de_DE.UTF-8 TMPDIR="$scratch/other/tmp" HOME=/nonexistent MALLOC_PERTURB_=165
        MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=4096)
}
set_fixed_addresses() { plain && with=(setarch -R); }
set_other_perturbation() { plain && with=(setarch -R env MALLOC_PERTURB_=255 LC_ALL=C GLIBC_TUNABLES=glibc.malloc.hugetlb=1); }

# Under a sanitizer every command takes seconds.
if [ -n "${AE_SANITIZED:-}" ]; then
    compare_all "$demo" 1 two_threads three_threads
elif [ "${AE_TEST_FAULTS:-}" != all ]; then
    compare_all "$demo" 1 two_threads one_thread few_allowed elsewhere
else
    settings=(two_threads again one_thread three_threads nine_threads each_core libraries few_allowed elsewhere other_perturbation)
    # Some containers forbid it.
    ! setarch -R true 2>/dev/null || settings+=(fixed_addresses)
    compare_all "$demo" 1 "${settings[@]}"
    busy=()
    for i in 1 2 3 4 5 6; do
        while :; do :; done &
        busy+=($!)
    done
    trap 'kill "${busy[@]}"; rm -rf "$scratch"' EXIT
    compare_all "$demo" 1 "${settings[@]}"
    compare_all "$build/demo" 0 "${settings[@]}"
fi
