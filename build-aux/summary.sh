#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Sums up the logs that `make check` left in some folders, in one last line:
#     summary.sh FOLDER...
#     N passed, N failed, N skipped
# A program's own count is taken from Criterion's lines or from a last line of that same
# form; a program that counts nothing counts as one test.  Its exit status, kept by
# automake in the .trs file beside the log, always has the last word: a program that
# failed without saying so counts as one failure more.  Exit status 1 on any failure,
# or when there is nothing to sum up.  What failed is shown before: at most 20 lines of a program.
set -eu

[ $# -gt 0 ] || { echo "usage: $0 FOLDER..." >&2; exit 2; }
results=$(for folder; do
    for trs in "$folder"/*.trs; do [ ! -f "$trs" ] || printf '%s\n' "$trs"; done
done)
[ -n "$results" ] || { echo "0 passed, 0 failed, 0 skipped: no test has run"; exit 1; }

printf '%s\n' "$results" | while IFS= read -r trs; do
    grep -q -E '^:global-test-result: (PASS|SKIP)$' "$trs" && continue
    printf -- '---- %s\n' "${trs%.trs}"
    { grep -a -E '^(FAIL|\[FAIL\]|\[----\]|.*(runtime error|Sanitizer):)' "${trs%.trs}.log" ||
        tail -n 5 "${trs%.trs}.log" || true; } 2> /dev/null | head -n 20
done

printf '%s\n' "$results" | while IFS= read -r trs; do
    printf 'program %s %s\n' "$(sed -n 's/^:global-test-result: //p' "$trs")" "${trs##*/}"
    grep -a -E '^\[SKIP\]|^\[====\] Synthesis|^([^ ]+: )?[0-9]+ passed, [0-9]+ failed, [0-9]+ sk' \
        "${trs%.trs}.log" || true
done | awk '
    function close_program() {
        if (name == "") return
        if (!counted && result == "PASS") passed++
        else if (!counted && result == "SKIP") skipped++
        if (result != "PASS" && result != "SKIP" && bad == 0) bad = 1
        if (bad) culprits = culprits " " name
        failed += bad
    }
    $1 == "program" {
        close_program()
        result = $2; name = $3; sub(/\.trs$/, "", name)
        counted = bad = 0
        next
    }
    $1 == "[SKIP]" { counted = 1; skipped++; next }
    /^\[====\]/ {
        counted = 1
        for (i = 1; i < NF; i++) {
            if ($i == "Passing:") passed += $(i + 1)
            if ($i == "Failing:") bad += $(i + 1)
        }
        next
    }
    {
        counted = 1
        sub(/^[^ ]+: /, "")
        passed += $1; bad += $3; skipped += $5
    }
    END {
        close_program()
        if (failed) print "failed:" culprits
        printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
        exit failed > 0
    }'
