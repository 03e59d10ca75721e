/* SPDX-License-Identifier: MIT
 *
 * How a program that OpenBLAS is linked to ends.
 */
#ifndef SDRT_KERNELS_BLAS_LEAVE_H
#define SDRT_KERNELS_BLAS_LEAVE_H

#include <stdio.h>
#include <unistd.h>

#ifdef __has_feature /* clang's */
#define SDRT_CLANG_HAS(x) __has_feature(x)
#else
#define SDRT_CLANG_HAS(x) 0
#endif

/* Ends the process with that status, files flushed, past exit handlers: OpenBLAS's waits for the
 * threads it started, and one that found no memory for its buffer tries again for ever.  A build
 * with sanitizers returns, as they look for leaks at exit. */
static inline int sdrt_blas_leave(int status)
{
    fflush(NULL);
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__ && \
    !SDRT_CLANG_HAS(address_sanitizer) && !SDRT_CLANG_HAS(thread_sanitizer)
    _exit(status);
#endif
    return status;
}

#endif
