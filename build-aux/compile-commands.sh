#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Writes compile_commands.json, which tells clangd and clang-tidy how each file is compiled:
#     compile-commands.sh SOURCE_TREE TARGET... > compile_commands.json
# It asks make, in the current build folder, what it would run for the targets if every source had
# changed, and compiles nothing.
set -eu

source=$1
shift

sources=$(find "$source/kernels" "$source/runtime" "$source/model" "$source/cli" \
    "$source/tools" "$source/bench" "$source/tests" -name '*.c')
changed=
for file in $sources; do changed="$changed -W $file"; done

# shellcheck disable=SC2086 # a list of options
"${MAKE:-make}" -n V=1 $changed "$@" |
    sed -e ':more' -e '/\\$/{ s/\\$//; N; s/\n//; b more' -e '}' |
    awk -v folder="$PWD" -v source="$source" '
function quoted(text) {
    gsub(/["\\]/, "\\\\&", text)
    return "\"" text "\""
}
BEGIN { print "[" }
/ -c -o [^ ]+\.l?o / {
    sub(/.*--mode=compile +/, "")
    sub(/.*depbase=`[^`]*`; */, "")
    sub(/&&.*/, "")
    sub(/ -MT .* -MF [^ ]+/, "")
    # A source in the build folder, or in the tree: `test -f FILE || echo DIR/`FILE.
    if (match($0, /`test -f .*`/))
        $0 = substr($0, 1, RSTART - 1) source "/" substr($0, RSTART + RLENGTH)
    sub(/^ccache +/, "")
    sub(/ +$/, "")
    file = $NF
    if (file !~ /\.c$/ || file in seen) next
    seen[file] = 1
    printf "%s{ \"directory\": %s, \"file\": %s,\n  \"command\": %s }", n++ ? ",\n" : "",
        quoted(folder), quoted(file), quoted($0)
}
END { print "\n]"; exit n == 0 }
'
