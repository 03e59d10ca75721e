/* SPDX-License-Identifier: MIT
 *
 * The command line of sdgen.
 */
#ifndef SDRT_TOOLS_OPTIONS_H
#define SDRT_TOOLS_OPTIONS_H

#include "cli/options.h"
#include "model/sdrt.h"
#include "runtime/base/error.h"
#include "tools/default_model.h"
#include "tools/hash_cache.h"

enum { SDGEN_MAX_LEVELS = 1000 /* given one by one */ };
enum { SDGEN_OPTIONS = 200 /* at most */ };
enum { SDGEN_MAX_LORAS = 64, SDGEN_MAX_CONTROLS = 4, SDGEN_MAX_IPS = 4, SDGEN_MAX_FILTERS = 32 };

/* All strings are borrowed from argv or the environment, but for paths of LoRAs and control nets
 * and what is said to be owned, and
 * the small model's path points into the struct. */
struct sdgen_options {
    struct sdrt_options model;
    struct sdrt_request request;
    double sigmas[SDGEN_MAX_LEVELS], timesteps[SDGEN_MAX_LEVELS]; /* of the request */
    struct sdrt_lora loras[SDGEN_MAX_LORAS];                      /* request.loras points here */
    struct sdrt_control controls[SDGEN_MAX_CONTROLS];             /* request.controls points here */
    const char
        *control_maps[SDGEN_MAX_CONTROLS]; /* what is made of each; request points here too */
    const char *control_types[SDGEN_MAX_CONTROLS]; /* what each is; likewise */
    struct sdrt_ip_adapter
        ips[SDGEN_MAX_IPS];                   /* request.ip_adapters points here; files are owned */
    char *ip_images[SDGEN_MAX_IPS];           /* their pictures' files, owned */
    char *control_images[SDGEN_MAX_CONTROLS]; /* their pictures' files, owned */
    const char *output;                       /* the image; NULL: a number, see output.h */
    const char *from_image;                   /* whose parameters are repeated; NULL for none */
    char *from_text;                          /* what they are, owned */
    const char *grid;                         /* all images on one sheet; NULL for none */
    const char *prompt_file;                  /* prompts, one a line; "-": standard input */
    const char *init;                         /* the picture to begin with; NULL for none */
    const char *upscale;                      /* what enlarges the images; NULL for nothing */
    const char *upscale_input;                /* a picture that is enlarged instead of drawing */
    int upscale_tile;                         /* 0: as is best */
    const char *mask;                         /* where it is redrawn; NULL for none */
    const char *dump;                         /* the folder for intermediates; NULL for none */
    const char *dump_filter[SDGEN_MAX_FILTERS]; /* patterns of names to dump */
    int dump_filters;                           /* how many; 0: everything is dumped */
    const char *compare;   /* precisions to compare instead of keeping images; NULL for none */
    double precision_db;   /* --precision auto: how near to float32; 0: it is not asked for */
    char *precision_text;  /* what came of that, owned; NULL before */
    const char *inspect;   /* what to say what it is, instead of drawing; NULL for none */
    int plan;              /* print the plan and draw nothing */
    const char *plan_file; /* where to; NULL: standard output */
    const char *mpi;    /* what ranks share, "images", "guidance" or "rows"; NULL: there are none */
    double mpi_timeout; /* seconds; 0: the default */
    int sharers;        /* processes on this machine, between which its memory is */
    int batch_count;    /* batches, one after the other */
    int force;          /* files that are there may be replaced */
    int quality;        /* of JPEG and WebP */
    int no_memory_check;
    int json;
    int show;       /* the images in the terminal */
    int show_steps; /* and how they come about; show is then set too */
    int quiet;
    int fast, cache;     /* given */
    int cfg_scale;       /* --cfg-scale was given */
    int refiner_start;   /* --refiner-start was given */
    int strength;        /* --strength was given */
    int mask_padding;    /* --mask-padding was given */
    int hires_strength;  /* --hires-strength was given */
    int image_cfg_scale; /* --image-cfg-scale was given */
    double mask_blur;
    int automatic;             /* --auto: what few-step models are made for is taken */
    char given[SDGEN_OPTIONS]; /* of each row of options.c: whether the command line has it */
    int random_seed;           /* the seed was drawn here, not given */
    char small_model[DEFAULT_MODEL_PATH];
    char hashes[HASH_CACHE_PATH]; /* model.hashes points here */
};

/* Reads argv into *options; what argv leaves out keeps the library's default.  log is
 * used here and stored in options->model.  sdgen_options_free() after every result. */
enum cli_parsed sdgen_parse(struct sdgen_options *options, int argc, char **argv,
                            const struct sdrt_log *log);

/* Whether the command line has an option, by its long name. */
int sdgen_given(const struct sdgen_options *options, const char *name);

/* Frees what the options own. */
void sdgen_options_free(struct sdgen_options *options);

#endif
