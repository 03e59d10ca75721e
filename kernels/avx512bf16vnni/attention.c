/* SPDX-License-Identifier: MIT
 *
 * Attention stays in bf16 where both are: as fast as integers of 16 bits, whose weights need a
 * maximum before they are made.
 */
#include "kernels/attention.h"

void sdrt_attention_init_avx512bf16vnni(struct sdrt_attention_ops *ops)
{
    sdrt_attention_init_avx512bf16(ops);
}
