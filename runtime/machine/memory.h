/* SPDX-License-Identifier: MIT
 *
 * What the machine can still give, and what this process has taken.
 */
#ifndef SDRT_RUNTIME_MACHINE_MEMORY_H
#define SDRT_RUNTIME_MACHINE_MEMORY_H

#include <stddef.h>

/* Bytes that this process can still take without swapping: the least of the machine's
 * MemAvailable, what each control group above the process (v1 or v2) leaves under its limit,
 * with its page cache counted as free, and what RLIMIT_AS leaves.  On macOS: free, inactive and
 * purgeable pages.
 * SDRT_E_UNSUPPORTED (nothing logged) and 0 bytes where the system does not tell. */
int sdrt_memory_available(size_t *bytes);

/* Bytes of a huge page: 2 MiB on x86 and where the system does not tell, 32 or 512 MiB on Arm with
 * pages of 16 or 64 KiB. */
size_t sdrt_memory_huge_page(void);

/* Asks for huge pages for bytes at p, a multiple of a page.  Does nothing where there are none. */
void sdrt_memory_want_huge(void *p, size_t bytes);

/* Gives the whole pages of bytes at p, a multiple of a page, back to the system.  They stay
 * addressable; what they hold then is not known. */
void sdrt_memory_discard(void *p, size_t bytes);

/* What is resident of this process now (VmRSS), in bytes; 0 where unknown. */
size_t sdrt_memory_rss(void);

/* The most that was ever resident of this process (VmHWM), in bytes; 0 where unknown. */
size_t sdrt_memory_peak_rss(void);

/* From now on the most is that since this call, where the system allows it. */
void sdrt_memory_reset_peak(void);

/* What is resident of this process, pages that several have in equal parts (Pss), in bytes; 0 where
 * unknown. */
size_t sdrt_memory_pss(void);

#endif
