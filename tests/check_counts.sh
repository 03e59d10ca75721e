#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Holds Arm's kernels to the instructions that they take, as qemu runs them: a figure that is the
# same on every machine and in every run.  Of all vector operations the products have at least a
# share, and a product takes at most so many instructions, loads and loops and all.  SDRT_QEMU says
# how to run a program (build-aux/arm.sh sets it); without it there is nothing to count with.
set -u
. "${srcdir-.}/tests/support.sh"

[ -n "${SDRT_QEMU-}" ] || { echo 'SDRT_QEMU names no emulator'; exit 77; }
source=$(cd "${srcdir-.}" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
# The plugin belongs to the emulator, so to this machine.
"${HOST_CC-cc}" -O2 -shared -fPIC -o "$work/count.so" "$source/tests/count_plugin.c" ||
    { echo 'no compiler for this machine'; exit 77; }

# Threads that OpenBLAS starts and nothing here uses spin, as long as they like.
export OPENBLAS_NUM_THREADS=1
program=$(pwd)/tests/kernel_counts
[ ! -x tests/.libs/kernel_counts ] || program=$(pwd)/tests/.libs/kernel_counts
count() {
    # shellcheck disable=SC2086 # a command with arguments
    $SDRT_QEMU -plugin "$work/count.so" -d plugin -D "$work/out" "$program" "$@" &&
        grep '^instructions' "$work/out"
}

# hold LEVEL KERNEL SHARE MOST: products are SHARE % of vector operations at least, and MOST
# instructions go with a hundred of them at most.
hold() {
    # shellcheck disable=SC2086 # a command with arguments
    $SDRT_QEMU "$program" "$1" "$2" dry
    if [ $? -eq 77 ]; then
        skip "$1 $2: not on this processor"
        return
    fi
    if ! with=$(count "$1" "$2") || ! without=$(count "$1" "$2" dry); then
        report false "$1 $2" 'it does not run'
        return
    fi
    # shellcheck disable=SC2046,SC2086 # words: "instructions N products N vector N ..."
    set -- "$@" $(echo $with $without | awk '{
        products = $4 - $16; share = products / (products + $6 - $18) * 100
        printf "%d %.1f %.0f", products, share, ($2 - $14) / products * 100 }')
    echo "$1 $2 $5" >> "$work/products"
    echo "$1 $2: $5 products, $6 % of vector operations, $7 instructions a hundred"
    ok=false
    if awk -v s="$6" -v least="$3" -v n="$7" -v most="$4" \
        'BEGIN { exit !(s >= least && n <= most) }'; then ok=true; fi
    report $ok "$1 $2" "$6 % and $7 instructions a hundred products; expected $3 and $4"
}

hold neon gemm 97 138
hold neon conv1 86 156
hold neon conv 87 168
hold neon attention 88 171
hold neonbf16 gemm 95 142
hold neonbf16 conv1 76 185
hold neonbf16 attention 81 205
# Half of neonbf16's products, so that what is around them weighs twice: SiLU in conv1, which no
# 1x1 convolution of the models has, and the exponential of attention.
hold neonmmla gemm 96 170
hold neonmmla conv1 76 218
hold neonmmla proj 95 176
hold neonmmla conv 94 162
hold neonmmla attention 68 290
hold neonf16 gemm 93 148
hold neonf16 conv1 73 188
hold neonf16 attention 70 220

# half KERNEL: BFMMLA's products are half of BFDOT's, but for f32's in a prologue or an exponential.
half() {
    ratio=$(awk -v kernel="$1" '$2 == kernel { n[$1] = $3 }
        END { if (n["neonmmla"] && n["neonbf16"]) printf "%.3f", n["neonmmla"] / n["neonbf16"] }' \
        "$work/products")
    [ -n "$ratio" ] || return 0
    ok=false
    if awk -v ratio="$ratio" 'BEGIN { exit !(ratio <= 0.53) }'; then ok=true; fi
    report $ok "neonmmla $1, beside neonbf16" "$ratio of its products; expected half"
}
touch "$work/products"
half gemm
half conv1
half attention
finish
