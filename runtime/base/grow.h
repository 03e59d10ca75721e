/* SPDX-License-Identifier: MIT
 *
 * Arrays that grow by doubling.
 */
#ifndef SDRT_RUNTIME_BASE_GROW_H
#define SDRT_RUNTIME_BASE_GROW_H

#include <stdlib.h>

/* Room for one more element of size bytes behind the first n of *cap.  Returns the array, which
 * may have moved, and sets *cap; NULL when there is no memory, the old array then stays. */
static inline void *sdrt_grow(void *array, size_t n, size_t *cap, size_t size)
{
    enum { FIRST = 256 };
    const size_t more = *cap ? 2 * *cap : FIRST;
    void *p;

    if (n < *cap) return array;
    p = realloc(array, more * size);
    if (p) *cap = more;
    return p;
}

#endif
