/* SPDX-License-Identifier: MIT
 *
 * What the byte fuzzers share: repeatable random numbers, edits, and a time limit.  With
 * SDRT_LIBFUZZER each is a target of libFuzzer instead of a program (tests/fuzz/build.sh).
 */
#ifndef SDRT_TESTS_FUZZ_H
#define SDRT_TESTS_FUZZ_H

#include "runtime/base/clock.h"
#include "runtime/base/error.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint64_t fuzz_state;

static inline uint32_t fuzz_below(uint32_t limit)
{
    fuzz_state = fuzz_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((fuzz_state >> 32) * limit >> 32);
}

/* Counts the messages of a parser, each of which must be one line. */
static int fuzz_lines;

static inline void fuzz_count_line(void *user, enum sdrt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    if (*text && !strchr(text, '\n')) fuzz_lines++;
}

static const struct sdrt_log fuzz_log __attribute__((unused)) = { .fn = fuzz_count_line };

#ifdef SDRT_LIBFUZZER
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t fuzz_taken __attribute__((unused));

/* A file in memory that has these bytes; its name. */
static inline const char *fuzz_file(const uint8_t *data, size_t size)
{
    static char path[64];
    static int fd = -1;

    if (fd < 0) fd = memfd_create("fuzz", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size) abort();
    return path;
}

/* The target: good is to be true of size bytes of data.  The program's own main() steps aside. */
#define FUZZ_TARGET(good)                                         \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size); \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)  \
    {                                                             \
        if (!(good)) abort();                                     \
        return 0;                                                 \
    }
#define main fuzz_timed_main
int fuzz_timed_main(int argc, char **argv);
#else
#define FUZZ_TARGET(good)
#endif

/* What parsers stumble over: structure, limits of integers, words of both formats. */
static const char *const fuzz_tokens[] = {
    "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u0000", "\\ud800", "null", "true", "-1", "0", "1",
    "1e999", "0.5", "4294967296", "9223372036854775807", "9223372036854775808", "\"F32\"", "\"U8\"",
    "\"F64\"", "\"dtype\"", "\"shape\"", "\"data_offsets\"", "\"__metadata__\"", "[0,0]", "[0,4]",
    "[[[[[[[[", "\xff", "\xc3\xa9", "{\"a\":", "\"a\":",
};

/* Replaces the first digit of bytes, if there is one. */
static inline void fuzz_digit(char *bytes, size_t size)
{
    size_t i = 0;

    while (i < size && (bytes[i] < '0' || bytes[i] > '9')) i++;
    if (i < size) bytes[i] = (char)('0' + fuzz_below(10));
}

/* One to six edits of size bytes in a buffer of capacity; returns the new size. */
static inline size_t fuzz_mutate(char *bytes, size_t size, size_t capacity)
{
    enum { TOKENS = sizeof fuzz_tokens / sizeof fuzz_tokens[0] };

    for (uint32_t edits = 1 + fuzz_below(6); edits > 0; edits--) {
        const size_t at = fuzz_below((uint32_t)size + 1);
        const char *token = fuzz_tokens[fuzz_below(TOKENS)];
        size_t length = strlen(token);
        switch (fuzz_below(6)) {
        case 0: /* another byte */
            if (at < size) bytes[at] = (char)fuzz_below(256);
            break;
        case 1: /* another digit: a number that lies in a text that is well-formed */
        case 2:
            fuzz_digit(bytes + at, size - at);
            break;
        case 3: /* a token written over */
            if (length <= size - at) memcpy(bytes + at, token, length);
            break;
        case 4: /* a token put in */
            if (length > capacity - size) break;
            memmove(bytes + at + length, bytes + at, size - at);
            memcpy(bytes + at, token, length);
            size += length;
            break;
        default: /* a piece taken out */
            length = fuzz_below(16);
            if (length > size - at) length = size - at;
            memmove(bytes + at, bytes + at + length, size - at - length);
            size -= length;
        }
    }
    return size;
}

#endif
