#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The long forms of what make check does in part, in the build folder: make soak.  SOAK_SHARE=20 does a
# twentieth of what is counted.
set -u
share=${SOAK_SHARE:-1}
top=${srcdir-.}
golden=$(cd "$top" && pwd)/tests/golden
model=$golden/tiny-sd15
status=0
run() { echo "$*"; "$@" || status=1; }

run tests/cut_files "$model/unet/diffusion_pytorch_model.safetensors" "$share" $((1000 / share)) $((4000 / share))
run tests/cut_files "$model/vae/diffusion_pytorch_model.safetensors" "$share" $((1000 / share)) $((4000 / share))
for file in lora/kohya-ggml.gguf lora/kohya-torch.pt pickle/zip.pt pickle/zip4.pt pickle/old.pt pickle/old4.pt \
    pickle/oldest.pt pickle/training.ckpt; do
    run tests/cut_files "$golden/$file" "$share" 0 $((4000 / share))
done
for format in '' jpeg webp; do
    # shellcheck disable=SC2086 # none is no argument
    run tests/cut_files "$golden/pictures/init.png" "$share" 0 $((4000 / share)) $format
done
run sh "$top/tests/soak/kills.sh" $((200 / share)) KILL "$model"
run sh "$top/tests/soak/kills.sh" $((200 / share)) TERM "$model"
lora=$golden/lora/kohya
# Without the C library's lists for each thread, which count as given out.
run env GLIBC_TUNABLES=glibc.malloc.tcache_count=0 tests/soak_images "$model" $((10000 / share)) "$lora-lora.safetensors" "$lora-torch.pt" "$lora-ggml.gguf"
run sh "$top/tests/soak/valgrind.sh" "$golden"
run env SDRT_SOAK="$share" srcdir="$top" sh "$top/tests/check_faults.sh"
exit $status
