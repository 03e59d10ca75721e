/* SPDX-License-Identifier: MIT
 *
 * AMX-TILE, AMX-BF16 and AMX-INT8 on an array.  Include immintrin.h instead.
 */
#ifndef SDRT_TESTS_EMULATION_AMX_H
#define SDRT_TESTS_EMULATION_AMX_H

#include <stddef.h>

/* Every instruction but the first aborts where the processor would raise #UD: without a
 * configuration, or with shapes that do not match. */
void temulated_loadconfig(const void *config);
void temulated_release(void);
void temulated_zero(int t);
void temulated_load(int t, const void *p, ptrdiff_t stride);
void temulated_store(int t, void *p, ptrdiff_t stride);
void temulated_dpbf16ps(int c, int a, int b);
void temulated_dpbssd(int c, int a, int b);

#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#undef _tile_dpbssd
#define _tile_loadconfig temulated_loadconfig
#define _tile_release temulated_release
#define _tile_zero temulated_zero
#define _tile_loadd(t, p, stride) temulated_load(t, p, (ptrdiff_t)(stride))
#define _tile_stored(t, p, stride) temulated_store(t, p, (ptrdiff_t)(stride))
#define _tile_dpbf16ps temulated_dpbf16ps
#define _tile_dpbssd temulated_dpbssd

#endif
