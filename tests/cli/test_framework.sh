# Dispatch, help, the reading of options, the manual page: nothing here opens a model.

works --version
says '^aedile [0-9]+\.[0-9]+\.[0-9]+$'
silent_on_stderr

fails_with 2
says '^Usage: aedile COMMAND'
works help
says '^Usage: aedile COMMAND'
[ "$(wc -L <"$out")" -le 80 ] || die 'a line of the overview is too long'
works --help
works help help
says '^aedile .*: edits facts in GPT-2'
works -h

commands=(inspect generate score edit edits export stats run select summarize report demo)
for command in "${commands[@]}"; do
    works help "$command"
    says "^aedile $command: "
    says "^Usage: aedile $command "
    says '^Examples$'
    [ "$(grep -c '^    aedile ' "$out")" -ge 2 ] || die 'fewer than two examples'
    [ "$(wc -L <"$out")" -le 110 ] || die 'an example is too long'
    [ "$(grep -v '^    aedile ' "$out" | wc -L)" -le 80 ] || die 'a line of the help is too long'
    cp "$out" help.txt
    works "$command" --help
    cmp -s help.txt "$out" || die '--help differs from help'
    silent_on_stderr
done

# The manual page names every command, every option, and every variable that is heeded.
works help --man
cp "$out" aedile.1
cmp aedile.1 "$build/aedile.1"
for command in "${commands[@]}"; do
    grep -q "^\.SS \"aedile $command\"" aedile.1
    "$AEDILE" help "$command" | grep -o '^ *\(-.,\)\? *--[a-z-]*' | grep -o -- '--[a-z-]*' | while read -r option; do
        grep -qF -- "${option//-/\\-}" aedile.1 || die "the manual page lacks $option"
    done
done
sed '1,/^\.SH ENVIRONMENT/d' aedile.1 >environment
grep -rohE '"((AEDILE|HF|HUGGINGFACE|XDG|OMP|GOMP)_[A-Z_]+|HOME)"' "$source_folder/src" | tr -d '"' | sort -u >heeded
[ "$(wc -l <heeded)" -ge 9 ] || die "only these variables were found: $(cat heeded)"
while read -r variable; do
    grep -qw "$variable" environment || die "the manual page lacks $variable"
done <heeded
if command -v groff >/dev/null; then
    groff -man -Tutf8 -ww aedile.1 >page.txt 2>problems.txt
    [ ! -s problems.txt ] || die "groff: $(cat problems.txt)"
fi

# Slips of the finger.
fails_with 2 genrate
warns "^aedile: there is no command 'genrate'; did you mean 'generate'\?$"
fails_with 2 insp
warns "did you mean 'inspect'\?"
fails_with 2 xyzzy
warns "^aedile: there is no command 'xyzzy'$"
fails_with 2 help exprot
warns "did you mean 'export'\?"
fails_with 2 generate m --prompt x --max-tokns 3
warns '^aedile: there is no option --max-tokns; did you mean --max-tokens\?$'
warns "^Try 'aedile help generate'\.$"
fails_with 2 generate m --zzz
warns '^aedile: there is no option --zzz$'
fails_with 2 generate m -z
warns '^aedile: there is no option -z$'
fails_with 2 generate m --json -qz # within a cluster, too
warns '^aedile: there is no option -z$'
fails_with 2 edit m --t x
warns 'is short for more than one option'
fails_with 2 edits lst --journal j
warns "'lst' is not list, show, revert or verify; did you mean list\?"

# What is missing, and what is too much.
fails_with 2 generate
warns '^aedile: MODEL is missing$'
fails_with 2 generate m
warns '^aedile: --prompt is missing$'
fails_with 2 generate m --prompt
warns '^aedile: --prompt needs a value$'
fails_with 2 generate m n --prompt x
warns "^aedile: 'n' is one argument too many$"
fails_with 2 generate m --prompt x --prompt y
warns '^aedile: --prompt is given twice$'
fails_with 2 generate m --prompt x --json=1
warns '^aedile: --json takes no value$'
fails_with 2 score m --prompt x
warns '^aedile: --target is missing$'
fails_with 2 export m --output o
warns '^aedile: --journal is missing$'
fails_with 2 stats m --layer 1
warns '^aedile: --text is missing$'
fails_with 2 edits list
warns '^aedile: --journal is missing$'
fails_with 2 edits --journal j
warns '^aedile: list, show, revert or verify is missing$'
fails_with 2 edits show --journal j
warns 'which edit\?'
fails_with 2 edits show 1 2 --journal j
warns "'2' is one argument too many"
fails_with 2 edits list 1 --journal j
warns "'1' is one argument too many"
fails_with 2 edits revert 1 x --journal j
warns "^aedile: 'x' is not an edit's number$"
fails_with 2 edit m
warns '^aedile: --prompt is missing \(or --requests FILE\)$'
fails_with 2 edit m --prompt '{}'
warns '^aedile: --subject is missing$'
fails_with 2 edit m --prompt '{}' --subject s
warns '^aedile: --target is missing$'
fails_with 2 edit m --prompt '{}' --requests f
warns '^aedile: --requests comes alone'
fails_with 2 edit m --prompt '{}' --subject s --target t --no-stats --ridge 1
warns '^aedile: --no-stats contradicts'

# Values that are not what they should be: option and value are named.
bad() {
    fails_with 2 "${@:3}" "$1" "$2"
    warns "^aedile: $1: '$2' is not "
}
for value in '' x 0 -1 12x 1.5 1e3 ' 7' 99999999999999999999; do bad --max-tokens "$value" generate m --prompt x; done
bad --top-k 0 generate m --prompt x
for value in '' x 0 nan inf 1x 0x10 ' 1'; do bad --temperature "$value" generate m --prompt x; done
for value in '' x -1 1.5 18446744073709551616; do bad --seed "$value" generate m --prompt x; done
bad --threads 1025 inspect m
bad --layer 1.5 edit m --prompt '{}' --subject s --target t
fails_with 2 edit m --prompt '{}' --subject s --target t --layer 1,,2
warns "^aedile: --layer: '' is not a whole number from 0 to 10000$"
bad --ridge -1 edit m --prompt '{}' --subject s --target t
bad --show 1001 edit m --prompt '{}' --subject s --target t
bad --variant memit edit m --prompt '{}' --subject s --target t
warns "is not one of r-rome\|rome\|p-rome$"
bad --format gguf export m --journal j --output o
bad --samples -1 stats m --text t
bad --checkpoint 0 stats m --text t

# With --json a mistake is a document, too, wherever --json stands.
fails_with 2 generate m --max-tokens x --json --prompt p
json_is error.status AE_ERR_ARGUMENT
json_is error.message "--max-tokens: 'x' is not a whole number from 1 to 1000000"
json_is warnings.# 0
fails_with 1 inspect nowhere --json
json_is error.status AE_ERR_NOT_FOUND

# Results that cannot be written are a failure.
if [ -e /dev/full ]; then
    code=0
    "$AEDILE" help >/dev/full 2>"$err" || code=$?
    [ "$code" = 1 ] || die 'a full disk went unnoticed'
    warns '^aedile: writing the result failed: '
fi
