/* SPDX-License-Identifier: MIT
 *
 * The table of options: each kind, right and wrong.
 */
#include "cli/options.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

TestSuite(cli, .init = temp_folder_make, .fini = temp_folder_remove);

struct filled {
    int flag, whole, calls, shown;
    const char *text, *name, *called;
    double number;
};

static const char *colours(int i)
{
    static const char *const names[] = { "red", "green", "blue" };

    return i >= 0 && i < 3 ? names[i] : NULL;
}

static int take(void *into, const char *name, const char *value, const struct sdrt_log *log)
{
    struct filled *f = into;

    (void)name;
    (void)log;
    f->calls++;
    f->called = value;
    return f->shown;
}

#define AT(member) .where = offsetof(struct filled, member)

static const struct cli_option table[] = {
    { "flag", 'f', CLI_FLAG, NULL, "", AT(flag) },
    { "text", 't', CLI_TEXT, "TEXT", "", AT(text) },
    { "name", 0, CLI_NAME, "NAME", "%s", AT(name), .names = colours },
    { "whole", 'w', CLI_WHOLE, "N", "", AT(whole), -3, 1000 },
    { "number", 0, CLI_NUMBER, "X", "", AT(number), 0.5, HUGE_VAL },
    { "call", 0, CLI_CALL, "[=X]", "", .call = take },
    { .name = NULL },
};

static const struct cli_program program = {
    .name = "test", .version = "1", .before = "", .after = "", .column = 20, .options = table
};

/* Reads up to six words; *rest as cli_parse() has it. */
static enum cli_parsed parse(struct filled *f, int *rest, const char *const words[])
{
    char copy[8][32] = { "test" }, *argv[8] = { copy[0] };
    int argc = 1;

    for (; words[argc - 1]; argc++) {
        snprintf(copy[argc], sizeof copy[argc], "%s", words[argc - 1]);
        argv[argc] = copy[argc];
    }
    return cli_parse(&program, f, argc, argv, rest, &kept_log);
}

/* Each call stands for a program of its own, which getopt_long() cannot know. */
static void forget(void) { optind = 0; }

Test(cli, takes_each_kind)
{
    static char words[][16] = { "test",     "-f",  "one",    "--name=blue", "-w",        "-3",
                                "--number", "0.5", "--call", "--text",      "two words", "three" };
    struct filled f = { .calls = 0 };
    char *argv[12];
    int rest = 0;

    for (int i = 0; i < 12; i++) argv[i] = words[i];
    forget();
    cr_assert_eq(cli_parse(&program, &f, 12, argv, &rest, &kept_log), CLI_RUN, "%s", kept_text);
    cr_expect(f.flag == 1 && f.whole == -3 && f.number == 0.5 && f.calls == 1);
    cr_expect_null(f.called);
    cr_expect(!strcmp(f.name, "blue") && !strcmp(f.text, "two words"));
    cr_assert_eq(rest, 10);
    cr_expect(!strcmp(argv[10], "one") && !strcmp(argv[11], "three"));
}

Test(cli, ends_where_a_call_has_printed)
{
    static const char *const words[] = { "--call=5", "--unknown", NULL };
    struct filled f = { .shown = 1 };
    int rest = 0;

    forget();
    cr_expect_eq(parse(&f, &rest, words), CLI_SHOWN);
    cr_expect_eq(kept_lines, 0);
}

Test(cli, says_what_is_wrong)
{
    static const struct {
        const char *words[3], *told;
    } cases[] = {
        { { "--unknown", NULL }, "--unknown: unknown" },
        { { "-x", NULL }, "-x: unknown" },
        { { "--text", NULL }, "--text: expected a value" },
        { { "-w", NULL }, "-w: expected a value" },
        { { "--flag=1", NULL }, "--flag=1: this option takes no value" },
        { { "--name", "pink", NULL }, "--name 'pink': expected red, green or blue" },
        { { "--whole", "1001", NULL }, "--whole '1001': expected a whole number from -3 to 1000" },
        { { "--whole", "1.5", NULL }, "whole number" },
        { { "--whole", " 1", NULL }, "whole number" },
        { { "--whole", "", NULL }, "whole number" },
        { { "--whole", "4294967297", NULL }, "whole number" },
        { { "--number", "0.4", NULL }, "--number '0.4': expected a number from 0.5" },
        { { "--number", "nan", NULL }, "number" },
        { { "--number", "inf", NULL }, "number" },
        { { "--number", "1x", NULL }, "number" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct filled f = { .calls = 0 };
        int rest = 0;
        forget();
        cr_expect_eq(parse(&f, &rest, cases[i].words), CLI_USAGE, "%s", cases[i].told);
        expect_failure(SDRT_E_ARG, SDRT_E_ARG, cases[i].told, cases[i].words[0]);
    }
}
