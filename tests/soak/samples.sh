# What the samples of watch.c tell, for run.sh and test_soak.sh. `edits` is the run's length, `tasks` how many edits
# lie between two measurements of its tasks.

# The level of anonymous memory is the median of the samples in each fortieth of the run, or from one measurement of
# the tasks to the next where that is longer: what an evaluation needs comes and goes, what stays lifts all samples.
# Prints its growth over the second half, bytes an edit, by least squares.
growth_of() {
    sort -n -k3,3 "$1" | awk -v edits="$edits" -v tasks="$tasks" '
        BEGIN { width = edits / 40 > tasks ? edits / 40 : tasks }
        $2 >= edits / 2 && $2 < edits { b = int($2 / width); level[b, n[b]++] = $3 }
        END {
            for (b in n) {
                m++
                at = b * width
                y = level[b, int(n[b] / 2)]
                sx += at; sy += y; sxx += at * at; sxy += at * y
            }
            if (m < 3) { print "unknown"; exit }
            printf "%.1f\n", 1024 * (m * sxy - sx * sy) / (m * sxx - sx * sx)
        }'
}

# Of a column the least and the most over the second half, while edits are made.
range_of() {
    awk -v edits="$edits" -v name="$2" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i; next }
        $2 >= edits / 2 && $2 < edits { if (!n++ || $c < low) low = $c; if (n == 1 || $c > high) high = $c }
        END { print low + 0, high + 0 }' "$1"
}

# Is $1 a number, and at most $2?
is_at_most() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a ~ /^-?[0-9.]+$/ && a + 0 <= b) }'; }
