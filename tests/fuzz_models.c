/* SPDX-License-Identifier: MIT
 *
 * Three seconds (or as many as the second argument says) of safetensors files with the tensors of networks
 * and LoRAs, of which some have other shapes (0, 1, beyond all bounds, more or fewer dimensions), other
 * types or names or are missing, through all that tells what a file is: inspecting it, opening it as a
 * LoRA and as a model's part.  Data are holes.  From a seed that is fixed unless the first argument gives
 * another.  Nothing may crash or hang, and what is refused is refused in one line.
 */
#include "model/checkpoint/checkpoint.h"
#include "model/lora/file.h"
#include "model/sdrt.h"
#include "runtime/files/tensor_files.h"
#include "tests/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { MOST = 4096, ROOM = 1 << 20, NAME = 200 };
static const uint64_t most_bytes = (uint64_t)1 << 32; /* of data, which are a hole */

struct tensor {
    char name[NAME];
    const char *type;
    int size, rank;
    int64_t shape[SDRT_TENSOR_MAX_RANK];
};

static struct tensor list[MOST], spoilt[MOST];
static size_t count;
static char path[64], text[ROOM];

static const char *const seeds[] = {
    "tiny-sd15/unet/diffusion_pytorch_model.safetensors",
    "tiny-sd15/vae/diffusion_pytorch_model.safetensors",
    "tiny-sd15/text_encoder/model.safetensors",
    "lora/kohya-lora.safetensors",
    "lora/lokr-tucker.safetensors",
    "lora/oft.safetensors",
    "lora/dora-rows.safetensors",
};
enum { SEEDS = sizeof seeds / sizeof *seeds };

/* Some of a single file's, so that a whole model is looked for. */
static const char *const single[] = {
    "model.diffusion_model.input_blocks.0.0.weight",
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight",
    "model.diffusion_model.time_embed.0.weight",
    "model.diffusion_model.label_emb.0.0.weight",
    "first_stage_model.decoder.conv_in.weight",
    "conditioner.embedders.1.model.text_projection",
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
    "model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight",
    "text_encoders.t5xxl.transformer.shared.weight",
    "control_model.input_hint_block.0.weight",
    "image_proj.proj.weight",
};
enum { SINGLE = sizeof single / sizeof *single };

static void load(const char *seed)
{
    const char *tests = getenv("SDRT_TESTDATA");
    struct sdrt_tensor_file *file;
    char from[1024];

    snprintf(from, sizeof from, "%s/golden/%s", tests ? tests : "tests", seed);
    count = 0;
    if (sdrt_tensor_file_open(&file, from, &fuzz_log) != SDRT_OK) return;
    for (size_t i = 0; i < sdrt_tensor_file_count(file) && count < MOST; i++) {
        const struct sdrt_file_tensor *t = sdrt_tensor_file_at(file, i);
        struct tensor *to = &list[count++];
        snprintf(to->name, sizeof to->name, "%s", t->name);
        to->type = "F16";
        to->size = 2;
        to->rank = t->rank;
        memcpy(to->shape, t->shape, sizeof to->shape);
    }
    sdrt_tensor_file_close(&file);
}

static void spoil(struct tensor *t)
{
    static const int64_t sides[] = {
        0, 0, 1, 2, 3, 5, 32, 77, 320, 768, 4096, INT32_MAX, (int64_t)1 << 31, (int64_t)1 << 62
    };
    static const struct {
        const char *name;
        int size;
    } types[] = { { "F32", 4 }, { "BF16", 2 }, { "I64", 8 }, { "F8_E4M3", 1 }, { "XX", 1 } };
    const uint32_t type = fuzz_below(5);

    switch (fuzz_below(6)) {
    case 0: t->rank = (int)fuzz_below(6); break;
    case 1:
        t->type = types[type].name;
        t->size = types[type].size;
        break;
    case 2: snprintf(t->name, sizeof t->name, "%s", single[fuzz_below(SINGLE)]); break;
    case 3: t->rank = -1; break;
    default:
        if (t->rank > 0)
            t->shape[fuzz_below((uint32_t)t->rank)] =
                sides[fuzz_below(sizeof sides / sizeof *sides)];
    }
    for (int i = 0; i < SDRT_TENSOR_MAX_RANK; i++)
        if (i >= t->rank) t->shape[i] = 1 + fuzz_below(4);
}

/* Its bytes; 0 where they are too many, and then it is left out. */
static int bytes_of(const struct tensor *t, uint64_t *out)
{
    *out = (uint64_t)t->size;
    for (int i = 0; i < t->rank; i++)
        if (t->shape[i] == 0) return *out = 0, 1;
    for (int i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(*out, (uint64_t)t->shape[i], out) || *out > most_bytes) return 0;
    return 1;
}

static void write_file(void)
{
    uint64_t at = 0, bytes, length;
    size_t n = 1;

    text[0] = '{';
    for (size_t i = 0; i < count && n < ROOM - 1024; i++) {
        const struct tensor *t = &spoilt[i];
        if (t->rank < 0 || !bytes_of(t, &bytes) || at + bytes > most_bytes) continue;
        n += (size_t)snprintf(text + n, ROOM - n, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[",
                              n > 1 ? "," : "", t->name, t->type);
        for (int k = 0; k < t->rank; k++)
            n += (size_t)snprintf(text + n, ROOM - n, "%s%lld", k ? "," : "",
                                  (long long)t->shape[k]);
        n += (size_t)snprintf(text + n, ROOM - n, "],\"data_offsets\":[%llu,%llu]}",
                              (unsigned long long)at, (unsigned long long)(at + bytes));
        at += bytes;
    }
    text[n++] = '}';
    length = n;
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, &length, 8) != 8 || write(fd, text, n) != (ssize_t)n ||
        ftruncate(fd, (off_t)(8 + n + at)) != 0)
        abort();
    close(fd);
}

/* SDRT_OK, with warnings perhaps, or one line. */
static int try_file(size_t *taken)
{
    const struct sdrt_checkpoint_paths paths = { .model = path };
    struct sdrt_checkpoint *c = NULL;
    struct sdrt_lora_file *lora = NULL;

    fuzz_lines = 0;
    char *said = sdrt_inspect(path, &fuzz_log);
    int good = said ? strlen(said) > 0 : fuzz_lines == 1;
    *taken += said != NULL;
    free(said);
    fuzz_lines = 0;
    good = good && (sdrt_lora_file_open(&lora, path, &fuzz_log) == SDRT_OK || fuzz_lines == 1);
    sdrt_lora_file_close(&lora);
    fuzz_lines = 0;
    good = good && (sdrt_checkpoint_open(&c, &paths, &fuzz_log) == SDRT_OK || fuzz_lines == 1);
    sdrt_checkpoint_close(&c);
    return good;
}

int main(int argc, char **argv)
{
    const double end = sdrt_now() + (argc > 2 ? strtod(argv[2], NULL) : 3.0);
    size_t rounds = 0, taken = 0;
    double slowest = 0;
    int good = 1;

    fuzz_state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    snprintf(path, sizeof path, "%s/fuzz-models-XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    const int fd = mkstemp(path);
    if (fd < 0 || close(fd) != 0) return 2;
    while (good && sdrt_now() < end) {
        if (rounds % 16 == 0) load(seeds[rounds / 16 % SEEDS]);
        if (!count) return 2;
        memcpy(spoilt, list, count * sizeof *list);
        for (uint32_t n = fuzz_below(8); n > 0; n--) spoil(&spoilt[fuzz_below((uint32_t)count)]);
        write_file();
        const double begin = sdrt_now();
        good = try_file(&taken);
        if (sdrt_now() - begin > slowest) slowest = sdrt_now() - begin;
        rounds++;
    }
    if (good) unlink(path);
    printf("fuzz_models: %zu files, %zu told of, slowest %.3f s: %s%s\n", rounds, taken, slowest,
           good ? "good" : "WRONG: ", good ? "" : path);
    return !good;
}
