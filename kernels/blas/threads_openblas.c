/* SPDX-License-Identifier: MIT */
#include "kernels/blas/threads.h"

#include "kernels/blas/library.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int holders, before;

void sdrt_blas_hold(void)
{
    pthread_mutex_lock(&lock);
    if (!holders++) {
        before = openblas_get_num_threads();
        openblas_set_num_threads(1);
    }
    pthread_mutex_unlock(&lock);
}

void sdrt_blas_release(void)
{
    pthread_mutex_lock(&lock);
    if (!--holders) openblas_set_num_threads(before);
    pthread_mutex_unlock(&lock);
}
