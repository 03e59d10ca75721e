/* SPDX-License-Identifier: MIT
 *
 * Written images are taken apart here by hand (chunks, CRC, inflate, filters), so the
 * writer is not judged by the library it uses.
 */
#include "runtime/files/atomic_file.h"
#include "runtime/files/png.h"
#include "runtime/files/png_text.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

TestSuite(png, .init = temp_folder_make, .fini = temp_folder_remove);
TestSuite(atomic_file, .init = temp_folder_make, .fini = temp_folder_remove);

enum { W = 37, H = 23, RGB = W * H * 3 };

static void make_image(uint8_t *rgb, size_t bytes)
{
    uint32_t state = 1;

    for (size_t i = 0; i < bytes; i++) {
        state = state * 1664525u + 1013904223u;
        rgb[i] = (uint8_t)(state >> 24);
    }
}

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The first chunk of a type (NULL type: all are only checked); IDATs are joined. */
static size_t find_chunk(const unsigned char *png, size_t size, const char *type,
                         unsigned char *out)
{
    size_t used = 0, at = 8;

    cr_assert(size > 8 && !memcmp(png, "\x89PNG\r\n\x1a\n", 8));
    while (at + 12 <= size) {
        const uint32_t n = big_endian(png + at);
        cr_assert(at + 12 + n <= size);
        cr_assert_eq(crc32(0, png + at + 4, n + 4), big_endian(png + at + 8 + n));
        if (!memcmp(png + at + 4, type, 4)) {
            memcpy(out + used, png + at + 8, n);
            used += n;
        }
        at += 12 + n;
    }
    cr_assert_eq(at, size);
    return used;
}

static uint8_t paeth(int a, int b, int c)
{
    const int p = a + b - c, pa = abs(p - a), pb = abs(p - b), pc = abs(p - c);

    return (uint8_t)(pa <= pb && pa <= pc ? a : pb <= pc ? b : c);
}

/* Undoes the filters of the PNG specification, clause 9. */
static void unfilter(const unsigned char *raw, uint8_t *rgb)
{
    for (int y = 0; y < H; y++) {
        const unsigned char *line = raw + (size_t)y * (3 * W + 1);
        for (int i = 0; i < 3 * W; i++) {
            const int a = i >= 3 ? rgb[y * 3 * W + i - 3] : 0;
            const int b = y ? rgb[(y - 1) * 3 * W + i] : 0;
            const int c = y && i >= 3 ? rgb[(y - 1) * 3 * W + i - 3] : 0;
            const int guess[5] = { 0, a, b, (a + b) / 2, paeth(a, b, c) };
            cr_assert(line[0] < 5);
            rgb[y * 3 * W + i] = (uint8_t)(line[i + 1] + guess[line[0]]);
        }
    }
}

Test(png, writes_the_pixels)
{
    static const unsigned char ihdr[] = { 0, 0, 0, W, 0, 0, 0, H, 8, 2, 0, 0, 0 };
    unsigned char chunk[2 * RGB], raw[H * (3 * W + 1)];
    uint8_t rgb[RGB], got[RGB];
    uLongf raw_bytes = sizeof raw;
    size_t size;

    make_image(rgb, sizeof rgb);
    expect_quiet(sdrt_png_write(temp_path("a.png"), rgb, W, H, NULL, &kept_log), "write");
    cr_expect_eq(temp_entries(), 1, "a temporary file is left");
    unsigned char *png = (unsigned char *)temp_read(temp_path("a.png"), &size);
    cr_assert_eq(find_chunk(png, size, "IHDR", chunk), sizeof ihdr);
    cr_expect(!memcmp(chunk, ihdr, sizeof ihdr));
    cr_expect_eq(find_chunk(png, size, "tEXt", chunk) + find_chunk(png, size, "iTXt", chunk), 0);
    const size_t n = find_chunk(png, size, "IDAT", chunk);
    cr_assert_eq(uncompress(raw, &raw_bytes, chunk, n), Z_OK);
    cr_assert_eq(raw_bytes, sizeof raw);
    unfilter(raw, got);
    cr_expect(!memcmp(got, rgb, sizeof rgb));
    free(png);
}

#define BYTES(text) text, sizeof text - 1

/* text, the chunk that it must become, and what must be read back. */
static const struct text {
    const char *text, *type, *chunk;
    size_t      chunk_bytes;
    const char *back;
} texts[] = {
    { "a cat\nSteps: 20, Seed: 1", "tEXt", BYTES("parameters\0a cat\nSteps: 20, Seed: 1"),
      "a cat\nSteps: 20, Seed: 1" },
    { "caf\xc3\xa9", "tEXt", BYTES("parameters\0caf\xe9"), "caf\xc3\xa9" },
    { "\xe7\x8c\xab \xf0\x9f\x90\xb1", "iTXt",
      BYTES("parameters\0\0\0\0\0\xe7\x8c\xab \xf0\x9f\x90\xb1"), "\xe7\x8c\xab \xf0\x9f\x90\xb1" },
    { "bad \xff\xc3 end", "iTXt", BYTES("parameters\0\0\0\0\0bad \xef\xbf\xbd\xef\xbf\xbd end"),
      "bad \xef\xbf\xbd\xef\xbf\xbd end" },
    { "", "tEXt", BYTES("parameters\0"), "" },
};

Test(png, stores_the_parameters_and_reads_them_back)
{
    uint8_t rgb[RGB], *back;
    unsigned char chunk[2 * RGB];
    int width, height;
    char *parameters;
    size_t size;

    make_image(rgb, sizeof rgb);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const struct text *t = &texts[i];
        const char *path = temp_path("a.png");
        expect_quiet(sdrt_png_write(path, rgb, W, H, t->text, &kept_log), t->text);
        char *png = temp_read(path, &size);
        const size_t n = find_chunk((unsigned char *)png, size, t->type, chunk);
        cr_expect(n == t->chunk_bytes && !memcmp(chunk, t->chunk, n), "%s", t->text);
        free(png);
        expect_quiet(sdrt_png_read(path, 64, &back, &width, &height, &parameters, &kept_log),
                     t->text);
        cr_assert(width == W && height == H && parameters);
        cr_expect(!memcmp(back, rgb, sizeof rgb));
        cr_expect_str_eq(parameters, t->back);
        free(back);
        free(parameters);
    }
}

/* A grey image of 16 bits with alpha, 2x1, made by hand: read as RGB, alpha dropped. */
Test(png, reads_other_kinds_as_rgb)
{
    static const unsigned char raw[] = { 0, 0x80, 0, 0xff, 0xff, 0xff, 0xff, 0, 0 };
    unsigned char png[256] = "\x89PNG\r\n\x1a\n", packed[64];
    const struct { const char *type; const unsigned char *data; size_t n; } chunks[] = {
        { "IHDR", (const unsigned char *)"\0\0\0\2\0\0\0\1\x10\4\0\0\0", 13 },
        { "IDAT", packed, 0 }, { "IEND", packed, 0 },
    };
    uLongf packed_bytes = sizeof packed;
    size_t at = 8;
    uint8_t *rgb;
    int width, height;

    cr_assert_eq(compress(packed, &packed_bytes, raw, sizeof raw), Z_OK);
    for (int i = 0; i < 3; i++) {
        const size_t n = i == 1 ? packed_bytes : chunks[i].n;
        memcpy(png + at + 4, chunks[i].type, 4);
        memcpy(png + at + 8, chunks[i].data, n);
        const uLong crc = crc32(0, png + at + 4, (uInt)n + 4);
        for (int b = 0; b < 4; b++) {
            png[at + (size_t)b] = (unsigned char)(n >> (24 - 8 * b));
            png[at + 8 + n + (size_t)b] = (unsigned char)(crc >> (24 - 8 * b));
        }
        at += 12 + n;
    }
    expect_quiet(sdrt_png_read(temp_write("g.png", png, at), 2, &rgb, &width, &height, NULL,
                               &kept_log), "grey");
    cr_assert(width == 2 && height == 1);
    cr_expect(!memcmp(rgb, "\x80\x80\x80\xff\xff\xff", 6));
    free(rgb);
}

Test(png, refuses_what_is_no_good_image)
{
    uint8_t rgb[RGB], *back;
    int width, height;
    size_t size;

    make_image(rgb, sizeof rgb);
    expect_quiet(sdrt_png_write(temp_path("a.png"), rgb, W, H, "text", &kept_log), "write");
    char *png = temp_read(temp_path("a.png"), &size);
    expect_failure(sdrt_png_read(temp_path("a.png"), W - 1, &back, &width, &height, NULL,
                                 &kept_log), SDRT_E_FORMAT, "at most 36x36", "too large");
    for (size_t cut = 0; cut < size; cut += 5) {
        const char *path = temp_write("cut.png", png, cut);
        expect_failure(sdrt_png_read(path, 64, &back, &width, &height, NULL, &kept_log),
                       SDRT_E_FORMAT, "cut.png", "cut");
        cr_expect(!back && !width && !height);
    }
    png[size / 2] ^= 1;
    expect_failure(sdrt_png_read(temp_write("crc.png", png, size), 64, &back, &width, &height,
                                 NULL, &kept_log), SDRT_E_FORMAT, "crc.png", "CRC");
    free(png);
    expect_failure(sdrt_png_read(temp_write("j", "\xff\xd8\xff\xe0", 4), 64, &back, &width,
                                 &height, NULL, &kept_log), SDRT_E_FORMAT, "JPEG", "JPEG");
    expect_failure(sdrt_png_read(temp_path("none"), 64, &back, &width, &height, NULL, &kept_log),
                   SDRT_E_MISSING, "No such file", "none");
    expect_failure(sdrt_png_write(temp_path("z.png"), rgb, 0, H, NULL, &kept_log), SDRT_E_ARG,
                   "0x23", "no width");
    expect_failure(sdrt_png_write(temp_path("z.png"), rgb, W, SDRT_PNG_MAX_SIDE + 1, NULL,
                                  &kept_log), SDRT_E_ARG, "sides", "too high");
}

/* A disk that fills up: the size of any file is limited to less than the image takes. */
Test(png, a_text_that_is_not_what_it_says)
{
    static const char *const cases[][2] = { { "caf\xe9", "caf\xc3\xa9" },
                                            { "caf\xc3\xa9", "caf\xc3\xa9" },
                                            { "", "" } };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = sdrt_png_text_utf8(cases[i][0]);
        cr_expect_str_eq(text, cases[i][1]);
        free(text);
    }
}

static long peak_kib(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return used.ru_maxrss;
}

/* A text that says it has 1.9 GiB, and one of 64 MiB in 64 KiB: neither is given the memory. */
Test(png, a_text_takes_what_a_text_may)
{
    enum { LARGE = 64 << 20, MOST_KIB = 48 << 10 };
    static char mebibyte[1 << 20];
    uint8_t rgb[RGB], *back;
    int width, height;
    char *parameters;
    size_t size;
    const char *path = temp_path("a.png");

    make_image(rgb, sizeof rgb);
    expect_quiet(sdrt_png_write(path, rgb, W, H, "a cat", &kept_log), "written");
    char *png = temp_read(path, &size);
    const size_t at = 8 + 25; /* behind the signature and IHDR */
    cr_assert(!memcmp(png + at + 4, "tEXt", 4));
    const long before = peak_kib();
    memcpy(png + at, "\x7a\xff\0\0", 4);
    temp_write("a.png", png, size);
    expect_failure(sdrt_png_read(path, 64, &back, &width, &height, &parameters, &kept_log),
                   SDRT_E_FORMAT, "not a good PNG", "a text of 1.9 GiB");

    z_stream z = { 0 };
    unsigned char *bomb = malloc(LARGE / 512), *whole = malloc(size + LARGE / 512);
    cr_assert_eq(deflateInit(&z, 9), Z_OK);
    z.next_out = bomb;
    z.avail_out = LARGE / 512;
    for (int i = 0; i < LARGE >> 20; i++) {
        z.next_in = (unsigned char *)mebibyte;
        z.avail_in = sizeof mebibyte;
        cr_assert_eq(deflate(&z, i + 1 < LARGE >> 20 ? Z_NO_FLUSH : Z_FINISH) >= 0, 1);
    }
    const size_t n = 12 + z.total_out; /* "parameters", 0 and the method before it */
    deflateEnd(&z);
    memcpy(whole, png, at);
    memcpy(whole + at + 4, "zTXtparameters\0\0", 16);
    memcpy(whole + at + 20, bomb, n - 12);
    const uLong crc = crc32(0, whole + at + 4, (uInt)n + 4);
    for (int b = 0; b < 4; b++) {
        whole[at + (size_t)b] = (unsigned char)(n >> (24 - 8 * b));
        whole[at + 8 + n + (size_t)b] = (unsigned char)(crc >> (24 - 8 * b));
    }
    const size_t rest = at + 12 + strlen("parameters") + 1 + strlen("a cat");
    memcpy(whole + at + 12 + n, png + rest, size - rest);
    temp_write("a.png", whole, at + 12 + n + size - rest);
    expect_quiet(sdrt_png_read(path, 64, &back, &width, &height, &parameters, &kept_log), "a bomb");
    cr_expect(!memcmp(back, rgb, sizeof rgb) && !parameters);
    cr_expect_lt(peak_kib() - before, MOST_KIB, "%ld KiB more", peak_kib() - before);
    free(back);
    free(parameters);
    free(bomb);
    free(whole);
    free(png);
}

Test(png, a_full_disk_leaves_the_old_file)
{
    struct rlimit limit, small;
    uint8_t rgb[RGB];

    make_image(rgb, sizeof rgb);
    temp_write("a.png", "old", 3);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 1000;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    const int status = sdrt_png_write(temp_path("a.png"), rgb, W, H, NULL, &kept_log);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    expect_failure(status, SDRT_E_IO, "a.png: could not be written", "limit");
    size_t size;
    char *old = temp_read(temp_path("a.png"), &size);
    cr_expect(size == 3 && !memcmp(old, "old", 3));
    cr_expect_eq(temp_entries(), 1, "a temporary file is left");
    free(old);
    if (access("/dev/full", W_OK) == 0)
        expect_failure(sdrt_png_write("/dev/full", rgb, W, H, NULL, &kept_log), SDRT_E_IO,
                       "No space left", "/dev/full");
}

Test(atomic_file, appears_at_commit_only)
{
    struct sdrt_atomic_file *file;
    struct stat info;
    size_t size;

    temp_write("f", "old", 3);
    cr_assert_eq(chmod(temp_path("f"), 0640), 0);
    expect_quiet(sdrt_atomic_open(&file, temp_path("f"), &kept_log), "open");
    sdrt_atomic_printf(file, "%d and %s", 1, "two");
    sdrt_atomic_abort(&file);
    cr_expect_null(file);
    char *text = temp_read(temp_path("f"), &size);
    cr_expect_str_eq(text, "old", "after abort");
    free(text);
    cr_expect_eq(temp_entries(), 1);

    expect_quiet(sdrt_atomic_open(&file, temp_path("f"), &kept_log), "open");
    cr_expect_eq(sdrt_atomic_printf(file, "%d and %s", 1, "two"), SDRT_OK);
    cr_expect_eq(sdrt_atomic_write(file, "\0!", 2), SDRT_OK);
    cr_expect_eq(sdrt_atomic_write(file, NULL, 0), SDRT_OK);
    text = temp_read(temp_path("f"), &size);
    cr_expect_str_eq(text, "old", "before commit");
    free(text);
    expect_quiet(sdrt_atomic_commit(&file, &kept_log), "commit");
    cr_expect_null(file);
    text = temp_read(temp_path("f"), &size);
    cr_expect(size == 11 && !memcmp(text, "1 and two\0!", 11));
    free(text);
    cr_expect_eq(temp_entries(), 1);
    cr_assert_eq(stat(temp_path("f"), &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0640, "permissions of the old file");
}

Test(atomic_file, follows_links_and_spares_devices)
{
    struct sdrt_atomic_file *file;
    struct stat info;

    temp_write("target", "old", 3);
    cr_assert_eq(symlink("target", temp_path("link")), 0);
    expect_quiet(sdrt_atomic_open(&file, temp_path("link"), &kept_log), "open");
    sdrt_atomic_printf(file, "new!");
    expect_quiet(sdrt_atomic_commit(&file, &kept_log), "commit");
    cr_assert_eq(lstat(temp_path("link"), &info), 0);
    cr_expect(S_ISLNK(info.st_mode));
    cr_assert_eq(stat(temp_path("target"), &info), 0);
    cr_expect_eq(info.st_size, 4);

    expect_quiet(sdrt_atomic_check("/dev/null", &kept_log), "/dev/null");
    expect_quiet(sdrt_atomic_open(&file, "/dev/null", &kept_log), "/dev/null");
    sdrt_atomic_printf(file, "gone");
    expect_quiet(sdrt_atomic_commit(&file, &kept_log), "/dev/null");
    cr_assert_eq(stat("/dev/null", &info), 0);
    cr_expect(S_ISCHR(info.st_mode), "/dev/null was replaced");
}

Test(atomic_file, the_longest_name_is_possible)
{
    char name[256] = { 0 };

    memset(name, 'n', 255);
    expect_quiet(sdrt_atomic_check(temp_path(name), &kept_log), "255 characters");
    expect_failure(sdrt_atomic_check(temp_path("none/a.png"), &kept_log), SDRT_E_IO,
                   "No such file", "no folder");
}

Test(atomic_file, says_early_that_a_path_cannot_be_written)
{
    temp_write("file", "x", 1);
    expect_failure(sdrt_atomic_check("", &kept_log), SDRT_E_IO, "empty", "no name");
    expect_failure(sdrt_atomic_check(temp_path(""), &kept_log), SDRT_E_IO, "directory", "folder");
    expect_failure(sdrt_atomic_check(temp_path("file/a"), &kept_log), SDRT_E_IO,
                   "Not a directory", "below a file");
    expect_quiet(sdrt_atomic_check(temp_path("new"), &kept_log), "new");
    expect_quiet(sdrt_atomic_check(temp_path("file"), &kept_log), "old");
    cr_expect_eq(temp_entries(), 1, "the check leaves nothing behind");
    if (geteuid() == 0) return; /* permissions do not bind root */
    cr_assert_eq(chmod(temp_path("file"), 0444), 0);
    expect_failure(sdrt_atomic_check(temp_path("file"), &kept_log), SDRT_E_IO, "denied",
                   "read-only");
}
