/* SPDX-License-Identifier: MIT
 *
 * SHA-256 by its published examples, and of files: kept, found again, and not found when they have changed.
 */
#include "runtime/base/stop.h"
#include "runtime/files/file_hash.h"
#include "tests/golden_images.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(file_hash, .init = temp_folder_make, .fini = temp_folder_remove);

/* FIPS 180-4's examples, and a million times "a". */
Test(file_hash, published_examples)
{
    static const char *const cases[][2] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };
    char text[SDRT_SHA256_TEXT];
    struct sdrt_sha256 h;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t step = 1; step <= 64; step += 21) {
            const size_t n = strlen(cases[i][0]);
            sdrt_sha256_begin(&h);
            for (size_t at = 0; at < n; at += step)
                sdrt_sha256_add(&h, cases[i][0] + at, n - at < step ? n - at : step);
            sdrt_sha256_end(&h, text);
            cr_expect_str_eq(text, cases[i][1]);
        }
    sdrt_sha256_begin(&h);
    for (int i = 0; i < 1000000 / 125; i++) {
        char block[125];
        memset(block, 'a', sizeof block);
        sdrt_sha256_add(&h, block, sizeof block);
    }
    sdrt_sha256_end(&h, text);
    cr_expect_str_eq(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void write_file(const char *path, const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");

    cr_assert(f && fwrite(bytes, 1, n, f) == n && !fclose(f));
}

static int third(void *user) { return ++*(int *)user == 3; }

/* Within a file of several MiB, of which nothing is kept then. */
Test(file_hash, is_cancelled)
{
    enum { BYTES = 5 << 20 };
    char *zeros = calloc(1, BYTES), digest[SDRT_SHA256_TEXT];
    const char *cache = temp_path("cache"), *file = temp_write("zeros", zeros, BYTES);
    int n = 0;
    struct sdrt_stop stop = { .ask = third, .user = &n };

    cr_expect_null(sdrt_stop_ask(&stop));
    cr_expect_eq(sdrt_file_hash(digest, file, SDRT_FILE_HASH_WHOLE, cache, 1, &kept_log),
                 SDRT_E_CANCELLED);
    cr_expect_eq(n, 3);
    cr_expect_eq(sdrt_stop_asked(), 1, "it does not change its mind");
    cr_expect_eq(n, 3, "nor is it asked");
    cr_expect_eq(sdrt_stop_ask(NULL), &stop);
    cr_expect_eq(sdrt_stop_asked(), 0);
    cr_expect(kept_lines == 0 && temp_entries() == 1, "a line, or a cache");
    expect_quiet(sdrt_file_hash(digest, file, SDRT_FILE_HASH_WHOLE, cache, 1, &kept_log), "again");
    free(zeros);
}

Test(file_hash, kept_once_known)
{
    static const char tensors[] = "\x02\0\0\0\0\0\0\0{}abc";
    static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    char file[512], cache[512], whole[SDRT_SHA256_TEXT], digest[SDRT_SHA256_TEXT];

    snprintf(file, sizeof file, "%s/a.safetensors", temp_folder());
    snprintf(cache, sizeof cache, "%s/some/where/hashes", temp_folder());
    write_file(file, tensors, sizeof tensors - 1);
    cr_expect_eq(sdrt_file_hash(digest, file, SDRT_FILE_HASH_TENSORS, cache, 0, NULL),
                 SDRT_E_MISSING);
    cr_assert_eq(sdrt_file_hash(digest, file, SDRT_FILE_HASH_TENSORS, cache, 1, NULL), SDRT_OK);
    cr_expect_str_eq(digest, abc);
    cr_assert_eq(sdrt_file_hash(whole, file, SDRT_FILE_HASH_WHOLE, cache, 1, NULL), SDRT_OK);
    cr_expect_str_neq(whole, abc);
    memset(digest, 0, sizeof digest);
    cr_assert_eq(sdrt_file_hash(digest, file, SDRT_FILE_HASH_TENSORS, cache, 0, NULL), SDRT_OK);
    cr_expect_str_eq(digest, abc);
    write_file(file, tensors, sizeof tensors - 2); /* another size */
    cr_expect_eq(sdrt_file_hash(digest, file, SDRT_FILE_HASH_TENSORS, cache, 0, NULL),
                 SDRT_E_MISSING);
    cr_expect_eq(sdrt_file_hash(digest, temp_folder(), SDRT_FILE_HASH_WHOLE, cache, 1, NULL),
                 SDRT_E_MISSING);
    cr_expect_eq(sdrt_file_hash(digest, "nowhere", SDRT_FILE_HASH_WHOLE, NULL, 1, NULL),
                 SDRT_E_MISSING);
}

/* Another file of the same size and second. */
Test(file_hash, is_of_the_file_that_is_there)
{
    char file[512], cache[512], first[SDRT_SHA256_TEXT], digest[SDRT_SHA256_TEXT];
    struct timespec times[2] = { { 1700000000, 1 }, { 1700000000, 1 } };

    snprintf(file, sizeof file, "%s/a", temp_folder());
    snprintf(cache, sizeof cache, "%s/hashes", temp_folder());
    for (int i = 0; i < 2; i++) {
        write_file(file, i ? "b" : "a", 1);
        times[1].tv_nsec = 1 + i;
        cr_assert_eq(utimensat(AT_FDCWD, file, times, 0), 0);
        cr_assert_eq(sdrt_file_hash(i ? digest : first, file, SDRT_FILE_HASH_WHOLE, cache, 1, NULL),
                     SDRT_OK);
    }
    cr_expect_str_neq(first, digest);
}
