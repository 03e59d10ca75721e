#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The Python bindings: each struct, enum and function beside the header, and images beside those of
# ./sdgen.  PYTHON names another interpreter.
set -u
. "${srcdir-.}/tests/support.sh"

python=${PYTHON-python3}
build=$(pwd)
source=$(cd "${srcdir-.}" && pwd)
reason=
"$python" -c 'import sys; assert sys.version_info >= (3, 8)' > /dev/null 2>&1 || reason="no $python of 3.8 or later"
[ -n "$reason" ] || "$python" -c 'import numpy' > /dev/null 2>&1 || reason="no numpy for $python"
[ -f "$build/.libs/libsdrt.so" ] || reason='no shared library'
# Sanitizers have to be loaded before the interpreter.
[ -n "$reason" ] || SDRT_LIBRARY=$build/.libs/libsdrt.so "$python" -c '
import ctypes, os; ctypes.CDLL(os.environ["SDRT_LIBRARY"])' > /dev/null 2>&1 ||
    reason="$python cannot load this library"
if [ -n "$reason" ]; then
    skip "the Python bindings ($reason)"
    finish
    exit 77
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# Of a distribution the sources may be read-only.
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$source/bindings/python SDRT_LIBRARY=$build/.libs/libsdrt.so \
    SDRT_SOURCE=$source SDRT_SDGEN=$build/sdgen "$python" "$source/tests/check_python.py" "$work" > "$work/said" 2>&1
status=$?
while IFS= read -r line; do
    case $line in
        'ok '*) report true "${line#ok }" ;;
        *) printf '%s\n' "$line" ;;
    esac
done < "$work/said"
ok=true
[ $status -eq 0 ] || ok=false
report $ok 'the bindings' "status $status"
finish
