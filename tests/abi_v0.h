/* SPDX-License-Identifier: MIT
 *
 * The first header that was installed, kept as it was: abi_v0_client.c is a program made with it.
 *
 * sdrt: Stable Diffusion on the CPU.  The one installed header.
 *
 *     #include <sdrt.h>
 *     #include <stdio.h>
 *
 *     static void print(void *user, enum sdrt_log_level level, const char *text)
 *     {
 *         (void)user; (void)level;
 *         fprintf(stderr, "%s\n", text);
 *     }
 *
 *     int main(void)
 *     {
 *         struct sdrt_log log = { print, NULL };
 *         struct sdrt_options options;
 *         struct sdrt_request request;
 *         struct sdrt_context *context = NULL;
 *
 *         sdrt_options_init(&options);
 *         options.model = "v1-5-pruned-emaonly.safetensors";
 *         options.log = &log;
 *         sdrt_request_init(&request);
 *         request.prompt = "a photo of a cat";
 *         int status = sdrt_open(&context, &options);
 *         if (!status) status = sdrt_generate(context, &request);
 *         if (!status) status = sdrt_write_png(context, 0, "cat.png");
 *         sdrt_close(&context);
 *         return status != 0;
 *     }
 *
 * Link with: pkg-config --cflags --libs sdrt.  A context belongs to one thread at a
 * time.  Functions return SDRT_OK (0) or a negative enum sdrt_status, and have then
 * written one line to the log.
 */
#ifndef SDRT_TESTS_ABI_V0_H
#define SDRT_TESTS_ABI_V0_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SDRT_API __attribute__((visibility("default")))

#ifndef SDRT_RUNTIME_BASE_ERROR_H
enum sdrt_status {
    SDRT_OK            = 0,
    SDRT_E_ARG         = -1,
    SDRT_E_NOMEM       = -2,
    SDRT_E_IO          = -3,
    SDRT_E_FORMAT      = -4,
    SDRT_E_MISSING     = -5,
    SDRT_E_UNSUPPORTED = -6,
    SDRT_E_CANCELLED   = -7,
    SDRT_E_NUMERIC     = -8,
};

enum sdrt_log_level { SDRT_LOG_ERROR, SDRT_LOG_WARNING, SDRT_LOG_INFO };

/* text is one line without a newline, valid during the call only. */
typedef void sdrt_log_fn(void *user, enum sdrt_log_level level, const char *text);

struct sdrt_log {
    sdrt_log_fn *fn;
    void        *user;
};
#endif

struct sdrt_context; /* a loaded model with its threads and memory */

/* How to open a model.  Fill with sdrt_options_init first; strings are borrowed until
 * sdrt_open returns, the log until sdrt_close. */
struct sdrt_options {
    size_t      size;      /* sizeof(struct sdrt_options), set by the init function */
    const char *model;     /* a .safetensors file or a diffusers folder; NULL with random_weights */
    const char *vae;       /* a VAE that replaces the model's own; NULL: the model's */
    const char *text_encoder, *text_encoder_2; /* the same for text encoders: SDXL and SD 3.x have
                            * two, CLIP-L and CLIP-G */
    const char *t5;        /* SD 3.x's third, a T5, which may be missing; "none": without it */
    const char *t5_tokenizer; /* its spiece.model or tokenizer.json; NULL: in the model's
                            * tokenizer_3/, or a spiece.model beside model or T5 */
    const char *refiner;   /* SDXL's refiner, a file or a folder, which draws the last steps; of it
                            * only the denoiser is used.  NULL: the model draws all steps */
    int         threads;   /* 0: one for each core this process may use */
    const char *isa;       /* "generic", "blas", "avx2", "avx512", "avx512bf16", "amx"; NULL: the
                            * best here that computes in the precision asked for */
    const char *precision; /* "f32", or "bf16": weights rounded to bf16, and with "avx512bf16" and
                            * "amx", which do nothing else, products of bf16 summed in f32 (of the
                            * first, 3x3 convolutions stay f32); elsewhere products stay f32.
                            * NULL: bf16 where one of those is chosen, f32 elsewhere */
    const char *prediction; /* what the denoiser predicts, where the model does not say it right:
                            * "epsilon" or "v"; NULL: as detected */
    int         random_weights; /* 1: random weights, for benchmarks, of the model arch */
    const char *arch;      /* "sd15", "sd21", "sdxl", "sd35-medium", "sd35-large"; NULL: the
                            * first */
    const struct sdrt_log *log;
};

enum sdrt_stage { SDRT_STAGE_LOAD, SDRT_STAGE_TEXT, SDRT_STAGE_DENOISE, SDRT_STAGE_DECODE };

/* Called from sdrt_generate's thread: before the first and after each piece of a stage
 * (done of total; denoise counts denoiser evaluations).  A non-zero return cancels. */
typedef int sdrt_progress_fn(void *user, enum sdrt_stage stage, int done, int total);

/* Called with each named intermediate tensor, f32, dims [batch, height, width, channels];
 * data is dense and valid during the call.  A non-zero return cancels. */
typedef int sdrt_dump_fn(void *user, const char *name, const int dims[4], const float *data);

/* Called after each evaluation with the first image as it looks so far: pixels [height][width][3]
 * in RGB, valid during the call.  Its size is that of the latent, or, where decoding costs
 * little, that of the image.  A non-zero return cancels. */
typedef int sdrt_preview_fn(void *user, const uint8_t *pixels, int width, int height);

/* A LoRA and how strongly it changes the model: 1 as trained, 0 not at all. */
struct sdrt_lora {
    const char *path;
    float       scale;
};

/* What to draw.  Fill with sdrt_request_init first; strings are borrowed for the call. */
struct sdrt_request {
    size_t      size;
    const char *prompt;          /* UTF-8; "" by default */
    const char *negative_prompt; /* NULL, the default, is "", or for SDXL no text at all, which is
                                  * not the same: zeros, as in diffusers */
    int         width, height;   /* pixels, multiples of 8; 0: what the model was trained for */
    int         steps;           /* 20 */
    double      refiner_start;   /* 0.8: what share of the trained timesteps comes before the
                                  * refiner; between 0 and 1.  Nothing without a refiner */
    float       cfg_scale;       /* 7.5; 1 or less runs without guidance */
    const char *sampler;         /* "euler_a", "euler", "ddim", "dpmpp_2m", "heun", "lcm"; NULL:
                                  * "euler" for SD 3.x, which "dpmpp_2m" suits too and no other,
                                  * "euler_a" elsewhere */
    const char *schedule;        /* "default" or "karras" */
    const char *spacing;         /* of timesteps: "leading", "trailing" (Turbo, Lightning),
                                  * "linspace"; NULL: the model's.  Not for SD 3.x */
    int         clip_skip;       /* take CLIP's N-th layer from the end: 1 the last, 2 the one
                                  * before it; 0: as the model was trained */
    /* What SDXL is told of the picture, in pixels; 0: the image's own size. */
    int         original_width, original_height, crop_x, crop_y, target_width, target_height;
    const char *rng;             /* "cpu" (torch's CPU generator) or "cuda" (Philox, as on GPUs) */
    uint64_t    seed;            /* image i of the batch uses seed + i */
    int         batch;           /* images; 1 */
    const struct sdrt_lora *loras; /* n_loras of them; NULL for none */
    int         n_loras;
    const char *lora_dir;        /* where "<lora:name:scale>" in the prompt finds files, or NULL */
    int         lora_lenient;    /* 1: tensors that fit nothing are a warning, not an error */
    sdrt_progress_fn *progress;  /* NULL for none */
    sdrt_dump_fn     *dump;      /* NULL for none */
    sdrt_preview_fn  *preview;   /* NULL for none; never called for a model that has none */
    void             *user;      /* handed to all three */
};

/* What a request needs, known before any of it is loaded: a context's first one.  A later one
 * packs what has been given back, of which another prompt needs most, beside what is still there. */
struct sdrt_memory {
    size_t weights_bytes;   /* packed weights, the most at once */
    size_t arena_bytes;     /* all tensors and scratch of the request */
    size_t available_bytes; /* what the machine can still give; 0 when unknown */
};

SDRT_API const char *sdrt_version(void);
SDRT_API const char *sdrt_status_name(int status);
SDRT_API void sdrt_options_init(struct sdrt_options *options);
SDRT_API void sdrt_request_init(struct sdrt_request *request);

/* Opens a model: checks the files, finds the configuration, starts the threads.  Weights
 * are read at the first request.  *out belongs to the caller, NULL after a failure. */
SDRT_API int sdrt_open(struct sdrt_context **out, const struct sdrt_options *options);

/* Frees everything and sets *context to NULL.  NULL is allowed. */
SDRT_API void sdrt_close(struct sdrt_context **context);

/* Checks the request and plans it, without loading: the memory it will need. */
SDRT_API int sdrt_measure(struct sdrt_context *context, const struct sdrt_request *request,
                          struct sdrt_memory *memory);

/* Draws the images, which then stay in the context until the next call. */
SDRT_API int sdrt_generate(struct sdrt_context *context, const struct sdrt_request *request);

/* Asks a running sdrt_generate to end soon with SDRT_E_CANCELLED; safe in a signal handler. */
SDRT_API void sdrt_cancel(struct sdrt_context *context);

/* Pixels of image i, [height][width][3] in RGB, borrowed until the next generate; NULL when
 * there is no such image. */
SDRT_API const uint8_t *sdrt_image(const struct sdrt_context *context, int i, int *width,
                                   int *height);

/* Writes image i with its parameters inside (A1111's "parameters" text), whole or not at all. */
SDRT_API int sdrt_write_png(struct sdrt_context *context, int i, const char *path);

/* The plan of a request, without loading or drawing: each step with its kernel, memory, and
 * the peak beside the lower bound.  To a path ending in .svg a picture, in .json JSON, else a
 * table; NULL means a table on standard output ("-json": JSON on standard output). */
SDRT_API int sdrt_write_plan(struct sdrt_context *context, const struct sdrt_request *request,
                             const char *path);

/* What path, a file or a folder, is, as lines of text: family, parts with parameters and types,
 * prediction, and whether sdrt draws with it; also for files that it does not draw with.
 * free() it.  NULL when path cannot be read, with one line in the log. */
SDRT_API char *sdrt_inspect(const char *path, const struct sdrt_log *log);

/* A JSON object with the timings and memory of the last generate, as text; free() it. */
SDRT_API char *sdrt_report_json(const struct sdrt_context *context);

#ifdef __cplusplus
}
#endif

#endif
