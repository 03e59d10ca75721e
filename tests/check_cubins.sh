#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What nvcc made of CUDA's kernels: no spills, no products of warpgroups that wait for each other,
# none for sm_90a that does not wait for the launch before, and innermost loops that leave the tensor cores their time.  A warp issues at most one instruction
# a clock, and a quarter of a multiprocessor at most one for all its warps; so the instructions of a
# loop over the clocks that the matrix unit takes for its products say, with no GPU at hand, whether
# bookkeeping or products bind it.  Needs a build with --with-cuda; the loops need cuobjdump too.
#     check_cubins.sh [FATBIN]
set -eu

fatbin=${1:-kernels/cuda/all.fatbin}
[ -f "$fatbin" ] && [ -f "$fatbin.log" ] || { echo "no nvcc: no machine code to look at"; exit 77; }

awk '/Compiling entry function/ { gsub("\047", ""); name = $7; arch = $9; kernels++ }
    /spill stores/ && ($5 > 0 || $9 > 0) { print name, arch ": spills:", $0; bad = 1 }
    /serialized/ { print; bad = 1 }
    END {
        if (!kernels) print "no kernels in the log of ptxas"
        exit bad || !kernels
    }' "$fatbin.log"

# A block of sm_75 has 64 KiB of shared memory, what its kernels declare and what a launch asks for.
sed -n 's/^SDRT_CUDA_KERNEL(\(.*\))$/\1/p' "${srcdir-.}/kernels/cuda/list.h" | awk -F ', *' '
    FILENAME == "-" { asked[$1] = $4; next }
    /Compiling entry function/ { gsub("\047", ""); split($0, word, " "); name = word[7]; arch = word[9] }
    /Used [0-9]+ registers/ && arch == "sm_75" {
        match($0, /[0-9]+ registers/)
        registers = substr($0, RSTART, RLENGTH)
        own = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH) + 0 : 0
        printf("%s sm_75: %s, %d bytes of shared memory\n", name, registers, own + asked[name])
        if (own + asked[name] > 65536) { print name, "sm_75: too much shared memory"; bad = 1 }
        kernels++
    }
    END {
        if (!kernels) print "no kernels for sm_75"
        exit bad || !kernels
    }' - "$fatbin.log"

# Of sm_90a a block of the kernels of warpgroups has a multiprocessor for itself: its registers as they are
# dealt out, in eights, and 227 KiB of shared memory.
sed -n 's/^SDRT_CUDA_KERNEL(\(.*\))$/\1/p' "${srcdir-.}/kernels/cuda/list.h" | awk -F ', *' '
    FILENAME == "-" { threads[$1] = $2; asked[$1] = $3; next }
    /Compiling entry function/ { gsub("\047", ""); split($0, word, " "); name = word[7]; arch = word[9] }
    /Used [0-9]+ registers/ && arch == "sm_90a" && name ~ /wgmma/ {
        match($0, /[0-9]+ registers/)
        registers = substr($0, RSTART, RLENGTH) + 0
        own = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH) + 0 : 0
        printf("%s sm_90a: %d registers, %d bytes of shared memory\n", name, registers, own + asked[name])
        if (int((registers + 7) / 8) * 8 * threads[name] > 65536) { print name, "sm_90a: too many registers"; bad = 1 }
        if (own + asked[name] > 232448) { print name, "sm_90a: too much shared memory"; bad = 1 }
        kernels++
    }
    END {
        if (kernels != 7) print "of 7 kernels of warpgroups for sm_90a there are", kernels + 0
        exit bad || kernels != 7
    }' - "$fatbin.log"

dump=$(command -v cuobjdump || true)
[ -n "$dump" ] || dump=${CUOBJDUMP:-}
[ -n "$dump" ] || { echo "no cuobjdump: the loops are not looked at"; exit 0; }

# The shortest backward branch whose body has a product of matrices, of each kernel.  A warp'\''s
# m16n8k16 takes a quarter'\''s unit 8 clocks on A100, its m16n8k8 as many on T4; a product of a warpgroup
# 4 for as much as the former.
"$dump" -sass "$fatbin" | awk '
function number(hex,    i, n) {
    for (i = 1; i <= length(hex); i++) n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
    return n
}
function clocks(op,    shape) {
    if (op ~ /^HMMA\.(16816|1688)/) return 8
    if (op ~ /^HGMMA/) { split(op, shape, /[.x]/); return 16 * shape[3] * shape[4] / 2048 * 4 }
    return 0
}
function limit() {
    if (arch == "sm_75" && name == "product_128x128") return 0.3
    if (arch == "sm_75" && name == "product_f8_128x128") return 0.35
    if (arch == "sm_75" && name == "attention_64") return 0.6
    if (arch == "sm_80" && name == "product_128x128") return 0.35
    if (arch == "sm_80" && name == "product_64x64") return 0.7
    if (arch == "sm_80" && name == "product_f8_128x128") return 0.5
    if (arch == "sm_80" && name == "attention_64") return 1.0
    if (arch == "sm_90a" && name ~ /^product_wgmma/) return 0.35
    if (arch == "sm_90a" && name == "attention_wgmma_40") return 1.25
    if (arch == "sm_90a" && name == "attention_wgmma_64") return 0.9
    if (arch == "sm_90a" && name == "attention_wgmma_80") return 0.75
    if (arch == "sm_90a" && name ~ /^attention_wgmma/) return 0.55
    return 0
}
# Kernels of sm_75 that must multiply by tensor cores; of large tiles none reads sources there.
function multiplies() {
    return arch == "sm_75" && name ~ /^(product_.*[0-9]x|attention_)[0-9]+$/ && name != "product_read_128x128"
}
function finish(    i, j, body, sum, best, best_sum, most) {
    best = 0
    for (i = 1; i <= n; i++) {
        if (target[i] == "" || target[i] >= at[i]) continue
        sum = body = 0
        for (j = i; j >= 1 && at[j] >= target[i]; j--) { body++; sum += clocks(op[j]) }
        if (sum > 0 && (!best || body < best)) { best = body; best_sum = sum }
    }
    most = limit()
    if (best)
        printf("%s %s: %d instructions for %d clocks of products: %.2f%s\n", name, arch, best,
               best_sum, best / best_sum,
               (most && best / best_sum > most) ? ", expected " most : "")
    if ((most || multiplies()) && !best) { print name, arch ": no loop with products"; bad = 1 }
    if (most && (!best || best / best_sum > most)) bad = 1
    if (most) looked++
    if (arch == "sm_90a" && n && !waits) { print name, "sm_90a: never waits for the launch before"; bad = 1 }
    n = waits = 0
}
/code for sm_/ { finish(); arch = $3 }
/Function : / { finish(); name = $3 }
/^[ \t]*\/\*[0-9a-f]+\*\/[ \t]/ {
    line = $0
    sub(/^[ \t]*\/\*/, "", line)
    n++
    at[n] = number(substr(line, 1, index(line, "*") - 1))
    sub(/^[^\/]*\/[ \t]+/, "", line)
    sub(/^@!?U?P[0-9T]+[ \t]+/, "", line)
    op[n] = line
    sub(/[ ;].*/, "", op[n])
    if (op[n] ~ /^ACQBULK/) waits = 1
    target[n] = ""
    if (op[n] ~ /^BRA/ && match(line, /0x[0-9a-f]+/))
        target[n] = number(substr(line, RSTART + 2, RLENGTH - 2))
}
END { finish(); if (!looked) print "no kernel has a limit"; exit bad || !looked }'
