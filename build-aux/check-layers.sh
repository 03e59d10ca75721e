#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Fails when a room includes a header of a room above it, or when a file stands in no room:
#     check-layers.sh [SOURCE_TREE]
# Without an argument it checks the tree that `make check` names in $srcdir.
set -eu

cd "${1:-${srcdir:-.}}"
[ -d kernels ] || { echo "$0: $PWD: expected a source tree with kernels/" >&2; exit 2; }

# Lowest first: each room may include itself and what stands before it.  "model" is the library's
# face, sdrt.h.
rooms='kernels
runtime/base runtime/random runtime/files runtime/machine runtime/ranks runtime/device runtime/weights
runtime/graph
model model/text model/noise model/net model/checkpoint model/lora model/pipeline
cli tools'

# bench stands beside tools, and tests above all: nothing includes them.
find kernels runtime model cli tools bench -name '*.[ch]' -exec awk -v rooms="$(echo $rooms)" '
BEGIN {
    count = split(rooms, list, " ")
    for (i = 1; i <= count; i++) rank[list[i]] = i
    rank["bench"] = rank["tools"]
    rank["tests"] = count + 1
}
# The room of a path: its first two folders, or its first.
function room(path,    n, part) {
    n = split(path, part, "/")
    if (n > 2 && part[1] != "kernels" && (part[1] == "runtime" || part[1] == "model"))
        return part[1] "/" part[2]
    return part[1]
}
FNR == 1 {
    mine = room(FILENAME)
    if (!(mine in rank)) {
        print FILENAME ": " mine ": a room that check-layers.sh does not list"
        bad = 1
        nextfile
    }
}
/^[ \t]*#[ \t]*include[ \t]*["<][^">]*\// {
    other = $0
    sub(/^[^"<]*["<]/, "", other)
    sub(/[">].*/, "", other)
    their = room(other)
    if (other ~ /\.\.\// ||
        (their in rank && their != mine && rank[their] >= rank[mine]) ||
        (other ~ /^(runtime|model)\// && !(their in rank))) {
        print FILENAME ":" FNR ": " mine " includes " other
        bad = 1
    }
}
END { exit bad }
' {} +
