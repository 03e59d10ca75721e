/* SPDX-License-Identifier: MIT
 *
 * The pictures of tests/oracle/make_pictures.py.
 */
#ifndef SDRT_TESTS_GOLDEN_PICTURES_H
#define SDRT_TESTS_GOLDEN_PICTURES_H

#include <stddef.h>
#include <stdint.h>

/* golden/pictures/<name>.png [*height][*width][3]; the caller frees it. */
uint8_t *golden_picture(const char *name, int *width, int *height);

/* Peak signal to noise in dB of n bytes against others. */
double pictures_psnr(const uint8_t *a, const uint8_t *b, size_t n);

#endif
