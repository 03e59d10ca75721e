/* SPDX-License-Identifier: MIT
 *
 * What memory.h asks, read below a folder instead of "/", so that a test can describe another
 * machine; "" is this one.
 */
#ifndef SDRT_RUNTIME_MACHINE_MEMORY_LINUX_H
#define SDRT_RUNTIME_MACHINE_MEMORY_LINUX_H

#include <stddef.h>

/* sdrt_memory_available() without RLIMIT_AS. */
int sdrt_memory_available_below(const char *root, size_t *bytes);

/* sdrt_memory_huge_page(). */
size_t sdrt_memory_huge_page_below(const char *root);

#endif
