#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What a program does when an allocation of its own fails, or a file becomes shorter while it is read:
# one line, an exit status of 1, the old file as it was, nothing beside it.  A share of all the places,
# another one each day; SDRT_SOAK=1 tries all of them, SDRT_SOAK=20 a twentieth, and both tell how many.
set -u
. "${srcdir-.}/tests/support.sh"

build=$(pwd)
top=$(cd "${srcdir-.}" && pwd)
golden=$top/tests/golden
tiny=$golden/tiny-sd15
faults=$build/tests/.libs/libfaults.so
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/out" && cd "$work/out" || exit 1
sdgen=$build/sdgen
if [ ! -f "$faults" ] || grep -q '^CFLAGS.*fsanitize=' "$build/Makefile"; then
    skip 'faults: they take a library of their own, loaded before no sanitizer'
    finish
    exit
fi
every=${SDRT_SOAK-}
# Emulated, a run takes a second, so fewer of them, in f32 and of a small picture; how many is told.
told=$every first=12 last=80 less=1 limit=60
set --
if [ -n "${SDRT_EMULATED-}" ]; then
    told=emulated first=4 last=20 less=4 limit=600
    set -- --isa neon -W 8 -H 8
fi
varies=false # a good end may say other than without a fault
day=$(date +%j | sed 's/^0*//')

# run VARIABLES -- PROGRAM...: under the faults that the variables say.
run() {
    timeout -s KILL $limit env "$(preload "$faults")" "$@" < /dev/null > "$work/stdout" 2> "$work/stderr"
}

# judge NAME STATUS: what the program left is as it must be.
judge() {
    good=true
    lines=$(wc -l < "$work/stderr")
    case $2 in
    0) [ "$lines" -eq 0 ] && { [ -z "$reference" ] || cmp -s x.png "$reference"; } || good=false
       sed 's/planned in [0-9.]* ms//' "$work/stdout" | cmp -s - "$work/said" || $varies || good=false ;;
    1) [ "$lines" -eq 1 ] && [ "$(cat x.png)" = old ] || good=false
       grep -q 'error: .' "$work/stderr" || good=false ;;
    *) good=false ;;
    esac
    [ "$(ls -A)" = x.png ] || good=false
    # An early end at a signal apart, all that was taken is given back.
    [ -z "${leaks-}" ] || [ "$(cat "$work/leaks")" -le "$leaks" ] || good=false
    if ! $good; then
        bad=$((bad + 1))
        [ $bad -gt 5 ] || printf '%s: status %s: %s\n' "$1" "$2" "$(head -c 300 "$work/stderr")"
    fi
    tried=$((tried + 1))
}

# allocations NAME SHARE PROGRAM...: one in SHARE of the ways to an allocation.
allocations() {
    name=$1 share=${every:-$(($2 * less))}
    shift 2
    reference='' tried=0 bad=0
    printf old > x.png
    run FAULT_SITES="$work/sites" "$@"
    printf old > x.png
    run FAULT_LEAKS="$work/leaks" "$@"
    leaks=$(cat "$work/leaks")
    sed 's/planned in [0-9.]* ms//' "$work/stdout" > "$work/said"
    [ "$(cat x.png)" = old ] || { reference=$work/reference; cp x.png "$reference"; }
    # The first decide what is looked at and what is not, among the last parameters and name are written: all.
    end=$(wc -l < "$work/sites")
    for n in $(awk "NR <= $first || NR > $end - $last || (NR + $day) % $share == 0" "$work/sites"); do
        printf old > x.png
        run FAULT_ALLOC="$n" FAULT_LEAKS="$work/leaks" "$@"
        judge "$name, allocation $n" $?
    done
    leaks=''
    ok=true
    [ $bad -eq 0 ] && [ $tried -gt 0 ] || ok=false
    [ -z "$told" ] || echo "$name: $tried allocations, $bad wrong"
    report $ok "$name: $tried allocations" "$bad of them were not told, or left something"
}

# cuts NAME SHARE FILE PROGRAM...: FILE is cut at one in SHARE of the moments when it is read.
cuts() {
    name=$1 share=${every:-$(($2 * less))} file=$3
    shift 3
    reference='' tried=0 bad=0
    cp "$file" "$work/whole"
    printf old > x.png
    run FAULT_CUT="$file" FAULT_COUNT="$work/count" "$@"
    sed 's/planned in [0-9.]* ms//' "$work/stdout" > "$work/said"
    [ "$(cat x.png)" = old ] || { reference=$work/reference; cp x.png "$reference"; }
    n=1
    while [ $n -le "$(cat "$work/count")" ]; do
        for to in 0 4096; do
            cp "$work/whole" "$file"
            printf old > x.png
            run FAULT_CUT="$file" FAULT_CUT_AT=$n FAULT_CUT_TO=$to "$@"
            status=$?
            # What is cut before it is opened may be another file, which is told otherwise.
            judge "$name, cut to $to at $n" $status
        done
        n=$((n + share))
    done
    cp "$work/whole" "$file"
    ok=true
    [ $bad -eq 0 ] && [ $tried -gt 0 ] || ok=false
    [ -z "$told" ] || echo "$name: $tried cuts, $bad wrong"
    report $ok "$name: $tried cuts" "$bad of them were not told, or left something"
}

# In part what make soak does whole.
cd "$work" || exit 1
for part in unet vae; do
    ok=true
    "$build/tests/cut_files" "$tiny/$part/diffusion_pytorch_model.safetensors" 41 50 200 > cuts || ok=false
    report $ok "cuts and bits: $part" "$(cat cuts)"
done
for file in lora/kohya-ggml.gguf lora/kohya-torch.pt pickle/zip.pt pickle/old.pt pickle/oldest.pt; do
    ok=true
    "$build/tests/cut_files" "$golden/$file" 29 0 100 > cuts || ok=false
    report $ok "cuts and bits: $file" "$(cat cuts)"
done
for format in '' jpeg webp; do
    ok=true
    "$build/tests/cut_files" "$golden/pictures/init.png" 41 0 100 $format > cuts 2>&1
    status=$?
    if [ $status -eq 2 ] && [ -n "$format" ]; then
        skip "cuts and bits: this build has no library for $format"
        continue
    fi
    [ $status -eq 0 ] || ok=false
    report $ok "cuts and bits: a picture ${format:-png}" "$(cat cuts)"
done
for signal in KILL TERM; do
    ok=true
    (cd "$build" && sh "$top/tests/soak/kills.sh" 12 $signal "$tiny" "$@") > kills || ok=false
    report $ok "kills: $signal" "$(cat kills)"
done
cd out || exit 1

draw="$sdgen -m $tiny -p apple -W 8 -H 8 --steps 2 --seed 1 --threads 1 --quiet -o x.png --force $*"
allocations 'an image' 24 $draw
allocations 'a LoRA' 64 $draw --lora "$golden/lora/kohya-lora.safetensors"
allocations '--inspect' 16 "$sdgen" --inspect "$tiny"
allocations '--plan' 48 "$sdgen" -m "$tiny" --plan -W 64 -H 64

cp -R "$tiny" "$work/model" && chmod -R u+w "$work/model"
cp "$golden/lora/kohya-lora.safetensors" "$work/lora.safetensors"
cut="$sdgen -m $work/model -p apple -W 8 -H 8 --steps 1 --seed 1 --threads 1 --quiet -o x.png --force $*"
cuts 'the U-Net' 60 "$work/model/unet/diffusion_pytorch_model.safetensors" $cut
cuts 'the text encoder' 60 "$work/model/text_encoder/model.safetensors" $cut
cuts 'a LoRA' 60 "$work/lora.safetensors" $cut --lora "$work/lora.safetensors"
for form in torch.pt ggml.gguf; do
    cp "$golden/lora/kohya-$form" "$work/lora-$form"
    cuts "a LoRA as $form" 24 "$work/lora-$form" $cut --lora "$work/lora-$form"
done
varies=true # it is told as what it is when it is looked at
cuts '--inspect' 6 "$work/model/unet/diffusion_pytorch_model.safetensors" "$sdgen" --inspect "$work/model"
for file in lora/kohya-ggml.gguf pickle/zip.pt pickle/old.pt pickle/oldest.pt; do
    cp "$golden/$file" "$work/inspected"
    cuts "--inspect of ${file##*/}" 9 "$work/inspected" "$sdgen" --inspect "$work/inspected"
done
finish
