#!/bin/sh
# SPDX-License-Identifier: MIT
#
# ./sdgen --precision: names with layers that stay wider, and auto:DB, which chooses one on the small model.
set -u
. "${srcdir-.}/tests/support.sh"

build=$(pwd)
small=$(cd "${srcdir-.}" && pwd)/demo-model
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# refused NAME WORD ARGUMENTS...: wrong usage, told in one line that has WORD.
refused() {
    name=$1 word=$2
    shift 2
    "$build/sdgen" -m "$small" -p 'a red apple' -o never.png "$@" > out 2> err < /dev/null
    code=$?
    ok=true
    [ $code -eq 2 ] && [ ! -s out ] && [ "$(wc -l < err)" -eq 1 ] && grep -q -e "$word" err && [ ! -e never.png ] ||
        ok=false
    report $ok "$name" "exit $code: $(cat out err)"
}

for bound in auto auto: auto:-3 auto:0 auto:nan auto:inf auto:101 auto:40db auto:40dBx 'auto: 40' auto:0x20 auto:dB; do
    refused "--precision $bound" "expected auto:DB" --precision "$bound"
done
refused 'another precision' 'expected auto:DB, int8:rotate, int8:wide=GLOB, f32' --precision automatic
refused 'no glob' 'an empty glob' --precision int8:wide=
refused 'wider than f32' 'int8 before' --precision 'f32:wide=*'
refused 'auto and a level' 'auto:40, --isa: expected one' --precision auto:40 --isa generic
refused 'auto and a plan' 'auto:40, --plan: expected one' --precision auto:40 --plan
refused 'auto and others' 'auto:40, --compare: expected one' --precision auto:40dB --compare f32,bf16
refused 'auto on a GPU' 'auto:40, --device: expected one' --precision auto:40dB --device cuda

# Under emulation f32 is all that is fast enough to draw with.
[ -z "${SDRT_EMULATED-}" ] || { skip 'images of other precisions (emulated)'; finish; exit; }

# drawn NAME PRECISION: draws NAME.png; what was told is in told, the precision that it has in $has.
drawn() {
    "$build/sdgen" -m "$small" -p 'a red apple' --seed 3 --steps 6 --cfg-scale 3 --precision "$2" -o "$1.png" \
        > /dev/null 2> told < /dev/null || cat told
    has=$(grep -a -o 'Precision: [^,]*' "$1.png" | sed 's/Precision: //; s/"//g')
}

# of NAME: how far its image was from f32's, as told.
of() { sed -n "s/^sdgen: precision: $1: \(.*\) dB$/\1/p" told; }

# again NAME: what is in the image repeats it, the precision too.
again() {
    ok=true
    "$build/sdgen" -m "$small" --from-image "$1.png" --quiet -o again.png 2> err && cmp -s "$1.png" again.png || ok=false
    report $ok "$1 repeated" "$(cat err)"
    rm -f again.png
}

# What no narrower precision reaches, and what each does.
drawn far auto:100
ok=true
[ "$has" = f32 ] && grep -q 'taken for 100 dB: f32$' told || ok=false
report $ok 'a bound beyond all but f32' "$has: $(cat told)"
again far
int8=$(of int8) narrowest=$(sed -n 's/^sdgen: precision: \([a-z0-9]*\): .* dB$/\1/p' told | head -1)
# Behind int8 comes what its other layers multiply in.
wider=$(sed -n 's/^sdgen: precision: [a-z0-9]*: \(.*\) dB$/\1/p' told | sed -n 2p)
drawn f32 f32
ok=true
cmp -s f32.png far.png || ok=false
report $ok 'f32 by a bound is f32'
drawn near auto:5dB
ok=true
[ "$has" = "${narrowest:-f32}" ] || ok=false
report $ok 'a bound that all reach' "$has, not $narrowest: $(cat told)"
again near

# Between the two, some layers stay wider; twice the same ones.
if [ -n "$int8" ] && [ -n "$wider" ]; then
    bound=$(echo "$int8 $wider" | awk '{ printf "%g", ($1 + $2) / 2 - 1 }')
    drawn between "auto:${bound}dB"
    ok=true
    case $has in int8:wide=*) ;; *) ok=false ;; esac
    grep -F -q "taken for $bound dB: $has" told || ok=false
    sed -n "s/^sdgen: precision: int8:wide=.*: \(.*\) dB$/\1/p" told | tail -1 |
        awk -v bound="$bound" '{ n++; if ($1 < bound + 0.9) exit 1 } END { exit !n }' || ok=false
    report $ok 'some layers stay wider' "$has: $(cat told)"
    again between
    kept=$has
    drawn byhand "$kept"
    ok=true
    cmp -s byhand.png between.png || ok=false
    report $ok 'what was chosen is a precision' "$has, $kept"
    mv between.png before.png
    drawn between "auto:$bound"
    ok=true
    cmp -s before.png between.png || ok=false
    report $ok 'the same choice again' "$has, $kept"
    "$build/sdgen" -m "$small" --from-image before.png --isa generic --quiet -o other.png 2> err
    ok=true
    grep -a -q 'Precision: f32,' other.png || ok=false
    report $ok 'a level that is given goes before' "$(cat err)"
    refused 'a glob that fits nothing' 'matches none' --precision 'int8:wide=*nowhere*'
else
    skip 'layers that stay wider: no int8 here'
fi
finish
