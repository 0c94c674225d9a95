# What the samples of watch.c tell, for run.sh and test_soak.sh. `edits` is the run's length, `tasks` how many edits
# lie between two measurements of its tasks.

# growth_of SAMPLES COLUMN SHARE: how many bytes an edit a column of memory grows by over the second half, by least
# squares through its level in each twentieth of the run, or from one measurement of the tasks to the next where that is
# longer. The level is what SHARE of the samples there are below (0: the least): what an evaluation needs comes and
# goes, what stays lifts all samples.
growth_of() {
    sort -n -k"$2,$2" "$1" | awk -v edits="$edits" -v tasks="$tasks" -v column="$2" -v share="$3" '
        BEGIN { width = edits / 20 > tasks ? edits / 20 : tasks }
        $2 >= edits / 2 && $2 < edits { b = int($2 / width); level[b, n[b]++] = $column }
        END {
            for (b in n) {
                m++
                at = b * width
                y = level[b, int(n[b] * share)]
                sx += at; sy += y; sxx += at * at; sxy += at * y
            }
            if (m < 3) print "unknown"
            else printf "%.1f\n", (m * sxy - sx * sy) / (m * sxx - sx * sx)
        }'
}
heap_growth_of() { growth_of "$1" 11 0; }
# What is resident jumps as the allocator keeps or returns pages: to be trusted over a thousand edits, not over fewer.
resident_growth_of() { growth_of "$1" 3 0.25 | awk '{ print $1 == "unknown" ? $1 : 1024 * $1 }'; }

# Of a column the least and the most over the second half, while edits are made.
range_of() {
    awk -v edits="$edits" -v name="$2" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i; next }
        $2 >= edits / 2 && $2 < edits { if (!n++ || $c < low) low = $c; if (n == 1 || $c > high) high = $c }
        END { print low + 0, high + 0 }' "$1"
}

# Is $1 a number, and at most $2?
is_at_most() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a ~ /^-?[0-9.]+$/ && a + 0 <= b) }'; }
