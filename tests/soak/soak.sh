#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The long forms of what make check does in part, in the build folder: make soak.
set -u
top=${srcdir-.}
golden=$(cd "$top" && pwd)/tests/golden
model=$golden/tiny-sd15
status=0
run() { echo "$*"; "$@" || status=1; }

run tests/cut_files "$model/unet/diffusion_pytorch_model.safetensors" 1 1000 4000
run tests/cut_files "$model/vae/diffusion_pytorch_model.safetensors" 1 1000 4000
for file in lora/kohya-ggml.gguf lora/kohya-torch.pt pickle/zip.pt pickle/zip4.pt pickle/old.pt pickle/old4.pt \
    pickle/oldest.pt pickle/training.ckpt; do
    run tests/cut_files "$golden/$file" 1 0 4000
done
run tests/cut_files "$golden/pictures/init.png" 1 0 4000
run tests/cut_files "$golden/pictures/init.png" 1 0 4000 jpeg
run tests/cut_files "$golden/pictures/init.png" 1 0 4000 webp
run sh "$top/tests/soak/kills.sh" 200 KILL "$model"
run sh "$top/tests/soak/kills.sh" 200 TERM "$model"
lora=$golden/lora/kohya
# Without the C library's lists for each thread, which count as given out.
run env GLIBC_TUNABLES=glibc.malloc.tcache_count=0 tests/soak_images "$model" 10000 "$lora-lora.safetensors" "$lora-torch.pt" "$lora-ggml.gguf"
run sh "$top/tests/soak/valgrind.sh" "$golden"
run env SDRT_SOAK=1 srcdir="$top" sh "$top/tests/check_faults.sh"
exit $status
