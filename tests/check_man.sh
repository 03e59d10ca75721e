#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Each program's manual page has the options of its --help and no others, and the names that options
# take.
set -u
. "${srcdir-.}/tests/support.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

for program in sdgen sdconvert sdfetch sdbench sdserve; do
    page=${srcdir-.}/man/$program.1
    if [ ! -x ./$program ]; then
        skip "$program (not built)"
        continue
    fi
    ./$program --help > "$work/help"
    sed -n 's/^  \(-\(.\),\|   \) --\([a-z0-9-]*\).*/\3 \2/p' "$work/help" | sort > "$work/has"
    # An item is ".It Fl m , Fl Fl model Ar file", or several options without letters.
    awk '$1 == ".It" { letter = ""
        for (i = 2; i <= NF; i++)
            if ($i == "Fl" && $(i + 1) == "Fl") { print $(i + 2) " " letter; letter = ""; i += 2 }
            else if ($i == "Fl") letter = $(i + 1)
    }' "$page" | sort > "$work/told"
    ok=true
    [ -s "$work/has" ] && cmp -s "$work/has" "$work/told" || ok=false
    report $ok "options of $program" "$(diff "$work/has" "$work/told" | head -5 | tr '\n' ' ')"
done

# listed WHAT PROGRAM ARGUMENTS...: all that the program lists when it complains of these arguments is
# in its page.
listed() {
    what=$1 program=$2
    shift 2
    [ -x ./$program ] || return
    ./$program "$@" 2>&1 | sed 's/.*expected //; s/ or /, /; s/, /\n/g' > "$work/names"
    [ "$(wc -l < "$work/names")" -gt 1 ] || echo "$what: no list" > "$work/names"
    missing=
    while read -r name; do
        grep -q -e "^\.\(It \)*Cm $name\( .*\)*$" "${srcdir-.}/man/$program.1" ||
            missing="$missing $name"
    done < "$work/names"
    ok=true
    [ -z "$missing" ] || ok=false
    report $ok "$what" "$program.1 lacks$missing"
}
for option in sampler schedule spacing prediction rng isa precision resize-mode masked-content; do
    listed "names of --$option" sdgen --$option '?'
done
listed 'names of --arch' sdbench step --arch '?'
listed 'commands' sdbench '?'
listed 'networks' sdbench layers '?'

finish
