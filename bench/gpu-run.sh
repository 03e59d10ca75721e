#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# All that a GPU is asked, in at most eight minutes:
#     bench/gpu-run.sh BUILD [OUT]
# BUILD has sdbench, sdgen and the tests' programs; OUT, a folder, gets machine.txt, checks.txt,
# one JSON a measurement, ncu.csv, and summary.txt, which is printed last.  Each part is stopped in time
# and none ends the rest.  With SDRT_CUDA_LIBRARY naming the execution model, and GPU_RUN_DRY=1, which
# takes tiny models and one try of each, it can be rehearsed where there is no GPU.
set -u

[ $# -ge 1 ] || { echo "usage: $0 BUILD [OUT]" >&2; exit 2; }
build=$1 out=${2:-${OUT:-gpu-run}}
here=$(cd "$(dirname "$0")/.." && pwd)
golden=$here/tests/golden
mkdir -p "$out"
begun=$(date +%s)
dry=${GPU_RUN_DRY-}
slow=${dry:+20} # the execution model takes its time
[ -z "$dry" ] || export SDRT_ROOF_DIVISOR="${SDRT_ROOF_DIVISOR:-100000}" # nobody asks how fast the model is
limit=${GPU_RUN_SECONDS:-$((470 * ${slow:-1}))}
device=(--device "${GPU_RUN_DEVICE:-cuda}")

left() { echo $((limit - $(date +%s) + begun)); }

# part NAME SECONDS COMMAND...: its output goes to NAME.log, its exit status to summary.txt.
part() {
    local name=$1 most=$2 t0 status
    shift 2
    most=$((most * ${slow:-1}))
    if [ "$(left)" -le 5 ]; then
        echo "$name: no time left" | tee -a "$out/parts.txt"
        return
    fi
    [ "$most" -le "$(left)" ] || most=$(left)
    t0=$(date +%s)
    timeout "$most" "$@" > "$out/$name.log" 2>&1
    status=$?
    echo "$name: exit $status after $(($(date +%s) - t0)) s" | tee -a "$out/parts.txt"
}

# bench NAME SECONDS ARGUMENTS...: NAME.json beside the log.
bench() {
    local name=$1 most=$2
    shift 2
    part "$name" "$most" "$build/sdbench" "$@" "${device[@]}" -o "$out/$name.json" -o "$out/$name.md"
}

rm -f "$out"/*.{log,json,md,txt,csv,png}

# 1. What it is.
{
    date -u
    nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem,power.draw,power.limit,temperature.gpu \
        --format=csv
    nvcc --version | tail -n 2
    git -C "$here" log -1 --format=%H
} > "$out/machine.txt" 2>&1

# 2. The roofs and the gaps between launches: without them no figure means anything.
bench roofline 30 roofline

# 3. Right or wrong: attention of each head size by each kind of kernel beside the definition; whole tiny
# images beside the processor's and diffusers', then under the checkers.
if [ -x "$build/tests/test_gpu_attention" ]; then
    checked=(env SDRT_TEST_VERBOSE=1)
    [ -n "$dry" ] || checked+=(SDRT_TEST_GPU=1)
    part attention 40 "${checked[@]}" "$build/tests/test_gpu_attention"
fi
if [ -z "$dry" ] && [ -x "$build/tests/test_gpu_models" ]; then
    SDRT_TEST_GPU=1 SDRT_CUDA_FULL=1 SDRT_TEST_VERBOSE=1 SDRT_TESTDATA=$here/tests \
        part tests 60 "$build/tests/test_gpu_models"
fi
side=64
[ -z "$dry" ] || side=32
# shellcheck disable=SC2016 # for the shell that runs it
part images 60 bash -c 'for family in sd15 sd21 sdxl sd3 sd35; do
    "$0/sdgen" -m "$1/tiny-$family" -p "a cat" -W "$2" -H "$2" --steps 2 --cfg-scale 1 --seed 1 --quiet \
        -o "$3/tiny-$family.png" --device "$4" || exit 1
done' "$build" "$golden" "$side" "$out" "${device[1]}"
for tool in memcheck racecheck; do
    command -v compute-sanitizer > /dev/null || break
    part $tool 40 compute-sanitizer --tool $tool --error-exitcode 9 "$build/sdgen" \
        -m "$golden/tiny-sd15" -p "a cat" -W 64 -H 64 --steps 1 --seed 1 --force -o "$out/checked.png" \
        "${device[@]}"
done

# 4. Steps, layers and whole images.
if [ -n "$dry" ]; then
    tiny=(-m "$golden/tiny-sd15" --size 32x32 --batch 1 --iterations 1)
    bench layers-tiny 30 layers unet "${tiny[@]}"
    bench step-tiny 30 step "${tiny[@]}"
    bench vae-tiny 30 vae "${tiny[@]}"
    bench generate-tiny 30 generate "${tiny[@]}" --steps 1
    SDRT_CUDA_ATTENTION=warps bench layers-tiny-warps 30 layers unet "${tiny[@]}"
    SDRT_CUDA_LAUNCHES=plain bench step-tiny-plain 30 step "${tiny[@]}"
else
    bench step-sd15 40 step --arch sd15 --size 512x512 --iterations 15
    bench layers-sd15 30 layers unet --arch sd15 --size 512x512 --iterations 5
    bench step-sdxl 60 step --arch sdxl --size 1024x1024 --iterations 9
    bench layers-sdxl 50 layers unet --arch sdxl --size 1024x1024 --iterations 3
    bench vae-sd15 30 vae --arch sd15 --size 512x512 --iterations 5
    bench generate-sd15 40 generate --arch sd15 --size 512x512 --iterations 3
    bench step-sd35-medium 60 step --arch sd35-medium --size 1024x1024 --iterations 5
    # Launches one after the other; then attention as it was before it had warpgroups.
    SDRT_CUDA_LAUNCHES=plain bench step-sd15-plain 40 step --arch sd15 --size 512x512 --iterations 15
    SDRT_CUDA_LAUNCHES=plain bench step-sdxl-plain 60 step --arch sdxl --size 1024x1024 --iterations 9
    SDRT_CUDA_ATTENTION=warps bench layers-sd15-warps 30 layers unet --arch sd15 --size 512x512 --iterations 5
    SDRT_CUDA_ATTENTION=warps bench layers-sdxl-warps 50 layers unet --arch sdxl --size 1024x1024 --iterations 3
fi

# 5. Counters of some launches: what binds each kernel.
if command -v ncu > /dev/null; then
    part ncu 40 ncu --clock-control none --csv -c 40 --metrics \
sm__inst_executed_pipe_tensor.avg.pct_of_peak_sustained_active,sm__throughput.avg.pct_of_peak_sustained_elapsed,dram__throughput.avg.pct_of_peak_sustained_elapsed,l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum,launch__registers_per_thread,sm__warps_active.avg.pct_of_peak_sustained_active \
        "$build/sdbench" step --arch sd15 --size 512x512 --iterations 1 "${device[@]}"
    cp "$out/ncu.log" "$out/ncu.csv"
fi

# 6. The summary: each part's end, and the tables.
{
    cat "$out/machine.txt" "$out/parts.txt"
    for name in roofline step-sd15 step-sd15-plain step-sdxl step-sdxl-plain step-sd35-medium vae-sd15 \
        generate-sd15 step-tiny step-tiny-plain generate-tiny; do
        [ -f "$out/$name.md" ] || continue
        echo
        echo "== $name"
        cat "$out/$name.md"
    done
    for name in layers-sd15 layers-sd15-warps layers-sdxl layers-sdxl-warps layers-tiny layers-tiny-warps; do
        [ -f "$out/$name.md" ] || continue
        echo
        echo "== $name, the classes"
        awk '/operations/ { shown = 1 } shown' "$out/$name.md"
    done
} > "$out/summary.txt"
cat "$out"/*.log > "$out/checks.txt" 2> /dev/null
rm -f "$out"/*.log "$out"/*.md "$out"/tiny-*.png "$out/checked.png"
cat "$out/summary.txt"
echo "all of it: $(($(date +%s) - begun)) s"
grep -q 'exit [^0]' "$out/parts.txt" && exit 1
exit 0
