/* SPDX-License-Identifier: MIT
 *
 * Writes checkpoints for tests as sparse files, from golden/sd15_names.txt: the tensors of
 * the published single file of SD 1.5, and what diffusers calls each of them.  Each tensor
 * begins with its line number there, so what a name leads to is seen in the data.
 */
#ifndef SDRT_TESTS_CHECKPOINT_FILES_H
#define SDRT_TESTS_CHECKPOINT_FILES_H

#include <stdint.h>

enum { TEST_TENSORS = 1200, TEST_NAME = 200 };

struct test_tensor {
    char name[TEST_NAME];      /* in the single file */
    char canonical[TEST_NAME]; /* "" for what no model needs */
    int rank;
    int64_t shape[4];
};

extern struct test_tensor test_tensors[TEST_TENSORS];
extern int test_n_tensors;

/* Fills test_tensors, each dimension d being size(d). */
void test_read_names(int64_t size(int64_t));

/* The tensor of that name in the single file, which must be there. */
struct test_tensor *test_find(const char *name);

/* Gives a tensor's name in a file to out, or returns 0 when it shall not be there. */
typedef int test_rename(const struct test_tensor *t, char out[TEST_NAME]);

/* The name as it is, and a part's name in a diffusers folder; the old one calls the parts of
 * attention otherwise. */
test_rename test_same, test_vae_part, test_vae_part_old;

/* front and rest together to out, and the rest of name behind prefix, or NULL. */
int test_put(char out[TEST_NAME], const char *front, const char *rest);
const char *test_after(const char *name, const char *prefix);

/* Writes those tensors, as f16, whose line number % of == part. */
void test_write_shard(const char *path, test_rename *name, int part, int of);

/* A path in the temporary folder, as of temp_path(). */
const char *in_folder(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Makes the folders of a diffusers model, m in the temporary folder, empty; its path. */
const char *test_make_folders(void);

#endif
