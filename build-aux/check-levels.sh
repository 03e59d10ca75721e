#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Fails when kernels/levels.h and the kernels differ: a filler that no row calls, a row whose flag
# is another level's, a file that is not built, a level that the manual page lacks, an object whose
# filler nobody calls:
#     check-levels.sh [SOURCE_TREE]
# Without an argument it checks the tree that `make check` names in $srcdir, and the objects of the
# build tree that it runs in.
set -eu

build=$PWD
cd "${1:-${srcdir:-.}}"
[ -f kernels/levels.h ] || { echo "$0: $PWD: expected a source tree with kernels/" >&2; exit 2; }
bad=0
complain() { echo "$*"; bad=1; }

# The rows, one a line: "level NAME FLAG" and "filler FAMILY FLAG FUNCTION".
rows=$(awk '/^SDRT_[A-Z0-9_]*\(/ { row = ""; on = 1 }
    on { row = row $0 }
    on && /\)[ \t]*$/ {
        on = 0
        gsub(/[ \t]/, "", row)
        split(row, f, /[(,)]/)
        if (f[1] ~ /_LEVEL$/) print "level", f[2], f[3]
        else { sub(/^SDRT_/, "", f[1]); sub(/_FILLER$/, "", f[1]); print "filler", tolower(f[1]), f[2], f[3] }
    }' kernels/levels.h)
[ -n "$rows" ] || { echo "$0: kernels/levels.h: no rows" >&2; exit 2; }
flag_of() { printf '%s\n' "$rows" | awk -v level="$1" '$1 == "level" && $2 == level { print $3 }'; }
called=$(printf '%s\n' "$rows" | awk '$1 == "filler" { print $4 }' | sort)

# Each row calls its family's filler of its own level, which the level's folder defines.
fillers=$(printf '%s\n' "$rows" | grep '^filler ')
while read -r _ family flag filler; do
    level=${filler#"sdrt_${family}_init_"}
    [ "$flag" = "$(flag_of "$level")" ] ||
        complain "kernels/levels.h: $filler: expected a filler of $family with the flag of its level"
    grep -q "^void $filler(" kernels/"$level"/*.c ||
        complain "kernels/levels.h: $filler: expected it in kernels/$level/"
done <<END
$fillers
END

# Each filler has its row, and each file its place in the build.
for file in kernels/*/*.c; do
    grep -q "[[:space:]]$file\([[:space:]]\|\$\)" kernels/local.mk ||
        complain "$file: expected it in kernels/local.mk"
    for filler in $(sed -n 's/^void \(sdrt_[a-z0-9]*_init_[a-z0-9]*\)(.*/\1/p' "$file"); do
        printf '%s\n' "$called" | grep -qx "$filler" ||
            complain "$file: $filler: expected its row in kernels/levels.h"
    done
done

# The manual page names every level.
for level in $(printf '%s\n' "$rows" | awk '$1 == "level" { print $2 }'); do
    grep -q "^\.Cm $level\( \|\$\)" man/sdgen.1 || complain "man/sdgen.1: expected level $level"
done

# And in the objects, however they are written.
symbols() { nm "$2" | sed -n "s/^[0-9a-f ]* $1 _*\\(sdrt_[a-z0-9]*_init_[a-z0-9]*\\)\$/\\1/p"; }
ops=$build/kernels/libkernels_la-ops.o
[ -f "$ops" ] || ops=$build/kernels/.libs/libkernels_la-ops.o
if [ -f "$ops" ] && command -v nm > /dev/null; then
    linked=$(symbols U "$ops")
    for object in $(find "$build/kernels" -name 'libk*-*.o'); do
        for filler in $(symbols T "$object"); do
            printf '%s\n' "$linked" | grep -qx "$filler" ||
                complain "$object: $filler: nobody calls it"
        done
    done
fi
exit $bad
