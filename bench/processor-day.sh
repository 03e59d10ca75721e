#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The day of a new processor: some 40 minutes of a machine that has nothing else to do.  Without
# choices:
#     bench/processor-day.sh
# builds, tests, times and draws, and writes one archive to send, whose bench.* belong into
# bench/results.  What fails is told and in the archive too; the rest still runs.
#
# To try the script itself: SDRT_DAY_SHORT=1 takes two tests, a tiny network and two steps of the
# image, SDRT_DAY_BUILD a tree that is built already.  SDRT_DAY_DIFFUSERS, a folder of SD 1.5 as
# diffusers', times torch and OpenVINO beside sdrt where Python has them.
# shellcheck disable=SC2317 # step calls them
set -u
cd "$(dirname "$0")/.." || exit 1

short=${SDRT_DAY_SHORT-}
steps=20
[ -z "$short" ] || steps=2
build=${SDRT_DAY_BUILD-build}
name=processor-day-$(uname -m)-$(date -u +%Y%m%dT%H%M%SZ)
out=$PWD/$name
mkdir "$out" || exit 1

say() { printf '%s\n' "$*" | tee -a "$out/report.txt" >&2; }

cat >&2 << END
This takes about 40 minutes on a Raspberry Pi 5, less on a larger machine; please leave it alone
meanwhile.  It will
  1. build in $build (./bootstrap, which asks for a password if Debian packages are missing),
  2. run all tests, and refuse to skip an instruction set that the processor has,
  3. time the networks and kernels with random weights (3 GB of memory), at each of these levels,
  4. draw the small model's image and compare it with the one that comes with the sources,
  5. write $name.tar.gz here.
The archive has the processor's and the system's description, the logs (with the folders' names) and
the figures.  Nothing is sent; nothing outside this folder changes but those packages.
END

failed=0
# step NAME COMMAND...: its output goes to NAME.log, its end and time into the report.
step() {
    what=$1
    shift
    say "$what ..."
    from=$(date +%s)
    if "$@" > "$out/$what.log" 2>&1; then result=ok; else result="FAILED ($?)" failed=1; fi
    say "$what: $result, $(($(date +%s) - from)) s"
    [ "$result" = ok ]
}

archive() {
    tar -czf "$name.tar.gz" "$name" && rm -rf "$name" &&
        echo "Thank you.  Please send $PWD/$name.tar.gz" >&2
    exit "$failed"
}

# ---- the machine ----

system() {
    uname -srm
    git log -1 --format='commit %H' 2> /dev/null
    git status --short 2> /dev/null
    if [ "$(uname)" = Darwin ]; then
        sysctl hw machdep.cpu
        return
    fi
    cat /etc/os-release /proc/meminfo
    grep -v '^Serial' /proc/cpuinfo
    cat /sys/devices/system/cpu/cpufreq/policy*/scaling_governor 2> /dev/null
    cat /sys/kernel/mm/transparent_hugepage/enabled 2> /dev/null
    lscpu
}

# A Pi that becomes too hot or has too weak a supply slows down: bits of "throttled" that are not 0.
heat() {
    cat /sys/class/thermal/thermal_zone*/temp 2> /dev/null
    if command -v vcgencmd > /dev/null 2>&1; then vcgencmd get_throttled; fi
    uptime
}

# listed NAMES PAIR...: of the pairs FEATURES:LEVEL (features joined by +) the levels that are built
# and of whose features all are in NAMES.
listed() {
    names=" $1 "
    shift
    for pair; do
        for feature in $(echo "${pair%:*}" | tr + ' '); do
            case $names in *" $feature "*) ;; *) continue 2 ;; esac
        done
        [ ! -d "kernels/${pair#*:}" ] || printf '%s ' "${pair#*:}"
    done
}

# from_cpuinfo FIELD: its value, of the first processor.
from_cpuinfo() { sed -n "s/^$1[^:]*: *//p" /proc/cpuinfo 2> /dev/null | head -1; }

# The levels that this processor has by what the system says of it, and that are built, slowest
# first.  bf16's choose themselves on Arm's own cores (implementer 0x41) and on AMD's alone, where
# their products are faster than f32's.
levels() {
    case $(uname -m) in
        aarch64 | arm64)
            features="$(from_cpuinfo Features) asimd"
            [ "$(from_cpuinfo 'CPU implementer')" = 0x41 ] || features=$(echo "$features" | sed 's/bf16//g')
            listed "$features" asimd:neon asimdhp:neonf16 bf16:neonbf16 bf16:neonmmla
            ;;
        x86_64)
            features=$(from_cpuinfo flags)
            bf16=avx512_bf16
            [ "$(from_cpuinfo vendor_id)" = AuthenticAMD ] || bf16=nobody_has_it
            wide=avx512f+avx512dq+avx512bw+avx512vl
            listed "$features" avx2+fma+f16c:avx2 avx2+fma+f16c:avx2int16 avx2+fma+f16c+avx_vnni:avxvnni "$wide:avx512" "$wide+$bf16:avx512bf16" \
                "$wide+avx512_vnni:avx512vnni" "$wide+$bf16+avx512_vnni:avx512bf16vnni" \
                "$wide+avx512vbmi+avx512_bf16+amx_tile+amx_bf16:amx"
            ;;
    esac
}

# ---- what is run ----

tests() {
    SDRT_REQUIRE_ISA=$(levels)
    [ -n "$SDRT_REQUIRE_ISA" ] || unset SDRT_REQUIRE_ISA
    [ -z "${SDRT_REQUIRE_ISA-}" ] || export SDRT_REQUIRE_ISA
    echo "required: ${SDRT_REQUIRE_ISA-nothing}"
    if [ -n "$short" ]; then
        for test in test_rng test_npy; do
            SDRT_TESTDATA=tests "$build/tests/$test" > "$build/tests/$test.log" 2>&1 || return 1
        done
    elif [ "$build" = build ]; then
        ./bootstrap check
    else
        make -C "$build" -k check
    fi
    status=$?
    mkdir -p "$out/tests"
    cp "$build"/tests/*.log "$out/tests/"
    return "$status"
}

# Of all that sdbench is told when the script itself is tried.
if [ -n "$short" ]; then
    export SDRT_ROOF_DIVISOR=1000 SDBENCH_SKIP='kernels generate layers-vae vae text layers-text'
    small='-m tests/golden/tiny-sd15 --size 64x64 --iterations 1'
else
    export SDBENCH_SKIP=kernels
    small='--iterations 3'
fi

# bench NAME OPTIONS...
bench() {
    into=$1
    shift
    # shellcheck disable=SC2086 # a list of words
    sh bench/full-run.sh "$build/sdbench" "$out/$into" $small "$@"
}

# timed LEVEL WORK: a line with the median of one run.
timed() {
    precision=
    [ "$1" != neonf16 ] || precision='--precision f16'
    # shellcheck disable=SC2086
    "$build/sdbench" "$2" --isa "$1" $precision $small --json > "$out/timed.json" || return 1
    awk -F'[:,]' -v level="$1" -v work="$2" '
        /^ "ms":/ { print work, level, $2 + 0, "ms"; exit }' "$out/timed.json"
}

# Each level in turn, twice over, so that a change in the machine's speed meets all.
by_level() {
    works='step vae step vae'
    [ -z "$short" ] || works=step
    for work in $works; do
        for level in $(levels); do timed "$level" "$work" || return 1; done
    done
    rm -f "$out/timed.json"
}

# Each kernel over the models' shapes at the best level, as far as ten minutes go.
kernels() {
    families='gemm conv attention layer_norm rms_norm gn_sums gn_fold elementwise' seconds=0.1
    [ -z "$short" ] || families=layer_norm seconds=0.001
    for family in $families; do
        [ $(($(date +%s) - kernels_from)) -lt 600 ] || { echo "no time for $family"; continue; }
        "$build/sdbench" kernels "$family" --seconds "$seconds" || return 1
    done
}

peers() {
    python3 -c 'import torch, diffusers' || return 1
    names=torch-f32,torch-bf16
    ! python3 -c 'import openvino' 2> /dev/null || names=$names,openvino-f32,openvino-bf16
    python3 bench/peers/peers.py --sdbench "$build/sdbench" --diffusers "$SDRT_DAY_DIFFUSERS" \
        --peers "$names" --work unet,vae --rounds 2 -o "$out/peers.json"
}

# The request of tests/test_demo_model, which compares it with the image in tests/golden.  From 50 dB on
# no eye sees a difference.
image() {
    "$build/sdgen" -m demo-model -p 'a red apple' --seed 1 --sampler ddim --cfg-scale 3 \
        --precision f32 --steps "$steps" -o "$out/apple.png" || return 1
    [ -n "$short" ] || grep ' dB$' "$build/tests/test_demo_model.log"
}

system > "$out/system.txt" 2>&1
heat > "$out/heat-before.txt" 2>&1
if [ -z "${SDRT_DAY_BUILD-}" ]; then step build ./bootstrap || archive; fi
step tests tests
step bench bench bench
step levels by_level
kernels_from=$(date +%s)
step kernels kernels
[ -z "${SDRT_DAY_DIFFUSERS-}" ] || step peers peers
if step image image; then say "$(grep ' dB$' "$out/image.log" || echo 'not compared')"; fi
heat > "$out/heat-after.txt" 2>&1
archive
