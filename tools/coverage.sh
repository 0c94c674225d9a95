#!/usr/bin/env bash
# tools/coverage.sh BUILD: which lines of src/ the tests run. BUILD is configured with AE_COVERAGE and built. Prints lines,
# covered ones and branches for each folder of src/, the files below COVERAGE_MIN percent (85) and the total; the sources
# with their counts are in BUILD/report. Fails where a test does, or where the total is below COVERAGE_MIN. Every line
# counts, those that handle errors too: marks that would leave lines out are not heeded.
#
# Each processor of JOBS (all) runs its share of the tests: threads on several ones that count in the same place take a
# hundred times as long. Left out are
left_out='edit.test_golden'              # counted, its arithmetic takes a quarter of an hour; other tests run those lines
left_out+='|cli.test_install'            # links the library as installed, without what counts
left_out+='|faults.test_private'         # finds that a command writes its counts
set -euo pipefail

build=$(realpath "$1")
source_folder=$(realpath "$(dirname "$0")/..")
minimum=${COVERAGE_MIN:-85} jobs=${JOBS:-$(nproc)}
cd "$build"

find . -name '*.gcda' -delete
failed=''
shards=()
trap 'kill "${shards[@]}" 2>/dev/null || true' EXIT
for ((i = 1; i <= jobs; i++)); do
    OMP_NUM_THREADS=1 taskset -c $((i - 1)) ctest -I $i,,$jobs -E "$left_out" --timeout 1800 --output-on-failure >tests-$i.log 2>&1 &
    shards+=($!)
done
for ((i = 1; i <= jobs; i++)); do
    wait "${shards[i - 1]}" || { cat tests-$i.log; failed='tests failed'; }
done
grep -h 'tests passed' tests-*.log

# What no program has run has no counts: the first capture has every line, with 0.
lcov=(lcov --quiet --rc lcov_branch_coverage=1)
capture=("${lcov[@]}" --capture --directory . --no-markers --include "$source_folder/src/*")
{
    "${capture[@]}" --initial --output-file none.info
    "${capture[@]}" --output-file run.info
    "${lcov[@]}" --add-tracefile none.info --add-tracefile run.info --output-file coverage.info
    genhtml --quiet --rc lcov_branch_coverage=1 --rc genhtml_hi_limit=90 --rc genhtml_med_limit="${minimum%.*}" \
        --prefix "$source_folder" --title aedile --output-directory report coverage.info
} 2>lcov.log || { cat lcov.log; exit 1; }

awk -F '[:,]' -v root="$source_folder/src/" -v minimum="$minimum" '
    function row(name, lines, hit, branches, taken) {
        printf "%-34s %7d %8d %7.1f", name, lines, hit, lines ? 100 * hit / lines : 100
        if (branches) printf " %9d %7.1f", branches, 100 * taken / branches
        printf "\n"
    }
    $1 == "SF" {
        file = substr($2, length(root) + 1)
        folder = file
        sub(/\/[^\/]*$/, "", folder)
    }
    $1 == "LF" { lines[file] = $2; in_folder[folder] += $2; all += $2 }
    $1 == "LH" { hit[file] = $2; folder_hit[folder] += $2; all_hit += $2 }
    $1 == "BRF" { branches[file] = $2; folder_branches[folder] += $2; all_branches += $2 }
    $1 == "BRH" { taken[file] = $2; folder_taken[folder] += $2; all_taken += $2 }
    END {
        print "folder of src/                       lines  covered percent  branches percent"
        for (folder in in_folder)
            row(folder, in_folder[folder], folder_hit[folder], folder_branches[folder], folder_taken[folder]) | "sort"
        close("sort")
        row("all", all, all_hit, all_branches, all_taken)
        for (file in lines)
            if (100 * hit[file] < minimum * lines[file]) {
                if (!below++) printf "\nbelow %s %% of the lines:\n", minimum
                row(file, lines[file], hit[file], branches[file], taken[file]) | "sort"
            }
        close("sort")
        if (100 * all_hit < minimum * all || !all) {
            printf "\ncoverage: %.1f %% of the lines of src/ are run by the tests, at least %s %% are asked for\n",
                all ? 100 * all_hit / all : 0, minimum
            exit 1
        }
    }' coverage.info || failed=${failed:-'below the bar'}
echo "report: $build/report/index.html"
[ -z "$failed" ] || { echo "coverage: $failed" >&2; exit 1; }
