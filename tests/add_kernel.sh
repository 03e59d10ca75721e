#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Adds a kernel to a copy of the tree as README's "Add a kernel" says, a level's first of its
# family, and shows that nothing more is needed: it is tested, sdbench lists it, a fault in it is
# found, and each forgotten step is told:
#     tests/add_kernel.sh SOURCE_TREE FOLDER
# FOLDER must not exist.  Needs a configure script in the tree and a few minutes, so `make check`
# leaves it out.
set -eu

[ $# -eq 2 ] && [ -x "$1/configure" ] && [ ! -e "$2" ] ||
    { echo "usage: $0 SOURCE_TREE FOLDER, a bootstrapped tree and a new folder" >&2; exit 2; }
source=$(cd "$1" && pwd)
mkdir -p "$2/build"
tree=$(cd "$2" && pwd)
# shellcheck source=tests/support.sh
. "$source/tests/support.sh"

level=avx512bf16
new=kernels/$level/norm.c
row="SDRT_NORM_FILLER(SDRT_ISA_AVX512BF16, sdrt_norm_init_$level)"

# told NAME TEXT: check-levels.sh fails and says the text.
told() {
    if said=$(sh "$tree/build-aux/check-levels.sh" "$tree"); then report false "$1" 'passed'
    else
        case $said in
            *"$2"*) report true "$1" ;;
            *) report false "$1" "$said" ;;
        esac
    fi
}
build() { make -C "$tree/build" -s -j2 "$@" > "$tree/log" 2>&1; }
run_norm() { (cd "$tree/build" && ./tests/test_norm > "$tree/norm.log" 2>&1); }
ran() { grep -q "^.PASS. norm::layer_norm_$level" "$tree/norm.log"; }

(cd "$source" && tar -c -f - --exclude=./build --exclude=./.git .) | tar -x -f - -C "$tree"
cd "$tree/build"
SDRT_TESTDATA=$tree/tests CRITERION_VERBOSITY_LEVEL=1
export SDRT_TESTDATA CRITERION_VERBOSITY_LEVEL
../configure > "$tree/log" 2>&1 || { cat "$tree/log"; exit 1; }
grep -q '^#define HAVE_EMULATION' config.h || { skip "the compiler lacks a level"; finish; exit; }

# Step 1, the file with its filler; steps 2 and 3 are forgotten one after the other.
sed "s/sdrt_norm_init_avx512(/sdrt_norm_init_$level(/" ../kernels/avx512/norm.c > "../$new"
told 'the file alone' "$new: expected it in kernels/local.mk"
told 'the file alone, its filler' "sdrt_norm_init_$level: expected its row in kernels/levels.h"
sed "s,^AVX512BF16_FILES = ,&$new ," ../kernels/local.mk > "$tree/new" && mv "$tree/new" ../kernels/local.mk
told 'no row' "sdrt_norm_init_$level: expected its row in kernels/levels.h"
sed "s/^SDRT_GEMM_FILLER(SDRT_ISA_AVX512BF16, /$row\\
&/" ../kernels/levels.h > "$tree/new" && mv "$tree/new" ../kernels/levels.h
agree() { if sh "$tree/build-aux/check-levels.sh" "$tree"; then report true "$1"; else report false "$1"; fi; }
agree 'all steps'

# What make check and a bench make of it.
if build sdbench && build tests/test_norm; then report true 'it builds'
else
    report false 'it builds' "$(tail -n 3 "$tree/log")"
    finish
    exit 1
fi
agree 'its object'
if run_norm && ran; then report true 'its test runs'
else report false 'its test runs' "$(grep "$level" "$tree/norm.log")"; fi
if ./sdbench kernels norm --isa all --shape unet_1024_640 --seconds 0 \
    --threads 1 > "$tree/bench.log" 2>&1; then
    if grep -q "$level" "$tree/bench.log"; then report true 'sdbench lists it'
    else skip "this machine has no $level for sdbench"; fi
else report false 'sdbench' "$(tail -n 1 "$tree/bench.log")"; fi

# A fault in it must not pass.
sed 's/norm_fill(ops);/norm_fill(ops); ops->layer_norm = ops->ada_norm;/' "../$new" > "$tree/new"
mv "$tree/new" "../$new"
build tests/test_norm || report false 'the fault builds'
if run_norm; then report false 'a fault is found' 'passed'
elif grep -q "^.FAIL. norm::layer_norm_$level" "$tree/norm.log"; then report true 'a fault is found'
else report false 'a fault is found' "$(tail -n 1 "$tree/norm.log")"; fi

finish
