/* SPDX-License-Identifier: MIT
 *
 * Two seconds of random and mutated JSON configurations, from a seed that is fixed unless
 * the first argument gives another.  Nothing may crash, a refusal must be one line, and
 * what the readers of members return must keep to their limits.  Best run under the
 * sanitizers.
 */
#include "runtime/files/json.h"
#include "tests/fuzz.h"

#include <math.h>
#include <stdio.h>

enum { CAPACITY = 1024, VALUES = 4 };

static const double seconds = 2.0;
static const char *const seeds[] = {
    "{\"a\": 1, \"b\": [1, 2, 3], \"c\": \"text\", \"d\": 0.5, \"e\": true, \"f\": null}",
    ("{\"_class_name\": \"UNet2DConditionModel\", \"block_out_channels\": [320, 640, 1280, 1280], "
     "\"norm_eps\": 1e-05, \"act_fn\": \"silu\", \"center_input_sample\": false}"),
    "{\"weight_map\": {\"a.weight\": \"model-00001-of-00002.safetensors\"}}",
    "[[[[1]]], {\"a\": {\"a\": {\"a\": {}}}}]",
    "{\"a\\u00e9\\ud83d\\ude00\": \"\\\\\\\"\\n\"}",
};

/* A refusal is SDRT_E_FORMAT with one line, anything else is silence. */
static int fair(int status)
{
    const int good = status == SDRT_OK ? fuzz_lines == 0
                                       : status == SDRT_E_FORMAT && fuzz_lines == 1;

    fuzz_lines = 0;
    return good;
}

/* Reads one member of a text of this size in all ways; returns 0 when anything is wrong. */
static int read_member(const json_t *object, const char *key, size_t size)
{
    int64_t number = 3, values[VALUES + 1] = { 0 };
    size_t count = 0;
    double real = 0.25;
    const char *text = NULL;
    int truth = 0, good;

    values[VALUES] = 77;
    good = fair(sdrt_json_int(object, key, "f", -5, 5, &number, &fuzz_log)) && number >= -5 &&
           number <= 5;
    good = good && fair(sdrt_json_double(object, key, "f", &real, &fuzz_log)) && isfinite(real);
    good = good && fair(sdrt_json_bool(object, key, "f", &truth, &fuzz_log)) &&
           (truth == 0 || truth == 1);
    /* An escape is longer than the bytes it stands for, and a string has quotes beside it. */
    good = good && fair(sdrt_json_string(object, key, "f", &text, &fuzz_log)) &&
           (!text || strlen(text) < size);
    good = good &&
           fair(
               sdrt_json_int_array(object, key, "f", 0, 2000, values, VALUES, &count, &fuzz_log)) &&
           count <= VALUES;
    for (size_t i = 0; good && i < count; i++) good = values[i] >= 0 && values[i] <= 2000;
    return good && values[VALUES] == 77;
}

static int try_text(const char *text, size_t size, int valid, size_t *taken)
{
    /* A block of exactly this size lets the sanitizer see a read past the end. */
    char *exact = malloc(size ? size : 1);
    json_t *root, *value;
    const char *key;
    int good, status;

    if (!exact) return 0;
    memcpy(exact, text, size);
    status = sdrt_json_parse(&root, exact, size, "f", &fuzz_log);
    free(exact);
    good = fair(status) && (status == SDRT_OK) == (root != NULL) && (!valid || root);
    *taken += root != NULL;
    json_object_foreach(root, key, value) good = good && read_member(root, key, size);
    good = good && read_member(root, "absent", size);
    json_decref(root);
    return good;
}

FUZZ_TARGET(try_text((const char *)data, size, 0, &fuzz_taken))

int main(int argc, char **argv)
{
    const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    const double end = sdrt_now() + seconds;
    size_t rounds = 0, taken = 0;
    char text[CAPACITY];
    int good = 1;

    fuzz_state = seed;
    while (good && sdrt_now() < end) {
        const uint32_t kind = fuzz_below(16);
        const char *from = seeds[fuzz_below(sizeof seeds / sizeof seeds[0])];
        size_t size = kind ? strlen(from) : fuzz_below(64);
        if (kind) memcpy(text, from, size);
        for (size_t i = 0; !kind && i < size; i++) text[i] = (char)fuzz_below(256);
        if (kind > 1) size = fuzz_mutate(text, size, CAPACITY);
        good = try_text(text, size, kind == 1, &taken);
        rounds++;
    }
    printf("fuzz_json: seed %llu, %zu texts, %zu taken: %s\n", (unsigned long long)seed, rounds,
           taken, good ? "good" : "WRONG in the last one");
    return !good;
}
