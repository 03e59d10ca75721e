/* SPDX-License-Identifier: MIT
 *
 * How the values of a file's tensors are stored: as themselves, in ggml's blocks, or as small
 * numbers that other tensors of the file scale.  Those others (scale_weight or weight_scale, the
 * notes comfy_quant, what bitsandbytes keeps) are companions, which nobody asks for.
 *
 *     module.weight        F8_E4M3, F8_E5M2 or I8, [rows][cols] or a convolution's
 *     module.weight_scale  one number, or one for each row; scale_weight is its older name
 *     module.comfy_quant   JSON as bytes: {"format": "float8_e4m3fn" | "float8_e5m2" |
 *                          "int8_tensorwise", "convrot": true, "convrot_groupsize": 256}
 *
 * The same notes may stand in the file's metadata, as _quantization_metadata.  With convrot each
 * group of inputs was multiplied by a regular Hadamard matrix (arXiv 2512.03673), which is symmetric
 * and its own inverse: the product of 1/2 [1 1 1 -1; 1 1 -1 1; 1 -1 1 1; -1 1 1 1] with itself, one
 * for each digit of the group's size to the base of 4.
 */
#ifndef SDRT_RUNTIME_WEIGHTS_STORAGE_H
#define SDRT_RUNTIME_WEIGHTS_STORAGE_H

#include "runtime/files/tensor_files.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One tensor.  All zeros: as itself. */
struct sdrt_stored {
    int converted;         /* 1: sdrt_stored_read() makes F32 of it; 0: its bytes are its values */
    int companion;         /* 1: only says how another is stored */
    enum sdrt_dtype dtype; /* of its bytes, where converted */
    float *scales;         /* owned; NULL without */
    size_t n_scales;       /* 1, or one a row */
    int group;             /* inputs that were rotated together; 0: none were */
    char refused[80];      /* "": it can be read; else what it is in that sdrt does not read */
};

/* Finds out for each tensor of file, *out[i] for sdrt_tensor_file_at(file, i).  What is not
 * understood is refused by its entry alone.  *out belongs to the caller, who gives its count to
 * sdrt_storage_free(); NULL after a failure.  SDRT_E_NOMEM, logged. */
int sdrt_storage_find(struct sdrt_stored **out, const struct sdrt_tensor_file *file,
                      const struct sdrt_log *log);

/* Frees *list of count and sets it to NULL.  NULL is allowed. */
void sdrt_storage_free(struct sdrt_stored **list, size_t count);

/* Values first .. first+count-1, which the tensor has, of one that is converted and not refused, as
 * f32.  Reads the file, not the mapping.  From any thread.  SDRT_E_IO, not logged. */
int sdrt_stored_read(const struct sdrt_stored *stored, const struct sdrt_tensor_file *file,
                     const struct sdrt_file_tensor *tensor, size_t first, size_t count, float *out);

#ifdef __cplusplus
}
#endif

#endif
