/* SPDX-License-Identifier: MIT */
#include "bench/allocations.h"

#include <errno.h>
#include <stdatomic.h>

static atomic_long count;
static atomic_long left = -1;
static atomic_size_t bytes;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **p, size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **p, size_t alignment, size_t size);

int sdrt_allocations_counted(void) { return 1; }
long sdrt_allocations(void) { return atomic_load(&count); }
void sdrt_allocations_refuse(long n) { atomic_store(&left, n); }
long sdrt_allocations_left(void) { return atomic_load(&left); }
size_t sdrt_allocations_bytes(void) { return atomic_load(&bytes); }

static int refused(size_t size)
{
    atomic_fetch_add(&count, 1);
    atomic_fetch_add(&bytes, size);
    return atomic_load(&left) >= 0 && atomic_fetch_sub(&left, 1) == 0;
}

void *__wrap_malloc(size_t size)
{
    return refused(size) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refused(n * size) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return refused(size) ? NULL : __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refused(size) ? NULL : __real_aligned_alloc(alignment, size);
}

int __wrap_posix_memalign(void **p, size_t alignment, size_t size)
{
    return refused(size) ? ENOMEM : __real_posix_memalign(p, alignment, size);
}
