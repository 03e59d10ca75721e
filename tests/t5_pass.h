/* SPDX-License-Identifier: MIT
 *
 * T5's encoder by itself, from a file of weights.
 */
#ifndef SDRT_TESTS_T5_PASS_H
#define SDRT_TESTS_T5_PASS_H

#include "model/net/t5_encoder.h"
#include "runtime/graph/program.h"
#include "runtime/weights/weight_store.h"

/* Owns all that it points to, from t5_pass_open() to t5_pass_close(). */
struct t5_pass {
    struct sdrt_weight_files *files;
    struct sdrt_weight_store *store;
    struct sdrt_program *program;
    struct sdrt_device *device;
    struct sdrt_queue *queue;
    struct sdrt_device_memory *arena;
    struct sdrt_t5_config config;
};

/* Opens the weights of path, whose names begin with "prefix." (all of them where prefix is ""),
 * and prepares a pass over batch prompts of tokens tokens with the kernels of isa.  Close it
 * in any case.  Errors: the parts'. */
int t5_pass_open(struct t5_pass *p, const char *path, const char *prefix, unsigned isa, int threads,
                 int batch, int tokens, const struct sdrt_t5_place *place,
                 const struct sdrt_log *log);

/* ids [batch][tokens] -> out [batch][place.rows][place.width]; both are the caller's. */
int t5_pass_run(struct t5_pass *p, int32_t *ids, float *out);
void t5_pass_close(struct t5_pass *p);

#endif
