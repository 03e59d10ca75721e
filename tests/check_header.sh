#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The installed headers compile alone, as C11 and as C++, and the shared library exports
# the functions that it declares and no others.
set -u
. "${srcdir-.}/tests/support.sh"

header=${srcdir-.}/model/sdrt.h
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
# As installed: in one folder, without the tree.
mkdir "$work/include" &&
    cp "$header" "${srcdir-.}/runtime/base/sdrt_status.h" "$work/include" || exit 1

# compiles NAME COMPILER ARGUMENTS...
compiles() {
    name=$1
    shift
    ok=true
    # shellcheck disable=SC2086 # a compiler with options
    "$@" -Wall -Wextra -Werror -o "$work/out.o" > "$work/text" 2>&1 || ok=false
    report $ok "$name" "$(head -3 "$work/text")"
}

# CC and CXX may hold options, so they are split on purpose.
# shellcheck disable=SC2086
compiles 'C11' ${CC-cc} -std=c11 -pedantic -I"$work/include" -c "${srcdir-.}/tests/header.c"
# The program at its top is one.
sed -n '/^#ifndef/q; s/^ \*     //p' "$header" > "$work/usage.c"
# shellcheck disable=SC2086
compiles 'the usage program' ${CC-cc} -std=c11 -pedantic -I"$work/include" -c "$work/usage.c"
cxx=${CXX-c++}
if command -v "${cxx%% *}" > /dev/null 2>&1; then
    # shellcheck disable=SC2086
    compiles 'C++' $cxx -std=c++11 -I"$work/include" -x c++ -c "${srcdir-.}/tests/header.c"
else
    skip 'C++ (no compiler)'
fi

# A program that links the shared library needs nothing of what that is made of.
if command -v pkg-config > /dev/null 2>&1; then
    ok=true
    flags=$(PKG_CONFIG_PATH='' PKG_CONFIG_LIBDIR=. pkg-config --cflags --libs sdrt 2>&1) || ok=false
    for flag in $flags; do
        case $flag in -I*/include | -L*/lib* | -lsdrt) ;; *) ok=false ;; esac
    done
    report $ok 'flags of pkg-config, alone' "$flags"
else
    skip 'flags of pkg-config (not there)'
fi

library=.libs/libsdrt.so
if [ -f $library ] && command -v nm > /dev/null 2>&1; then
    sed -n 's/^SDRT_API [^(]*[ *]\(sdrt_[a-z_]*\)(.*/\1/p' "$header" | sort > "$work/declared"
    nm -D --defined-only $library | awk '{ print $3 }' | sort > "$work/exported"
    ok=true
    [ -s "$work/declared" ] && cmp -s "$work/declared" "$work/exported" || ok=false
    report $ok 'exported symbols' "$(diff "$work/declared" "$work/exported" | head -5)"
    # Neither does it end the program or print.
    nm -D --undefined-only $library | sed 's/.* //; s/@.*//' |
        grep -xE 'stdout|stderr|v?printf|puts|putchar|perror|_?exit|abort|atexit' > "$work/rude"
    ok=true
    [ ! -s "$work/rude" ] || ok=false
    report $ok 'neither prints nor exits' "$(tr '\n' ' ' < "$work/rude")"
else
    skip 'exported symbols (no shared library)'
fi

# Whoever embeds the library has no command line.
grep -rnE --include='*.c' '"([^"]* )?--[a-z][^"]*"' "${srcdir-.}/model" "${srcdir-.}/runtime" \
    "${srcdir-.}/kernels" > "$work/options"
ok=true
[ ! -s "$work/options" ] || ok=false
report $ok 'messages name no option of a program' "$(head -1 "$work/options")"

finish
