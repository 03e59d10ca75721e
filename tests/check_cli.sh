#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs ./sdgen with every wrong call and bad file that needs no real model: each must give
# its exit status and exactly one line on standard error, and leave no file behind.
set -u
. "${srcdir-.}/tests/support.sh"

build=$(pwd)
tiny=$(cd "${srcdir-.}" && pwd)/tests/golden/tiny-sd15
work=$(mktemp -d) || exit 1
trap 'chmod -R u+w "$work"; rm -rf "$work" "$work.sdgen"' EXIT
cd "$work" || exit 1
sdgen=$(any_level "$build/sdgen" "$work.sdgen")

# bad NAME STATUS PATTERN ARGUMENTS...: the line on standard error must match PATTERN.
bad() {
    name=$1 expected=$2 pattern=$3
    shift 3
    before=$(find . | sort)
    "$sdgen" "$@" > ../"${work##*/}.out" 2> ../"${work##*/}.err" < /dev/null
    status=$?
    after=$(find . | sort)
    lines=$(wc -l < ../"${work##*/}.err")
    text=$(cat ../"${work##*/}.err")
    stdout=$(cat ../"${work##*/}.out")
    rm -f ../"${work##*/}.err" ../"${work##*/}.out"
    ok=true
    [ "$status" -eq "$expected" ] && [ "$lines" -eq 1 ] && [ -z "$stdout" ] || ok=false
    case $text in "sdgen: error: "*) ;; *) ok=false ;; esac
    printf '%s\n' "$text" | grep -q -e "$pattern" || ok=false
    [ "$before" = "$after" ] || { ok=false; text="$text (and files were left behind)"; }
    report $ok "$name" "status $status (expected $expected), $lines lines: $text"
}

# header FILE LENGTH JSON: a safetensors file that claims a header of LENGTH bytes.
header() {
    claim=$2 i=0
    {
        while [ $i -lt 8 ]; do
            # shellcheck disable=SC2059 # the format is the byte
            printf "\\$(printf '%03o' $((claim % 256)))"
            claim=$((claim / 256)) i=$((i + 1))
        done
        printf '%s' "$3"
    } > "$1"
}

usage() { name=$1 pattern=$2; shift 2; bad "$name" 2 "$pattern" "$@"; }
with_model() { name=$1 pattern=$2; shift 2; usage "$name" "$pattern" -m m.safetensors -p cat "$@"; }
file() { bad "$1" 1 "$2" -m "$2" -p cat; }

usage 'no arguments' 'no prompt'
usage 'no prompt' 'no prompt' -m m.safetensors
usage 'two kinds of prompts' 'expected one of them' -m m.safetensors -p a --prompt-file b
bad 'no file of prompts' 1 'none.txt: No such file' -m m.safetensors --prompt-file none.txt
with_model 'sampler, nearly' "is it 'euler'" --sampler eulr
with_model 'timesteps' 'numbers with commas' --timesteps 999,x
with_model 'range of guidance' 'two shares' --cfg-range 0.5
with_model 'rule of guidance' 'unknown guidance "agp": expected apg' --guidance agp
with_model 'scale of skipped layers' 'slg-scale' --slg-scale -1
with_model 'unknown cache' 'unknown cache "deep".*deepcache' --cache deep
with_model 'two caches' 'expected one of them' --fast --cache deepcache
with_model "cache's option" 'every=0: expected a whole number from 2' --cache deepcache:every=0
usage 'unknown option' 'frobnicate' --frobnicate
usage 'unknown letter' 'unknown option' -x
usage 'missing value' 'expected a value' -m
usage 'value for a flag' 'takes no value' --quiet=1
with_model 'stray word' 'quotes' of a cat
with_model 'width 500' '500.*multiple of 8' -W 500
with_model 'height 513' '513.*multiple of 8' -H 513
with_model 'width 0' 'width' -W 0
with_model 'width -8' 'width' -W -8
with_model 'width 1e3' 'width' -W 1e3
with_model 'width 2^64+8' 'width' -W 18446744073709551624
with_model 'width empty' 'width' -W ''
with_model 'width blank' 'width' -W ' 512'
with_model 'steps 0' 'steps' --steps 0
with_model 'steps 12x' 'steps' --steps 12x
with_model 'cfg nan' 'cfg-scale' --cfg-scale nan
with_model 'cfg inf' 'cfg-scale' --cfg-scale inf
with_model 'cfg word' 'cfg-scale' --cfg-scale high
with_model 'seed -2' 'seed' --seed -2
with_model 'seed 2^64' 'seed' --seed 18446744073709551616
with_model 'seed word' 'seed' --seed x
with_model 'unknown sampler' 'fast.*euler_a' --sampler fast
with_model 'sampler of another program' "sampler 'seeds_2'.*dpmpp_sde, which is nearest" --sampler seeds_2
with_model 'schedule of another program' "schedule 'gits'.*ays, which is nearest" --schedule gits
with_model 'unknown spacing' 'even.*trailing' --spacing even
with_model 'unknown prediction' 'x0.*epsilon' --prediction x0
with_model 'clip skip of 0' '0.*from 1' --clip-skip 0
with_model 'original size without a height' '1024.*between' --original-size 1024
with_model 'crop that is no number' 'a.*whole' --crop a,0
with_model 'target size of 0' '0.*from 1' --target-size 0x64
with_model 'unknown schedule' 'linear.*karras' --schedule linear
with_model 'unknown rng' 'dice.*cuda' --rng dice
with_model 'lora without a name' 'expected FILE' --lora :0.5
with_model 'lora scale nan' 'expected FILE' --lora x.safetensors:nan
with_model 'batch 0' 'batch' --batch 0
with_model 'threads -1' 'threads' --threads -1

with_model 'a filter without a dump' 'dump-filter.*--dump DIR' --dump-filter '*'

usage 'refiner start of no refiner' 'expected --refiner FILE' -m m.safetensors -p cat --refiner-start 0.5
for start in 0 1 -1 1.5 half '' nan ' 0.5' 0.5x; do
    usage "refiner start '$start'" 'between 0 and 1' -m m.safetensors -p cat --refiner r.safetensors \
        --refiner-start "$start"
done
bad 'refiner of SD 1.5' 1 'expected an SDXL model' -m "$tiny" -p cat --refiner "$tiny"
bad 'refiner that is another SDXL' 1 'tiny-sdxl is an SDXL model: expected the SDXL refiner' \
    -m "${tiny%-*}-sdxl" -p cat --refiner "${tiny%-*}-sdxl"
bad 'refiner that is no file' 1 'none.safetensors' -m "${tiny%-*}-sdxl" -p cat \
    --refiner none.safetensors
bad 'output folder absent' 1 'none/x.png' -m m.safetensors -p cat -o none/x.png
bad 'output name empty' 1 'empty' -m m.safetensors -p cat -o ''
bad 'dump folder below none' 1 'none/d' -m m.safetensors -p cat --dump none/d
: > plain
bad 'dump to a file' 1 'plain' -m m.safetensors -p cat --dump plain
mkdir locked
chmod a-w locked
if touch locked/probe 2> /dev/null; then
    rm -f locked/probe
    skip 'unwritable output folder (this user may write everywhere)'
else
    bad 'unwritable output folder' 1 'locked/x.png' -m m.safetensors -p cat -o locked/x.png
fi

file 'no such model' absent.safetensors
: > empty.safetensors
file 'empty file' empty.safetensors
printf 'abc' > short.safetensors
file 'three bytes' short.safetensors
printf 'this is a text and no checkpoint at all\n' > text.safetensors
file 'a text' text.safetensors
header truncated.safetensors 1000 '{"a":{"dtype":"F32"'
file 'truncated header' truncated.safetensors
header huge.safetensors 4611686018427387904 '{}'
file 'a header of 2^62 bytes' huge.safetensors
header zero.safetensors 0 ''
file 'a header of no bytes' zero.safetensors
header json.safetensors 6 '{"a":['
file 'broken JSON' json.safetensors
tensor='{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
tensor="$tensor"',"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}'
header overlap.safetensors ${#tensor} "${tensor}0123456789ab"
file 'overlapping tensors' overlap.safetensors
tensor='{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4000]}}'
header beyond.safetensors ${#tensor} "${tensor}01234567"
file 'data beyond the end' beyond.safetensors
tensor='{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,8]}}'
header overflow.safetensors ${#tensor} "${tensor}01234567"
file 'a shape that overflows' overflow.safetensors
tensor='{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
header family.safetensors ${#tensor} "${tensor}01234567"
file 'another model' family.safetensors
mkdir folder.safetensors
file 'a folder without model_index.json' folder.safetensors
printf '{' > folder.safetensors/model_index.json
file 'a broken model_index.json' folder.safetensors

# A limit on the size of files, which a picture exceeds: told as any failed write is.
program=$sdgen
limited() { (ulimit -f 4 && exec "$program" "$@"); }
usage 'precisions to compare' "'f33' is none" -m "$tiny" -p cat --compare f32,f33
usage 'one precision to compare' 'at least two' -m "$tiny" -p cat --compare f32
usage 'a precision twice' 'each precision once' -m "$tiny" -p cat --compare f32,f32
usage 'compare and keep' 'expected without' -m "$tiny" -p cat --compare f32,bf16 -o x.png

# Weights that are rounded change every step of the tiny network, and no step of itself.
compared=$("$sdgen" -m "$tiny" -p cat -W 64 -H 64 --steps 2 --seed 1 --quiet --isa generic \
    --compare f32,bf16)
steps=$(printf '%s\n' "$compared" | awk '/^00[0-9] / { n += $2 > 1e-4 && $2 < 5e-1 } END { print n }')
ok=false
if [ "$steps" -eq 2 ] && printf '%s\n' "$compared" | grep -q '^[1-9].*e-0[1-4] *unet\.'; then ok=true; fi
report $ok 'precisions are compared' "$compared"

draw() { "$sdgen" -m "$tiny" -p cat -W 64 -H 64 --steps 1 --seed 1 --quiet "$@"; }
sdgen=limited
bad 'a picture above the limit of a file' 1 'x.png: could not be written' \
    -m "$tiny" -p cat -W 64 -H 64 --steps 1 --quiet -o x.png
sdgen=$program

# Less and less address space, down to less than the program's libraries take: an answer comes.
starved() {
    limit=$1
    shift
    (ulimit -v "$limit" && exec timeout -k 1 60 "$sdgen" "$@") > /dev/null 2> starved.err
    status=$?
    case $status in 0 | 1 | 127) ok=true ;; *) ok=false ;; esac
    # OpenBLAS interrupts the process itself, before main(), where it gets no thread.
    [ $status -ne 130 ] || ! grep -q '^OpenBLAS blas_thread_init: pthread_create failed' starved.err || ok=true
    report $ok "an address space of $limit KiB" "sdgen $*: status $status: $(cat starved.err)"
}
if [ -n "${SDRT_EMULATED-}" ]; then
    skip 'a small address space: it would be the emulator that lacks it'
elif (ulimit -v 600000 && exec "$sdgen" --version) > /dev/null 2>&1; then
    for space in 600000 200000 100000 80000 60000 45000; do
        starved $space --version
        starved $space -m "$tiny" -p cat -W 64 -H 64 --steps 1 --quiet -o starved.png
    done
else
    skip 'a small address space: sanitizers need terabytes'
fi
rm -f starved.png starved.err

# dumped NAME COUNT PATTERN ARGUMENTS...: COUNT files, all of them named as PATTERN says.
dumped() {
    name=$1 count=$2 pattern=$3
    shift 3
    ok=true
    draw -o dumped.png --dump dumped "$@" 2> dumped.err || ok=false
    [ "$(find dumped -type f | wc -l)" -eq "$count" ] || ok=false
    [ "$(find dumped -type f | grep -c -e "$pattern")" -eq "$count" ] || ok=false
    report $ok "$name" "$(ls dumped 2>&1 | head -n 3 | tr '\n' ' ') $(cat dumped.err)"
    rm -rf dumped dumped.png dumped.err
}
dumped 'one name' 1 '/latent.npy$' --dump-filter latent
dumped 'two patterns' 2 '/\(latent\|noise\).npy$' --dump-filter 'late?t' --dump-filter '[n]oise'
dumped 'dots and slashes' 1 '/step000.unet.conv_out.npy$' --dump-filter 'step*.unet.conv_out'
dumped 'a name that nothing has' 0 '^$' --dump-filter 'latents'

# A terminal sees each of three steps and the image, in one place; a file sees none of them.
if grep -q 'HAVE_CHAFA 1' "$build/config.h" && script -qec true /dev/null > /dev/null 2>&1; then
    script -qec "stty cols 80 rows 24; '$sdgen' -m '$tiny' -p cat -W 64 -H 64 --steps 3 \
        --sampler euler --seed 1 --quiet --show-steps -o shown.png" typescript > /dev/null 2>&1
    pictures=$(tr '\033' '\n' < typescript | grep -c '^\[[0-9]*A')
    ok=true; { [ -s shown.png ] && [ "$pictures" -eq 3 ]; } || ok=false
    report $ok 'steps in a terminal' "$pictures pictures were drawn over"
    rm -f typescript shown.png
else
    skip 'steps in a terminal: needs libchafa, and script for the terminal'
fi
ok=true
draw -o shown.png --show-steps > out 2> err || ok=false
{ [ -s shown.png ] && [ ! -s out ] && [ ! -s err ]; } || ok=false
report $ok 'steps in a file' "$(cat err)"
rm -f shown.png out err

# Two calls that must succeed, and a full disk under standard output.
ok=true
{ "$sdgen" --version > version && grep -q '^sdgen [0-9]' version; } || ok=false
report $ok --version "$(cat version)"
ok=true
{ "$sdgen" --help > help && [ -s help ]; } || ok=false
report $ok --help ''
if [ -c /dev/full ]; then
    "$sdgen" --help > /dev/full 2> full
    status=$?
    ok=true; { [ $status -eq 1 ] && [ "$(wc -l < full)" -eq 1 ]; } || ok=false
    report $ok 'help on a full disk' "status $status: $(cat full)"
else
    skip '/dev/full'
fi

finish
