/* SPDX-License-Identifier: MIT
 *
 * Accelerate has no number of threads that a program could set for all of its own: before macOS 15
 * an environment variable that is read once, since then a choice of the calling thread.
 */
#include "kernels/blas/threads.h"

void sdrt_blas_hold(void) {}
void sdrt_blas_release(void) {}
