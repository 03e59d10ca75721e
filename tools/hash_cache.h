/* SPDX-License-Identifier: MIT
 *
 * Where hashes of files are kept between runs.
 */
#ifndef SDRT_TOOLS_HASH_CACHE_H
#define SDRT_TOOLS_HASH_CACHE_H

enum { HASH_CACHE_PATH = 4096 };

/* Writes sdrt/hashes below $XDG_CACHE_HOME or $HOME/.cache, and returns path; NULL where neither is set. */
const char *hash_cache_path(char path[HASH_CACHE_PATH]);

#endif
