/* SPDX-License-Identifier: MIT
 *
 * Machine code of a running program as text: binutils' nm and objdump read it, llvm-mca judges it.
 */
#ifndef SDRT_BENCH_ASSEMBLY_H
#define SDRT_BENCH_ASSEMBLY_H

#include "runtime/base/error.h"

#include <stdint.h>
#include <stdio.h>

enum { SDRT_ASSEMBLY_TEXT = 128 };

struct sdrt_instruction {
    uint64_t address; /* in the object */
    uint64_t target;  /* of a jump; 0: none */
    int samples;      /* set by sdrt_assembly_sample() */
    char text[SDRT_ASSEMBLY_TEXT];
};

/* One function. */
struct sdrt_assembly {
    struct sdrt_instruction *at; /* owned */
    int n;
    char function[SDRT_ASSEMBLY_TEXT];
};

/* Disassembles the function of the object that holds the byte at offset.  SDRT_E_UNSUPPORTED where a tool or
 * the symbol is missing, SDRT_E_IO, SDRT_E_NOMEM, each with a line. */
int sdrt_assembly_create(struct sdrt_assembly *a, const char *object, uint64_t offset,
                         const struct sdrt_log *log);
void sdrt_assembly_free(struct sdrt_assembly *a);

/* Notes a sample at that offset; 0 where it lies outside the function. */
int sdrt_assembly_sample(struct sdrt_assembly *a, uint64_t offset);

/* The loop in which the time goes by: of all ranges from a jump's target up to the jump, the shortest that has
 * at least a third of the function's samples.  Its first and last instruction; 0: there is none. */
int sdrt_assembly_loop(const struct sdrt_assembly *a, int *first, int *last);

/* The instructions first to last between llvm-mca's markers, as an assembler reads them. */
void sdrt_assembly_write(const struct sdrt_assembly *a, int first, int last, FILE *to);

/* Clocks a round that llvm-mca predicts for the loop on this processor, and its version; 0.0 where it is not
 * there or cannot read the loop, and then why. */
double sdrt_assembly_predict(const struct sdrt_assembly *a, int first, int last, char *version,
                             size_t version_size);

#endif
