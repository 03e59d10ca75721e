# SPDX-License-Identifier: MIT
# shellcheck shell=sh
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

# any_level PROGRAM SCRIPT: PROGRAM, or under emulation SCRIPT, made to run it in f32, which is five
# times as fast there as bf16.
any_level() {
    [ -n "${SDRT_EMULATED-}" ] || { echo "$1"; return; }
    # shellcheck disable=SC2016 # for the script
    printf '#!/bin/sh\nexec "%s" --isa neon "$@"\n' "$1" > "$2"
    chmod +x "$2"
    echo "$2"
}

skip() {
    skipped=$((skipped + 1))
    printf 'SKIP %s\n' "$1"
}

finish() {
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
}

# preload LIBRARY: what env sets for a program to be run with it; an emulator is not to have it itself.
preload() {
    if [ -n "${SDRT_EMULATED-}" ]; then echo "QEMU_SET_ENV=LD_PRELOAD=$1"; else echo "LD_PRELOAD=$1"; fi
}
