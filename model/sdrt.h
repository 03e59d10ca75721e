/* SPDX-License-Identifier: MIT
 *
 * sdrt: Stable Diffusion on the CPU.  The installed header, with sdrt_status.h beside it.
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
 * Link with: pkg-config --cflags --libs sdrt.  Functions return SDRT_OK (0) or a negative enum
 * sdrt_status, and have then written one line to the log.  Nothing is written to standard output.
 *
 * Threads: a function marked [any] may be called by any thread at any time.  One marked [session]
 * may be called by any thread, but by one at a time for the same session or context; different ones
 * do not disturb each other.  Callbacks and the log are called by the thread that called the
 * function.
 *
 * What it does to the program around it: it pins threads while they work (see no_pin), the calling
 * one among them, which then gets back what it had, and leaves locale, signals and environment
 * alone.
 * After fork() a child may go on with what its parent opened, while nothing draws in the parent's
 * other threads.  Calls need 128 KiB of stack.  Numbers are written with a point in every locale.
 * OpenBLAS comes with it: it starts threads when it is loaded, and has one number of threads for
 * the process; the level "blas" sets that to 1 while it works and then back, the others never touch
 * it.  Its handler at exit waits for those threads, and where an address space is so tight that one
 * of them found no memory, it waits for ever: such a program ends by _exit() after fflush(NULL).
 *
 * The structs of options and of a request grow at their end.  A program made with an older header
 * goes on working with a newer library, and one made with a newer header works with an older
 * library as long as it leaves alone what that does not know.
 */
#ifndef SDRT_H
#define SDRT_H

#include "sdrt_status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SDRT_API __attribute__((visibility("default")))

/* Of this header; sdrt_version() and sdrt_abi_version() tell the library's.  SDRT_ABI rises when
 * something is added. */
#define SDRT_VERSION_MAJOR 0
#define SDRT_VERSION_MINOR 1
#define SDRT_VERSION_PATCH 0
#define SDRT_ABI 6

struct sdrt_model;   /* what may be shared: files, configuration, packed weights; counted */
struct sdrt_session; /* what draws with a model: threads, memory, images */
struct sdrt_context; /* a model with one session, for programs that need no more */

/* Called again and again while a model is opened, by the thread that opens it: before each of its
 * files, before each piece of a header, and before each MiB that is hashed.  A non-zero return ends
 * that soon with SDRT_E_CANCELLED; then it is not called again. */
typedef int sdrt_cancelled_fn(void *user);

/* How to open a model.  Fill with sdrt_options_init first; strings are borrowed until
 * sdrt_open or sdrt_model_open returns, the log until the context is closed or the model freed.
 * What strings may say is in the lists below. */
struct sdrt_options {
    size_t      size;      /* sizeof(struct sdrt_options), set by the init function */
    const char *model;     /* a .safetensors or .ckpt file or a diffusers folder; NULL with
                            * random_weights */
    const char *vae;       /* a VAE that replaces the model's own; NULL: the model's */
    const char *text_encoder, *text_encoder_2; /* the same for text encoders: SDXL and SD 3.x have
                            * two, CLIP-L and CLIP-G */
    const char *t5;        /* SD 3.x's third, a T5, which may be missing; "none": without it */
    const char *t5_tokenizer; /* its spiece.model or tokenizer.json; NULL: in the model's
                            * tokenizer_3/, or a spiece.model beside model or T5 */
    const char *refiner;   /* SDXL's refiner, a file or a folder, which draws the last steps; of it
                            * only the denoiser is used.  NULL: the model draws all steps */
    int         threads;   /* 0: one for each core this process may use, but for those
                            * of less than 0.35 of the best ones' speed */
    const char *isa;       /* a name of SDRT_LIST_LEVELS, "avx2"; NULL: the best here that computes
                            * in the precision asked for */
    const char *precision; /* "f32", or "bf16": weights rounded to bf16, and with "avx512bf16",
                            * "neonbf16", "neonmmla" and "amx", which do nothing else, products of
                            * bf16 summed in f32 (of the first two, 3x3 convolutions stay f32);
                            * elsewhere products stay f32.  "int16": with "avx2int16", "avxvnni",
                            * "avx512vnni" and "avx512bf16vnni", which do nothing else, linear layers,
                            * convolutions and attention multiply in 16-bit integers; attention is bf16
                            * with the last, f32 where it has a mask or a bias.  "int8": with the last three and "amx", when
                            * it is asked for, as int16, or bf16 with amx, but that most of the
                            * denoiser's linear layers multiply in 8-bit integers; "int8:rotate": after
                            * groups of 64 channels are rotated, which spreads what is large in one;
                            * "int8:wide=GLOB+GLOB": but for those whose weights' names,
                            * "unet.mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj.weight",
                            * match a glob; "int8:rotate:wide=...": both.  "f16": with "neonf16", which is taken for it alone, weights
                            * and products are f16, and so are sums of 256; 3x3 convolutions, the T5
                            * and the VAE stay f32.  NULL: what the level computes in */
    const char *prediction; /* what the denoiser predicts, where the model does not say it right:
                            * "epsilon" or "v"; NULL: as detected */
    int random_weights;     /* 1: random weights, for benchmarks, of the model arch; then those of
                                 * a taesd, whatever it names */
    const char *arch;      /* a name of SDRT_LIST_ARCHS, "sdxl"; NULL: the first */
    const struct sdrt_log *log;
    int         no_pin;    /* 1: no thread is ever held on one processor; 0: threads are, for the
                            * time of a run, where they take all cores that get one by default */
    const char *denoiser;  /* a U-Net, or SD 3.x's transformer, that replaces the model's own: a file
                            * or a folder, of original names or diffusers'.  The model may itself be
                            * a denoiser alone, with vae and text encoders beside it */
    const char *device;   /* "cpu", as is NULL; "cuda" or "cuda:N": an NVIDIA GPU, which computes in
                            * bf16, of compute capability 7.5 in f16 (the VAE in f32).  Its driver is
                            * looked for then; text encoders stay on the processor, to which threads,
                            * isa and no_pin belong */
    size_t device_memory; /* bytes that a GPU may be asked for; 0: what is free there */
    int plan_only;        /* 1: nothing will be drawn, so that no GPU is needed to plan for one */
    const char *taesd; /* a TAESD, a file or a folder: its decoder, encoder or both stand in for the
                            * VAE's, with an eighteenth of the work and less detail; NULL: none */
    const char
        *hashes;    /* a file that keeps SHA-256 of model, VAE and LoRAs, by which images then name
                            * them, as A1111 and Civitai count; it need not be there.  NULL: none is named */
    int hash_files; /* 1: those that it does not have are computed, once, when a model is opened or a
                            * LoRA drawn with, which takes seconds for a large file; 0: they are not named */
    sdrt_cancelled_fn *cancelled; /* NULL: opening is not cancelled.  What reads the weights later is, as
                            * drawing is */
    void *cancelled_user;         /* handed to it */
};

enum sdrt_stage {
    SDRT_STAGE_LOAD,
    SDRT_STAGE_TEXT,
    SDRT_STAGE_DENOISE,
    SDRT_STAGE_DECODE,
    SDRT_STAGE_ENCODE /* of a picture to begin with */
};

/* Called from sdrt_generate's thread: before the first and after each piece of a stage
 * (done of total; denoise counts denoiser evaluations, or parts of the way of a sampler that chooses its steps
 * on it), and again and again while the request waits
 * for another session.  A non-zero return cancels. */
typedef int sdrt_progress_fn(void *user, enum sdrt_stage stage, int done, int total);

/* Called with each named intermediate tensor, f32, dims [batch, height, width, channels];
 * data is dense and valid during the call.  A non-zero return cancels. */
typedef int sdrt_dump_fn(void *user, const char *name, const int dims[4], const float *data);

/* Which of a run's pictures a preview is. */
struct sdrt_preview_at {
    int image;       /* of the batch */
    int step, total; /* denoiser evaluations that are done, and all of the run; as progress counts */
};

/* Called after each evaluation with the first image as it looks so far: pixels [height][width][3]
 * in RGB.  pixels and at are valid during the call.  It is as large as the latent, or, where
 * decoding costs little, as large as the image.  A non-zero return cancels. */
typedef int sdrt_preview_fn(void *user, const uint8_t *pixels, int width, int height,
                            const struct sdrt_preview_at *at);

/* A LoRA and how strongly it changes the model: 1 as trained, 0 not at all. */
struct sdrt_lora {
    const char *path;
    float       scale;
};

/* A picture in the caller's memory. */
struct sdrt_picture {
    const uint8_t *pixels; /* [height][width][channels], rows stride bytes apart */
    int    width, height;
    int    channels;       /* 1: grey, 3: RGB, 4: RGB and alpha */
    size_t stride;         /* 0: width * channels */
};

/* A picture that guides the drawing, and the net that reads it. */
struct sdrt_control {
    const char *
        net; /* a ControlNet or T2I-Adapter of the model's family, a file or a folder; it stays open while
                           * a session draws with it */
    const struct sdrt_picture
        *picture;         /* what it was trained to read, such as edges; brought to the
                           * image's size as resize_mode says */
    float scale;          /* 1 as trained; 0 to 10 */
    float start, end;     /* the share of the steps where it begins and ends: 0, 1 */
};

/* A picture as a prompt. */
struct sdrt_ip_adapter {
    const char *file; /* an IP-Adapter, plain or plus, of the model's family; it stays open while a
                       * session draws with it */
    const struct sdrt_picture *picture; /* what it is about; of one that is not square the middle is
                                         * seen */
    float scale;                        /* 1 as trained; 0 to 10, with 0 as if it were not there */
};

/* What to draw.  Fill with sdrt_request_init first; strings and pictures are borrowed for the
 * call. */
struct sdrt_request {
    size_t      size;
    const char *prompt;          /* UTF-8; "" by default, as is NULL */
    const char *negative_prompt; /* NULL, the default, is "", or for SDXL no text at all, which is
                                  * not the same: zeros, as in diffusers */
    int         width, height;   /* pixels, multiples of 8; 0: what the model was trained for */
    int         steps;           /* 20 */
    double      refiner_start;   /* 0.8: what share of the trained timesteps comes before the
                                  * refiner; between 0 and 1.  Nothing without a refiner */
    float       cfg_scale;       /* 7.5; 1 or less runs without guidance */
    const char *sampler;         /* a name of SDRT_LIST_SAMPLERS; NULL: "euler" for SD 3.x, which
                                  * "dpmpp_2m" suits too and no other, "dpmpp_2m" for models of EDM
                                  * (Playground v2.5, CosXL), "lcm" for those that are told the
                                  * guidance scale, "euler_a" elsewhere */
    const char *schedule;        /* "default", as is NULL, or "karras" */
    const char *spacing;         /* of timesteps: "leading", "trailing" (Turbo, Lightning),
                                  * "linspace"; NULL: the model's.  Not for SD 3.x */
    int         clip_skip;       /* take CLIP's N-th layer from the end: 1 the last, 2 the one
                                  * before it; 0: as the model was trained */
    /* What SDXL is told of the picture, in pixels; 0: the image's own size. */
    int         original_width, original_height, crop_x, crop_y, target_width, target_height;
    const char *rng;             /* "cpu" (torch's CPU generator), as is NULL, or "cuda" (Philox, as
                                  * on GPUs) */
    uint64_t    seed;            /* image i of the batch uses seed + i */
    int         batch;           /* images; 1 */
    const struct sdrt_lora *loras; /* n_loras of them; NULL for none */
    int         n_loras;
    const char *lora_dir;        /* where tags in the prompt ("<lora:name:0.8>") find files, or
                                  * NULL */
    int         lora_lenient;    /* 1: tensors that fit nothing are a warning, not an error */
    sdrt_progress_fn *progress;  /* NULL for none */
    sdrt_dump_fn     *dump;      /* NULL for none */
    sdrt_preview_fn  *preview;   /* NULL for none; never called for a model that has none */
    void             *user;      /* handed to each of the three whose own is NULL */
    void *progress_user, *dump_user, *preview_user; /* handed to one each */

    /* To begin with a picture, and to be guided by others. */
    const struct sdrt_picture *init; /* the picture to begin with, or NULL; where it is transparent
                                      * it is laid on white.  Without width and height the image is
                                      * as large, down to a multiple that the model can draw */
    const struct sdrt_picture *mask; /* where it is redrawn: white; NULL: everywhere.  As large as
                                      * init; where it is black the image has init's pixels */
    float strength; /* 0.75: how much of init is redrawn, above 0 to 1; of the steps
                                      * the last so many are run */
    int         n_controls;
    const struct sdrt_control *controls; /* n_controls of them, up to 4; NULL for none */
    const char *resize_mode; /* how init comes to another size: "just", as is NULL: its sides apart;
                              * "crop": whole over the image, the rest cut off; "fill": whole within
                              * it, its edges drawn out over the rest */
    int mask_invert;         /* 1: black is redrawn */
    float mask_blur;         /* pixels, the sigma of a Gaussian that softens the mask; 0 */
    const char *masked_content; /* what is there before it is redrawn: "original", "fill": the
                              * surroundings' colours, "noise", "nothing": a latent of zeros; NULL:
                              * "fill" beyond init's edges, else "original" */
    int mask_only;    /* 1: only the mask's surroundings are drawn, at width x height, and put
                              * back into init, whose size the image then has */
    int mask_padding; /* pixels of init around the mask for that; 32 */
    int extend_left, extend_top, extend_right, extend_bottom; /* pixels that are added to
                              * init and drawn with what mask says */

    const char *prompt_style;    /* a name of SDRT_LIST_PROMPT_STYLES: whose rules the prompts follow;
                                  * NULL: "a1111" where they have brackets that no backslash stands
                                  * before, BREAK or AND, or name an embedding, else "plain" */
    const char *embeddings;      /* a folder of textual inversions, which the prompts name by
                                  * "embedding:name" or, with "a1111", by the name alone; NULL: none */

    double eta;                  /* noise that a sampler adds anew, as a share of its own; below 0, as by
                                  * default: what it is made for, 0 for ddim and 1 for the others */
    double s_noise;              /* 1: a factor on that noise, of k-diffusion's samplers */
    uint64_t eta_noise_seed_delta; /* 0; else the generators of that noise begin at the seed plus this */
    uint64_t subseed;            /* of a variation, of image i of the batch + i; the seed is then one for
                                  * all */
    float subseed_strength;      /* 0: none; 1: the variation's noise alone */
    const double *sigmas;        /* n_sigmas noise levels in place of the schedule's, falling, above 0;
                                  * steps are then as many.  Not for ddim and lcm */
    const double *timesteps;     /* the same by n_timesteps timesteps of the training */
    int n_sigmas, n_timesteps;
    float cfg_rescale;           /* 0 to 1: the share by which guidance keeps the deviation that it would
                                  * raise; 0 */
    float cfg_start, cfg_end;    /* the share of the evaluations with guidance: 0, 1 */
    float image_cfg_scale;       /* 1.5: how closely an editing model, which reads init beside the
                                  * latent, keeps to it; 1 or more.  Such a model begins with noise
                                  * whatever strength is */
    float hires;       /* above 1, up to 8: the image is drawn, enlarged so many times, down to
                                  * a multiple that the model can draw, and drawn again from there,
                                  * one by one of a batch; 0: once.  Not with init or dump */
    float hires_strength; /* 0.5: how much of it is redrawn then, as strength */
    int hires_steps;      /* of which that is a share; 0: steps */
    int vae_bands; /* the VAE decodes, and encodes pictures, in bands of so many of the image's rows, a
                                  * multiple of 8 from 16 on, to the same image: its memory is a band's
                                  * and what the latent's size takes, and what is larger lies in a file
                                  * in $TMPDIR or /var/tmp; it takes twice the work.  0: at once.  On the
                                  * processor */
    const char *hires_upscaler; /* what enlarges: "latent", as is NULL: the latent, bilinear;
                                  * "latent_nearest"; "lanczos": the picture; or an upscaler's file, brought
                                  * to the size by Lanczos */
    int control_guess; /* 1: control pictures guide what the prompt says and not what is to be
                                  * avoided, in coarse features more than in fine ones, so that they
                                  * steer without a prompt too */
    const char *const *control_maps; /* n_controls names of SDRT_LIST_CONTROL_MAPS or NULLs: what is
                                  * made of each control picture at the image's size; NULL: nothing */
    const char *cache; /* NULL: each evaluation computes the whole denoiser; else "NAME" or
                                  * "NAME:OPTION=NUMBER,...", with which some do less or nothing (see
                                  * sdgen's manual): "taylor", "easycache", and of U-Nets "deepcache" and
                                  * "tgate"; "fast": what was best everywhere; "none" */
    const char *const
        *control_types; /* n_controls names of SDRT_LIST_CONTROL_TYPES or NULLs: what each
                                  * control picture is, where its net is a union of several (xinsir's
                                  * for SDXL), which has to be told; NULL: none is one */
    const char *guidance; /* by what rule: NULL and "none": along a straight line; "apg" or
                                  * "cfg_zero", with options as cache has them (see sdgen's manual) */
    const char
        *cfg_schedule; /* guidance scales with commas between, each for as large a share of the
                                  * evaluations, in place of cfg_scale; NULL: none */
    float slg_scale;   /* 0: none; how much SD 3.x is pushed from what it says with some blocks
                                  * skipped: 2.8 for SD 3.5 Medium */
    float slg_start, slg_end; /* the share of the evaluations with that: 0.01, 0.2 */
    const char *slg_layers;   /* numbers of blocks with commas between; NULL: "7,8,9" */
    float
        pag_scale; /* 0: none; how much a model is pushed from what it says where each token attends
                                  * to itself alone, in SD 3.x to the text too: 3 */
    float pag_adaptive_scale; /* 0: by how much that falls with each of the 1000 timesteps */
    const char *pag_layers; /* parts of the names of its self-attentions, with commas between; NULL:
                                  * "mid", of SD 3.x "blocks.1" */
    const char *freeu; /* "b1,b2,s1,s2": FreeU's weights of a U-Net's first two up blocks, "1.5,1.6,
                                  * 0.9,0.2" without blanks for SD 1.5; NULL: none */
    int dynamic_prompts; /* 1: of "{a|b}" in the prompts the seed chooses one, for all images of the
                                  * batch (see sdgen's manual); the parameters have what was chosen */
    const struct sdrt_ip_adapter *ip_adapters; /* n_ip_adapters of them, up to 4, for models with a
                                  * U-Net; NULL for none */
    const char
        *clip_vision; /* CLIP's encoder of their pictures, a file or a folder: ViT-H, of the first
                                  * adapter for SDXL ViT-bigG */
    int n_ip_adapters;
    double
        s_churn; /* 0: none; how much euler, heun and dpm2 raise the noise before steps, shared out
                                  * over them, by s_noise times what they draw */
    double s_tmin, s_tmax; /* only of steps that begin at a noise level between; s_tmax 0: no end */
    int seed_resize_width,
        seed_resize_height; /* 0: none; the noise is that of an image of this size,
                                  * laid on the middle, with other noise around it, as the web UI has it */
};

/* What a context's first request needs, known before any of it is loaded.  A later one packs again
 * what has been given back, beside what is still there. */
struct sdrt_memory {
    size_t weights_bytes;   /* packed weights, the most at once */
    size_t arena_bytes;     /* all tensors and scratch of the request */
    size_t available_bytes; /* what the machine can still give; 0 when unknown */
};

/* "0.1.0", and the library's SDRT_ABI.  [any] */
SDRT_API const char *sdrt_version(void);
SDRT_API int sdrt_abi_version(void);

/* A constant text of a few words.  [any] */
SDRT_API const char *sdrt_status_name(int status);

/* What the strings of options and requests may say. */
enum sdrt_list {
    SDRT_LIST_SAMPLERS,
    SDRT_LIST_SCHEDULES,
    SDRT_LIST_SPACINGS,
    SDRT_LIST_PREDICTIONS,
    SDRT_LIST_RNGS,
    SDRT_LIST_LEVELS, /* instruction sets, in the order of their worth */
    SDRT_LIST_PRECISIONS,
    SDRT_LIST_ARCHS, /* models that random weights can be made for */
    SDRT_LIST_RESIZE_MODES,
    SDRT_LIST_MASKED_CONTENTS,
    SDRT_LIST_FORMATS, /* of pictures */
    SDRT_LIST_PROMPT_STYLES,
    SDRT_LIST_CONTROL_MAPS,  /* of OpenCV's "canny" edges, "invert", "blur", "threshold" */
    SDRT_LIST_CONTROL_TYPES, /* of pictures that a union of control nets reads, "canny", "depth" */
};

/* Name i of a list, a constant; NULL where the list has ended.  [any] */
SDRT_API const char *sdrt_list_name(enum sdrt_list list, int i);

/* The number of a name in a list, in whatever spelling of it four programs have for samplers and
 * schedules ("DPM++ 2M" is "dpmpp_2m"); -1 when it is not there.  [any] */
SDRT_API int sdrt_list_find(enum sdrt_list list, const char *name);

/* 1 where this machine and this build can use it, 0 where not, which only levels, precisions (on the processor) and
 * formats know, or for no such name.  [any] */
SDRT_API int sdrt_list_usable(enum sdrt_list list, int i);

/* Write the defaults.  Call them as sdrt_options_init(&options), sdrt_request_init(&request), which
 * hands the size of the caller's struct over; the functions of these names fill the first header's
 * structs and are for programs made with that.  NULL is allowed.  [any] */
SDRT_API void sdrt_options_init(struct sdrt_options *options);
SDRT_API void sdrt_request_init(struct sdrt_request *request);
SDRT_API void sdrt_options_init_sized(struct sdrt_options *options, size_t size);
SDRT_API void sdrt_request_init_sized(struct sdrt_request *request, size_t size);
#define sdrt_options_init(options) sdrt_options_init_sized((options), sizeof(struct sdrt_options))
#define sdrt_request_init(request) sdrt_request_init_sized((request), sizeof(struct sdrt_request))

/* Frees what a function of this header says to free so.  NULL is allowed.  [any] */
SDRT_API void sdrt_free(void *memory);

/* ---- one model, one thread: a context ---- */

/* Opens a model: checks the files, finds the configuration, starts the threads.  Weights
 * are read at the first request.  *out belongs to the caller, NULL after a failure.  [any] */
SDRT_API int sdrt_open(struct sdrt_context **out, const struct sdrt_options *options);

/* Frees everything and sets *context to NULL.  NULL and a pointer to NULL are allowed.
 * [session] */
SDRT_API void sdrt_close(struct sdrt_context **context);

/* The session of a context, borrowed from it, for the functions below.  [any] */
SDRT_API struct sdrt_session *sdrt_session_of(const struct sdrt_context *context);

/* These do with it what the functions of the same names on a session do. */
SDRT_API int sdrt_measure(struct sdrt_context *context, const struct sdrt_request *request,
                          struct sdrt_memory *memory);
SDRT_API int sdrt_generate(struct sdrt_context *context, const struct sdrt_request *request);
SDRT_API void sdrt_cancel(struct sdrt_context *context);
SDRT_API const uint8_t *sdrt_image(const struct sdrt_context *context, int i, int *width,
                                   int *height);
SDRT_API int sdrt_write_png(struct sdrt_context *context, int i, const char *path);
SDRT_API int sdrt_write_plan(struct sdrt_context *context, const struct sdrt_request *request,
                             const char *path);
SDRT_API char *sdrt_report_json(const struct sdrt_context *context);

/* ---- one model, several threads: each has a session ---- */

/* Opens what options name: checks the files and finds the configuration; weights are read when sessions
 * want them, and packed once for all of them.  *out is the caller's first use of it, NULL after a
 * failure, as which SDRT_E_CANCELLED counts (see options.cancelled).  The log is called by whichever
 * thread uses the model.  [any] */
SDRT_API int sdrt_model_open(struct sdrt_model **out, const struct sdrt_options *options);

/* Another use of the model, which is returned; and the end of one, which sets *model to NULL and
 * frees the model with the last.  NULL and a pointer to NULL are allowed.  [any] */
SDRT_API struct sdrt_model *sdrt_model_retain(struct sdrt_model *model);
SDRT_API void sdrt_model_release(struct sdrt_model **model);

/* Opens a session with so many threads, the caller's among them (0: one for each core that this
 * process may use).  It holds a use of the model until it is closed.  *out belongs to the caller,
 * NULL after a failure: SDRT_E_ARG, SDRT_E_NOMEM.  [any] */
SDRT_API int sdrt_session_open(struct sdrt_session **out, struct sdrt_model *model, int threads);

/* Frees everything and sets *session to NULL.  NULL and a pointer to NULL are allowed.
 * [session] */
SDRT_API void sdrt_session_close(struct sdrt_session **session);

/* Checks the request and plans it, without loading: the memory it will need.  [session] */
SDRT_API int sdrt_session_measure(struct sdrt_session *session,
                                  const struct sdrt_request *request,
                                  struct sdrt_memory *memory);

/* Draws the images, which then stay in the session until the next call; of a request that is cancelled,
 * those that were ready.  All sessions of a model
 * draw with one set of LoRAs at a time: a request for another set waits until no session draws.
 * [session] */
SDRT_API int sdrt_session_generate(struct sdrt_session *session,
                                   const struct sdrt_request *request);

/* Asks the running generate to end soon with SDRT_E_CANCELLED.  Between requests it does nothing:
 * who may cancel before a request has begun also lets progress return non-zero, which is asked
 * before anything is done.  [any], also in a signal handler, while the session is open. */
SDRT_API void sdrt_session_cancel(struct sdrt_session *session);

/* Asks the running generate to leave out the evaluations still to come: what the denoiser has predicted
 * at the end of the one at work, or of the first, is decoded, and generate returns SDRT_OK.  Of an image
 * that is drawn twice (hires) it may be the first.  The parameters say "Stopped after: N", of so many
 * evaluations.  Between requests it does nothing.  [any], also in a signal handler, while the session is
 * open. */
SDRT_API void sdrt_session_finish(struct sdrt_session *session);

/* Pixels of image i, [height][width][3] in RGB, borrowed until the next generate; NULL when
 * there is no such image.  width and height may be NULL.  [session] */
SDRT_API const uint8_t *sdrt_session_image(const struct sdrt_session *session, int i, int *width,
                                           int *height);

/* The same into the caller's memory of size bytes, rows stride bytes apart (0: width * 3).
 * SDRT_E_ARG when there is no such image or no room for it.  [session] */
SDRT_API int sdrt_session_copy_image(const struct sdrt_session *session, int i, uint8_t *pixels,
                                     size_t stride, size_t size);

/* Writes image i with its parameters inside (A1111's "parameters" text), whole or not at all.
 * [session] */
SDRT_API int sdrt_session_write_png(const struct sdrt_session *session, int i, const char *path);

/* The same file in memory: sdrt_free(*png), NULL after a failure.  [session] */
SDRT_API int sdrt_session_png(const struct sdrt_session *session, int i, uint8_t **png,
                              size_t *size);

/* The same in a format of SDRT_LIST_FORMATS, "png", "jpeg" or "webp", the parameters in EXIF's
 * UserComment where it is no PNG: sdrt_free(*bytes), NULL after a failure.  quality, 1 to 100, is
 * JPEG's and WebP's; at 100 WebP loses nothing.  SDRT_E_UNSUPPORTED where this build lacks the format's
 * library.  [session] */
SDRT_API int sdrt_session_encode(const struct sdrt_session *session, int i, const char *format,
                                 int quality, uint8_t **bytes, size_t *size);

/* The parameters of image i, borrowed until the next generate; NULL when there is no such image.
 * [session] */
SDRT_API const char *sdrt_session_parameters(const struct sdrt_session *session, int i);

/* The plan of a request, without loading or drawing: each step with its kernel, memory, and
 * the peak beside the lower bound.  To a path ending in .json as JSON, else as a table.
 * [session] */
SDRT_API int sdrt_session_write_plan(struct sdrt_session *session,
                                     const struct sdrt_request *request, const char *path);

/* The same as a text: sdrt_free(*text), NULL after a failure.  JSON has also where each buffer
 * lies and how long it lives.  [session] */
enum sdrt_plan_form { SDRT_PLAN_TABLE, SDRT_PLAN_JSON };
SDRT_API int sdrt_session_plan_text(struct sdrt_session *session,
                                    const struct sdrt_request *request, enum sdrt_plan_form form,
                                    char **text);

/* A JSON object with the timings and memory of the last generate, as text; sdrt_free() it.  NULL
 * without memory or session.  [session] */
SDRT_API char *sdrt_session_report_json(const struct sdrt_session *session);

/* ---- enlarging ---- */

struct sdrt_upscaler; /* a network that enlarges pictures, with threads and memory of its own */

/* Called before the first tile of a picture and after each.  A non-zero return cancels. */
typedef int sdrt_upscaler_progress_fn(void *user, int done, int total);

/* Opens path, ESRGAN's RRDB or Real-ESRGAN's compact SRVGG, .pth or .safetensors.  Of the options threads,
 * isa, precision, no_pin and log are read; it computes on the processor.  *out belongs to the
 * caller, NULL after a failure: SDRT_E_UNSUPPORTED, naming what it is not, and as of a model.  [any] */
SDRT_API int sdrt_upscaler_open(struct sdrt_upscaler **out, const char *path,
                                const struct sdrt_options *options);

/* Frees everything and sets *upscaler to NULL.  NULL and a pointer to NULL are allowed.  [session] */
SDRT_API void sdrt_upscaler_close(struct sdrt_upscaler **upscaler);

/* How many times larger it makes a side; 0 of NULL.  [any] */
SDRT_API int sdrt_upscaler_scale(const struct sdrt_upscaler *upscaler);

/* Enlarges a picture, laid on white where it is transparent, to *rgb [*height][*width][3], which is the
 * caller's to sdrt_free(); NULL after a failure.  It goes through the network in squares of tile
 * pixels a side (0: 192, of an SRVGG 256; 96 at least), so that memory does not grow with it.
 * An SRVGG's are cut where they agree; RRDB's reach further than memory does, and of 48 pixels that two
 * share, the 16 in the middle turn from one into the other.  progress may be NULL.  SDRT_E_ARG,
 * SDRT_E_NOMEM, SDRT_E_CANCELLED, and as of loading weights.  [session] */
SDRT_API int sdrt_upscaler_run(struct sdrt_upscaler *upscaler, const struct sdrt_picture *picture,
                               int tile, sdrt_upscaler_progress_fn *progress, void *user,
                               uint8_t **rgb, int *width, int *height);

/* Asks the running one to end soon, as sdrt_session_cancel().  [any] */
SDRT_API void sdrt_upscaler_cancel(struct sdrt_upscaler *upscaler);

/* ---- without a model ---- */

/* What path, a file or a folder, is, as lines of text: family, parts with parameters and types,
 * prediction, and whether sdrt draws with it; also for files that it does not draw with.
 * sdrt_free() it.  NULL when path cannot be read, with one line in the log.  [any] */
SDRT_API char *sdrt_inspect(const char *path, const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
