#!/bin/sh
# SPDX-License-Identifier: MIT
#
# All of the library and the programs compiles for Apple Silicon without a warning, and links: by
# zig, without which this is skipped.
set -u
BUILD=$(pwd)/tests/check_macos.build
rm -rf "$BUILD"
export BUILD
# What make says to a child is for this tree.
unset MAKEFLAGS MFLAGS MAKELEVEL CC CFLAGS CPPFLAGS LDFLAGS LIBS
sh "${srcdir-.}/build-aux/macos.sh"
status=$?
[ $status -ne 0 ] || rm -rf "$BUILD"
exit $status
