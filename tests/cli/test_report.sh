# report: runs as a page, drawings, images, tables; what is wrong is named; the page in a browser, where there is one.
make_run=$build/make_run

mkdir -p results/ROME
"$make_run" results/ROME/run_000 healthy 60
"$make_run" results/ROME/run_001 collapses 60 5 hostile
"$make_run" results/ROME/run_002 reference 60

# ---- one page
works report results/ROME/run_000 results/ROME/run_001 --output report.html
says '^report\.html: 2 runs as one page; open it in a browser$'
silent_on_stderr
grep -q '<title>run_000 r-rome and run_001 rome</title>' report.html
[ "$(grep -c '<script' report.html)" = 2 ] || die 'a text of the data opened a script'
works report run_000 -o named.html --title 'Über <all>' --window 3 --quiet # by its name, among the results
grep -q '<title>Über &lt;all&gt;</title>' named.html
grep -q 'mean of the last 3 edits' named.html
works report run_000 -o named.html --results results --json # over the old one
json_is output named.html
json_is format html
json_is runs '["results/ROME/run_000"]'
json_is warnings.# 0
grep -q 'mean of the last 5 edits' named.html
works report results/ROME/run_002/ -o reference.html
grep -q 'Not measured, and so not shown: Size of each edit' reference.html

# ---- files for a paper
works report run_000 run_001 run_002 --format svg --output figures/svg
says '^figures/svg: 3 runs as SVG figures$'
[ "$(ls figures/svg)" = "$(printf '%s\n' distance.svg downstream_accuracy.svg downstream_f1.svg entropy.svg \
    k_dot_u.svg perplexity.svg scores.svg update.svg)" ] || die 'other figures'
grep -q '>run_002 p-rome</text>' figures/svg/distance.svg
works report run_000 -f png -o figures/png --scale 1
says '^figures/png: 1 run as PNG figures$'
head -c 8 figures/png/scores.png | cmp - <(printf '\x89PNG\r\n\x1a\n') || die 'no PNG'
works report run_000 run_001 -f csv -o tables
says '^tables: 2 runs as CSV tables$'
head -n 1 tables/update.csv | tr -d '\r' | cmp - <(echo run,measure,edit,case_id,update_distance,flagged)
[ "$(wc -l <tables/edits.csv)" = 121 ] || die 'not one line an edit'
[ "$(tr -d '\r' <tables/update.csv | grep -c ',1$')" = 1 ] || die 'not the one edit that is flagged'

# ---- what is wrong
cp -r results/ROME/run_000 broken
untouched_by fails_with 1 report nowhere -o x.html
warns "^aedile: there is no run 'nowhere': no such folder$"
untouched_by fails_with 1 report figures -o x.html
warns "^aedile: 'figures' is no run's folder: neither params.json nor case files"
head -c 700 results/ROME/run_000/1_edits-case_7.json >broken/1_edits-case_7.json
untouched_by fails_with 1 report broken -o report.html
warns "^aedile: 'broken/1_edits-case_7.json' is not valid JSON: line [0-9]+"
echo '{"case_id": 7, "time": 1e999}' >broken/1_edits-case_7.json
untouched_by fails_with 1 report broken -o report.html --json
warns "^aedile: 'broken/1_edits-case_7.json' is not valid JSON: .*overflow"
json_is error.status AE_ERR_FORMAT
untouched_by fails_with 1 report run_000 -o figures
warns "^aedile: 'figures' is a folder; the report is one file: name it$"
untouched_by fails_with 1 report run_000 -o report.html -f svg
warns "^aedile: 'report.html' is a file; figures go into a folder: name one$"
untouched_by fails_with 1 report run_000 -o nowhere/report.html
warns "^aedile: cannot write 'nowhere/report.html': No such file or directory$"
untouched_by fails_with 2 report run_000
warns '^aedile: --output is missing$'
untouched_by fails_with 2 report -o x.html
warns '^aedile: RUN is missing$'
untouched_by fails_with 2 report run_000 -o x --format gif
warns "^aedile: --format: 'gif' is not one of html\|svg\|png\|csv$"
untouched_by fails_with 2 report run_000 -o x --window -1
warns "^aedile: --window: '-1' is not "

# ---- as a reader sees it
if command -v chromium >/dev/null && command -v python3 >/dev/null; then
    for page in report.html reference.html; do
        timeout 120 python3 "$source_folder/tools/check_report.py" "$page" >"$out" 2>"$err" || die "$page in Chromium"
        says '^all checks hold$'
    done
else
    echo 'SKIPPED: no Chromium or no Python here: the page in a browser'
fi
