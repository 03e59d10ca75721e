/* SPDX-License-Identifier: MIT
 *
 * What a precision costs on the user's own weights: the same request drawn in several, each beside
 * the first.
 */
#ifndef SDRT_TOOLS_COMPARE_H
#define SDRT_TOOLS_COMPARE_H

#include "runtime/base/error.h"

#include <stdint.h>
#include <stdio.h>

enum { COMPARE_MAX = 8 }; /* precisions in one comparison */

struct compare;

/* Reads list, "f32,bf16", into *out, which belongs to the caller, NULL after a failure: SDRT_E_ARG
 * where a name is none of SDRT_LIST_PRECISIONS, comes twice, or is the only one, and SDRT_E_NOMEM.
 * option names what was given in errors. */
int compare_open(struct compare **out, const char *option, const char *list,
                 const struct sdrt_log *log);

/* Frees all and sets *c to NULL; a NULL is allowed. */
void compare_close(struct compare **c);

/* 10 log10 of 255^2 over the mean square difference, in dB; infinite where all bytes are equal. */
double compare_psnr(const uint8_t *a, const uint8_t *b, size_t bytes);

/* The precision that is drawn after n others, which lasts as long as c; NULL after the last. */
const char *compare_precision(const struct compare *c, int n);

/* What follows is of this precision, and of the images of one request. */
void compare_begin(struct compare *c, int n);

/* A dump_fn's work (sdrt.h): keeps a sketch of a tensor [dims] of the first request's first step
 * and of each step's last.  A sketch is 4096 sums of the tensor's values with random signs (Charikar,
 * Chen, Farach-Colton 2002), whose distance from another is the tensors' own to some 2 %.
 * SDRT_E_NOMEM. */
int compare_tensor(struct compare *c, const char *name, const int dims[4], const float *data,
                   const struct sdrt_log *log);

/* Keeps the first precision's image i, [height][width][3], or measures another's beside it.
 * SDRT_E_NOMEM. */
int compare_image(struct compare *c, int i, const uint8_t *pixels, int width, int height,
                  const struct sdrt_log *log);

/* The table: PSNR of the images (mean and least), the error of the denoiser's answer step by step,
 * and of the first step the layers that are most wrong; as JSON where json is not 0.  SDRT_E_NOMEM. */
int compare_print(const struct compare *c, FILE *to, int json, const struct sdrt_log *log);

#endif
