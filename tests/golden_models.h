/* SPDX-License-Identifier: MIT
 *
 * The tiny models below tests/golden and what diffusers makes of them; an assertion of Criterion
 * fails where a file is not as it should be.
 */
#ifndef SDRT_TESTS_GOLDEN_MODELS_H
#define SDRT_TESTS_GOLDEN_MODELS_H

#include "model/pipeline/session.h"
#include "runtime/files/npy.h"

/* A path below the family's folder, that of golden/tiny-<family>; the last eight stay valid. */
const char *path_in(const char *family, const char *name);

/* golden/<name>.npy of the family; the caller frees it. */
struct sdrt_npy *golden(const char *family, const char *name);

/* To open path in f32 with two threads and the log that temp_folder.h keeps. */
void model_options(struct sdrt_options *o, const char *path);

/* Opened so; isa NULL: the best here.  The caller closes it. */
struct sdrt_context *open_model(const char *path, const char *isa);
struct sdrt_context *open_refined(const char *path, const char *refiner, const char *isa);

/* Expects that model to be refused, or that request of it, before anything is packed: by status,
 * and one line that has text in it. */
void expect_refusal(const struct sdrt_options *o, const struct sdrt_request *r, int status,
                    const char *text);

/* Expects what sdrt_inspect() says of path to hold each of the words up to a NULL. */
void expect_inspected(const char *path, const char *const *words);

/* L2 of the difference over L2 of what is wanted. */
double relative(const float *got, const float *want, size_t n);

/* Expects got, which has the golden array's size, to be relatively no further from it than
 * limit. */
void judge(const char *family, const char *isa, const char *name, const float *got, double limit);

/* Peak signal to noise in dB of the 8-bit image against golden/image-<name>/image, which is
 * 0 .. 1. */
double psnr(const uint8_t *image, const char *family, const char *name);

#endif
