/* SPDX-License-Identifier: MIT
 *
 * The single file of a tiny model, made of its folder as its single-names.txt says.
 */
#ifndef SDRT_TESTS_SINGLE_FILE_H
#define SDRT_TESTS_SINGLE_FILE_H

#include "runtime/files/tensor_files.h"

enum { TENSORS = 1024, MOST_PARTS = 5 };

/* A tensor of the single file: of one of the folder's tensors, or by rows of three. */
struct single_tensor {
    char name[200], op[8]; /* op: copy, join, turn (transposed), swap (the second half of its rows
                            * first) */
    const struct sdrt_file_tensor *from[3];
    int n;
};

struct single {
    struct sdrt_tensor_file *files[MOST_PARTS];
    struct single_tensor tensors[TENSORS];
    int n;
};

/* Reads the list of the family into *s, which is all zeros; the tensors are borrowed from its
 * files. */
void read_single(struct single *s, const char *family);

/* Writes the tensors that are listed, under the names that they have now. */
void write_single(const char *path, const struct single *s);

void close_single(struct single *s);

/* The first tensor with part in its name. */
struct single_tensor *find_single(struct single *s, const char *part);

#endif
