/* SPDX-License-Identifier: MIT
 *
 * sdconvert, on the tiny models: its single files against those that tests/single_file.c makes of
 * the same folders by lists of names, and what it refuses.
 */
#include "runtime/files/tensor_files.h"
#include "tests/run_program.h"
#include "tests/single_file.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(convert, .init = temp_folder_make, .fini = temp_folder_remove);

static const char *golden(const char *name)
{
    static char paths[4][512];
    static int next;
    const char *root = getenv("SDRT_TESTDATA");
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/golden/%s", root ? root : "tests", name);
    return path;
}

#define RUN(...) run((char *[]){ (char *)"./sdconvert", __VA_ARGS__, NULL }, 0)
#define S(text) ((char *)(uintptr_t)(text))

/* Its exit status. */
static int run(char **arguments, unsigned long file_limit)
{
    program_finish(program_start(NULL, file_limit, arguments));
    return ended.status;
}

static struct sdrt_tensor_file *open_file(const char *path)
{
    struct sdrt_tensor_file *file;

    expect_quiet(sdrt_tensor_file_open(&file, path, &kept_log), path);
    return file;
}

/* Whether the bytes are those that the list of names wants; a copy of the last layer is not. */
static int is_same(const struct sdrt_file_tensor *a, const struct sdrt_file_tensor *b)
{
    int same = a->rank == b->rank && a->dtype == b->dtype && a->bytes == b->bytes;

    for (int i = 0; same && i < a->rank; i++) same = a->shape[i] == b->shape[i];
    return same && (!memcmp(a->data, b->data, a->bytes) ||
                    !strncmp(a->name, "cond_stage_model.model.transformer.resblocks.2.", 47));
}

Test(convert, makes_the_single_file_of_every_family)
{
    static const char *const families[] = { "sd21", "sdxl", "sdxl-refiner", "sd3", "sd35" };
    char folder[32];

    for (size_t k = 0; k < sizeof families / sizeof *families; k++) {
        static struct single s;
        const char *want_path = temp_path("want.safetensors"), *path = temp_path("got.safetensors");
        s = (struct single){ .n = 0 };
        read_single(&s, families[k]);
        write_single(want_path, &s);
        close_single(&s);
        kept_lines = 0; /* of parts that the family has not */
        snprintf(folder, sizeof folder, "tiny-%s", families[k]);
        cr_assert_eq(RUN(S("--quiet"), S(golden(folder)), S(path)), 0, "%s", ended.text);
        struct sdrt_tensor_file *want = open_file(want_path), *got = open_file(path);
        for (size_t i = 0; i < sdrt_tensor_file_count(want); i++) {
            const struct sdrt_file_tensor *a = sdrt_tensor_file_at(want, i), *b;
            const int status = sdrt_tensor_file_find(got, a->name, &b, &kept_log);
            cr_expect(status == SDRT_OK && is_same(a, b), "%s: %s", families[k], a->name);
        }
        /* SD 3's published files have no projection of CLIP-L, which folders have. */
        const size_t more = sdrt_tensor_file_count(got) - sdrt_tensor_file_count(want);
        cr_expect_eq(more, !strncmp(families[k], "sd3", 3), "%s: %zu more", families[k], more);
        sdrt_tensor_file_close(&want);
        sdrt_tensor_file_close(&got);
    }
}

/* Tensors of each type that a file has. */
static int count_type(const char *path, enum sdrt_dtype type)
{
    struct sdrt_tensor_file *file = open_file(path);
    int n = 0;

    for (size_t i = 0; i < sdrt_tensor_file_count(file); i++)
        n += sdrt_tensor_file_at(file, i)->dtype == type;
    sdrt_tensor_file_close(&file);
    return n;
}

Test(convert, goes_through_gguf_and_back_without_a_difference)
{
    const char *single = temp_path("1.safetensors"), *gguf = temp_path("2.gguf");
    const char *back = temp_path("3.safetensors");

    cr_assert_eq(RUN(S("--quiet"), S(golden("tiny-sd15")), S(single)), 0, "%s", ended.text);
    cr_assert_eq(RUN(S(single), S(gguf)), 0, "%s", ended.text);
    cr_expect(strstr(ended.text, "964 tensors"), "%s", ended.text);
    cr_assert_eq(RUN(S("--quiet"), S(gguf), S(back)), 0, "%s", ended.text);
    cr_expect_eq(RUN(S("--check"), S(golden("tiny-sd15")), S(back)), 0, "%s", ended.text);
    cr_expect_eq(RUN(S("--check"), S(back), S(gguf)), 0, "%s", ended.text);
    struct sdrt_tensor_file *file = open_file(gguf);
    cr_expect_str_eq(sdrt_tensor_file_metadata(file, "general.architecture"), "sd1");
    sdrt_tensor_file_close(&file);
}

Test(convert, gives_tensors_the_type_of_the_first_rule_that_matches)
{
    const char *single = temp_path("1.safetensors"), *out = temp_path("2.gguf");

    cr_assert_eq(RUN(S("--quiet"), S("-t"), S("first_stage_model.*=f32"), S("--type"), S("q8_0"),
                     S(golden("tiny-sd15")), S(out)),
                 0, "%s", ended.text);
    cr_expect_eq(count_type(out, SDRT_F32), 244, "the VAE");
    cr_expect_eq(count_type(out, SDRT_Q8_0), 198, "matrices of whole blocks");
    cr_expect_eq(count_type(out, SDRT_F16), 964 - 244 - 198, "the rest");
    cr_expect_eq(RUN(S("--check"), S("--most"), S("0.01"), S(golden("tiny-sd15")), S(out)), 0, "%s",
                 ended.text);
    cr_expect_eq(RUN(S("--check"), S("--most"), S("0.001"), S(golden("tiny-sd15")), S(out)), 1);
    cr_expect(strstr(ended.text, "is not what"), "%s", ended.text);
    cr_assert_eq(RUN(S("--quiet"), S("-t"), S("*.attn2.to_k.weight=f8_e5m2"), S("-t"), S("keep"),
                     S(golden("tiny-sd15")), S(single)),
                 0, "%s", ended.text);
    cr_expect_eq(count_type(single, SDRT_F8_E5M2), 16);
    cr_expect_eq(count_type(single, SDRT_F16), 948);
}

Test(convert, leaves_parts_out_and_puts_others_in)
{
    const char *bare = temp_path("bare.safetensors"), *full = temp_path("full.safetensors");
    const char *vae = golden("tiny-sd35/vae"), *t5 = golden("tiny-sd35/t5");

    cr_assert_eq(RUN(S("--quiet"), S("--vae"), S("none"), S(golden("tiny-sd35")), S(bare)), 0);
    struct sdrt_tensor_file *file = open_file(bare);
    for (size_t i = 0; i < sdrt_tensor_file_count(file); i++)
        cr_assert(strncmp(sdrt_tensor_file_at(file, i)->name, "first_stage_model.", 18));
    sdrt_tensor_file_close(&file);
    cr_assert_eq(RUN(S("--quiet"), S("--vae"), S(vae), S("--t5"), S(t5), S(bare), S(full)), 0, "%s",
                 ended.text);
    cr_expect_eq(RUN(S("--quiet"), S("--check"), S("--t5"), S(t5), S(golden("tiny-sd35")), S(full)),
                 0, "%s", ended.text);
    cr_expect_eq(RUN(S("--quiet"), S("--check"), S(golden("tiny-sd35")), S(full)), 1,
                 "the T5 is in one alone");
    cr_expect_eq(RUN(S("--quiet"), S("--check"), S(golden("tiny-sd35")), S(bare)), 1);
    cr_expect(strstr(ended.text, "first_stage_model.") && strstr(ended.text, "not in the second"));
}

Test(convert, refuses_in_one_line_and_leaves_nothing_behind)
{
    const char *tiny = golden("tiny-sd15"), *out = temp_path("out.gguf");
    const char *plain = temp_path("out.safetensors");

#define REFUSED(wanted, word, ...)                                                          \
    cr_expect(RUN(__VA_ARGS__) == wanted && ended.lines == 1 && strstr(ended.text, word) && \
                  access(out, F_OK) && access(plain, F_OK),                                 \
              "%s: %d, %s", word, ended.status, ended.text)
    REFUSED(2, "two names", S(tiny));
    REFUSED(2, "ends in .safetensors or .gguf", S(tiny), S(temp_path("out.bin")));
    REFUSED(2, "is no type", S("-t"), S("int4"), S(tiny), S(out));
    REFUSED(2, "F8_E4M3 is no type of GGUF", S("-t"), S("f8_e4m3"), S(tiny), S(out));
    REFUSED(2, "Q8_0 is no type of safetensors", S("-t"), S("q8_0"), S(tiny), S(plain));
    REFUSED(1, "cannot be opened", S(temp_path("none")), S(out));
    REFUSED(1, "cannot be opened", S("--vae"), S(temp_path("none")), S(tiny), S(out));
    /* The file's limit is a full disk. */
    cr_expect_eq(run((char *[]){ S("./sdconvert"), S("--quiet"), S(tiny), S(plain), NULL }, 65536),
                 1);
    cr_expect(ended.lines == 1 && access(plain, F_OK), "%s", ended.text);
    cr_expect_eq(temp_entries(), 0);
}
