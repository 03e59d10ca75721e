/* SPDX-License-Identifier: MIT
 *
 * Two seconds of mutated LoRA files, from a seed that is fixed unless the first argument gives
 * another.  Nothing may crash, and a refusal must be one line.  Best run under the sanitizers.
 */
#include "model/lora/file.h"
#include "tests/fuzz.h"

#include <stdio.h>
#include <unistd.h>

enum { CAPACITY = 4096, DATA = 256 };

static const double seconds = 2.0;
static const char *const seeds[] = {
    "{\"lora_unet_a.lora_down.weight\":{\"dtype\":\"F16\",\"shape\":[4,8],\"data_offsets\":[0,64]},\"lora_unet_a.lora_up.weight\":{\"dtype\":\"F16\",\"shape\":[8,4],\"data_offsets\":[64,128]},\"lora_unet_a.alpha\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[128,132]}}",
    "{\"__metadata__\":{\"lora_adapter_metadata\":\"{\\\"unet.lora_alpha\\\": 8, "
    "\\\"unet.alpha_pattern\\\": {\\\"b\\\": "
    "2}}\"},\"unet.a.b.lora_A.weight\":{\"dtype\":\"F32\",\"shape\":[2,4],\"data_offsets\":[0,32]},\"unet.a.b.lora_B.weight\":{\"dtype\":\"F32\",\"shape\":[4,2],\"data_offsets\":[32,64]}}",
    "{\"x.hada_w1_a\":{\"dtype\":\"BF16\",\"shape\":[4,2],\"data_offsets\":[0,16]},\"x.hada_w1_b\":{\"dtype\":\"BF16\",\"shape\":[2,4],\"data_offsets\":[16,32]},\"x.hada_w2_a\":{\"dtype\":\"BF16\",\"shape\":[4,2],\"data_offsets\":[32,48]},\"x.hada_w2_b\":{\"dtype\":\"BF16\",\"shape\":[2,4],\"data_offsets\":[48,64]},\"y.lokr_w1\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[64,80]},\"y.lokr_w2\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[80,96]}}",
    "{\"a.oft_blocks\":{\"dtype\":\"F32\",\"shape\":[2,2,2,1],\"data_offsets\":[0,32]},\"a.rescale\":{\"dtype\":\"F32\",\"shape\":[4,1],\"data_offsets\":[32,48]},\"a.alpha\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[48,49]},\"b.weight\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[49,65]},\"b.on_input\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[65,73]},\"bundle_emb.c.d\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[73,77]}}",
    ("{\"a.processor.to_out_lora.up.weight\":{\"dtype\":\"F32\",\"shape\":[1],"
     "\"data_offsets\":[0,4]}}"),
};

static const size_t data_bytes[] = { 132, 64, 96, 77, 4 }; /* that the seeds name */

/* Reads a file; 0 when anything is wrong. */
static int try_path(const char *path, size_t *taken)
{
    struct sdrt_lora_file *file;
    int good, status;

    fuzz_lines = 0;
    status = sdrt_lora_file_open(&file, path, &fuzz_log);
    good = (status == SDRT_OK) == (file != NULL) && fuzz_lines == (status != SDRT_OK);
    fuzz_lines = 0;
    for (size_t i = 0; file && i < file->count; i++) {
        const struct sdrt_lora_module *m = &file->modules[i];
        good = good && m->rank >= 0 && m->sample && !strchr(m->key, '.');
    }
    *taken += file != NULL;
    sdrt_lora_file_close(&file);
    return good;
}

FUZZ_TARGET(!size || try_path(fuzz_file(data, size), &fuzz_taken))

/* Writes a file of this header and so many bytes of data, and reads it; 0 when anything is wrong. */
static int try_header(const char *path, const char *header, size_t size, size_t data, size_t *taken)
{
    static unsigned char bytes[8 + CAPACITY + DATA];
    FILE *out = fopen(path, "wb");

    if (!out) return 0;
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)size >> (8 * i));
    memcpy(bytes + 8, header, size);
    for (size_t i = 0; i < DATA; i++) bytes[8 + size + i] = (unsigned char)fuzz_below(256);
    fwrite(bytes, 1, 8 + size + data, out);
    fclose(out);
    return try_path(path, taken);
}

int main(int argc, char **argv)
{
    const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    const double end = sdrt_now() + seconds;
    char path[] = "fuzz_lora.XXXXXX", text[CAPACITY];
    const int fd = mkstemp(path);
    size_t rounds = 0, taken = 0;
    int good = fd >= 0;

    if (good) close(fd);
    fuzz_state = seed;
    while (good && sdrt_now() < end) {
        const uint32_t kind = fuzz_below(sizeof seeds / sizeof seeds[0]);
        const char *from = seeds[kind];
        size_t size = strlen(from);
        memcpy(text, from, size);
        if (fuzz_below(8)) size = fuzz_mutate(text, size, CAPACITY);
        const size_t data = fuzz_below(8) ? data_bytes[kind] : fuzz_below(DATA);
        good = try_header(path, text, size, data, &taken);
        rounds++;
    }
    unlink(path);
    printf("fuzz_lora: seed %llu, %zu files, %zu taken: %s\n", (unsigned long long)seed, rounds,
           taken, good && taken ? "good" : "WRONG in the last one");
    return !good || !taken;
}
