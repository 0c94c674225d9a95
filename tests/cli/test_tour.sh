# The README's tour: its commands are run in turn, and must print what it shows.

readme=$source_folder/README.md
export AEDILE_DEMO=$build/demo
# "    $ aedile ..." is a command; the indented lines behind it are its output, where any are shown.
sed -n '/<!-- tour/,/^## On real models/p' "$readme" | sed -n 's/^    //p; s/^$//p' >tour.txt

# What differs between runs and machines becomes one word: where the demo model lies, dates, times of stages.
plain() {
    sed -E 's#^(  folder +).*/demo$#\1build/demo#; s#[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z#DATE#
            s#[0-9.]+ (ms|s|min)([,)]|$)#TIME\2#g; /^$/d' "$1"
}
# Word by word; numbers may differ by 2 %, since another machine rounds otherwise.
same() {
    paste -d '\n' "$1" "$2" | awk '
        NR % 2 { n = split($0, shown); next }
        { m = split($0, got); if (m != n) { print "lines differ:", $0; exit 1 }
          for (i = 1; i <= n; i++) {
              if (shown[i] == got[i]) continue
              a = shown[i] + 0; b = got[i] + 0; d = a - b; if (d < 0) d = -d
              if (shown[i] !~ /^[0-9.]+(e-?[0-9]+)?[,;]?$/ || d > 0.02 * (a < 0 ? -a : a)) {
                  print "shown:", shown[i], "got:", got[i]; exit 1 } } }'
}

check() {
    [ -n "$command" ] || return 0
    eval "run ${command#aedile }"
    [ "$code" = 0 ] || die "the tour's command fails: $command"
    printf '%s' "$shown" >shown.txt
    plain shown.txt >shown.plain
    [ -s shown.plain ] || return 0
    plain "$out" >got.plain
    [ "$(wc -l <shown.plain)" = "$(wc -l <got.plain)" ] || die "the tour shows other lines for: $command"
    same shown.plain got.plain || die "the tour shows something else for: $command"
    compared=$((compared + 1))
}

command='' shown='' compared=0
while IFS= read -r line; do
    case $line in
    '$ '*)
        check
        command=${line#'$ '} shown=''
        ;;
    *) shown+=$line$'\n' ;;
    esac
done <tour.txt
check
[ "$compared" -ge 10 ] || die "only $compared outputs were compared"
