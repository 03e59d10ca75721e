/* SPDX-License-Identifier: MIT
 *
 * Weights as the kernels want them: each packed once, kept for every image size and shared by all
 * programs that ask for it, in whatever thread.
 *
 * A store sits between a provider (files, or random numbers) and the programs.  A graph
 * first declares what it needs, which costs little.  A program then asks for packed matrices, f32
 * vectors and tables; what nobody asked for before is made by one sdrt_weight_store_fill(), on all
 * workers of a queue.  The raw tensors are released as soon as they are packed.  Programs count:
 * a weight stays as long as one of them holds it.
 *
 * All functions but create and free may be called from several threads at once, each with uses of
 * its own; one of them fills at a time, and the others wait.
 */
#ifndef SDRT_RUNTIME_WEIGHTS_WEIGHT_STORE_H
#define SDRT_RUNTIME_WEIGHTS_WEIGHT_STORE_H

#include "kernels/pack.h"
#include "runtime/device/device.h"
#include "runtime/weights/packing.h"
#include "runtime/weights/weights.h"

#include <stddef.h>
#include <stdint.h>

struct sdrt_weight_store;
struct sdrt_commons;

/* The packing of one kernel family at one level (gemm.h, conv.h).  rows is called for
 * different rows of one matrix from several threads at once. */
struct sdrt_packing {
    size_t (*bytes)(const struct sdrt_weight_shape *w);
    int (*rows)(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                enum sdrt_dtype from, void *dst);
    int beside; /* 1: kept in the host's memory where the queue's device is another, to be copied from */
};

/* What one program holds, each weight once.  Zero at first, belongs to the program, empty again
 * after sdrt_weight_store_give_back(). */
struct sdrt_weight_uses {
    struct sdrt_weight_held *list;
    size_t n, cap;
};

/* provider is copied and must stay valid, as must log.  fixed is the type of every tensor
 * when the provider makes them up (asking would generate them), or SDRT_DTYPES to ask the
 * provider.  policy says as what each matrix is packed.  *out belongs to the caller.
 * SDRT_E_NOMEM. */
int sdrt_weight_store_create(struct sdrt_weight_store **out,
                             const struct sdrt_weights_provider *provider, enum sdrt_dtype fixed,
                             sdrt_packing_policy *policy, const struct sdrt_log *log);

/* Frees *store, when nothing of it is held any more, and sets it to NULL.  NULL is allowed. */
void sdrt_weight_store_free(struct sdrt_weight_store **store);

/* Shares what is packed from now on, for a processor, with stores of other processes that have the same commons,
 * borrowed, and the same id: they are to have the same program and files, and so one provider's values.  Once
 * some are outdated the store packs all for itself.  Before it is used. */
void sdrt_weight_store_share(struct sdrt_weight_store *store, struct sdrt_commons *commons,
                             uint64_t id);

/* Says that of the matrices that the policy makes I8, those whose names match a glob of globs
 * (sdrt_packing_match(), borrowed; NULL: none) are packed as it says of wide ones.  Before it is used. */
void sdrt_weight_store_widen(struct sdrt_weight_store *store, const char *globs);

/* Says whether matrices of I8 are rotated (kernels/pack.h), which who asks for one puts into its shape.  Before
 * it is used. */
void sdrt_weight_store_rotate(struct sdrt_weight_store *store, int rotated);
int sdrt_weight_store_rotates(const struct sdrt_weight_store *store);

/* Bit i is 1 where glob i keeps something wider that was declared so far. */
uint64_t sdrt_weight_store_widened(struct sdrt_weight_store *store);

/* Says that the tensor name of count values, outermost dimension rows, will be used.  Returns
 * the type that the policy packs it as; SDRT_DTYPES without memory to keep it. */
enum sdrt_dtype sdrt_weight_store_declare(struct sdrt_weight_store *store, const char *name,
                                          int rows, size_t count);

/* The same for a tensor that will be used as it is, by sdrt_weight_store_table(). */
enum sdrt_dtype sdrt_weight_store_declare_table(struct sdrt_weight_store *store, const char *name,
                                                int rows, size_t count);

/* Calls fn with the name of everything declared so far, in byte order; fn calls no function of the
 * store. */
void sdrt_weight_store_each_declared(struct sdrt_weight_store *store,
                                     void (*fn)(void *user, const char *name), void *user);

/* Whether the provider has the tensor as it was declared: SDRT_OK, SDRT_E_MISSING, or
 * SDRT_E_FORMAT for another size.  Logs nothing. */
int sdrt_weight_store_fault(struct sdrt_weight_store *store, const char *name);

/* Bytes that everything declared so far whose name begins with prefix ("": all of it) takes
 * (or will take) once packed. */
size_t sdrt_weight_store_bytes(struct sdrt_weight_store *store, const char *prefix);

/* Asks for the packed matrix of the n_names tensors, stacked by rows, which together are w;
 * tensor i has rows[i] of them, and holds it by uses.  *out, which belongs to the store, is NULL
 * until it is made, by the next sdrt_weight_store_fill() of uses, after which the same question is
 * answered; the arrays must stay valid until then.  One tensor has one matrix: SDRT_E_ARG when it
 * was asked for with another packing, shape or list of tensors.  SDRT_E_NOMEM. */
int sdrt_weight_store_matrix(struct sdrt_weight_store *store, struct sdrt_weight_uses *uses,
                             const struct sdrt_packing *packing, const char *const *names,
                             const int *rows, int n_names, const struct sdrt_weight_shape *w,
                             const void **out);

/* Likewise the n_names vectors, tensor i of rows[i] values, one after the other, as f32. */
int sdrt_weight_store_vector(struct sdrt_weight_store *store, struct sdrt_weight_uses *uses,
                             const char *const *names, const int *rows, int n_names,
                             const float **out);

/* Likewise the tensor [rows][cols] as it is, mapped; out->data is NULL until it is there. */
int sdrt_weight_store_table(struct sdrt_weight_store *store, struct sdrt_weight_uses *uses,
                            const char *const *name, int rows, int cols,
                            struct sdrt_weight_view *out);

/* Makes what uses holds and is not there yet, in memory of queue's device, by the workers of
 * queue.  Every value is checked for NaN and infinity on its way.  progress (may be NULL) hears
 * now and then what share of all bytes is done, 0 while another thread fills, and ends it by a
 * non-zero answer: SDRT_E_CANCELLED, not logged.  After a failure the uses are given back by the
 * caller.  Errors: the provider's, SDRT_E_FORMAT, SDRT_E_NUMERIC, SDRT_E_UNSUPPORTED,
 * SDRT_E_IO, SDRT_E_NOMEM. */
int sdrt_weight_store_fill(struct sdrt_weight_store *store, struct sdrt_weight_uses *uses,
                           struct sdrt_queue *queue, int (*progress)(void *user, double share),
                           void *user);

/* What becomes of a weight when its last use is given back. */
enum sdrt_weight_keep {
    SDRT_WEIGHTS_FREE, /* its memory is free at once */
    SDRT_WEIGHTS_KEEP, /* it stays for who asks next, until one frees it; what is not made goes */
};
void sdrt_weight_store_give_back(struct sdrt_weight_store *store, struct sdrt_weight_uses *uses,
                                 enum sdrt_weight_keep keep);

/* Calls fn while no thread asks the provider, which fn may ask and change.  It calls no function of
 * the store. */
void sdrt_weight_store_change(struct sdrt_weight_store *store, void (*fn)(void *user), void *user);

/* Says that the provider has other values for what begins with prefix, as "text_encoder.": packed
 * weights whose first tensor's name does are not handed out again.  Those that nobody holds are
 * freed at once, the others with their last use.  What was declared stays declared. */
void sdrt_weight_store_outdate(struct sdrt_weight_store *store, const char *prefix);

/* Frees the memory of what is outdated and held all the same, where nobody computes with it or
 * fills the store: its holders find it not current, and give it back before they go on. */
void sdrt_weight_store_drop_outdated(struct sdrt_weight_store *store);

/* Whether nothing that uses holds is outdated. */
int sdrt_weight_store_current(struct sdrt_weight_store *store, const struct sdrt_weight_uses *uses);

#endif
