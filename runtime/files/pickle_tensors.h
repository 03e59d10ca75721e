/* SPDX-License-Identifier: MIT
 *
 * The tensors of a pickled model: those in its mappings, lists and parameters, each under the keys
 * that lead to it with a dot between, as in "state_dict.first_stage_model.decoder.conv_in.bias".
 * What a training needs to go on (optimizers, callbacks) is left out.
 */
#ifndef SDRT_RUNTIME_FILES_PICKLE_TENSORS_H
#define SDRT_RUNTIME_FILES_PICKLE_TENSORS_H

#include "runtime/files/pickle.h"
#include "runtime/files/tensor_format.h"

/* A storage: the bytes that one or more tensors are views of. */
struct sdrt_pickle_storage {
    const char *key; /* without a 0 at its end */
    size_t key_size;
    const struct sdrt_pickle_type *type;
    uint64_t count;          /* elements of type */
    uint64_t first, of_view; /* where a view of a storage begins and how many it has; the whole
                                 * storage's elsewhere */
};

/* Reads what a persistent id says of a storage.  SDRT_E_FORMAT. */
int sdrt_pickle_storage_read(struct sdrt_pickle_storage *out, const struct sdrt_pickle *pickle,
                             uint32_t storage, const char *path, const struct sdrt_log *log);

/* A tensor's place in a storage. */
struct sdrt_pickle_view {
    const struct sdrt_pickle_type *type;
    int rank, dense; /* dense: its elements lie one behind the other */
    int64_t shape[SDRT_TENSOR_MAX_RANK], stride[SDRT_TENSOR_MAX_RANK]; /* stride: in elements */
    uint64_t offset, elements, reach; /* reach: elements of the storage up to the last one */
};

/* Where the tensors of a pickle are.  Both log their errors. */
struct sdrt_pickle_source {
    /* Sets *out to where the storage's count elements lie, all inside the file, none read yet. */
    int (*locate)(void *self, const struct sdrt_pickle_storage *storage, const char **out);
    /* Where persistent ids are tensors, else NULL: the same for the tensor of that id, and its
     * storage and type, rank, shape, stride and offset, none below 0. */
    int (*look_up)(void *self, const struct sdrt_pickle_value *id, struct sdrt_pickle_view *view,
                   struct sdrt_pickle_storage *storage, const char **out);
    void *self;
};

/* Fills file->header, tensors and count, as a format's parse does, from what the pickle holds.
 * Tensors whose elements do not lie one behind the other are copied into the header, within
 * *budget.  file->header is one block of malloc().  Errors of parse. */
int sdrt_pickle_tensors(struct sdrt_tensor_file *file, const struct sdrt_pickle *pickle,
                        const struct sdrt_pickle_source *source, size_t *budget,
                        const struct sdrt_log *log);

/* The tar archives of PyTorch's first year: whether a file that begins so is one, and a format's
 * parse, which may allocate budget bytes. */
int sdrt_pickle_tar_claims(const char *map, size_t size);
int sdrt_pickle_tar_parse(struct sdrt_tensor_file *file, size_t budget, const struct sdrt_log *log);

#endif
