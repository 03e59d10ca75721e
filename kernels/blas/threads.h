/* SPDX-License-Identifier: MIT
 *
 * OpenBLAS's own threads.  Their number is one setting of the whole process, which may be using
 * OpenBLAS for something else; while workers call it, each for its share, it must be 1.  Accelerate
 * has no such setting, and is left alone.
 */
#ifndef SDRT_KERNELS_BLAS_THREADS_H
#define SDRT_KERNELS_BLAS_THREADS_H

/* From the first hold to the last release OpenBLAS works on its callers' threads alone; then the
 * number is again what it was.  From any thread; kernels do not call them, whoever runs them does. */
void sdrt_blas_hold(void);
void sdrt_blas_release(void);

#endif
