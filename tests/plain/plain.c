/* SPDX-License-Identifier: MIT
 *
 * Runs the tests of a program, each in a child process, and ends with the line that
 * build-aux/summary.sh reads.  Exit status 1 when a test failed.  Names as arguments
 * (SUITE/TEST, with the shell's wildcards) choose among the tests.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PASSED = 0,
    FAILED = 1,
    SKIPPED = 77, /* automake's number for it */
    TIMEOUT = 900, /* seconds for a test that names none */
    SLOWER = 10, /* what a sanitizer may cost, for those that do */
};

static struct plain_entry *first, **last = &first;
static atomic_int failed; /* in the child: an expectation has failed */
static _Thread_local jmp_buf *test_end; /* in the child: set on the thread that runs the test */
static int cut_short; /* in the child: what ended the test before its end */
static volatile sig_atomic_t late;

void plain_register(struct plain_entry *entry)
{
    *last = entry;
    last = &entry->next;
}

/* ---- in the child ---- */

static void tell(const char *format, va_list arguments)
{
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void plain_fail(const char *file, int line, const char *condition, const char *format, ...)
{
    va_list arguments;

    atomic_store(&failed, 1);
    fprintf(stderr, "%s:%d: %s:", file, line, condition);
    va_start(arguments, format);
    tell(format, arguments);
    va_end(arguments);
}

/* Other threads cannot unwind the test's stack. */
static _Noreturn void end_test(int outcome)
{
    if (!test_end) exit(FAILED);
    cut_short = outcome;
    longjmp(*test_end, 1);
}

void plain_stop(void) { end_test(FAILED); }

void plain_skip(const char *format, ...)
{
    va_list arguments;

    fputs("skipped:", stderr);
    va_start(arguments, format);
    tell(format, arguments);
    va_end(arguments);
    end_test(SKIPPED);
}

void plain_say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    tell(format, arguments);
    va_end(arguments);
}

static const struct plain_entry *suite_of(const struct plain_entry *test)
{
    for (const struct plain_entry *e = first; e; e = e->next)
        if (!e->body && !strcmp(e->suite, test->suite)) return e;
    return NULL;
}

static void prepare(const struct plain_entry *test)
{
    const struct plain_entry *suite = suite_of(test);

    if (suite && suite->options.init) suite->options.init();
    if (test->options.init) test->options.init();
}

static void clean_up(const struct plain_entry *test)
{
    const struct plain_entry *suite = suite_of(test);

    if (test->options.fini) test->options.fini();
    if (suite && suite->options.fini) suite->options.fini();
}

/* Not inlined, so that the jump back finds no variables of the others in registers. */
static __attribute__((noinline)) void run_until_its_end(const struct plain_entry *test)
{
    jmp_buf end;

    test_end = &end;
    if (!setjmp(end)) {
        prepare(test);
        test->body();
    }
    test_end = NULL;
}

static int run(const struct plain_entry *test)
{
    run_until_its_end(test);
    clean_up(test);
    return atomic_load(&failed) ? FAILED : cut_short;
}

/* ---- in the parent ---- */

static void on_alarm(int signal_number)
{
    (void)signal_number;
    late = 1;
}

static unsigned timeout_of(const struct plain_entry *test)
{
    const struct plain_entry *suite = suite_of(test);
    double seconds = test->options.timeout;

    if (seconds <= 0.0 && suite) seconds = suite->options.timeout;
    return seconds > 0.0 ? (unsigned)(seconds * SLOWER) + 1 : TIMEOUT;
}

static int wait_for(pid_t child, unsigned seconds)
{
    const struct sigaction act = { .sa_handler = on_alarm }; /* no restart: waitpid() returns */
    int status = 0;

    late = 0;
    sigaction(SIGALRM, &act, NULL);
    alarm(seconds);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        if (late) kill(child, SIGKILL);
    alarm(0);
    if (late) fprintf(stderr, "no end after %u s\n", seconds);
    else if (WIFSIGNALED(status)) fprintf(stderr, "killed by signal %d\n", WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}

static int run_in_child(const struct plain_entry *test)
{
    int status;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) exit(run(test));
    status = child < 0 ? FAILED : wait_for(child, timeout_of(test));
    if (status == SKIPPED) printf("SKIP %s::%s\n", test->suite, test->name);
    else if (status != PASSED)
        printf("FAIL %s::%s: status %d\n", test->suite, test->name, status);
    return status;
}

static int wanted(const struct plain_entry *test, int n, char **patterns)
{
    char name[512];

    if (!test->body) return 0;
    snprintf(name, sizeof name, "%s/%s", test->suite, test->name);
    for (int i = 0; i < n; i++)
        if (fnmatch(patterns[i], name, 0) == 0) return 1;
    return n == 0;
}

int main(int argc, char **argv)
{
    int passes = 0, failures = 0, skips = 0;

    for (const struct plain_entry *e = first; e; e = e->next) {
        if (!wanted(e, argc - 1, argv + 1)) continue;
        switch (run_in_child(e)) {
        case PASSED: passes++; break;
        case SKIPPED: skips++; break;
        default: failures++;
        }
    }
    printf("%d passed, %d failed, %d skipped\n", passes, failures, skips);
    return failures || passes + skips == 0;
}
