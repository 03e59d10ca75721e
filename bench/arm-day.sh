#!/bin/sh
# SPDX-License-Identifier: MIT
#
# For a person with an Arm machine (a Raspberry Pi 5, a Graviton, a Mac) and some 40 minutes in which
# it has nothing else to do.  Without choices:
#     bench/arm-day.sh
# builds, tests, times and draws, and writes one archive to send.  What fails is told and in the
# archive too; the rest still runs.
#
# To try the script itself: SDRT_ARM_DAY_SHORT=1 takes two tests, a tiny network and two steps of the
# image, SDRT_ARM_DAY_BUILD a tree that is built already.
# shellcheck disable=SC2317 # step calls them
set -u
cd "$(dirname "$0")/.." || exit 1

short=${SDRT_ARM_DAY_SHORT-}
steps=20
[ -z "$short" ] || steps=2
build=${SDRT_ARM_DAY_BUILD-build}
name=arm-day-$(uname -m)-$(date -u +%Y%m%dT%H%M%SZ)
out=$PWD/$name
mkdir "$out" || exit 1

say() { printf '%s\n' "$*" | tee -a "$out/report.txt" >&2; }

cat >&2 << END
This takes about 40 minutes on a Raspberry Pi 5, less on a larger machine; please leave it alone
meanwhile.  It will
  1. build in $build (./bootstrap, which asks for a password if Debian packages are missing),
  2. run all tests, and refuse to skip an instruction set that the processor has,
  3. time the networks and kernels with random weights (3 GB of memory),
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

# The levels that this processor has by what the system says of it, and that are built.  Those for
# bf16 choose themselves on Arm's own cores alone (implementer 0x41).
levels() {
    [ "$(uname -m)" = aarch64 ] || [ "$(uname -m)" = arm64 ] || return 0
    features=' asimd '
    [ ! -r /proc/cpuinfo ] ||
        features=" $(sed -n 's/^Features[^:]*: *//p' /proc/cpuinfo | head -1) "
    arms=false
    if grep -q '^CPU implementer.*0x41' /proc/cpuinfo 2> /dev/null; then arms=true; fi
    for pair in asimd:neon bf16:neonbf16 bf16:neonmmla asimdhp:neonf16; do
        case $features in *" ${pair%:*} "*) ;; *) continue ;; esac
        case $pair in bf16:*) $arms || continue ;; esac
        [ ! -d "kernels/${pair#*:}" ] || printf '%s ' "${pair#*:}"
    done
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

# bench NAME OPTIONS...
bench() {
    into=$1
    shift
    if [ -n "$short" ]; then
        SDRT_ROOF_DIVISOR=1000 SDBENCH_SKIP='kernels generate layers-vae vae text layers-text' \
            sh bench/full-run.sh "$build/sdbench" "$out/$into" -m tests/golden/tiny-sd15 \
            --size 64x64 --iterations 1 "$@"
    else
        sh bench/full-run.sh "$build/sdbench" "$out/$into" --iterations 3 "$@"
    fi
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
if [ -z "${SDRT_ARM_DAY_BUILD-}" ]; then step build ./bootstrap || archive; fi
step tests tests
step bench bench bench
# Where the best level multiplies in 16 bits, f32 is another set of figures.
case $(levels) in
    *bf16* | *mmla*)
        SDBENCH_SKIP='kernels roofline' step bench-f32 bench bench-f32 --precision f32
        ;;
esac
if step image image; then say "$(grep ' dB$' "$out/image.log" || echo 'not compared')"; fi
heat > "$out/heat-after.txt" 2>&1
archive
