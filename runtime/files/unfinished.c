/* SPDX-License-Identifier: MIT */
#include "runtime/files/unfinished.h"

#include <stddef.h>
#include <unistd.h>

enum { MOST = 256 };

static const char *noted[MOST]; /* NULL where none is; read and written whole */

void sdrt_unfinished_add(const char *path)
{
    for (int i = 0; i < MOST; i++) {
        const char *none = NULL;
        if (__atomic_compare_exchange_n(&noted[i], &none, path, 0, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST))
            return;
    }
}

void sdrt_unfinished_done(const char *path)
{
    for (int i = 0; path && i < MOST; i++) {
        const char *it = path;
        if (__atomic_compare_exchange_n(&noted[i], &it, NULL, 0, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST))
            return;
    }
}

void sdrt_unfinished_remove(void)
{
    for (int i = MOST; i-- > 0;) {
        const char *path = __atomic_load_n(&noted[i], __ATOMIC_SEQ_CST);
        if (path && unlink(path) != 0) (void)rmdir(path);
    }
}
