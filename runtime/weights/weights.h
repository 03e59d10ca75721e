/* SPDX-License-Identifier: MIT
 *
 * Where weights come from.  A model asks a provider for tensors by name; the provider
 * may be a set of mapped files or make the numbers up.  How long a tensor stays in
 * memory is the caller's decision: release says "not needed now", never "gone".
 */
#ifndef SDRT_RUNTIME_WEIGHTS_WEIGHTS_H
#define SDRT_RUNTIME_WEIGHTS_WEIGHTS_H

#include "kernels/dtype.h"
#include "runtime/base/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sdrt_queue;

enum { SDRT_WEIGHT_MAX_RANK = 8 };

/* A tensor's data, row-major, dense.  data is read-only, aligned as its type's blocks want it,
 * borrowed from the provider until release. */
struct sdrt_weight_view {
    enum sdrt_dtype dtype;
    int             rank; /* 0 is a scalar */
    int64_t         shape[SDRT_WEIGHT_MAX_RANK]; /* outermost first */
    const void     *data;
};

/* get, release and prefetch are set.  self belongs to whoever made the provider.  One thread
 * at a time, except for read. */
struct sdrt_weights_provider {
    /* Fills *out.  rank and shape say what the caller expects, for providers that make
     * tensors up; rank -1 means not known (shape may then be NULL).  Files answer what
     * they hold: compare with sdrt_weight_check_shape().
     * SDRT_E_MISSING without a log line, so that callers may try several names; other
     * errors are logged.  Each successful get is paired with one release. */
    int (*get)(void *self, const char *name, int rank, const int64_t *shape,
               struct sdrt_weight_view *out);
    void (*release)(void *self, const char *name);
    /* Advice that the tensor is wanted soon; unknown names are ignored. */
    void (*prefetch)(void *self, const char *name);
    /* These two are both set, or both NULL: then get is what there is.  describe answers as
     * get.  Data that it gives are held until release, as after get; without data there is
     * nothing to release, and read copies the values first .. first+count-1 (inside the
     * tensor) to out, from several threads at once.  read logs nothing.  SDRT_E_IO. */
    int (*describe)(void *self, const char *name, int rank, const int64_t *shape,
                    struct sdrt_weight_view *out);
    int (*read)(void *self, const char *name, const struct sdrt_weight_view *view, size_t first,
                size_t count, void *out);
    /* Where get and describe compute, until the next call; NULL for a provider that does not. */
    void (*use_queue)(void *self, struct sdrt_queue *queue);
    void *self;
};

/* Product of the shape and its bytes.  Views from providers never overflow here. */
size_t sdrt_weight_elements(const struct sdrt_weight_view *view);
size_t sdrt_weight_bytes(const struct sdrt_weight_view *view);

/* SDRT_E_FORMAT, naming the tensor and both shapes, unless view has this shape. */
int sdrt_weight_check_shape(const struct sdrt_weight_view *view, const char *name, int rank,
                            const int64_t *shape, const struct sdrt_log *log);

/* The index of the first NaN or infinity among n values of a type; n when there is none. */
size_t sdrt_weight_first_bad(enum sdrt_dtype dtype, const void *values, size_t n);

/* Likewise of values that f16 would make infinite; n where there is none, and for types other than
 * F32 and BF16. */
size_t sdrt_weight_first_beyond_f16(enum sdrt_dtype dtype, const void *values, size_t n);

/* SDRT_E_NUMERIC, naming the tensor and the index of the first NaN or infinity, unless
 * all values are finite.  Integer types always are. */
int sdrt_weight_check_finite(const struct sdrt_weight_view *view, const char *name,
                             const struct sdrt_log *log);

/* ---- a set of tensor files, under the names that they use ---- */

struct sdrt_weight_files;

enum sdrt_weight_duplicates {
    SDRT_DUPLICATES_FAIL,  /* shards of one model: each tensor is in one of them */
    SDRT_DUPLICATES_REPLACE /* an override, as --vae: the file added later wins */
};

/* An empty set.  *out belongs to the caller.  log is kept and must outlive the set.
 * SDRT_E_NOMEM. */
int sdrt_weight_files_create(struct sdrt_weight_files **out, const struct sdrt_log *log);

/* Closes all files, ends all views, frees *set and sets it to NULL.  NULL is allowed. */
void sdrt_weight_files_free(struct sdrt_weight_files **set);

/* Opens path and adds its tensors.  Only names that begin with strip (may be "") are
 * offered, under add + the rest of the name: strip "state_dict." and add "" undoes a
 * wrapper, strip "" and add "unet." keeps the parts of a folder apart.  No view may be
 * held meanwhile.  After a failure the set is as before.
 * Errors of sdrt_tensor_file_open(); SDRT_E_UNSUPPORTED for scales of weights that the file has not;
 * SDRT_E_FORMAT for a duplicate; SDRT_E_NOMEM. */
int sdrt_weight_files_add(struct sdrt_weight_files *set, const char *path, const char *strip,
                          const char *add, enum sdrt_weight_duplicates duplicates);

/* The same of all files of another set, which stay open as long as either set is there: a file whose
 * tensors have to be copied is so once.  The two sets' threads are those of one set.  Errors as
 * above. */
int sdrt_weight_files_share(struct sdrt_weight_files *set, const struct sdrt_weight_files *from,
                            const char *strip, const char *add,
                            enum sdrt_weight_duplicates duplicates);

/* Names on offer, in byte order; i < count.  Borrowed until the next add. */
size_t sdrt_weight_files_count(const struct sdrt_weight_files *set);
const char *sdrt_weight_files_name(const struct sdrt_weight_files *set, size_t i);

/* The set as a provider; it must outlive all uses.  Data that lies unaligned in its file
 * is copied for as long as the view is held.  F64, ggml's blocks, and f8 or int8 with scales beside
 * them (storage.h) come as F32; the scales are not on offer.  What cannot be read so is
 * SDRT_E_UNSUPPORTED when it is asked for. */
struct sdrt_weights_provider sdrt_weight_files_provider(struct sdrt_weight_files *set);

/* ---- random weights, for benchmarks without a checkpoint ---- */

struct sdrt_random_weights;

/* A source of f32 or f16 tensors (dtype; anything else is SDRT_E_ARG).  Values depend on
 * seed, name and position alone.  About normal (the sum of four uniforms): standard
 * deviation 1/sqrt(fan_in) with fan_in the product of all dimensions but the first, so
 * that activations neither vanish nor blow up; names ending in ".bias" get 0.02;
 * norm weights (rank 1, ending in ".weight") get 1 + 0.02 * normal.
 * *out belongs to the caller.  log is kept and must outlive it. */
int sdrt_random_weights_create(struct sdrt_random_weights **out, enum sdrt_dtype dtype,
                               uint64_t seed, const struct sdrt_log *log);

/* From now on one channel in 97 of what norms leave, from the first on, is factor times as large: their
 * weights, but for those of queries and keys, and the layers that modulate norms in a transformer.  As in trained
 * models, where few channels have most of an activation's size.  Before values are asked for; 0: none. */
void sdrt_random_weights_stand_out(struct sdrt_random_weights *source, float factor);

/* Ends all views, frees *source and sets it to NULL.  NULL is allowed. */
void sdrt_random_weights_free(struct sdrt_random_weights **source);

/* As a provider; source must outlive all uses.  get answers SDRT_E_MISSING when no shape
 * is given, since any name exists. */
struct sdrt_weights_provider sdrt_random_weights_provider(struct sdrt_random_weights *source);

#ifdef __cplusplus
}
#endif

#endif
