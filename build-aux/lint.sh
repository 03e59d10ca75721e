#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Holds the tree to .editorconfig, .clang-format, .clang-tidy and shellcheck:
#     lint.sh SOURCE_TREE
# in a build folder that has a compile_commands.json (`make lint` writes it first).  A tool that is
# not there is skipped and named.  Files in unformatted.txt are older than .clang-format and keep
# their lines until somebody formats them and strikes them off.
set -u

source=$1
bad=0

files() {
    (cd "$source" && find kernels runtime model cli tools bench tests "$@" | sort)
}

# White space, as .editorconfig has it.
tab=$(printf '\t')
files -name '*.[ch]' -o -name '*.sh' -o -name '*.py' | sed "s|^|$source/|" |
    xargs grep -nE "$tab| +\$" && bad=1

# Another version breaks lines elsewhere.
if clang-format --version 2> /dev/null | grep -q 'version 14\.'; then
    files -name '*.[ch]' | grep -vxF -f "$source/build-aux/unformatted.txt" |
        sed "s|^|$source/|" | xargs clang-format --dry-run -Werror || bad=1
else
    echo 'lint: no clang-format 14: format not looked at'
fi

# Tests are Criterion's macros, whose insides are no affair of ours; bytes of a page are no code.
if command -v clang-tidy > /dev/null 2>&1; then
    sed -n 's/.*"file": "\([^"]*\)".*/\1/p' compile_commands.json | grep -v '/tests/' |
        while read -r file; do [ ! -f "$file" ] || echo "$file"; done |
        xargs -n 8 -P "${LINT_JOBS:-2}" clang-tidy --quiet -p . 2> /dev/null || bad=1
else
    echo 'lint: no clang-tidy: skipped'
fi

# Names in a build folder have no spaces, and the shells in use know `ulimit -v`.
if command -v shellcheck > /dev/null 2>&1; then
    find "$source/bootstrap" "$source/build-aux" "$source/bench" "$source/tests" "$source/tools" \
        \( -name '*.sh' ! -name ltmain.sh \) -o -name bootstrap |
        xargs shellcheck --severity=warning --exclude=SC2044,SC2046,SC3045 || bad=1
else
    echo 'lint: no shellcheck: skipped'
fi
exit $bad
