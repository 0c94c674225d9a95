# A real disk that is too small, then read-only: a tmpfs of 200 KiB in a mount namespace of its own. Skipped where the
# kernel does not let us have one.
. "$source_folder/tests/faults/cases.sh"
if unshare -m true 2>/dev/null; then
    own=(unshare -m)
elif unshare -rm true 2>/dev/null; then
    own=(unshare -rm)
else
    exit 77
fi
cases=(edit_more)
make_given
begin edit_more
next_command edit_more
mkdir now/disk
cp base/text.txt now
export demo AEDILE
printf '%s\0' "${command[@]}" >"$scratch/io/command"
export command_file=$scratch/io/command

cat >steps.sh <<'END'
set -euo pipefail
cd now
mount -t tmpfs -o size=200k none disk || exit 77
mapfile -d '' edit <"$command_file"
is_told() { # PATTERN COMMAND...
    local pattern=$1 code=0
    shift
    "$AEDILE" "$@" >out 2>err </dev/null || code=$?
    [ $code = 1 ] && grep -Eq "$pattern" err || { echo "exit code $code of $*:" && cat err && exit 1; }
}
files() { find disk -type f ! -name lock | sort; }

full='No space left on device$'
is_told "^aedile: cannot write 'disk/model/model\.safetensors': $full" export "$demo" --journal edits --output disk/model
[ -z "$(ls -A disk)" ]
is_told "^aedile: cannot write 'disk/stats/.*\.(npz|partial)': $full" stats "$demo" --layer 0 --text text.txt --output disk/stats
[ -z "$(find disk -name '*.npz' -o -name '*.tmp-*')" ]
rm -r disk/stats

# A journal on it: no room for an entry, then some.
cp -r edits disk
before=$(sha256sum disk/edits/*)
dd if=/dev/zero of=disk/fill bs=1k count=1000 2>/dev/null && exit 1
sync disk/fill
edit=("${edit[@]/#edits/disk/edits}")
is_told "^aedile: cannot write 'disk/edits/0003\.safetensors': $full" "${edit[@]}"
[ "$(sha256sum disk/edits/*)" = "$before" ]
"$AEDILE" edits verify "$demo" --journal disk/edits >/dev/null
rm disk/fill
"$AEDILE" "${edit[@]}" >/dev/null 2>&1
"$AEDILE" edits list --journal disk/edits | grep -q '^4 active, 0 reverted$'

# Read-only: it can be read, and nothing else.
mount -o remount,ro disk
before=$(sha256sum disk/edits/*)
is_told "^aedile: the journal 'disk/edits' cannot be written: cannot write 'disk/edits/lock': Read-only file system$" "${edit[@]}"
is_told "Read-only file system$" edits revert 1 --journal disk/edits
is_told "^aedile: .*'disk/model': Read-only file system$" export "$demo" --journal edits --output disk/model
is_told "^aedile: .*'disk/stats': Read-only file system$" stats "$demo" --layer 0 --text text.txt --output disk/stats
is_told "^aedile: cannot write 'disk/s\.json': Read-only file system$" select sample:1:2 --total 9 --output disk/s.json
"$AEDILE" edits verify "$demo" --journal disk/edits >/dev/null
"$AEDILE" score "$demo" -p 'The Moon is in' -t Rome --journal disk/edits >/dev/null
[ "$(sha256sum disk/edits/*)" = "$before" ]

# A folder that is not there.
is_told "^aedile: cannot write 'nowhere/s\.json': No such file or directory$" select sample:1:2 --total 9 --output nowhere/s.json
END
code=0
"${own[@]}" bash steps.sh >"$out" 2>"$err" || code=$?
[ $code != 77 ] || exit 77
[ $code = 0 ] || die "exit code $code"
