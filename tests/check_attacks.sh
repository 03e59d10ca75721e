#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Files that were made to harm once did: each is refused in one line, in time and in memory.
set -u
. "${srcdir-.}/tests/support.sh"

build=$(pwd)
golden=$(cd "${srcdir-.}" && pwd)/tests/golden
tiny=$golden/tiny-sd15
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work" "$work.sdgen"' EXIT
cd "$work" || exit 1
sdgen=$(any_level "$build/sdgen" "$work.sdgen")

# Address sanitizer's own tables take more than any limit.
most=900000 fat=400000 # KiB
# An emulator's code, tables and stacks count too; what this guards from took 3.3 GB.
[ -z "${SDRT_EMULATED-}" ] || most=1300000 fat=800000
memory=$most
grep -q '^CFLAGS.*fsanitize=address' "$build/Makefile" && memory=unlimited

# attacked NAME STATUS PATTERN PROGRAM...: it ends so, with one line for an error and with none else,
# within 20 s of a processor's time and the memory above.
attacked() {
    name=$1 expected=$2 pattern=$3
    shift 3
    (
        ulimit -t 20
        ulimit -v $memory 2> /dev/null
        exec "$@" < /dev/null > out 2> err
    )
    status=$?
    lines=$((expected != 0))
    ok=true
    [ "$status" -eq "$expected" ] && [ "$(wc -l < err)" -eq $lines ] || ok=false
    if [ $lines = 1 ]; then grep -q -e "$pattern" err || ok=false; fi
    # Nothing that a terminal obeys, and no other lines than these programs'.
    LC_ALL=C grep -q '[^ -~]' err out && ok=false
    report $ok "$name" "status $status: $(head -c 300 err)"
}

draw() {
    name=$1 expected=$2 pattern=$3
    shift 3
    attacked "$name" "$expected" "$pattern" "$sdgen" -m "$tiny" -p a -W 64 -H 64 --steps 1 --seed 1 \
        --quiet -o x.png --force "$@"
}

"$build/tests/attack_files" make . || exit 1

draw 'a LoRA of rank 0' 1 'dimension of 0' --lora rank0.safetensors
draw 'the same in plain C' 1 'dimension of 0' --lora rank0.safetensors --isa generic
draw 'an unknown type of a shape beyond all bounds' 1 'found XX' --lora unknown-type.safetensors
draw 'patterns by modules' 1 'more than .* comparisons' --lora patterns.safetensors
draw 'escapes in a name' 1 'the other tensors' --lora name-escape.safetensors
attacked 'a tag of two million bytes' 2 'tag of at most' "$sdgen" -m "$tiny" --prompt-file tag.txt \
    --quiet -o x.png --force
attacked 'the beginnings of tags' 2 'at most 16384 bytes' "$sdgen" -m "$tiny" --prompt-file tags.txt \
    --quiet -o x.png --force

attacked 'a dimension beyond all bounds, told' 0 '' "$sdgen" --inspect huge.safetensors
attacked 'a dimension beyond all bounds' 1 'huge' "$sdgen" -m huge.safetensors -p a --quiet -o x.png
draw 'escapes in the name of a file' 1 'cannot be opened' --lora "$(printf 'a\033]0;x\007\033[2Jb\nc\302\233')"
attacked 'a type of several lines, told' 0 '' "$sdgen" --inspect type-escape.safetensors
ok=true
! grep -q '^runs: yes' out && [ "$(wc -l < out)" -eq 5 ] || ok=false
report $ok 'no line of its own in a report' "$(head -c 400 out)"

# A header of 10 MB: read where it lies, within 16 times that beside the program itself.
[ $memory = unlimited ] || memory=$fat
attacked 'a header of empty lists' 0 '' "$sdgen" --inspect fat.safetensors
[ $memory = unlimited ] || memory=$most
cp -R "$tiny" model && chmod -R u+w model && cp lists.json model/unet/config.json
attacked 'a configuration of empty lists' 1 'more than 16 times' "$sdgen" -m model -p a --quiet \
    -o x.png --force

cp "$tiny/unet/config.json" model/unet/ && cp vocab.json model/tokenizer/vocab.json
attacked 'tokens that fall into one place of a table' 1 'merges.txt' "$sdgen" -m model -p a --quiet \
    -o x.png --force
attacked 'a letter that becomes a megabyte' 1 'replaced by 1048576 bytes' \
    "$build/tests/attack_files" t5 long.model
attacked 'a hundred thousand added tokens' 0 '' "$build/tests/attack_files" t5 added.json

# Little memory for everybody, libraries too: an image or one line, in time.  What is counted leaves
# room for what is not: once at least more is there than an image needs, and yet too little.
if [ $memory = unlimited ]; then
    skip 'little memory: sanitizers take more'
elif [ -n "${SDRT_EMULATED-}" ]; then
    skip 'little memory: an emulator takes some too'
else
    wrong='' spared=0 limit=40000
    while [ $limit -le 180000 ]; do
        (
            ulimit -t 20
            ulimit -v $limit
            exec timeout -s KILL 60 "$sdgen" -m "$tiny" -p a -W 8 -H 8 --steps 1 --seed 1 --threads 2 --quiet \
                -o x.png --force < /dev/null > out 2> err
        )
        case "$? $(grep -vc '^OpenBLAS' err)" in
        '0 0' | '1 1') ;;
        '0 1' | '1 2') grep -q 'warning: memory is short: the VAE runs in bands' err || wrong="$wrong $limit KiB: $(cat err)" ;;
        '127 1' | '130 0') ;; # a library does not fit; OpenBLAS has no threads and ends by SIGINT
        *) wrong="$wrong $limit KiB: $(head -c 200 err)" ;;
        esac
        awk '/needs [0-9]+ MiB/ { sub(/.*needs /, ""); need = $1; sub(/.* has /, ""); exit !($1 >= need) }
             END { exit NR == 0 }' err && spared=$((spared + 1))
        limit=$((limit + 4000))
    done
    ok=true
    [ -z "$wrong" ] || ok=false
    report $ok 'little memory' "$wrong"
    ok=true
    [ $spared -gt 0 ] || ok=false
    report $ok 'room for what is not counted' "no limit was refused that had it"
fi

# jansson's parser writes behind its buffer where it finds no memory: it builds trees and writes here.
if command -v nm > /dev/null; then
    ok=true
    nm -u "$build/sdgen" > names 2>&1 || nm -D -u "$build/sdgen" > names 2>&1
    grep -Eq ' json_(load|loads|loadb|loadf|load_file|load_callback|unpack)' names && ok=false
    report $ok "none of jansson's parsers" "$(grep ' json_load' names)"
fi
finish
