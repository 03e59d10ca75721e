#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Draws, merges, looks at and converts in valgrind, by plain C (in the build folder):
#     valgrind.sh GOLDEN
# Not a byte that was not written is read, none beyond its block, and all that is lost is told.
set -u
golden=$1 status=0
tiny=$golden/tiny-sd15
supp=$(cd "$(dirname "$0")" && pwd)/valgrind.supp
command -v valgrind > /dev/null || {
    echo 'valgrind.sh: no valgrind here'
    exit 0
}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
check() {
    name=$1
    shift
    if valgrind -q --error-exitcode=99 --leak-check=full --suppressions="$supp" \
        --log-file="$work/log" "$@" > "$work/out" 2>&1 && [ ! -s "$work/log" ]; then
        echo "valgrind.sh: $name: clean"
    else
        echo "valgrind.sh: $name: NOT CLEAN"
        head -40 "$work/log"
        status=1
    fi
}
draw="./sdgen -m $tiny -W 16 -H 16 --steps 1 --isa generic --quiet --no-memory-check --force -o $work/x.png"
check 'an image' $draw -p 'a (red:1.2) apple' --threads 1
check 'an image by two threads' $draw -p 'a red apple' --threads 2
check 'a LoRA' $draw -p 'a cat' --threads 1 --lora "$golden/lora/kohya-torch.pt"
check '--inspect' ./sdgen --inspect "$tiny"
check '--plan' ./sdgen -m "$tiny" --plan -W 64 -H 64
check 'conversion' ./sdconvert --quiet "$tiny" "$work/x.gguf"
exit $status
