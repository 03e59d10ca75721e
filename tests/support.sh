# SPDX-License-Identifier: MIT
#
# For the check scripts: counts what they try and ends with the line that
# build-aux/summary.sh reads.

passed=0
failed=0
skipped=0

# report OK NAME [DETAIL]: OK is true or false.
report() {
    if "$1"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL %s: %s\n' "$2" "${3-}"
    fi
}

skip() {
    skipped=$((skipped + 1))
    printf 'SKIP %s\n' "$1"
}

finish() {
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
}
