/* SPDX-License-Identifier: MIT
 *
 * The names of Python that a pickled model may ask for, and what stands for them here.  No name
 * leads to code: those that make tensors are understood by pickle_tensors.c, the others belong to
 * the state of a training and stand for nothing.
 */
#ifndef SDRT_RUNTIME_FILES_PICKLE_GLOBALS_H
#define SDRT_RUNTIME_FILES_PICKLE_GLOBALS_H

#include "kernels/dtype.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sdrt_pickle_global {
    PICKLE_UNKNOWN,   /* not in the list */
    PICKLE_OPAQUE,    /* known, stands for nothing */
    PICKLE_MAPPING,   /* OrderedDict and others that are filled as a dict is */
    PICKLE_SEQUENCE,  /* list, tuple, set, torch.Size */
    PICKLE_MODULE,    /* torch.nn's containers of parameters */
    PICKLE_TENSOR,    /* _rebuild_tensor(storage, offset, size, stride, ...), also _v2 */
    PICKLE_TENSOR_V3, /* _rebuild_tensor_v3(the same, requires_grad, hooks, dtype) */
    PICKLE_PARAMETER, /* _rebuild_parameter(tensor, ...) */
    PICKLE_FROM_TYPE, /* _rebuild_from_type_v2(function, type, arguments, state) */
    PICKLE_STORAGE,   /* a class of storages, of one type of element */
    PICKLE_DTYPE      /* a type of element */
};

/* A type of element that torch has. */
struct sdrt_pickle_type {
    const char *storage, *torch; /* "Half" of torch.HalfStorage, "float16" of torch.float16; either
                                  * may be NULL */
    const char *name;            /* as safetensors spells it */
    unsigned char bytes;
    unsigned char known; /* 1 when dtype is set, 0 for a type that sdrt has not */
    enum sdrt_dtype dtype;
};

/* What stands for module.name, texts without a 0 at their end.  For STORAGE and DTYPE *type is the
 * number of its type, else 0. */
enum sdrt_pickle_global sdrt_pickle_global_find(const char *module, size_t module_size,
                                                const char *name, size_t name_size, uint32_t *type);

/* The type that find numbered so. */
const struct sdrt_pickle_type *sdrt_pickle_type_at(uint32_t type);

#ifdef __cplusplus
}
#endif

#endif
