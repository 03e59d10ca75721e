/* SPDX-License-Identifier: MIT
 *
 * Two seconds (or as many as the second argument says) of damaged command lines of sdgen, and of
 * parameters in a picture for --from-image, from a seed that is fixed unless the first argument gives
 * another: numbers, lists of noise levels and timesteps, LoRAs, control nets, sizes.  Nothing may crash
 * or hang, and what is refused is refused in one line.  Best run under the sanitizers.
 */
#include "runtime/files/picture_file.h"
#include "tests/fuzz.h"
#include "tools/from_image.h"
#include "tools/options.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

enum { CAPACITY = 4096, MOST_WORDS = 40 };

static char picture[] = "/tmp/fuzz-options-XXXXXX";

/* Words that are a line each; those that print and those that open files are left out. */
static int split(char *text, char **words)
{
    static const char *const out[] = { "-h",     "--h",        "--v", "--l",
                                       "--from", "--prompt-f", "--i", "-i" };
    int n = 0;

    words[n++] = (char *)(uintptr_t) "sdgen";
    for (char *word = strtok(text, "\n"); word && n < MOST_WORDS; word = strtok(NULL, "\n")) {
        int good = 1;
        for (size_t i = 0; i < sizeof out / sizeof *out; i++)
            good &= strncmp(word, out[i], strlen(out[i])) != 0;
        if (good) words[n++] = word;
    }
    words[n] = NULL;
    return n;
}

static int try_words(const uint8_t *data, size_t size)
{
    char text[CAPACITY + 1], *words[MOST_WORDS + 1];
    struct sdgen_options o;

    if (size > CAPACITY) return 1;
    memcpy(text, data, size);
    text[size] = '\0';
    const int n = split(text, words);
    fuzz_lines = 0;
    optind = 0; /* getopt() begins anew */
    const enum cli_parsed parsed = sdgen_parse(&o, n, words, &fuzz_log);
    sdgen_options_free(&o);
    /* A good line may warn; a bad one says one thing. */
    return parsed == CLI_RUN || parsed == CLI_SHOWN || fuzz_lines == 1;
}

/* The same bytes as the parameters of a picture of a pixel. */
static int try_parameters(const uint8_t *data, size_t size)
{
    static const uint8_t pixel[3];
    char text[CAPACITY + 1], *kept = NULL;
    struct sdgen_options o;
    uint8_t *png = NULL;
    size_t bytes;

    if (size > CAPACITY) return 1;
    memcpy(text, data, size);
    text[size] = '\0';
    if (sdrt_picture_encode(SDRT_PNG, 90, &png, &bytes, "x", pixel, 1, 1, text, NULL) != SDRT_OK)
        return 1;
    FILE *f = fopen(picture, "wb");
    if (!f || fwrite(png, 1, bytes, f) != bytes || fclose(f)) abort();
    free(png);
    memset(&o, 0, sizeof o);
    sdrt_options_init(&o.model);
    sdrt_request_init(&o.request);
    fuzz_lines = 0;
    const int status = from_image_apply(&o, picture, &kept, &fuzz_log);
    const int good = status == SDRT_OK || fuzz_lines == 1;
    free(kept);
    sdgen_options_free(&o);
    return good;
}

static const char *const seeds[] = {
    "-m\nx\n-p\na <lora:x:1> cat\n--width=512\n--height\n640\n--steps\n20\n--cfg-scale\n7.5\n--sampler\neuler_a",
    "-m\nx\n--sigmas\n14.6,7.1,3.0,1.0,0\n--timesteps\n999,500,1\n--cfg-range\n0.2,0.8\n--seed\n-1\n--batch\n3",
    "-m\nx\n--lora\ny.safetensors:0.5\n--control\nz:hint.png:1:0:0.5\n--crop\n1,2\n--original-size\n3x4\n--extend\n8",
    "-m\nx\n--threads\n2\n--isa\ngeneric\n--precision\nbf16\n--device\ncuda:0\n--vram-limit\n3.5\n--guidance\napg:1",
};
static const char *const kept_parameters =
    "a cat, (sitting:1.2)\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, Schedule type: Karras, CFG "
    "scale: 7.5, Seed: 1234, Size: 512x640, Model hash: 0123456789, Model: x, Denoising strength: 0.7, "
    "Clip skip: 2, Lora hashes: \"x: 0123, y: 4567\", Hires upscale: 2, Version: v1.9";

int main(int argc, char **argv)
{
    const double end = sdrt_now() + (argc > 2 ? strtod(argv[2], NULL) : 2.0);
    static char text[CAPACITY];
    size_t rounds = 0;
    int good = 1;

    fuzz_state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    const int fd = mkstemp(picture);
    if (fd < 0 || close(fd) != 0) return 2;
    while (good && sdrt_now() < end) {
        const int parameters = rounds % 8 == 7;
        const char *seed = parameters ? kept_parameters
                                      : seeds[fuzz_below(sizeof seeds / sizeof *seeds)];
        size_t size = strlen(seed);
        memcpy(text, seed, size);
        if (rounds > 32) size = fuzz_mutate(text, size, CAPACITY);
        good = (parameters ? try_parameters : try_words)((const uint8_t *)text, size);
        if (!good) printf("WRONG of %d lines: %.*s\n", fuzz_lines, (int)size, text);
        rounds++;
    }
    unlink(picture);
    printf("fuzz_options: %zu inputs: %s\n", rounds, good ? "good" : "WRONG");
    return !good;
}
