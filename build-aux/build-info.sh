#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Writes a C header that says what is being built, and keeps the file as it is when nothing
# has changed:
#     build-info.sh SOURCE_TREE COMPILER_AND_FLAGS HEADER
# The commit comes from git where the source tree is a checkout, else from the file COMMIT that
# `make dist` puts into a tarball.  HEADER "-": prints the commit alone.
set -eu

[ $# -eq 3 ] || { echo "usage: $0 SOURCE_TREE COMPILER_AND_FLAGS HEADER" >&2; exit 2; }
source=$1 flags=$2 header=$3

commit=unknown
# A tarball may be unpacked inside somebody else's checkout, so git has to know our file.
if git -C "$source" ls-files --error-unmatch configure.ac > /dev/null 2>&1; then
    commit=$(git -C "$source" describe --always --dirty --abbrev=12 2> /dev/null) || commit=unknown
elif [ -f "$source/COMMIT" ]; then
    read -r commit < "$source/COMMIT"
fi
if [ "$header" = - ]; then
    printf '%s\n' "$commit"
    exit
fi

escape() { printf '%s' "$1" | tr '\n' ' ' | sed 's/[\\"]/\\&/g; s/  */ /g; s/ *$//'; }
mkdir -p "$(dirname "$header")"
{
    printf '/* Written by build-info.sh. */\n'
    printf '#define SDRT_BUILD_COMMIT "%s"\n' "$(escape "$commit")"
    printf '#define SDRT_BUILD_FLAGS "%s"\n' "$(escape "$flags")"
} > "$header.new"
if cmp -s "$header.new" "$header"; then rm -f "$header.new"; else mv "$header.new" "$header"; fi
