#!/usr/bin/env bash
# tools/coverage.sh BUILD: which lines of src/ the tests run. BUILD is configured with AE_COVERAGE and built; the tests are
# run in it, JOBS (1) at a time. Prints lines and branches for each folder of src/, the files below COVERAGE_MIN percent
# (85) and the total; the sources with their counts are in BUILD/report. Fails where a test does, or where the total is
# below COVERAGE_MIN. Every line counts, those that handle errors too: marks that would leave lines out are not heeded.
set -euo pipefail

build=$(realpath "$1")
source_folder=$(realpath "$(dirname "$0")/..")
minimum=${COVERAGE_MIN:-85}
cd "$build"

find . -name '*.gcda' -delete
# One thread a test: where several count in turns, a count can be lost. What counts does not survive test_starve, in which
# memory is refused to all libraries.
failed=''
OMP_NUM_THREADS=1 ctest --parallel "${JOBS:-1}" --exclude-regex 'faults\.test_starve' --output-on-failure || failed='tests failed'

# What no program has run has no counts: the first capture has every line, with 0.
collect() { # OUTPUT OPTION...: src/, without what lcov says of its own code and of files that are tables alone
    lcov --quiet --rc lcov_branch_coverage=1 --capture --no-markers --include "$source_folder/src/*" --output-file "$@" \
        --directory CMakeFiles/aedile_objects.dir/src --directory CMakeFiles/aedile.dir/src \
        2> >(grep -v 'redefined at\|no functions found\|did not produce any data' >&2)
}
collect none.info --initial
collect run.info
lcov --quiet --rc lcov_branch_coverage=1 --add-tracefile none.info --add-tracefile run.info --output-file coverage.info
genhtml --quiet --rc lcov_branch_coverage=1 --rc genhtml_hi_limit=90 --rc genhtml_med_limit="${minimum%.*}" \
    --prefix "$source_folder" --title aedile --output-directory report coverage.info

# A line with an early return on it has run whichever way it went; it is "whole" where each of its branches was taken.
awk -F '[:,]' -v root="$source_folder/src/" -v minimum="$minimum" '
    function row(name, n) {
        return sprintf("%-34s %6d %8d %7.1f %7.1f %9d %7.1f\n", name, n["lines"], n["run"], percent(n["run"], n["lines"]),
            percent(n["whole"], n["lines"]), n["branches"], percent(n["taken"], n["branches"]))
    }
    function percent(part, of) { return of ? 100 * part / of : 100 }
    function numbers_of(name, n, i) { for (i in kinds) n[kinds[i]] = count[name, kinds[i]] }
    function add(kind, n) { count[file, kind] += n; count[folder, kind] += n; count["all", kind] += n }
    BEGIN {
        split("lines run whole branches taken", kinds, " ")
        print "folder of src/                      lines      run percent   whole  branches percent"
    }
    $1 == "SF" {
        file = folder = substr($2, length(root) + 1)
        sub(/\/[^\/]*$/, "", folder)
        files[file]; folders[folder]
        split("", halved)
    }
    $1 == "BRDA" { add("branches", 1); if ($5 + 0 > 0) add("taken", 1); else halved[$2] }
    $1 == "DA" { add("lines", 1); if ($3 + 0 > 0) { add("run", 1); if (!($2 in halved)) add("whole", 1) } }
    END {
        for (name in folders) { numbers_of(name, n); printf "%s", row(name, n) | "sort" }
        close("sort")
        numbers_of("all", n)
        printf "%s", row("all", n)
        for (name in files) {
            numbers_of(name, of_file)
            if (of_file["run"] * 100 >= minimum * of_file["lines"]) continue
            if (!below++) { printf "\nbelow %s %% of the lines:\n", minimum; fflush() }
            printf "%s", row(name, of_file) | "sort"
        }
        close("sort")
        if (!n["lines"] || percent(n["run"], n["lines"]) < minimum) {
            printf "\nthe tests run %.1f %% of the lines of src/; %s %% are asked for\n", percent(n["run"], n["lines"]), minimum
            exit 1
        }
    }' coverage.info || failed=${failed:-'too few lines are run'}
echo "line by line: $build/report/index.html"
[ -z "$failed" ] || { echo "coverage: $failed" >&2; exit 1; }
