#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Fails when a room includes a header of a room above it:
#     check-layers.sh [SOURCE_TREE]
# Without an argument it checks the tree that `make check` names in $srcdir.
set -eu

cd "${1:-${srcdir:-.}}"
[ -d kernels ] || { echo "$0: $PWD: expected a source tree with kernels/" >&2; exit 2; }

# Lowest first: each room may include only itself and what stands before it.
rooms='kernels
runtime/base runtime/random runtime/files runtime/machine runtime/device runtime/weights
runtime/graph
model/text model/noise model/net model/checkpoint model/lora model/pipeline
tools'
bad=0

# A folder that the list lacks would not be checked.
for folder in runtime/*/ model/*/; do
    folder=${folder%/}
    case " $(echo $rooms) " in
        *" $folder "*) ;;
        *) echo "$folder: a room that check-layers.sh does not list"; bad=1 ;;
    esac
done

# refuse FOLDER UPPER: the folder includes nothing of the other.
refuse() {
    if grep -rn "#include \"$2/" "$1"; then bad=1; fi
}
above=$(echo $rooms)
for room in $rooms; do
    above=${above#"$room"}
    above=${above# }
    [ -d "$room" ] || continue
    for up in $above bench tests; do refuse "$room" "$up"; done
done
# Memory and workers are reached through the device; sdbench alone measures the machine itself.
if grep -rnE '#include "runtime/machine/(team|arena)\.h"' runtime model tools |
    grep -vE '^runtime/(machine|device)/'; then bad=1; fi
# The tools and the benchmark share nothing with each other.
refuse bench tools
refuse bench tests
exit $bad
