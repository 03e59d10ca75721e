/* SPDX-License-Identifier: MIT */
#include "runtime/files/json.h"
#include "runtime/files/read_file.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(json, .init = temp_folder_make, .fini = temp_folder_remove);

static json_t *parse(const char *text)
{
    json_t *root;

    expect_quiet(sdrt_json_parse(&root, text, strlen(text), "f", &kept_log), text);
    return root;
}

Test(json, members_are_read_or_keep_their_default)
{
    json_t *o = parse("{\"i\":-7,\"d\":0.5,\"b\":true,\"s\":\"x\",\"a\":[1,2,3],"
                      "\"n\":null,\"e\":[]}");
    int64_t i = 1, values[3] = { 0 };
    size_t count = 9;
    double d = 1;
    int b = 0;
    const char *s = "default";

    expect_quiet(sdrt_json_int(o, "i", "f", -7, -7, &i, &kept_log), "i");
    expect_quiet(sdrt_json_double(o, "d", "f", &d, &kept_log), "d");
    expect_quiet(sdrt_json_bool(o, "b", "f", &b, &kept_log), "b");
    expect_quiet(sdrt_json_string(o, "s", "f", &s, &kept_log), "s");
    expect_quiet(sdrt_json_int_array(o, "a", "f", 1, 3, values, 3, &count, &kept_log), "a");
    cr_expect(i == -7 && d == 0.5 && b == 1 && count == 3 && values[0] == 1 && values[2] == 3);
    cr_expect_str_eq(s, "x");
    expect_quiet(sdrt_json_double(o, "i", "f", &d, &kept_log), "an integer is a number");
    cr_expect_eq(d, -7.0);
    static const char *const absent[] = { "n", "none" };
    for (int k = 0; k < 2; k++) {
        expect_quiet(sdrt_json_int(o, absent[k], "f", 0, 0, &i, &kept_log), "default");
        expect_quiet(sdrt_json_double(o, absent[k], "f", &d, &kept_log), "default");
        expect_quiet(sdrt_json_bool(o, absent[k], "f", &b, &kept_log), "default");
        expect_quiet(sdrt_json_string(o, absent[k], "f", &s, &kept_log), "default");
        expect_quiet(sdrt_json_int_array(o, absent[k], "f", 0, 0, values, 3, &count, &kept_log),
                     "default");
    }
    cr_expect(i == -7 && d == -7.0 && b == 1 && count == 3);
    expect_quiet(sdrt_json_int_array(o, "e", "f", 0, 0, values, 3, &count, &kept_log), "empty");
    cr_expect_eq(count, 0);
    json_decref(o);
}

Test(json, wrong_types_and_ranges_are_refused)
{
    json_t *o = parse("{\"i\":5,\"r\":5.5,\"s\":\"5\",\"a\":[1,2],\"m\":[1,\"2\"],\"o\":{}}");
    int64_t i = 1, values[2];
    size_t count = 9;
    double d = 1;
    int b = 3;
    const char *s = "default";

    expect_failure(sdrt_json_int(o, "i", "f", 0, 4, &i, &kept_log), SDRT_E_FORMAT,
                   "f: i: an integer from 0 to 4", "above");
    expect_failure(sdrt_json_int(o, "i", "f", 6, 9, &i, &kept_log), SDRT_E_FORMAT, "from 6",
                   "below");
    expect_failure(sdrt_json_int(o, "r", "f", 0, 9, &i, &kept_log), SDRT_E_FORMAT, "integer",
                   "real");
    expect_failure(sdrt_json_int(o, "s", "f", 0, 9, &i, &kept_log), SDRT_E_FORMAT, "integer",
                   "text");
    expect_failure(sdrt_json_double(o, "s", "f", &d, &kept_log), SDRT_E_FORMAT, "a number", "text");
    expect_failure(sdrt_json_bool(o, "i", "f", &b, &kept_log), SDRT_E_FORMAT, "true or false",
                   "int");
    expect_failure(sdrt_json_string(o, "i", "f", &s, &kept_log), SDRT_E_FORMAT, "a string", "int");
    expect_failure(sdrt_json_int_array(o, "a", "f", 0, 9, values, 1, &count, &kept_log),
                   SDRT_E_FORMAT, "at most 1", "too long");
    expect_failure(sdrt_json_int_array(o, "a", "f", 2, 9, values, 2, &count, &kept_log),
                   SDRT_E_FORMAT, "from 2", "below");
    expect_failure(sdrt_json_int_array(o, "m", "f", 0, 9, values, 2, &count, &kept_log),
                   SDRT_E_FORMAT, "integers", "mixed");
    expect_failure(sdrt_json_int_array(o, "o", "f", 0, 9, values, 2, &count, &kept_log),
                   SDRT_E_FORMAT, "an array", "object");
    cr_expect(i == 1 && d == 1 && b == 3 && count == 9 && !strcmp(s, "default"));
    json_decref(o);
}

/* depth levels of lists around nothing. */
static json_t *parse_nested(int depth, int *status)
{
    char text[256];
    json_t *root;

    memset(text, '[', (size_t)depth);
    memset(text + depth, ']', (size_t)depth);
    *status = sdrt_json_parse(&root, text, 2 * (size_t)depth, "f", &kept_log);
    return root;
}

Test(json, depth_is_bounded)
{
    json_t *root;
    int status;

    root = parse_nested(SDRT_JSON_MAX_DEPTH, &status);
    expect_quiet(status, "deepest");
    json_decref(root);
    cr_expect_null(parse_nested(SDRT_JSON_MAX_DEPTH + 1, &status));
    expect_failure(status, SDRT_E_FORMAT, "deeper than 32", "deeper");
    /* Brackets in strings are no levels, nor does an escaped quote end a string. */
    json_decref(parse("[\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"]"));
}

Test(json, files_are_bounded_and_errors_have_a_place)
{
    json_t *root;
    char *data;
    size_t size;
    const char *path = temp_write("c.json", "{\n  \"a\": 1,\n  \"a\": 2\n}", 23);

    expect_failure(sdrt_json_load(&root, path, 100, &kept_log), SDRT_E_FORMAT,
                   "c.json:3:5: ", "duplicate");
    cr_expect_null(root);
    path = temp_write("c.json", "{\"a\": 1}", 8);
    expect_quiet(sdrt_json_load(&root, path, 8, &kept_log), "just fits");
    json_decref(root);
    expect_failure(sdrt_json_load(&root, path, 7, &kept_log), SDRT_E_FORMAT, "at most 7", "large");
    expect_failure(sdrt_json_load(&root, temp_path("none"), 7, &kept_log), SDRT_E_MISSING, "none",
                   "none");
    expect_failure(sdrt_json_load(&root, temp_path(""), 7, &kept_log), SDRT_E_IO, "regular",
                   "folder");
    expect_quiet(sdrt_read_file(path, 8, &data, &size, &kept_log), "read");
    cr_expect(size == 8 && !strcmp(data, "{\"a\": 1}"), "a 0 follows the bytes");
    free(data);
    expect_quiet(sdrt_read_file(temp_write("empty", "", 0), 0, &data, &size, &kept_log), "empty");
    cr_expect(data && size == 0 && !*data);
    free(data);
}
