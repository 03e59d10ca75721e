#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Everything that sdbench can tell of this machine, in three files:
#     full-run.sh SDBENCH NAME [SDBENCH OPTIONS...]
# writes NAME.json (an array of reports, for `sdbench compare`), NAME.md and NAME.svg (the
# roofline picture of the U-Net).  With SDBENCH_SKIP="kernels generate" those are left out.
set -eu

[ $# -ge 2 ] || { echo "usage: $0 SDBENCH NAME [SDBENCH OPTIONS...]" >&2; exit 2; }
sdbench=$1 name=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: > "$work/all.md"
printf '[' > "$work/all.json"
separator=

# part NAME ARGUMENTS...
part() {
    part=$1
    shift
    case " ${SDBENCH_SKIP-} " in *" $part "*) return 0 ;; esac
    echo "sdbench $*" >&2
    "$sdbench" "$@" -o "$work/part.json" -o "$work/part.md" > /dev/null
    printf '%s\n' "$separator" >> "$work/all.json"
    separator=,
    cat "$work/part.json" >> "$work/all.json"
    cat "$work/part.md" >> "$work/all.md"
}

part roofline roofline --svg "$work/roof.svg" "$@"
part layers-unet layers unet "$@"
part layers-vae layers vae "$@"
part layers-text layers text "$@"
part step step --scaling "$@"
part vae vae "$@"
part text text "$@"
part generate generate "$@"
# Of the options those that kernels takes too; the others it would refuse.
taken=
while [ $# -gt 0 ]; do
    case $1 in
        --isa | --precision | --threads | --device | --seconds) taken="$taken $1 $2"; shift ;;
        --isa=* | --precision=* | --threads=* | --device=* | --seconds=*) taken="$taken $1" ;;
    esac
    shift
done
# shellcheck disable=SC2086 # a list of words
part kernels kernels $taken
printf ']\n' >> "$work/all.json"
for form in json md; do mv "$work/all.$form" "$name.$form"; done
if [ -f "$work/roof.svg" ]; then mv "$work/roof.svg" "$name.svg"; fi
