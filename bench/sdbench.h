/* SPDX-License-Identifier: MIT
 *
 * What the subcommands of sdbench share.
 */
#ifndef SDRT_BENCH_SDBENCH_H
#define SDRT_BENCH_SDBENCH_H

#include "runtime/base/error.h"

enum sdrt_bench_format {
    SDRT_FORMAT_TABLE,
    SDRT_FORMAT_JSON,
    SDRT_FORMAT_JSONL, /* on one line */
    SDRT_FORMAT_CSV,
    SDRT_FORMAT_MARKDOWN,
    SDRT_FORMAT_HTML, /* of page, and no other */
};

struct sdrt_bench_output {
    const char *path;
    enum sdrt_bench_format format;
};

enum { SDRT_BENCH_OUTPUTS = 4, SDRT_BENCH_OPTIONS = 64 };

struct sdrt_bench_options {
    const char *command;
    const char *what;       /* family of kernels, network of layers and roofline, first file of
                             * compare; NULL: the default */
    const char *other;      /* second file of compare */
    char **words;           /* all after the command: the files of page */
    int words_n;
    const char *model;      /* NULL: random weights */
    const char *arch;       /* of random weights */
    const char *isa;        /* NULL: the best here; kernels: "all" is each in turn */
    const char *precision;
    const char *sizes, *precisions, *thread_counts; /* lists of more than one, or NULL */
    const char *device;     /* "cpu", as is NULL, "cuda", "cuda:N" */
    const char *svg;        /* roofline: the picture's file, or NULL */
    const char *preset;     /* generate: whose program's settings, or NULL */
    double cfg_scale;       /* of a preset; 0: the default */
    const char *shape;      /* kernels: a shape (shape_text.h), or only those whose name holds this;
                             * NULL: all */
    const char *shapes;     /* kernels: file of shapes; NULL: the models' */
    const char *kernel;     /* kernels: shared object with one of its own, or NULL */
    const char *assembly;   /* kernels: the shape whose loop is written, or NULL */
    int seed;               /* of its numbers; 0: another one each time */
    int quick, unchecked;   /* score */
    double outliers;        /* error: a few channels of random weights are so many times the others */
    int anyway;             /* compare: different work too */
    double gflops;          /* ranks: of a machine; 0: this one's roof */
    int width, height, batch, threads, steps, scaling;
    const char *taesd;      /* vae: a TAESD's file, or NULL; with random weights it is random too */
    int bands;              /* vae: rows of a band; 0: all at once */
    int iterations;         /* 0: the command's default */
    double until_spread,
        max_seconds;        /* percent, 0: so many iterations; and in any case no longer */
    double seconds;         /* kernels: to spend on each figure */
    double fail_above;      /* compare: percent; negative: never */
    enum sdrt_bench_format format; /* on standard output */
    struct sdrt_bench_output outputs[SDRT_BENCH_OUTPUTS];
    int outputs_n;
    const char *mpi;    /* how the processes that mpirun started share the work; NULL: there is one */
    double mpi_timeout; /* seconds; 0: the default */
    struct sdrt_bench_many *many; /* those; NULL before they are joined */
    struct sdrt_ranks *share;     /* a pass is opened to be run by all of these together; or NULL */
    struct sdrt_commons *commons; /* what their machine's have of its weights; or NULL */
    int no_pin;                   /* threads are held nowhere */
    int sink; /* where a run of a sweep sends what is to be written; 0: it writes that itself */
    const struct sdrt_log *log;
    char given[SDRT_BENCH_OPTIONS]; /* by row of the table of options */
};

/* 1: go on; 0: done, all is told; -1: usage error, already told. */
int sdrt_bench_parse(struct sdrt_bench_options *o, int argc, char **argv);

/* SDRT_E_ARG for an option that the command would ignore, which is named. */
int sdrt_bench_check_uses(const struct sdrt_bench_options *o);

/* SDRT_E_ARG where --bands or --taesd does not go with the others. */
int sdrt_bench_check_vae(const struct sdrt_bench_options *o);

/* Whether the options name a device that is not the processor. */
int sdrt_bench_on_gpu(const struct sdrt_bench_options *o);

/* Each fills the report, and returns SDRT_OK or an error that the log has heard of. */
struct sdrt_report;
int sdrt_bench_roofline(const struct sdrt_bench_options *o, struct sdrt_report *r);
int sdrt_bench_roofline_gpu(const struct sdrt_bench_options *o, struct sdrt_report *r);
int sdrt_bench_kernels(const struct sdrt_bench_options *o, struct sdrt_report *r);
int sdrt_bench_score(const struct sdrt_bench_options *o, struct sdrt_report *r);
int sdrt_bench_error(const struct sdrt_bench_options *o, struct sdrt_report *r);
int sdrt_bench_shapes(const struct sdrt_bench_options *o, struct sdrt_report *r);
int sdrt_bench_layers(const struct sdrt_bench_options *o, struct sdrt_report *r);
int sdrt_bench_ranks(const struct sdrt_bench_options *o, struct sdrt_report *r);
int sdrt_bench_model(const struct sdrt_bench_options *o, struct sdrt_report *r);
int sdrt_bench_generate(const struct sdrt_bench_options *o, struct sdrt_report *r);
/* Writes its page itself; the report is left alone. */
int sdrt_bench_page(const struct sdrt_bench_options *o, struct sdrt_report *r);
/* SDRT_BENCH_SLOWER when a row is slower by more than fail_above. */
int sdrt_bench_compare(const struct sdrt_bench_options *o, struct sdrt_report *r);
enum { SDRT_BENCH_SLOWER = 1 };

#endif
