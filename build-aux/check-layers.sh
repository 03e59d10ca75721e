#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Fails when a folder includes a header of a folder above it:
#     check-layers.sh [SOURCE_TREE]
# Without an argument it checks the tree that `make check` names in $srcdir.
set -eu

cd "${1:-${srcdir:-.}}"
[ -d kernels ] || { echo "$0: $PWD: expected a source tree with kernels/" >&2; exit 2; }
bad=0
# below FOLDER UPPER...: the folder includes none of the others.
below() {
    from=$1
    shift
    for up; do
        if grep -rn "#include \"$up/" "$from"; then bad=1; fi
    done
}
below kernels runtime model tools bench tests
below runtime model tools bench tests
below model   tools bench tests
below tools   bench tests
below bench   tools tests
exit $bad
