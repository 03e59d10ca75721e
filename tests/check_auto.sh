#!/bin/sh
# SPDX-License-Identifier: MIT
#
# ./sdgen's proposals for models and LoRAs of few steps, and --auto, which takes them: on tiny models whose
# names say what they are.
set -u
. "${srcdir-.}/tests/support.sh"

build=$(pwd)
golden=$(cd "${srcdir-.}" && pwd)/tests/golden
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work" "$work.sdgen"' EXIT
cd "$work" || exit 1
sdgen=$(any_level "$build/sdgen" "$work.sdgen")
ln -s "$golden/tiny-sdxl" sdxl_lightning_4step
ln -s "$golden/tiny-sdxl" plain
ln -s "$golden/tiny-sdxl" dmd2_sdxl_4step
ln -s "$golden/tiny-sdxl" sdxl_lightning_1step_x0
mkdir loras
cp "$golden/lora/loha.safetensors" loras/Hyper-SD15-2steps-lora.safetensors

# parameters MODEL ARGUMENTS...: the picture's, in $text; what was told in $told.
parameters() {
    model=$1
    shift
    "$sdgen" -m "$model" -W 64 -H 64 --seed 5 --force -o out.png "$@" < /dev/null > /dev/null 2> told
    told=$(grep 'made for\|taken:\|predicts' told)
    text=$(grep -a -o 'Steps: .*Version: sdrt [0-9.]*' out.png)
    rm -f out.png
}

# says NAME PATTERN TOLD
says() {
    ok=true
    printf '%s\n' "$told" | grep -q -e "$3" || ok=false
    [ "$(printf '%s\n' "$told" | wc -l)" -eq 1 ] || ok=false
    printf '%s\n' "$text" | grep -q -e "$2" || ok=false
    report $ok "$1" "$told / $text"
}

parameters sdxl_lightning_4step -p cat --steps 1
says 'proposed, not taken' 'Steps: 1, Sampler: Euler a.*CFG scale: 7.5' \
    'sdxl_lightning_4step is an SDXL Lightning of 4 steps: made for --sampler euler --spacing trailing --cfg-scale 1 (--auto takes that)$'
parameters sdxl_lightning_4step -p cat --auto
says 'taken' 'Steps: 4, Sampler: Euler,.*CFG scale: 1,.*Spacing: trailing' \
    'taken: --sampler euler --spacing trailing --steps 4 --cfg-scale 1$'
parameters sdxl_lightning_4step -p cat --auto --steps 2 --sampler ddim
says 'what is given wins' 'Steps: 2, Sampler: DDIM,.*CFG scale: 1,.*Spacing: trailing' \
    'taken: --spacing trailing --cfg-scale 1$'
parameters sdxl_lightning_4step -p cat --steps 2 --sampler euler --spacing trailing --cfg-scale 1
says 'nothing is told where all is given' 'Steps: 2' '^$'
parameters plain -p cat --auto --steps 1
says 'nothing is told of another model' 'Steps: 1, Sampler: Euler a' '^$'
parameters dmd2_sdxl_4step -p cat --auto
says 'a list of timesteps' 'Steps: 4, Sampler: LCM,.*CFG scale: 1,.*Timesteps: "999,749,499,249"' \
    'taken: --sampler lcm --timesteps 999,749,499,249 --cfg-scale 1$'
parameters sdxl_lightning_1step_x0 -p cat --auto --steps 1
says 'one that cannot be drawn with' 'Steps: 1, Sampler: Euler a' 'predicts the image itself'
parameters "$golden/tiny-sd15" -p 'cat <lora:Hyper-SD15-2steps-lora>' --lora-dir loras --auto
says "a prompt's LoRA" 'Steps: 2, Sampler: DDIM,.*CFG scale: 1,.*Spacing: trailing' \
    'lora.safetensors is a Hyper-SD of 2 steps: taken: --sampler ddim'
parameters "$golden/tiny-sd15" -p cat --lora loras/Hyper-SD15-2steps-lora.safetensors --steps 1
says 'a LoRA of the command line' 'Steps: 1, Sampler: Euler a' 'Hyper-SD of 2 steps: made for'
parameters "$golden/tiny-sd15" -p cat --lora loras/Hyper-SD15-2steps-lora.safetensors:0 --steps 1
says 'a LoRA of no strength' 'Steps: 1, Sampler: Euler a' '^$'

finish
