/* SPDX-License-Identifier: MIT
 *
 * Where the linker cannot send a program's own calls elsewhere, nothing is counted or refused.
 */
#include "bench/allocations.h"

int sdrt_allocations_counted(void) { return 0; }
long sdrt_allocations(void) { return 0; }
size_t sdrt_allocations_bytes(void) { return 0; }
void sdrt_allocations_refuse(long n) { (void)n; }
long sdrt_allocations_left(void) { return -1; }
