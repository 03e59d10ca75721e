#!/bin/sh
# SPDX-License-Identifier: MIT
#
# sdrt for 64-bit Arm on an x86-64 Debian: libraries, a cross build, the tests under qemu-user.
#     arm.sh root             unpacks arm64's libraries into $ROOT, 350 MB; runs no script of theirs
#     arm.sh build            cross-compiles into $BUILD, tests too
#     arm.sh check [TEST...]  runs there all tests, or these: tests/test_gemm; see `leave_out` for what
#                             SDRT_FULL=1 adds
#     arm.sh quick            those that take minutes and not hours: every level of Arm's, few shapes,
#                             and the small model's image, which is AVX2's byte for byte
# CPU=cortex-a76 (a Raspberry Pi 5's, without bf16) takes the place of qemu's most able processor,
# CONFIGURE has arguments for configure, CROSS another compiler's name.
#
# Programs of the other processor start each other (Criterion its tests, the check scripts sdgen), so
# the kernel has to know how: by binfmt_misc, mounted in a user namespace of its own, where it takes
# no rights and nobody else sees it.  That is Linux 6.7 and later.
set -eu

SOURCE=$(cd "$(dirname "$0")/.." && pwd)
BUILD=${BUILD-$SOURCE/build-arm64}
ROOT=${ROOT-$SOURCE/build-arm64-root}
CPU=${CPU-max}
triple=aarch64-linux-gnu
CROSS=${CROSS-$triple-gcc}
jobs=$(getconf _NPROCESSORS_ONLN)

die() { echo "arm.sh: $*" >&2; exit 1; }

# need TOOL:PACKAGE...: tells of all that are missing at once.
need() {
    missing=
    for tool; do
        command -v "${tool%:*}" > /dev/null 2>&1 || missing="$missing ${tool#*:}"
    done
    [ -z "$missing" ] || die "missing, by their Debian names:$missing"
}

root() {
    need mmdebstrap:mmdebstrap realpath:coreutils
    [ ! -e "$ROOT" ] || die "$ROOT is there already; remove it for a new one"
    mkdir -p "$ROOT.part"
    mmdebstrap --quiet --variant=extract --architectures=arm64 \
        --include=libc6-dev,libgcc-12-dev,libopenblas-dev,libhwloc-dev,libpng-dev,zlib1g-dev \
        --include=libjansson-dev,libutf8proc-dev,libcurl4-openssl-dev,libssl-dev,libjpeg-dev,libwebp-dev,libexif-dev \
        --include=libglib2.0-dev,libchafa-dev,libcriterion-dev \
        bookworm "$ROOT.part" "${MIRROR-http://deb.debian.org/debian}"
    # What the packages' own scripts would have done: OpenBLAS is an alternative.
    lib=$ROOT.part/usr/lib/$triple
    ln -sf openblas-pthread/libopenblas.so.0 "$lib/libopenblas.so.0"
    ln -sf openblas-pthread/libopenblas.so "$lib/libopenblas.so"
    cp "$lib/openblas-pthread/pkgconfig/openblas.pc" "$lib/pkgconfig/"
    # Links to absolute paths mean the root's own.
    find "$ROOT.part/usr/lib" "$ROOT.part/lib/" -type l -lname '/*' | while read -r link; do
        to=$ROOT.part$(readlink "$link")
        ln -sfn "$(realpath -m --relative-to="$(dirname "$link")" "$to")" "$link"
    done
    mv "$ROOT.part" "$ROOT"
}

build() {
    # shellcheck disable=SC2086 # a compiler's name may have a word before it
    set -- $CROSS
    need "$1:gcc-$triple" autoreconf:autoconf automake:automake libtoolize:libtool make:make \
        pkg-config:pkg-config
    [ -d "$ROOT" ] || die "$ROOT: expected arm64's libraries; run 'arm.sh root' first"
    [ -f "$SOURCE/configure" ] || (cd "$SOURCE" && mkdir -p m4 && autoreconf -fi)
    mkdir -p "$BUILD"
    cd "$BUILD"
    # For make too, which configures anew where configure.ac has changed.
    export PKG_CONFIG_SYSROOT_DIR="$ROOT"
    export PKG_CONFIG_LIBDIR="$ROOT/usr/lib/$triple/pkgconfig:$ROOT/usr/share/pkgconfig"
    # shellcheck disable=SC2086 # a list of words
    [ -f Makefile ] ||
        "$SOURCE/configure" --host=$triple CC="$CROSS --sysroot=$ROOT" ${CONFIGURE-}
    make -j"$jobs"
    make -j"$jobs" check TESTS=
}

magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'

# What x86 runs too and takes hours here: the kernels at the models' own shapes and three of four
# random ones, plain C and OpenBLAS, and repetitions over models (tests/any_level.h).
leave_out() {
    [ -z "${SDRT_FULL-}" ] || return 0
    export SDRT_SHORT="${SDRT_SHORT-1}"
    export CRITERION_TEST_PATTERN="${CRITERION_TEST_PATTERN-$check_pattern}"
    echo "arm.sh check: $CRITERION_TEST_PATTERN, one of four random shapes; SDRT_FULL=1 runs all"
}
check_pattern='*/!(models_*|*_generic|*_blas|generic|blas)'

check() {
    leave_out
    need qemu-aarch64:qemu-user unshare:util-linux make:make
    [ -f "$BUILD/Makefile" ] || die "$BUILD: expected a build; run 'arm.sh build' first"
    cd "$BUILD"
    rm -f tests/*.trs build-aux/*.trs
    # Tests start programs with an environment of their own, so its arguments are in a script.
    printf '#!/bin/sh\nexec %s -cpu %s -L %s "$@"\n' "$(command -v qemu-aarch64)" "$CPU" "$ROOT" \
        > run-arm64
    chmod +x run-arm64
    # shellcheck disable=SC2016 # for the inner shell
    jobs=$jobs SDRT_EMULATED=1 SDRT_QEMU="qemu-aarch64 -cpu $CPU -L $ROOT" unshare --user --map-root-user --mount sh -c '
        set -e
        mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
        printf %s ":sdrt-arm64:M::$1:$2:$3:" > /proc/sys/fs/binfmt_misc/register
        shift 3
        if [ $# -gt 0 ]; then make -k -j"$jobs" check TESTS="$*"; else make -k -j"$jobs" check; fi' \
        sh "$magic" "$mask" "$BUILD/run-arm64" "$@" || true
    # The summary judges each test's own result, so it has the last word.
    exec sh "$SOURCE/build-aux/summary.sh" tests build-aux
}

# What x86 runs too and takes long here (levels of plain C and OpenBLAS, the models' shapes, whole
# images of size, counted allocations) is left out of `quick`, and three of four of the kernels'
# random shapes.
quick_tests='test_rng test_sampler test_tokenizer test_t5_tokenizer test_checkpoint
    test_checkpoint_folder test_planner test_team test_topology test_arena test_device test_pack
    test_gemm test_conv test_attention test_norm test_elementwise test_types test_program test_t5
    test_passes test_golden test_safetensors test_weights'
quick_pattern='*/!(models_*|extremes_*|*_generic|*_blas|generic|blas|*_allocates_nothing)'

quick() {
    tests=
    for t in $quick_tests; do tests="$tests tests/$t"; done
    echo "arm.sh quick: without the models' shapes, plain C, OpenBLAS, and test programs but$tests"
    # The image's own line is of summary.sh's form, as a check script's.
    image=$(same_image) || true
    echo "$image"
    # shellcheck disable=SC2086 # a list of words
    (SDRT_SHORT=1 CRITERION_TEST_PATTERN=$quick_pattern check $tests) || exit 1
    case $image in *', 0 failed,'*) ;; *) exit 1 ;; esac
}

# The small model's image of NEON, and of AVX2 where SDGEN runs here, in f32: the same bytes.
same_image() {
    sdgen=${SDGEN-$SOURCE/build/sdgen}
    command -v qemu-aarch64 > /dev/null || { echo 'image: 0 passed, 0 failed, 1 skipped'; return; }
    [ -x "$sdgen" ] || { echo 'image: 0 passed, 0 failed, 1 skipped'; return; }
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    set -- -m "$SOURCE/demo-model" -p 'a red apple' --seed 1 --steps 4 --precision f32 --quiet --force \
        --dump-filter image -o "$work/image.png"
    "$sdgen" --isa avx2 --dump "$work/x86" "$@" > "$work/log" 2>&1 &&
        qemu-aarch64 -cpu "$CPU" -L "$ROOT" "$BUILD/sdgen" --isa neon --dump "$work/arm" "$@" \
            > "$work/log" 2>&1 && cmp "$work/x86/image.npy" "$work/arm/image.npy" >&2 &&
        echo 'image: 1 passed, 0 failed, 0 skipped' && return
    cat "$work/log" >&2
    echo 'image: 0 passed, 1 failed, 0 skipped'
}

command=${1-}
[ $# -eq 0 ] || shift
case $command:$# in
    root:0 | build:0 | quick:0 | check:*) "$command" "$@" ;;
    *) echo "usage: $0 root | build | quick | check [TEST...]" >&2; exit 2 ;;
esac
