/* SPDX-License-Identifier: MIT
 *
 * A developer's program: one pass of one network of a checkpoint, arrays in and out as .npy, for
 * tests/oracle/compare_sd15.py and for finding the block where a difference begins.
 */
#include "runtime/files/npy.h"
#include "tests/passes.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: sdprobe unet -m MODEL --input LATENT.npy --text TEXT.npy --timestep T --dump DIR\n"
    "              SDXL also: --pooled POOLED.npy --numbers NUMBERS.npy; SD 3.x: --pooled\n"
    "       sdprobe vae-decode|vae-encode -m MODEL --input X.npy --dump DIR\n"
    "       sdprobe text -m MODEL --prompt TEXT | --input IDS.npy --dump DIR [--encoder 0|1]\n"
    "also: --isa NAME --threads N --precision NAME --nodes (unet: write every node's output)\n";

enum { TOKENS = SDRT_CLIP_TOKENIZER_LENGTH };

struct probe {
    struct sdrt_options options;
    struct sdrt_context *context;
    const char *input, *text, *pooled, *numbers, *prompt, *folder;
    int   encoder;
    float timestep;
    int   every_node;
    struct sdrt_npy *in, *in_text, *in_pooled, *in_numbers;
};

static void print_line(void *user, enum sdrt_log_level level, const char *text)
{
    (void)user;
    if (level != SDRT_LOG_INFO) fprintf(stderr, "sdprobe: %s\n", text);
}

static const struct sdrt_log to_stderr = { print_line, NULL };

static int write_array(const struct probe *p, const char *name, enum sdrt_dtype type, int rank,
                       const int dims[], const void *data)
{
    int64_t shape[SDRT_NPY_MAX_RANK];
    char path[1024];

    for (int i = 0; i < rank; i++) shape[i] = dims[i];
    if (snprintf(path, sizeof path, "%s/%s.npy", p->folder, name) >= (int)sizeof path)
        return sdrt_fail(&to_stderr, SDRT_E_ARG, "%s: the folder's name is too long", p->folder);
    return sdrt_npy_write(path, type, rank, shape, data, &to_stderr);
}

/* Reads an array of that rank; its last dimension must be c. */
static int read_array(struct sdrt_npy **out, const char *path, enum sdrt_dtype type, int rank,
                      int c)
{
    if (!path) return sdrt_fail(&to_stderr, SDRT_E_ARG, "an input array is not given");
    const int status = sdrt_npy_read(out, path, &to_stderr);

    if (status != SDRT_OK) return status;
    const struct sdrt_npy *a = *out;
    if (a->dtype != type || a->rank != rank || a->shape[rank - 1] != c)
        return sdrt_fail(&to_stderr, SDRT_E_FORMAT, "%s: expected rank %d, %s, and a last "
                         "dimension of %d", path, rank, type == SDRT_I32 ? "int32" : "float32", c);
    for (int i = 0; i < rank; i++)
        if (a->shape[i] < 1 || a->shape[i] > 1 << 16)
            return sdrt_fail(&to_stderr, SDRT_E_FORMAT, "%s: a dimension is out of range", path);
    return SDRT_OK;
}

static float *new_array(const int dims[], int rank)
{
    size_t n = sizeof(float);

    for (int i = 0; i < rank; i++) n *= (size_t)dims[i];
    float *p = malloc(n);
    if (!p) sdrt_fail(&to_stderr, SDRT_E_NOMEM, "out of memory for an output");
    return p;
}

/* A later node of the same block overwrites the file, so the block's output stays. */
static int keep_node(void *user, const char *name, const int dims[4], int pitch, const float *data)
{
    const struct probe *p = user;
    const size_t rows = (size_t)dims[0] * (size_t)dims[1] * (size_t)dims[2], c = (size_t)dims[3];
    const char *block = p->every_node ? name : pass_unet_block(name);
    float *dense;

    if (!block) return 0;
    dense = new_array(dims, 4);
    if (!dense) return 1;
    for (size_t i = 0; i < rows; i++)
        memcpy(dense + i * c, data + i * (size_t)pitch, c * sizeof *data);
    const int status = write_array(p, block, SDRT_F32, 4, dims, dense);
    free(dense);
    return status != SDRT_OK;
}

static int probe_unet(struct probe *p)
{
    struct sdrt_context *c = p->context;
    int status = read_array(&p->in, p->input, SDRT_F32, 4, sdrt_model_config_of(c->model)->vae.latent_channels);

    if (status == SDRT_OK)
        status = read_array(&p->in_text, p->text, SDRT_F32, 3, sdrt_context_width(sdrt_model_config_of(c->model)));
    if (status == SDRT_OK && sdrt_added_width(sdrt_model_config_of(c->model)))
        status = read_array(&p->in_pooled, p->pooled, SDRT_F32, 2, sdrt_pooled_width(sdrt_model_config_of(c->model)));
    if (status == SDRT_OK && sdrt_added_numbers(sdrt_model_config_of(c->model)))
        status = read_array(&p->in_numbers, p->numbers, SDRT_F32, 2, sdrt_added_numbers(sdrt_model_config_of(c->model)));
    if (status != SDRT_OK) return status;
    if (p->in_text->shape[0] != p->in->shape[0] || p->in_text->shape[1] != SDRT_CLIP_TOKENIZER_LENGTH)
        return sdrt_fail(&to_stderr, SDRT_E_FORMAT, "%s: expected [batch, 77, width]", p->text);
    const struct pass_unet in = {
        .batch = (int)p->in->shape[0], .h = (int)p->in->shape[1], .w = (int)p->in->shape[2],
        .latent = p->in->data, .text = p->in_text->data, .timestep = p->timestep,
        .pooled = p->in_pooled ? p->in_pooled->data : NULL,
        .numbers = p->in_numbers ? p->in_numbers->data : NULL,
    };
    const int dims[4] = { in.batch, in.h, in.w, sdrt_model_config_of(c->model)->vae.latent_channels };
    float *out = new_array(dims, 4);
    if (!out) return SDRT_E_NOMEM;
    status = pass_unet(c, &in, out, keep_node, p);
    if (status == SDRT_OK) status = write_array(p, "output", SDRT_F32, 4, dims, out);
    free(out);
    return status;
}

static int probe_vae(struct probe *p, int encode)
{
    const struct sdrt_vae_config *config = &sdrt_model_config_of(p->context->model)->vae;
    const int up = config->levels - 1;
    int status = read_array(&p->in, p->input, SDRT_F32, 4, encode ? 3 : config->latent_channels);

    if (status != SDRT_OK) return status;
    const int batch = (int)p->in->shape[0], h = (int)p->in->shape[1], w = (int)p->in->shape[2];
    const int encoded[4] = { batch, h >> up, w >> up, 2 * config->latent_channels };
    const int decoded[4] = { batch, h << up, w << up, 3 };
    const int *dims = encode ? encoded : decoded;
    float *out = new_array(dims, 4);
    if (!out) return SDRT_E_NOMEM;
    status = (encode ? pass_encode : pass_decode)(p->context, p->in->data, batch, h, w, out);
    if (status == SDRT_OK)
        status = write_array(p, encode ? "moments" : "decoded", SDRT_F32, 4, dims, out);
    free(out);
    return status;
}

static int probe_encode(struct probe *p) { return probe_vae(p, 1); }
static int probe_decode(struct probe *p) { return probe_vae(p, 0); }

/* The end token's rows of what the encoder pooled at every token. */
static int write_pooled(const struct probe *p, const int32_t *ids, int batch, const float *all)
{
    const struct sdrt_context *c = p->context;
    const int width = sdrt_model_config_of(c->model)->text[p->encoder].pooled, dims[2] = { batch, width };
    const int32_t end = sdrt_clip_tokenizer_eos(c->model->tokenizers[p->encoder]);
    float *rows = new_array(dims, 2);

    if (!rows) return SDRT_E_NOMEM;
    for (int i = 0; i < batch; i++) {
        int at = 0;
        while (at < TOKENS - 1 && ids[i * TOKENS + at] != end) at++;
        memcpy(rows + (size_t)i * (size_t)width, all + (size_t)(i * TOKENS + at) * (size_t)width,
               (size_t)width * sizeof *rows);
    }
    const int status = write_array(p, "pooled", SDRT_F32, 2, dims, rows);
    free(rows);
    return status;
}

static int probe_text(struct probe *p)
{
    const struct sdrt_context *c = p->context;
    int32_t one[TOKENS];
    const int32_t *ids = one;
    int batch = 1, status;

    if (p->encoder < 0 || p->encoder >= sdrt_model_config_of(c->model)->n_text)
        return sdrt_fail(&to_stderr, SDRT_E_ARG, "there is no text encoder %d", p->encoder);
    if (p->prompt) {
        status = sdrt_model_tokenize(c->model, p->encoder, p->prompt, one, NULL);
    } else {
        status = read_array(&p->in, p->input, SDRT_I32, 2, TOKENS);
        if (status != SDRT_OK) return status;
        ids = p->in->data;
        batch = (int)p->in->shape[0];
    }
    const struct sdrt_text_config *text = &sdrt_model_config_of(c->model)->text[p->encoder];
    for (int i = 0; i < batch * TOKENS && status == SDRT_OK; i++)
        if (ids[i] < 0 || ids[i] >= text->clip.vocab)
            status = sdrt_fail(&to_stderr, SDRT_E_FORMAT, "token id %d is out of range", ids[i]);
    if (status != SDRT_OK) return status;
    const int dims[3] = { batch, TOKENS, text->clip.hidden };
    const int wide[3] = { batch, TOKENS, text->pooled + 1 };
    float *out = new_array(dims, 3), *pooled = new_array(wide, 3);
    status = out && pooled ? pass_text(p->context, p->encoder, ids, batch, out, pooled)
                           : SDRT_E_NOMEM;
    if (status == SDRT_OK) status = write_array(p, "text", SDRT_F32, 3, dims, out);
    if (status == SDRT_OK) status = write_array(p, "ids", SDRT_I32, 2, dims, ids);
    if (status == SDRT_OK && text->pooled) status = write_pooled(p, ids, batch, pooled);
    free(out);
    free(pooled);
    return status;
}

static int parse(struct probe *p, int argc, char **argv)
{
    static const struct option options[] = {
        { "model", 1, NULL, 'm' }, { "vae", 1, NULL, 'v' }, { "input", 1, NULL, 'i' },
        { "text", 1, NULL, 't' }, { "prompt", 1, NULL, 'p' }, { "timestep", 1, NULL, 'T' },
        { "dump", 1, NULL, 'd' }, { "isa", 1, NULL, 'I' }, { "threads", 1, NULL, 'n' },
        { "precision", 1, NULL, 'P' }, { "encoder", 1, NULL, 'E' }, { "pooled", 1, NULL, 'L' },
        { "numbers", 1, NULL, 'B' }, { "nodes", 0, NULL, 'N' }, { NULL, 0, NULL, 0 },
    };
    int o;

    while ((o = getopt_long(argc, argv, "m:p:", options, NULL)) != -1) switch (o) {
        case 'm': p->options.model = optarg; break;
        case 'v': p->options.vae = optarg; break;
        case 'i': p->input = optarg; break;
        case 't': p->text = optarg; break;
        case 'p': p->prompt = optarg; break;
        case 'T': p->timestep = strtof(optarg, NULL); break;
        case 'd': p->folder = optarg; break;
        case 'I': p->options.isa = optarg; break;
        case 'n': p->options.threads = atoi(optarg); break;
        case 'P': p->options.precision = optarg; break;
        case 'E': p->encoder = atoi(optarg); break;
        case 'L': p->pooled = optarg; break;
        case 'B': p->numbers = optarg; break;
        case 'N': p->every_node = 1; break;
        default: return 0;
        }
    return optind == argc && p->options.model && p->folder;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(struct probe *p);
    } kinds[] = {
        { "unet", probe_unet }, { "vae-decode", probe_decode }, { "vae-encode", probe_encode },
        { "text", probe_text },
    };
    struct probe p = { .folder = NULL };
    int (*run)(struct probe *p) = NULL;
    int status;

    sdrt_options_init(&p.options);
    p.options.log = &to_stderr;
    for (size_t i = 0; argc > 1 && i < sizeof kinds / sizeof kinds[0]; i++)
        if (!strcmp(argv[1], kinds[i].name)) run = kinds[i].run;
    if (!run || !parse(&p, argc - 1, argv + 1)) {
        fputs(usage, stderr);
        return 2;
    }
    status = sdrt_open(&p.context, &p.options);
    if (status == SDRT_OK) status = run(&p);
    sdrt_npy_free(&p.in);
    sdrt_npy_free(&p.in_text);
    sdrt_npy_free(&p.in_pooled);
    sdrt_npy_free(&p.in_numbers);
    sdrt_close(&p.context);
    return status != SDRT_OK;
}
