#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Which share of their parsers' lines fuzzers reach, from their first inputs and what a run has kept.  One
# whose inputs are all refused shows in it.  In a configured build folder, with clang and its llvm-cov:
#     OUT=/some/folder sh ../tests/fuzz/coverage.sh [TARGET...]
# CORPORA is a folder that has a corpus of each target's name, fuzz_json; none: first inputs alone.
set -eu

: "${CC:=clang}" "${OUT:=fuzz-coverage}" "${CORPORA:=}"
export CC OUT
# Of the version that clang has.
version=$("$CC" --version | sed -n 's/.*version \([0-9]*\)\..*/\1/p' | head -1)
find_tool() { command -v "$1-$version" || command -v "$1" || { echo "$0: missing: $1" >&2; exit 1; }; }
profdata=$(find_tool llvm-profdata) cov=$(find_tool llvm-cov)

CFLAGS='-O1 -g -fprofile-instr-generate -fcoverage-mapping -fsanitize=fuzzer-no-link' \
    sh "$(dirname "$0")/build.sh"
if [ $# -eq 0 ]; then
    for corpus in "$OUT"/*_seed_corpus; do
        set -- "$@" "$(basename "$corpus" _seed_corpus)"
    done
fi
for target; do
    corpus=
    [ -z "$CORPORA" ] || [ ! -d "$CORPORA/$target" ] || corpus=$CORPORA/$target
    # shellcheck disable=SC2086 # none or one
    LLVM_PROFILE_FILE=$OUT/$target.profraw "$OUT/$target" -runs=0 "$OUT/${target}_seed_corpus" $corpus \
        > "$OUT/$target.log" 2>&1 || { tail -3 "$OUT/$target.log" >&2; exit 1; }
    "$profdata" merge -o "$OUT/$target.profdata" "$OUT/$target.profraw"
    echo "$target"
    "$cov" report "$OUT/$target" -instr-profile="$OUT/$target.profdata" |
        awk '$10 + 0 > 0 && match($1, /(runtime\/(files|weights)|model|tools|bench)\//) {
                 printf "  %-50s %s\n", substr($1, RSTART), $10 }'
done
