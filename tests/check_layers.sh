#!/bin/sh
# SPDX-License-Identifier: MIT
#
# build-aux/check-layers.sh goes red on an include that leads to a room above, and on a file in a
# room that it does not list; it stays green on those that lead down.  Each is planted in a tree
# with the same folders, one small file in each.
set -u
. "${srcdir-.}/tests/support.sh"

source=${srcdir-.}
check=$source/build-aux/check-layers.sh
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

for folder in kernels kernels/generic bench cli tools tests "$source"/runtime/*/ "$source"/model/*/; do
    folder=${folder#"$source"/}
    mkdir -p "$work/$folder" && echo '#include <stdio.h>' > "$work/$folder/plain.c" || exit 1
done
echo '/* the face */' > "$work/model/sdrt.h"

green() {
    sh "$check" "$work" > "$work/said" 2>&1
}

# red TEXT: it fails, and says what is planted.
red() {
    ! green && grep -qF "$1" "$work/said"
}

# try COLOUR FOLDER HEADER [SPELLING]: plants an include of the header in the folder.
try() {
    printf "${4-#include \"%s\"}\\n" "$3" > "$work/$2/planted.c"
    ok=true
    case $1 in
        red) red "$3" || ok=false ;;
        green) green || ok=false ;;
    esac
    report $ok "$1: $2 includes $3" "$(head -1 "$work/said")"
    rm -f "$work/$2/planted.c"
}

ok=true
green || ok=false
report $ok 'green: nothing is planted' "$(head -1 "$work/said")"

# From room to room.
try red kernels runtime/base/error.h
try red kernels/generic model/net/config.h
try red runtime/base model/net/config.h
try red runtime/weights model/sdrt.h
try red runtime/graph tools/options.h
try red model/pipeline tools/show.h
try red model/net bench/report.h
try red tools bench/report.h
try red bench tools/options.h
try red model/pipeline cli/options.h
try red cli tools/options.h
try red runtime/files tests/support.h
try red bench tests/support.h

# Within a room.
try red runtime/base runtime/files/json.h
try red runtime/machine runtime/device/device.h
try red runtime/weights runtime/graph/graph.h
try red model/text model/net/config.h
try red model/noise model/net/config.h
try red model/net model/checkpoint/checkpoint.h
try red model/checkpoint model/lora/lora.h
try red model/lora model/pipeline/pipeline.h

# Another spelling is no way round.
try red model/net model/pipeline/pipeline.h '  #  include "%s"'
try red model/net model/pipeline/pipeline.h '#include <%s>'
try red model/net ../pipeline/pipeline.h
try red model/net model/elsewhere/new.h

# Down is free.
try green runtime/base kernels/dtype.h
try green runtime/graph runtime/base/error.h
try green model/pipeline model/net/config.h
try green model/checkpoint model/sdrt.h
try green model/text runtime/files/json.h
try green tools model/sdrt.h
try green tools cli/options.h
try green bench cli/options.h
try green bench model/pipeline/pipeline.h

# A room that nobody listed, and a file beside the rooms.
for file in model/attic/new.c runtime/attic/new.c runtime/loose.c; do
    mkdir -p "$work/${file%/*}" && echo 'int a;' > "$work/$file" || exit 1
    ok=true
    red "$file" || ok=false
    report $ok "red: $file stands in no room" "$(head -1 "$work/said")"
    rm "$work/$file"
done

finish
