#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Kills an image's drawing at N moments, with -o over an old file (in the build folder):
#     kills.sh N SIGNAL MODEL [OPTION...]      # options of sdgen's behind those that are here
# The file is the old one or the new one each time; a signal that can be caught leaves nothing beside.  SIGKILL may
# leave a temporary file: between its naming and its renaming, or where files always have names.  How often is told.
set -u
n=$1 signal=$2 model=$3 sdgen=$(pwd)/sdgen
shift 3
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/out" && cd "$work/out" || exit 1
draw() {
    exec "$sdgen" -m "$model" -p 'a red apple' -W 64 -H 64 --steps 2 --seed 1 --threads 1 --quiet \
        -o x.png --force "$@" < /dev/null > /dev/null 2>&1
}
(draw "$@") || exit 1
cp x.png "$work/new"
begin=$(date +%s%N)
(draw "$@")
span=$((($(date +%s%N) - begin) / 1000000 + 1))
old=0 new=0 bad=0 left=0 i=0
while [ $i -lt "$n" ]; do
    printf old > x.png
    (draw "$@") &
    sleep "$(awk "BEGIN { srand($i); printf \"%.3f\", rand() * $span * 1.2 / 1000 }")"
    kill -s "$signal" $! 2> /dev/null
    wait $! 2> /dev/null
    if cmp -s x.png "$work/new"; then new=$((new + 1))
    elif [ "$(cat x.png)" = old ]; then old=$((old + 1))
    else bad=$((bad + 1)); fi
    if [ "$(ls -A)" != x.png ]; then
        left=$((left + 1))
        [ "$signal" = KILL ] || bad=$((bad + 1))
        find . -name '.sdrt-*.tmp' -delete
    fi
    i=$((i + 1))
done
echo "kills.sh: $signal at $n moments in $span ms: $old old, $new new, $left left something, $bad bad"
[ $bad -eq 0 ]
