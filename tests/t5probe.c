/* SPDX-License-Identifier: MIT
 *
 * A developer's program: one pass of a T5 encoder, ids in and hidden states out as .npy, and how
 * much memory it took, for tests/oracle/compare_t5.py.  Products are f32, or with a last argument
 * bf16 where weights are bf16 and the machine has them.
 */
#include "kernels/isa.h"
#include "runtime/machine/memory.h"
#include "runtime/files/npy.h"
#include "tests/t5_pass.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_line(void *user, enum sdrt_log_level level, const char *text)
{
    (void)user;
    if (level != SDRT_LOG_INFO) fprintf(stderr, "t5probe: %s\n", text);
}

static const struct sdrt_log to_stderr = { print_line, NULL };

static int run(const char *weights, const char *prefix, const struct sdrt_npy *ids,
               const char *path, unsigned isa)
{
    const int batch = (int)ids->shape[0], tokens = (int)ids->shape[1];
    struct sdrt_t5_place place = { .rows = tokens, .width = 4096 };
    struct t5_pass p;
    float *out = NULL;
    int status = t5_pass_open(&p, weights, prefix, sdrt_isa_best(isa)->flags, 2, batch, tokens,
                              &place, &to_stderr);

    if (status == SDRT_OK) {
        const int64_t shape[3] = { batch, tokens, place.width };
        out = calloc((size_t)batch * (size_t)tokens, (size_t)place.width * sizeof *out);
        status = out ? t5_pass_run(&p, ids->data, out) : SDRT_E_NOMEM;
        if (status == SDRT_OK) status = sdrt_npy_write(path, SDRT_F32, 3, shape, out, &to_stderr);
    }
    if (status == SDRT_OK)
        printf("%d layers, arena %zu MiB, peak resident %zu MiB\n", p.config.layers,
               sdrt_program_peak(p.program) >> 20, sdrt_memory_peak_rss() >> 20);
    free(out);
    t5_pass_close(&p);
    return status;
}

int main(int argc, char **argv)
{
    struct sdrt_npy *ids = NULL;
    unsigned isa = sdrt_isa_detect();

    if (argc < 5 || argc > 6 || (argc == 6 && strcmp(argv[5], "bf16"))) {
        fputs(
            "usage: t5probe WEIGHTS.safetensors PREFIX IDS.npy OUT.npy [bf16] (a width of 4096)\n",
            stderr);
        return 2;
    }
    if (argc == 5) isa &= ~(unsigned)(SDRT_ISA_ANY_BF16 | SDRT_ISA_ANY_INT16);
    int status = sdrt_npy_read(&ids, argv[3], &to_stderr);
    if (status == SDRT_OK && (ids->dtype != SDRT_I32 || ids->rank != 2))
        status = sdrt_fail(&to_stderr, SDRT_E_ARG, "%s: expected int32 [batch][tokens]", argv[3]);
    if (status == SDRT_OK) status = run(argv[1], argv[2], ids, argv[4], isa);
    sdrt_npy_free(&ids);
    return status != SDRT_OK;
}
