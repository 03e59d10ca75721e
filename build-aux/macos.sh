#!/bin/sh
# SPDX-License-Identifier: MIT
#
# sdrt for Apple Silicon on a Linux machine: zig's clang, with the macOS headers and stubs of system
# libraries that it brings (PyPI: ziglang).  Nothing of it is run.
#     macos.sh            configures in $BUILD, compiles all there and links library and programs
#     macos.sh objects    compiles only
# Other libraries are taken to be this machine's versions: their headers by links, and for the linker
# stubs that name their symbols.  Exit status 77 where something for that is missing, which it names,
# and 1 where something does not compile without a warning.  ZIG names another zig.
set -eu

SOURCE=$(cd "$(dirname "$0")/.." && pwd)
BUILD=${BUILD-$SOURCE/build-macos}
host=aarch64-apple-darwin
# The first with Accelerate's present names is 13.3.
target=aarch64-macos.14.0
jobs=$(getconf _NPROCESSORS_ONLN)
modules='hwloc libpng zlib jansson libutf8proc libpcre2-8 libcurl libcrypto'

skip() { echo "macos.sh: $*"; exit 77; }

# zig's command; nothing where there is none.
find_zig() {
    if [ -n "${ZIG-}" ]; then echo "$ZIG"
    elif command -v zig > /dev/null 2>&1; then echo zig
    elif python3 -c 'import ziglang' 2> /dev/null; then echo 'python3 -m ziglang'
    fi
}

need() {
    # Pictures in the terminal, other formats of pictures and sdserve are left out where they are here.
    for module in chafa libexif libjpeg libwebp libwebpmux libwebpdemux libmicrohttpd; do
        ! pkg-config --exists $module 2> /dev/null || modules="$modules $module"
    done
    missing=
    [ -n "$zig" ] || missing=' zig (PyPI: ziglang)'
    for tool in autoreconf:autoconf automake:automake libtoolize:libtool make:make \
        pkg-config:pkg-config nm:binutils cc:gcc; do
        command -v "${tool%:*}" > /dev/null 2>&1 || missing="$missing ${tool#*:}"
    done
    for module in $modules; do
        pkg-config --exists "$module" 2> /dev/null || missing="$missing $module"
    done
    [ -z "$missing" ] || skip "missing:$missing"
}

# Links to those headers of these libraries that have its C library's beside them.
names='hwloc|zlib|zconf|jansson|utf8proc|pcre2|curl|openssl|jpeglib|jmorecfg|jerror|jconfig|webp|libexif|microhttpd'
headers() {
    mkdir -p "$root/include"
    printf '#include <%s>\n' stdio.h hwloc.h png.h zlib.h jansson.h utf8proc.h curl/curl.h \
        openssl/evp.h > "$root/all.c"
    printf '#define PCRE2_CODE_UNIT_WIDTH 8\n#include <pcre2.h>\n' >> "$root/all.c"
    for header in libexif/exif-data.h microhttpd.h jpeglib.h jerror.h webp/decode.h webp/encode.h webp/demux.h \
        webp/mux.h; do
        printf '#if __has_include(<%s>)\n#include <%s>\n#endif\n' $header $header >> "$root/all.c"
    done
    # shellcheck disable=SC2046,SC2086 # lists of words
    cc -M $(pkg-config --cflags $modules) "$root/all.c" | tr ' ' '\n' |
        sed -nE "s!^(/usr/include/([^/]+-linux-gnu/)?(($names).*))\$!\1 \3!p" |
        while read -r header name; do
            mkdir -p "$root/include/$(dirname "$name")"
            ln -sf "$header" "$root/include/$name"
        done
}

# stub FILE INSTALL_NAME: what the linker reads of a library that has the symbols on standard input.
stub() {
    {
        printf -- '--- !tapi-tbd\ntbd-version: 4\ntargets: [ arm64-macos ]\n'
        printf "install-name: '%s'\nexports:\n  - targets: [ arm64-macos ]\n    symbols: [ " "$2"
        sed "s/.*/'&'/" | paste -s -d, -
        printf ' ]\n...\n'
    } > "$1"
}

libraries() {
    mkdir -p "$root/lib/pkgconfig"
    for module in $modules; do
        folder=$(pkg-config --variable=libdir "$module") libs=
        for name in $(pkg-config --libs-only-l "$module"); do
            name=${name#-l}
            libs="$libs -l$name"
            nm -D --defined-only "$folder/lib$name.so" |
                sed -n 's/^[0-9a-f]* [TDBRVWi] \([A-Za-z0-9_]*\).*/_\1/p' | sort -u |
                stub "$root/lib/lib$name.tbd" "@rpath/lib$name.dylib"
        done
        flags=$(pkg-config --cflags "$module" | tr ' ' '\n' |
            grep -vE '^-I/usr/include(/[^/]+-linux-gnu)?$' | paste -s -d' ' -)
        printf 'Name: %s\nDescription: a stub\nVersion: %s\nCflags: %s\nLibs: -L%s%s\n' "$module" \
            "$(pkg-config --modversion "$module")" "-I$root/include $flags" "$root/lib" "$libs" \
            > "$root/lib/pkgconfig/$module.pc"
    done
}

# What the kernels call of it, under the name that its header gives it.
accelerate() {
    folder=$root/Frameworks/Accelerate.framework
    mkdir -p "$folder/Headers"
    cat > "$folder/Headers/Accelerate.h" <<'HEADER'
#ifndef ACCELERATE_NEW_LAPACK
#error "expected the names since macOS 13.3"
#endif
enum CBLAS_ORDER { CblasRowMajor = 101, CblasColMajor = 102 };
enum CBLAS_TRANSPOSE { CblasNoTrans = 111, CblasTrans = 112, CblasConjTrans = 113 };
void cblas_sgemm(enum CBLAS_ORDER order, enum CBLAS_TRANSPOSE trans_a, enum CBLAS_TRANSPOSE trans_b,
                 int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                 float beta, float *c, int ldc) __asm("_cblas_sgemm$NEWLAPACK");
HEADER
    # shellcheck disable=SC2016 # a name
    echo '_cblas_sgemm$NEWLAPACK' | stub "$folder/Accelerate.tbd" \
        /System/Library/Frameworks/Accelerate.framework/Versions/A/Accelerate
}

# zig has words of its own for an architecture with features.
compiler() {
    cat > "$root/cc" <<CC
#!/bin/sh
for word; do
    shift
    case \$word in
        -march=armv8.*-a*)
            word=\$(echo "\$word" | sed 's/-march=armv8\.\([0-9]\)-a/-mcpu=generic+v8_\1a/; s/+fp16/+fullfp16/')
            ;;
    esac
    set -- "\$@" "\$word"
done
exec $zig cc -target $target -F$root/Frameworks "\$@"
CC
    chmod +x "$root/cc"
}

configure() {
    [ -f "$SOURCE/configure" ] || (cd "$SOURCE" && mkdir -p m4 && autoreconf -fi)
    cd "$BUILD"
    "$SOURCE/configure" --host=$host --without-onednn CC="$root/cc" AR="$zig ar" \
        RANLIB="$zig ranlib" NM=nm
}

# make -f of this knows what Makefile compiles.
objects() {
    echo 'include Makefile'
    # shellcheck disable=SC2016 # for make
    echo 'objects: $(sort $(foreach v,$(filter %_OBJECTS,$(.VARIABLES)),$(filter %.lo %.o,$($(v)))))'
}

case ${1-}:$# in
    :0 | objects:1) goal=${1-all} ;;
    *) echo "usage: $0 [objects]" >&2; exit 2 ;;
esac
zig=$(find_zig)
need
mkdir -p "$BUILD"
BUILD=$(cd "$BUILD" && pwd)
root=$BUILD/stubs
export ZIG_GLOBAL_CACHE_DIR="$BUILD/zig-cache" ZIG_LOCAL_CACHE_DIR="$BUILD/zig-cache"
if [ ! -f "$BUILD/Makefile" ]; then
    headers
    libraries
    accelerate
    compiler
fi
# For make too, which configures anew where configure.ac has changed.
export PKG_CONFIG_LIBDIR="$root/lib/pkgconfig"
if [ ! -f "$BUILD/Makefile" ]; then
    (configure) > "$BUILD/configure.out" 2>&1 ||
        { tail -20 "$BUILD/configure.out"; echo 'macos.sh: configure failed'; exit 1; }
fi
cd "$BUILD"
objects > objects.mk
# Half the time of -O2, and the same warnings.
make -f objects.mk -k -j"$jobs" OPTIMISE=-O1 "$goal" > build.out 2>&1 ||
    { grep -E 'error|warning|undefined' build.out | head -40; echo 'macos.sh: the build failed'; exit 1; }
if grep -E 'warning:' build.out; then
    echo 'macos.sh: expected no warning'
    exit 1
fi
n=$(find . -name '*.o' ! -path './stubs/*' ! -path './zig-cache/*' | wc -l)
linked=$(find . -maxdepth 2 \( -name 'sd*' -o -name 'libsdrt*.dylib' \) -type f -perm -u+x |
    sed 's!.*/!!' | sort | paste -s -d' ' -)
echo "macos.sh: compiled for $target without a warning: $n objects; linked: ${linked:-nothing}"
