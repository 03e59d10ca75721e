#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     tools/demo-model/make.sh WORK OUT [MINUTES]
#
# Trains the small model from nothing and writes it to OUT in the layout of diffusers. WORK keeps
# checkpoints: a run that was stopped goes on from them. Needs Debian's fonts-noto-color-emoji,
# and Python with torch, diffusers, transformers, peft, OpenCV and PIL (PYTHON names it).
set -eu
work=$1 out=$2 minutes=${3-120}
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON-python3}

mkdir -p "$work"
[ -d "$work/tokenizer" ] || "$python" "$here/make_tokenizer.py" "$work/tokenizer"
[ -f "$work/latents.pt" ] || "$python" "$here/make_latents.py" "$work"
"$python" "$here/train_vae.py" "$work" --minutes "$minutes" > "$work/vae.log" 2>&1 &
"$python" "$here/train_unet.py" "$work" --minutes "$minutes" > "$work/unet.log" 2>&1
wait
"$python" "$here/export.py" "$work" "$out"
"$python" "$here/train_taesd.py" "$out" "$out/taesd" &
"$python" "$here/train_lora.py" "$out" "$out/lora/cyanotype.safetensors"
wait
"$python" "$here/train_control.py" "$out" "$out/canny"
"$python" "$here/train_ip.py" "$out" "$out/ip-adapter"
