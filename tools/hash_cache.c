/* SPDX-License-Identifier: MIT */
#include "tools/hash_cache.h"

#include <stdio.h>
#include <stdlib.h>

const char *hash_cache_path(char path[HASH_CACHE_PATH])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = HASH_CACHE_PATH;

    if (cache && *cache == '/') n = snprintf(path, HASH_CACHE_PATH, "%s/sdrt/hashes", cache);
    else if (home && *home == '/')
        n = snprintf(path, HASH_CACHE_PATH, "%s/.cache/sdrt/hashes", home);
    return n < HASH_CACHE_PATH ? path : NULL;
}
