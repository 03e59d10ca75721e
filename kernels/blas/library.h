/* SPDX-License-Identifier: MIT
 *
 * The BLAS of the `blas` level: OpenBLAS, on macOS Accelerate, whose products run on Apple's matrix
 * units.
 */
#ifndef SDRT_KERNELS_BLAS_LIBRARY_H
#define SDRT_KERNELS_BLAS_LIBRARY_H

#include <config.h>

#if HAVE_ACCELERATE
#define ACCELERATE_NEW_LAPACK 1 /* the names since macOS 13.3; the old ones are deprecated */
#include <Accelerate/Accelerate.h>
#define SDRT_BLAS_NAME "Accelerate"
#else
#include <cblas.h>
#define SDRT_BLAS_NAME "OpenBLAS"
#endif

#endif
