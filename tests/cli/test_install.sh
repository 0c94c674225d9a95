# The installed tree: files, exported names, the example built through pkg-config against each library, the command.

for i in $(seq 60); do echo "Document $i: the quick brown fox jumps over the lazy dog, and so on, $((i * 7919)) times."; done >text.txt
works stats "$demo" --layer 0 --text text.txt --output stats --quiet
statistics=stats/demo/text_stats/transformer.h.0.mlp.c_proj_float32_mom2.npz

# What the example says: the edit takes, and is taken back exactly.
check_example() {
    "$@" "$demo" 0 "$statistics" >example.txt
    [ "$(wc -l <example.txt)" = 4 ] || die "the example says: $(cat example.txt)"
    local before edited back
    before=$(sed -n 's/^before *//p' example.txt) edited=$(sed -n 's/^edited *//p' example.txt)
    back=$(sed -n 's/^taken back *//p' example.txt)
    [ -n "$before" ] && [ "$before" = "$back" ] && [ "$before" != "$edited" ] || die "the example says: $(cat example.txt)"
    local nats_before nats_edited
    nats_before=$(echo "$before" | sed 's/Rome \([0-9.]*\),.*/\1/') nats_edited=$(echo "$edited" | sed 's/Rome \([0-9.]*\),.*/\1/')
    awk -v b="$nats_before" -v e="$nats_edited" 'BEGIN { exit !(e < b - 1) }' || die "Rome is not likelier: $(cat example.txt)"
}
check_example "$build/example_edit"
code=0
"$build/example_edit" nowhere 0 "$statistics" >"$out" 2>"$err" || code=$?
[ "$code" = 1 ] || die 'the example does not fail without a model'
warns "^edit: model 'nowhere' is neither a folder"
[ "$(wc -l <"$source_folder/examples/edit.c")" -lt 60 ] || die 'the example has grown beyond 60 lines'
[ "$(grep '^#include.*aedile' "$source_folder/examples/edit.c")" = '#include <aedile/aedile.h>' ] ||
    die 'the example uses more than the public header'

# Staged installation, as a packager does it.
mkdir fake
printf '#!/bin/sh\necho >>"%s"\nexit 1\n' "$PWD/told" >fake/ldconfig # which fails, as for anybody but root
chmod +x fake/ldconfig
DESTDIR=$PWD/stage PATH=$PWD/fake:$PATH cmake --install "$build" >log.txt
[ ! -e told ] || die 'the loader is told of a staged tree'
prefix=$(sed -n 's/^prefix=//p' "$build/aedile.pc")
libdir=$(sed -n "s|^libdir=\${prefix}|$prefix|p" "$build/aedile.pc")
tree=$PWD/stage
for file in "$prefix/bin/aedile" "$prefix/include/aedile/aedile.h" "$prefix/include/aedile/status.h" "$libdir/libaedile.a" \
    "$libdir/libaedile.so" "$libdir/pkgconfig/aedile.pc" "$prefix/share/man/man1/aedile.1"; do
    [ -s "$tree$file" ] || die "$file is not installed"
done
# Where it is installed for use, the loader is told of the library.
DESTDIR= PATH=$PWD/fake:$PATH cmake --install "$build" --prefix "$PWD/used" >log.txt
[ "$(wc -l <told)" = 1 ] || die 'the loader is not told of the library'
rm -r used
headers=$(cd "$source_folder/include" && find aedile -name '*.h' | sort)
[ "$headers" = "$(cd "$tree$prefix/include" && find aedile -type f | sort)" ] || die 'other headers are installed'
"$tree$prefix/bin/aedile" --version | grep -qx "aedile $(sed -n 's/^Version: //p' "$build/aedile.pc")"
"$tree$prefix/bin/aedile" inspect demo --json >"$out"
json_is folder "$(realpath "$tree$prefix/share/aedile/demo")"
case $(readelf -d "$tree$libdir/libaedile.so") in *'Library soname: [libaedile.so.'[0-9]*']'*) ;; *) die 'no soname' ;; esac

# The shared library exports what the headers mark, and nothing else.
grep -hv '^#' "$source_folder"/include/aedile/*.h | tr '\n' ' ' | grep -o 'AE_API [^;(]*(' | sed 's/.*[ *]\(ae_[a-z0-9_]*\)($/\1/' |
    sort >promised.txt
nm -D --defined-only "$tree$libdir/libaedile.so" | awk '$2 ~ /[TDBRVW]/ { print $3 }' | sort >exported.txt
[ "$(wc -l <promised.txt)" -gt 40 ]
diff promised.txt exported.txt || die 'exported names and public headers differ'

# The example, built as its first lines say, with the shared library and with the static one.
export PKG_CONFIG_PATH=$tree$libdir/pkgconfig PKG_CONFIG_SYSROOT_DIR=
compile() { # OUTPUT PKG-CONFIG-FLAG...
    ${CC:-cc} -std=c17 -Wall -Wextra -Werror "$source_folder/examples/edit.c" -o "$1" $sanitize \
        $(pkg-config --define-variable=prefix="$tree$prefix" --cflags --libs "${@:2}" aedile)
}
sanitize=
case $(nm "$tree$libdir/libaedile.a") in *__asan_*) sanitize=-fsanitize=address,undefined ;; *__gcov_*) sanitize=--coverage ;; esac
compile shared
export LD_LIBRARY_PATH=$tree$libdir
case $(readelf -d shared) in *libaedile.so*) ;; *) die 'not linked with the shared library' ;; esac
check_example ./shared
unset LD_LIBRARY_PATH
rm "$tree$libdir"/libaedile.so*
compile static --static
case $(readelf -d static) in *libaedile.so*) die 'not linked with the static library' ;; esac
check_example ./static
