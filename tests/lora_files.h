/* SPDX-License-Identifier: MIT
 *
 * LoRA files for tests, made of others: the same tensors under other names.
 */
#ifndef SDRT_TESTS_LORA_FILES_H
#define SDRT_TESTS_LORA_FILES_H

#include <stddef.h>

enum { LORA_NAME = 256 };

/* Writes what a tensor of this name is called in the copy; "" leaves it out. */
typedef void lora_rename_fn(const char *name, char out[LORA_NAME]);

/* A tensor that the copy has besides. */
struct lora_extra {
    const char *name, *dtype, *shape; /* as in a header: "F32", "[1,2]" */
    const void *data;
    size_t bytes;
};

/* Copies the safetensors file from to the temporary folder's to, n extra tensors behind, and
 * returns its path.  rename NULL: names stay. */
const char *lora_copy(const char *from, const char *to, lora_rename_fn *rename,
                      const struct lora_extra *extra, size_t n);

#endif
