/* SPDX-License-Identifier: MIT
 *
 * A seed where none is named.
 */
#ifndef SDRT_TOOLS_SEED_H
#define SDRT_TOOLS_SEED_H

#include <stdint.h>

/* 32 bits that nobody can guess, the range that other programs take as well.  [any] */
uint64_t seed_draw(void);

#endif
