/* SPDX-License-Identifier: MIT
 *
 * Weights as the kernels want them: each packed once, kept for every image size.
 *
 * A store sits between a provider (files, or random numbers) and the programs.  A graph
 * first declares what it needs, which costs nothing and collects what is missing.  A
 * program then asks for packed matrices and f32 vectors; what was asked for the first time
 * is made by one sdrt_weight_store_fill(), by all workers of a queue, and shared
 * afterwards.  The raw tensors are released as soon as they are packed.
 */
#ifndef SDRT_RUNTIME_WEIGHTS_WEIGHT_STORE_H
#define SDRT_RUNTIME_WEIGHTS_WEIGHT_STORE_H

#include "kernels/pack.h"
#include "runtime/device/device.h"
#include "runtime/weights/weights.h"

#include <stddef.h>

struct sdrt_weight_store;

/* The packing of one kernel family at one level (gemm.h, conv.h).  rows is called for
 * different rows of one matrix from several threads at once. */
struct sdrt_packing {
    size_t (*bytes)(const struct sdrt_weight_shape *w);
    int (*rows)(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                enum sdrt_dtype from, void *dst);
};

/* provider is copied and must stay valid, as must log.  fixed is the type of every tensor
 * when the provider makes them up (asking would generate them), or SDRT_DTYPES to ask the
 * provider.  *out belongs to the caller.  SDRT_E_NOMEM. */
int sdrt_weight_store_create(struct sdrt_weight_store **out,
                             const struct sdrt_weights_provider *provider, enum sdrt_dtype fixed,
                             const struct sdrt_log *log);
void sdrt_weight_store_free(struct sdrt_weight_store **store);

/* Every matrix declared from now on is packed as this type (F32, F16 or BF16), whatever the
 * files hold. */
void sdrt_weight_store_pack_as(struct sdrt_weight_store *store, enum sdrt_dtype type);

/* Says that the tensor name of count values, outermost dimension rows, will be used.  Returns
 * the type it should be packed as: that of sdrt_weight_store_pack_as(); without it F16 and
 * BF16 stay, F8 becomes BF16 and all else F32.  A tensor that is absent or has another size is
 * remembered for sdrt_weight_store_check(). */
enum sdrt_dtype sdrt_weight_store_declare(struct sdrt_weight_store *store, const char *name,
                                          int rows, size_t count);

/* The same for a tensor that will be used as it is, by sdrt_weight_store_table(). */
void sdrt_weight_store_declare_table(struct sdrt_weight_store *store, const char *name, int rows,
                                     size_t count);

/* Calls fn with the name of everything declared so far, in byte order. */
void sdrt_weight_store_each_declared(const struct sdrt_weight_store *store,
                                     void (*fn)(void *user, const char *name), void *user);

/* SDRT_OK, or SDRT_E_MISSING / SDRT_E_FORMAT with one line that names the first few bad
 * tensors and counts the rest; then forgets them. */
int sdrt_weight_store_check(struct sdrt_weight_store *store);

/* Bytes that everything declared so far whose name begins with prefix ("": all of it) takes
 * (or will take) once packed. */
size_t sdrt_weight_store_bytes(const struct sdrt_weight_store *store, const char *prefix);

/* Asks for the packed matrix of the n_names tensors, stacked by rows, which together are w;
 * tensor i has rows[i] of them.  *out, which belongs to the store, is NULL until the next
 * sdrt_weight_store_fill(), after which the same question is answered; the arrays must stay
 * valid until then.  One tensor has one matrix: SDRT_E_ARG when it was asked for with another
 * packing, shape or list of tensors.  SDRT_E_NOMEM. */
int sdrt_weight_store_matrix(struct sdrt_weight_store *store, const struct sdrt_packing *packing,
                             const char *const *names, const int *rows, int n_names,
                             const struct sdrt_weight_shape *w, const void **out);

/* Likewise the n_names vectors, tensor i of rows[i] values, one after the other, as f32. */
int sdrt_weight_store_vector(struct sdrt_weight_store *store, const char *const *names,
                             const int *rows, int n_names, const float **out);

/* Makes what was asked for and is not there yet, in memory of queue's device, by the workers of
 * queue.  Every value is checked for NaN and infinity
 * on its way.  progress (may be NULL) hears now and then what share of all bytes is done, and
 * ends it by a non-zero answer: SDRT_E_CANCELLED, not logged.  After a failure what is not
 * there yet is forgotten, to be asked for again.  Errors: those of the provider, SDRT_E_FORMAT,
 * SDRT_E_NUMERIC, SDRT_E_UNSUPPORTED, SDRT_E_IO, SDRT_E_NOMEM. */
int sdrt_weight_store_fill(struct sdrt_weight_store *store, struct sdrt_queue *queue,
                           int (*progress)(void *user, double share), void *user);

/* Forgets what was asked for and is not made, for who asks and then does not fill. */
void sdrt_weight_store_forget(struct sdrt_weight_store *store);

/* Frees everything packed (and gives back every table) whose first tensor's name begins with
 * prefix, as "text_encoder.": programs that use it must be unloaded, and load again when they
 * are next wanted.  What was declared stays declared. */
void sdrt_weight_store_release(struct sdrt_weight_store *store, const char *prefix);

/* The tensor [rows][cols] as it is, mapped; *out stays valid as long as the store. */
int sdrt_weight_store_table(struct sdrt_weight_store *store, const char *name, int rows,
                            int cols, struct sdrt_weight_view *out);

#endif
