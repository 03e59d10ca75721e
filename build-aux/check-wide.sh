#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Fails when common code holds instructions beyond its architecture's baseline (x86-64, Armv8.0):
# one stray inline function is enough to crash an older CPU.  The objects of an instruction set's
# own folder are left out, but for NEON's, which is Arm's baseline.  Run in a build tree:
#     check-wide.sh [OBJECT...]
# OBJDUMP names the program for objects of another machine.  Exit status 77 (skipped) where it is
# absent, or the objects are another architecture's.
set -eu

objdump=${OBJDUMP-objdump}
command -v "$objdump" > /dev/null || { echo "$objdump is absent"; exit 77; }
if [ $# -eq 0 ]; then
    set -- $(find kernels runtime model cli tools -name '*.o' ! -path '*/avx*/*' \
        ! -path '*/amx/*' ! -path '*/neonbf16/*' \
        ! -path '*/neonmmla/*' ! -path '*/neonf16/*')
fi
[ $# -gt 0 ] || { echo "$0: expected objects in $PWD" >&2; exit 2; }
case $("$objdump" -f "$1") in
    # VEX code works on xmm registers too, under mnemonics that start with v.
    *x86-64*) wide='%[yz]mm|:[[:space:]]+v[a-z0-9]+ .*%xmm' ;;
    # Products of bf16, bytes and halves, atomics of Armv8.1, and SVE's registers.
    *aarch64*)
        wide='bf(dot|mmla|mlal[bt]|cvtn?2?)|us?dot|sdot|u?s?mmla|fml[as]l2?|cas[alhbp]*|swp[alhb]*'
        wide="$wide|ld(add|set|clr|eor)[alhb]*"
        wide=":[[:space:]]+($wide)[[:space:]]|[[:space:],{][zp][0-9]+(\\.[bhsd]|/[mz])"
        # Arithmetic of halves, which the baseline only converts.
        wide="$wide|:[[:space:]]+f(n?m(add|sub|ul)|ml[as]|add|sub|div|max|min)[a-z]*[[:space:]]"
        wide="$wide+(v[0-9]+\\.[48]h|h[0-9]+),"
        ;;
    *) echo "neither x86-64 nor aarch64"; exit 77 ;;
esac
bad=0
for object; do
    n=$("$objdump" -d --no-show-raw-insn "$object" | grep -cE "$wide" || true)
    [ "$n" -eq 0 ] || { echo "$object: $n wide instructions"; bad=1; }
done
exit $bad
