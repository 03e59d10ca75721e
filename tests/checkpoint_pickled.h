/* SPDX-License-Identifier: MIT
 *
 * Writes the tensors of checkpoint_files.h as torch.save() does, a sparse archive.
 */
#ifndef SDRT_TESTS_CHECKPOINT_PICKLED_H
#define SDRT_TESTS_CHECKPOINT_PICKLED_H

#include "tests/checkpoint_files.h"

/* As test_write_shard(); in_state_dict 1 puts them under that key, beside a step's number. */
void test_write_pickled(const char *path, test_rename *name, int part, int of, int in_state_dict);

#endif
