# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# For scripts that run ./sdserve on loopback with the tiny model, behind support.sh: in a folder of their
# own, with curl.

command -v curl > /dev/null 2>&1 || { skip 'sdserve (no curl)'; finish; exit; }
build=$(pwd)
tiny=$(cd "${srcdir-.}" && pwd)/tests/golden/tiny-sd15
work=$(mktemp -d) || exit 1
server=
trap '[ -z "$server" ] || kill -9 "$server" 2> /dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1

# start OPTIONS...: sets server and url.
start() {
    : > port
    "$build/sdserve" -m "$tiny" --port 0 --threads 1 --quiet "$@" > port 2> log &
    server=$!
    tries=0
    while [ ! -s port ] && [ $tries -lt 300 ] && kill -0 "$server" 2> /dev/null; do
        sleep 0.1
        tries=$((tries + 1))
    done
    url=$(sed 's/.*\(http:.*\)\/$/\1/' port)
}

# stop: SIGTERM; the status is to be 0.
stop() {
    kill -TERM "$server"
    wait "$server"
    ended=$?
    server=
    ok=true
    [ $ended -eq 0 ] || ok=false
    report $ok "ends${1+ $1}" "status $ended: $(cat log)"
}

# ask NAME STATUS PATTERN PATH CURL-OPTIONS...: the answer, in the file answer, has the pattern.
ask() {
    name=$1 expected=$2 pattern=$3 path=$4
    shift 4
    status=$(curl -s -o answer -w '%{http_code}' --max-time 100 "$@" "$url$path")
    ok=true
    [ "$status" = "$expected" ] || ok=false
    grep -q -e "$pattern" answer || ok=false
    report $ok "$name" "status $status (expected $expected): $(head -c 300 answer)"
}

# same FILE NAME: it is sdgen's file, byte for byte.
same() {
    ok=true
    cmp -s "$1" sdgen.png || ok=false
    report $ok "$2 gives the image of sdgen" "$(head -c 200 answer)"
}

# idle NAME: nothing is drawn and nobody waits, soon.
idle() {
    tries=0 ok=false
    while [ $tries -lt 100 ] && ! $ok; do
        curl -s "$url/v1/status" | grep -q '"queued":0,"drawing":0' && ok=true
        sleep 0.1
        tries=$((tries + 1))
    done
    report $ok "$1" "$(curl -s "$url/v1/status" | head -c 300)"
}

# no NAME STATUS PATTERN PATH BODY: ask, with a body.
no() { ask "$1" "$2" "$3" "$4" -d "$5"; }

# picture_of FIELD [FILE]: the first picture in base64 behind the field of FILE (answer), decoded.
picture_of() {
    tr -d '\n' < "${2-answer}" | sed "s/.*\"$1\":\[*\"\([^\"]*\)\".*/\1/" | base64 -d 2> /dev/null
}

# equal NAME FILE FILE
equal() {
    ok=true
    cmp -s "$2" "$3" || ok=false
    report $ok "$1" "$(head -c 200 answer)"
}
