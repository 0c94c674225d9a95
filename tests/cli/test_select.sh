# select: which records a run takes, as the reference's own list.

works select sample:37:5000 --total 21919 --output list.json
says '^list\.json: 5000 of 21919 records$'
silent_on_stderr
# The hash of the reference's data/disabling_edits_counterfact.json, as its Git LFS pointer has it.
[ "$(sha256sum <list.json)" = '981f423931a30a8c351636fb5671702334b1e5a8672d0b1beb2c30435cedd300  -' ] ||
    die 'the list is not the reference'"'"'s'

works select sample:1:2 -n 5 -o few.json --json
json_is rule sample:1:2
json_is total 5
json_is selected 2
json_is output few.json
json_is warnings.# 0
[ "$(tr -d ' \n' <few.json)" = '{"0":false,"1":false,"2":true,"3":true,"4":false}' ] || die 'another selection'

# A list is a rule itself; what is there is replaced.
works select few.json --total 7 --output list.json
says '^list\.json: 2 of 7 records$'
[ "$(tr -d ' \n' <list.json)" = '{"0":false,"1":false,"2":true,"3":true,"4":false,"5":false,"6":false}' ]

# What is wrong: said clearly, and nothing is written or replaced.
fails() { untouched_by fails_with "$@"; }
fails 2 select
warns '^aedile: RULE is missing$'
fails 2 select sample:1:2 --output new.json
warns '^aedile: --total is missing$'
fails 2 select sample:1:2 --total 5
warns '^aedile: --output is missing$'
fails 2 select sample:1:2 --total 0 --output new.json
warns "^aedile: --total: '0' is not a whole number from 1 to 1000000000$"
fails 2 select sample:1:2 more --total 5 --output new.json
warns "^aedile: 'more' is one argument too many$"
for rule in sample: sample:1 sample:x:2 sample:1:2:3 sample:-1:2 sample:1:6 sample:1:0; do
    fails 1 select "$rule" --total 5 --output list.json --json
    json_is error.status AE_ERR_ARGUMENT
    warns "^aedile: selection '$rule': expected "
done
fails 1 select nowhere.json --total 5 --output new.json --json
json_is error.status AE_ERR_NOT_FOUND
warns "^aedile: .*'nowhere\.json'"
echo '{"0": 1}' >bad.json
fails 1 select bad.json --total 5 --output new.json --json
json_is error.status AE_ERR_FORMAT
warns "^aedile: 'bad\.json': case '0' is an integer, expected true or false$"
fails 1 select sample:1:2 --total 5 --output no/such/folder.json
warns "^aedile: cannot write 'no/such/folder\.json': No such file or directory$"
