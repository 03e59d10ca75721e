#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Fails when common code holds instructions wider than x86-64's baseline: one stray inline
# function is enough to crash an older CPU.  The objects of an instruction set's own folder
# are left out.  Run in a build tree:
#     check-wide.sh [OBJECT...]
# Exit status 77 (skipped) where the objects are not x86-64's, or without objdump.
set -eu

command -v objdump >/dev/null || { echo "objdump is absent"; exit 77; }
if [ $# -eq 0 ]; then
    set -- $(find kernels runtime model tools -name '*.o' ! -path '*/avx2/*' ! -path '*/avx512*/*' \
        ! -path '*/amx/*')
fi
[ $# -gt 0 ] || { echo "$0: expected objects in $PWD" >&2; exit 2; }
objdump -f "$1" | grep -q 'x86-64' || { echo "not x86-64"; exit 77; }
bad=0
for object; do
    # VEX code works on xmm registers too, under mnemonics that start with v.
    n=$(objdump -d --no-show-raw-insn "$object" | grep -cE '%[yz]mm|:[[:space:]]+v[a-z0-9]+ .*%xmm' || true)
    [ "$n" -eq 0 ] || { echo "$object: $n wide instructions"; bad=1; }
done
exit $bad
