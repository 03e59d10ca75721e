#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The long forms of what make check does in part, in the build folder: make soak.
set -u
top=${srcdir-.}
model=$(cd "$top" && pwd)/tests/golden/tiny-sd15
status=0
run() { echo "$*"; "$@" || status=1; }

run tests/cut_files "$model/unet/diffusion_pytorch_model.safetensors" 1 1000 4000
run tests/cut_files "$model/vae/diffusion_pytorch_model.safetensors" 1 1000 4000
run sh "$top/tests/soak/kills.sh" 200 KILL "$model"
run sh "$top/tests/soak/kills.sh" 200 TERM "$model"
run env SDRT_SOAK=1 srcdir="$top" sh "$top/tests/check_faults.sh"
exit $status
