/* SPDX-License-Identifier: MIT
 *
 * model/text/data/clip_merges.txt, built into the library by build-aux/embed.sh.
 */
#ifndef SDRT_MODEL_TEXT_CLIP_MERGES_H
#define SDRT_MODEL_TEXT_CLIP_MERGES_H

#include <stddef.h>

extern const unsigned char sdrt_clip_merges[];
extern const size_t sdrt_clip_merges_size;

#endif
