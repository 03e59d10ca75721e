#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Writes sdrt_kernel.h, what a kernel outside this tree includes, to standard output: the headers of
# the families in one file, without what is for the tree alone.
#     kernel-header.sh SOURCE_TREE
set -eu

cd "${1:-.}/kernels"
cat << 'HEAD'
/* SPDX-License-Identifier: MIT
 *
 * Made of the headers in kernels/ by build-aux/kernel-header.sh: what a kernel for `sdbench kernels FAMILY
 * --kernel FILE` fills.  struct sdrt_kernel at the end is where to begin; bench/plugin/ has one to
 * begin with.
 */
#ifndef SDRT_KERNEL_H
#define SDRT_KERNEL_H

#include <stddef.h>
#include <stdint.h>

HEAD
awk '
FNR == 1 && NR > 1 { print "" }
/SPDX-License-Identifier/ { print "/*"; getline; next }
/^#include/ { next }
/^#ifndef SDRT_KERNEL_H / { tree = 1 }
!tree && (!/^$/ || !blank)
!tree { blank = /^$/ }
/^#endif/ { tree = 0 }
' dtype.h exec.h act.h pack.h gemm.h conv.h attention.h norm.h elementwise.h plugin.h
printf '\n#endif\n'
