/* SPDX-License-Identifier: MIT
 *
 * A stand-in for Criterion where Criterion cannot run (its allocator does not start under
 * ThreadSanitizer): the part of its interface that the tests here use, with the same meaning.
 * Each test runs in a process of its own; plain/plain.c has the runner.
 *
 * An assertion ends its test, an expectation only marks it as failed.  The message is a format
 * that must be a literal.
 */
#ifndef SDRT_TESTS_PLAIN_CRITERION_H
#define SDRT_TESTS_PLAIN_CRITERION_H

#include <stddef.h>
#include <string.h>

/* What Test() and TestSuite() take as .name = value. */
struct plain_options {
    int line;
    double timeout; /* seconds; 0: plain.c's own */
    void (*init)(void), (*fini)(void); /* a suite's init runs before its tests' own */
};

/* One test, or with no body one suite; linked in before main() runs, never freed. */
struct plain_entry {
    const char *suite, *name;
    void (*body)(void);
    struct plain_options options;
    struct plain_entry *next;
};
void plain_register(struct plain_entry *entry);

/* Tells on standard error and marks the running test as failed; plain_stop() then ends it. */
__attribute__((format(printf, 4, 5)))
void plain_fail(const char *file, int line, const char *condition, const char *format, ...);
_Noreturn void plain_stop(void);
__attribute__((format(printf, 1, 2))) _Noreturn void plain_skip(const char *format, ...);
__attribute__((format(printf, 1, 2))) void plain_say(const char *format, ...);

#define PLAIN_ENTRY(id, suite, name, body, ...)                                          \
    static struct plain_entry plain_entry_##id = {                                       \
        suite, name, body, { .line = __LINE__, __VA_ARGS__ }, NULL                       \
    };                                                                                   \
    __attribute__((constructor)) static void plain_register_##id(void)                   \
    {                                                                                    \
        plain_register(&plain_entry_##id);                                               \
    }

#define TestSuite(suite, ...) \
    PLAIN_ENTRY(suite, #suite, NULL, NULL, __VA_ARGS__) extern int plain_unused_##suite

#define Test(suite, name, ...)                                                           \
    static void plain_##suite##_##name(void);                                            \
    PLAIN_ENTRY(suite##_##name, #suite, #name, plain_##suite##_##name, __VA_ARGS__)      \
    static void plain_##suite##_##name(void)

/* The space keeps an absent message from being an empty format. */
#define PLAIN_EXPECT(condition, text, ...)                                               \
    do {                                                                                 \
        if (!(condition)) plain_fail(__FILE__, __LINE__, text, " " __VA_ARGS__);         \
    } while (0)
#define PLAIN_ASSERT(condition, text, ...)                                               \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            plain_fail(__FILE__, __LINE__, text, " " __VA_ARGS__);                       \
            plain_stop();                                                                \
        }                                                                                \
    } while (0)

#define cr_expect(c, ...)            PLAIN_EXPECT(c, #c, __VA_ARGS__)
#define cr_expect_not(c, ...)        PLAIN_EXPECT(!(c), "!(" #c ")", __VA_ARGS__)
#define cr_expect_null(p, ...)       PLAIN_EXPECT((p) == NULL, #p " is null", __VA_ARGS__)
#define cr_expect_not_null(p, ...)   PLAIN_EXPECT((p) != NULL, #p " is not null", __VA_ARGS__)
#define cr_expect_eq(a, b, ...)      PLAIN_EXPECT((a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_expect_neq(a, b, ...)     PLAIN_EXPECT((a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_expect_lt(a, b, ...)      PLAIN_EXPECT((a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_expect_leq(a, b, ...)     PLAIN_EXPECT((a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_expect_gt(a, b, ...)      PLAIN_EXPECT((a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_expect_geq(a, b, ...)     PLAIN_EXPECT((a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...) \
    PLAIN_EXPECT(strcmp(a, b) == 0, #a " is the string " #b, __VA_ARGS__)
#define cr_expect_arr_eq(a, b, bytes, ...) \
    PLAIN_EXPECT(memcmp(a, b, bytes) == 0, #a " has the bytes of " #b, __VA_ARGS__)

#define cr_assert(c, ...)            PLAIN_ASSERT(c, #c, __VA_ARGS__)
#define cr_assert_not(c, ...)        PLAIN_ASSERT(!(c), "!(" #c ")", __VA_ARGS__)
#define cr_assert_null(p, ...)       PLAIN_ASSERT((p) == NULL, #p " is null", __VA_ARGS__)
#define cr_assert_not_null(p, ...)   PLAIN_ASSERT((p) != NULL, #p " is not null", __VA_ARGS__)
#define cr_assert_eq(a, b, ...)      PLAIN_ASSERT((a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...)     PLAIN_ASSERT((a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...)      PLAIN_ASSERT((a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...)     PLAIN_ASSERT((a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...)      PLAIN_ASSERT((a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...)     PLAIN_ASSERT((a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_assert_float_eq(a, b, epsilon, ...) \
    PLAIN_ASSERT((a) - (b) <= (epsilon) && (b) - (a) <= (epsilon), #a " is about " #b, __VA_ARGS__)
#define cr_expect_float_eq(a, b, epsilon, ...) \
    PLAIN_EXPECT((a) - (b) <= (epsilon) && (b) - (a) <= (epsilon), #a " is about " #b, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) \
    PLAIN_ASSERT(strcmp(a, b) == 0, #a " is the string " #b, __VA_ARGS__)
#define cr_assert_arr_eq(a, b, bytes, ...) \
    PLAIN_ASSERT(memcmp(a, b, bytes) == 0, #a " has the bytes of " #b, __VA_ARGS__)

#define cr_assert_fail(...) PLAIN_ASSERT(0, "failed", __VA_ARGS__)
#define cr_expect_fail(...) PLAIN_EXPECT(0, "failed", __VA_ARGS__)
#define cr_skip_test(...)   plain_skip(" " __VA_ARGS__)
#define cr_skip(...)        plain_skip(" " __VA_ARGS__)
#define cr_log_info(...)    plain_say(" " __VA_ARGS__)

#endif
