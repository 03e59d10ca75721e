/* SPDX-License-Identifier: MIT
 *
 * ./sdfetch against a web server with faults.  Each case looks at the exit status, the lines on
 * standard error, what the server was asked, and what is left on the disk.
 */
#include "tests/fetch_cases.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

TestSuite(sdfetch, .init = fetch_set_up, .fini = fetch_tear_down, .timeout = 60);

Test(sdfetch, fetches_a_file)
{
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_file(first_file, SIZE, 1);
    cr_expect_eq(http_count(&hub), 1);
    cr_expect_str_eq(http_request(&hub, 0).path, "/maker/model/resolve/main/weights/x.bin");
    cr_expect_str_eq(http_request(&hub, 0).range, "");
    cr_expect_str_eq(http_request(&hub, 0).authorization, "");
    cr_expect(strncmp(http_request(&hub, 0).agent, "sdfetch/", 8) == 0);
}

Test(sdfetch, takes_an_address_a_revision_and_odd_names)
{
    char url[128];

    fetch(NULL, "maker/model/a b#c?.bin", "--revision", "refs/pr/1", TO_MODEL, "--sha256", SHA256,
          NULL);
    expect_file(first_file, SIZE, 0);
    cr_expect_str_eq(http_request(&hub, 0).path,
                     "/maker/model/resolve/refs/pr/1/a%20b%23c%3F.bin");
    snprintf(url, sizeof url, "%s/maker/model/blob/main/x.bin", hub_url);
    http_plan(&hub, NULL, 0);
    fetch(NULL, url, TO_MODEL, "--force", NULL);
    expect_file(first_file, SIZE, 1);
    cr_expect_str_eq(http_request(&hub, 0).path, "/maker/model/resolve/main/x.bin");
    unlink(temp_path("model"));
    snprintf(url, sizeof url, "http://127.0.0.1:%d/blob/model?sig=1", elsewhere.port);
    fetch("secret", url, "-d", temp_path("."), NULL);
    expect_file(first_file, SIZE, 1);
    cr_expect_str_eq(http_request(&elsewhere, 0).path, "/blob/model?sig=1");
    cr_expect_str_eq(http_request(&elsewhere, 0).authorization, "");
}

Test(sdfetch, checks_the_digest)
{
    const struct http_step damaged = { .damage = 1 };

    fetch(NULL, FILE_ON_HUB, TO_MODEL, "--sha256", SHA256, NULL);
    expect_file(first_file, SIZE, 0);
    unlink(temp_path("model"));
    http_plan(&hub, &damaged, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, "--sha256", SHA256, NULL);
    expect_error(1, "expected " SHA256);
    expect_nothing();
}

Test(sdfetch, takes_the_hubs_word_for_a_digest)
{
    char location[64];
    const char *const said = "X-Linked-ETag: \"" SHA256 "\"\r\nX-Linked-Size: 300000\r\n";
    struct http_step step = { .status = 302, .location = location, .headers = said };
    const struct http_step damaged = { .damage = 1 };
    const struct http_step short_file = { .no_length = 1 };

    snprintf(location, sizeof location, "http://127.0.0.1:%d/cas", elsewhere.port);
    http_plan(&hub, &step, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_file(first_file, SIZE, 0);
    unlink(temp_path("model"));
    http_plan(&elsewhere, &damaged, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_error(1, "SHA-256");
    expect_nothing();
    /* Known in advance and not what the hub has: no byte of it is fetched. */
    http_plan(&elsewhere, NULL, 0);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, "--sha256", SHA256_OTHER, NULL);
    expect_error(1, "another file now");
    cr_expect_eq(http_count(&elsewhere), 0);
    expect_nothing();
    /* The hub's length counts where the other host names none. */
    http_replace(&elsewhere, (struct http_file){ first_file, SIZE - 1, "\"short\"" });
    http_plan(&elsewhere, &short_file, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_error(1, "sent 299999 bytes, expected 300000");
}

Test(sdfetch, believes_no_other_host_about_a_digest)
{
    char location[64];
    struct http_step away = { .status = 302, .location = location };
    const struct http_step lie = { .headers = "X-Linked-ETag: \"" SHA256_OTHER "\"\r\n" };

    snprintf(location, sizeof location, "http://127.0.0.1:%d/cas", elsewhere.port);
    http_plan(&hub, &away, 1);
    http_plan(&elsewhere, &lie, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_file(first_file, SIZE, 1);
}

/* One status, for one reason; nothing may be left. */
static void refuse(int status, const char *headers, const char *token, const char *word)
{
    const struct http_step step = { .status = status, .headers = headers };

    http_plan(&hub, &step, 1);
    fetch(token, FILE_ON_HUB, TO_MODEL, "--retries", "1", NULL);
    expect_error(1, word);
    expect_nothing();
}

Test(sdfetch, explains_refusals)
{
    refuse(401, "X-Error-Code: GatedRepo\r\n", NULL, "HF_TOKEN");
    refuse(401, "X-Error-Code: GatedRepo\r\n", NULL, "accept the licence");
    refuse(401, "X-Error-Code: RepoNotFound\r\n", NULL, "is not there, or is private");
    refuse(401, NULL, "hf_x", "does not take the token");
    refuse(403, "X-Error-Code: GatedRepo\r\n", NULL, "accept the licence");
    refuse(403, NULL, "hf_x", "account of HF_TOKEN");
    refuse(404, "X-Error-Code: EntryNotFound\r\n", NULL, "not there (404)");
    refuse(404, "X-Error-Code: RevisionNotFound\r\n", NULL, "no such revision");
    cr_expect_eq(http_count(&hub), 1);
    refuse(400, NULL, NULL, "answers 400");
    refuse(500, NULL, NULL, "answers 500");
    cr_expect_eq(http_count(&hub), 2); /* it may pass, so it was tried again */
    refuse(429, "Retry-After: 0\r\n", NULL, "answers 429");
    refuse(416, NULL, NULL, "answers 416");
    refuse(204, NULL, NULL, "answers 204");
}

Test(sdfetch, says_which_host_does_not_answer)
{
    char url[64];
    struct http_server gone = { .port = 0 };

    http_start(&gone);
    http_stop(&gone);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/x", gone.port);
    fetch(NULL, url, TO_MODEL, NULL);
    expect_error(1, url);
    expect_nothing();
    fetch(NULL, "http://no-such-host.invalid/x", TO_MODEL, NULL);
    expect_error(1, "no-such-host");
    expect_nothing();
}

Test(sdfetch, keeps_the_token_from_other_hosts)
{
    char away[64], back[80];
    struct http_step out = { .status = 307, .location = away };
    struct http_step home = { .status = 302, .location = back };
    const struct http_step steps[] = { { .status = 302, .location = "/moved" }, out,
                                       { .status = 0 } };

    snprintf(away, sizeof away, "http://127.0.0.1:%d/cas", elsewhere.port);
    snprintf(back, sizeof back, "%s/back", hub_url);
    http_plan(&hub, steps, 3);
    http_plan(&elsewhere, &home, 1);
    fetch("hf_secret", FILE_ON_HUB, TO_MODEL, NULL);
    expect_file(first_file, SIZE, 1);
    cr_expect_eq(http_count(&hub), 3);
    cr_expect_str_eq(http_request(&hub, 1).path, "/moved");
    for (int i = 0; i < 3; i++)
        cr_expect_str_eq(http_request(&hub, i).authorization, "Bearer hf_secret");
    cr_expect_eq(http_count(&elsewhere), 1);
    cr_expect_str_eq(http_request(&elsewhere, 0).authorization, "");
}

Test(sdfetch, follows_no_bad_redirect)
{
    const struct http_step round = { .status = 302, .location = "/again" };
    const struct http_step local = { .status = 302, .location = "file:///etc/passwd" };
    const struct http_step nowhere = { .status = 302 };

    http_plan(&hub, &round, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_error(1, "redirects");
    cr_expect_eq(http_count(&hub), 11);
    http_plan(&hub, &local, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_error(1, "file:///etc/passwd");
    http_plan(&hub, &nowhere, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_error(1, "leads to ''");
    expect_nothing();
}

Test(sdfetch, prints_nothing_that_a_terminal_obeys)
{
    const struct http_step step = { .status = 302,
                                    .location = "file:///\033]0;owned\007\033[2J\xc2\x9b"
                                                "31m\xe2\x80\xaegpj" };

    http_plan(&hub, &step, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_error(1, "owned");
    for (const char *c = ended.text; *c; c++)
        cr_expect(*c == '\n' || ((unsigned char)*c >= ' ' && (unsigned char)*c < 127),
                  "byte %02x in %s", (unsigned char)*c, ended.text);
}

Test(sdfetch, writes_nothing_of_its_own_into_a_file)
{
    /* Without a standard error the file would become its descriptor. */
    char command[256], url[64];
    size_t size;

    snprintf(url, sizeof url, "%s", hub_url);
    snprintf(command, sizeof command,
             "./sdfetch --retry-wait 0 --hub %s " FILE_ON_HUB " -o '%s' 2>&- 1>&- <&-", url,
             temp_path("model"));
    cr_expect_eq(system(command), 0);
    char *text = temp_read(temp_path("model"), &size);
    cr_expect(size == SIZE && memcmp(text, first_file, SIZE) == 0, "%zu bytes", size);
    free(text);
}

Test(sdfetch, looks_for_room_first)
{
    const struct http_step huge = { .claim = (size_t)1 << 60 };

    http_plan(&hub, &huge, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_error(1, "MiB free");
    expect_nothing();
}

Test(sdfetch, leaves_a_file_alone)
{
    temp_write("model", first_file, SIZE);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, "--sha256", SHA256, NULL);
    expect_file(first_file, SIZE, 0);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_error(1, "--force");
    temp_write("model", second_file, OTHER_SIZE);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, "--sha256", SHA256, NULL);
    expect_error(1, SHA256_OTHER);
    cr_expect_eq(http_count(&hub), 0);
    ended.status = ended.lines = 0;
    expect_file(second_file, OTHER_SIZE, 0);
    /* Not even a failed try at replacing it does harm. */
    const struct http_step damaged = { .damage = 1 };
    http_plan(&hub, &damaged, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, "--sha256", SHA256, "--force", NULL);
    expect_error(1, "SHA-256");
    ended.status = ended.lines = 0;
    expect_file(second_file, OTHER_SIZE, 0);
    http_plan(&hub, NULL, 0);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, "--sha256", SHA256, "--force", NULL);
    expect_file(first_file, SIZE, 0);
}

Test(sdfetch, refuses_places_that_hold_no_file)
{
    fetch(NULL, FILE_ON_HUB, "-o", temp_path("."), NULL);
    expect_error(1, "directory");
    fetch(NULL, FILE_ON_HUB, "-o", temp_path("none/model"), NULL);
    expect_error(1, "none/model");
    fetch(NULL, FILE_ON_HUB, "-o", "/dev/null", NULL);
    expect_error(1, "plain file");
    cr_expect_eq(http_count(&hub), 0);
    expect_nothing();
}

Test(sdfetch, copes_with_an_empty_file_and_one_of_unknown_length)
{
    const struct http_step unsaid = { .no_length = 1 };

    http_plan(&hub, &unsaid, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_file(first_file, SIZE, 1);
    cr_expect(strstr(ended.text, "nothing was checked"), "%s", ended.text);
    unlink(temp_path("model"));
    http_plan(&hub, NULL, 0);
    http_replace(&hub, (struct http_file){ first_file, 0, "\"empty\"" });
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_file(first_file, 0, 1);
}

Test(sdfetch, knows_models_by_name)
{
    fetch(NULL, "sd15", "-d", temp_path("."), NULL);
    expect_error(1, "300000 bytes, expected 4265146304");
    expect_nothing();
    cr_expect_str_eq(http_request(&hub, 0).path,
                     "/stable-diffusion-v1-5/stable-diffusion-v1-5/resolve/"
                     "451f4fe16113bff5a5d2269ed5ad43b0592e9a14/v1-5-pruned-emaonly.safetensors");
    const struct http_step gated = { .status = 401, .headers = "X-Error-Code: GatedRepo\r\n" };
    http_plan(&hub, &gated, 1);
    fetch(NULL, "sd35-medium", "-d", temp_path("."), NULL);
    expect_error(1, "stabilityai/stable-diffusion-3.5-medium");
    cr_expect_eq(http_count(&hub), 1); /* its other files are not tried */
    expect_nothing();
}

/* Tells what goes on, unless asked to be quiet: licence, tries, result. */
Test(sdfetch, tells_what_it_does)
{
    const struct http_step steps[] = { { .cut_after = 100000 }, { .status = 0 } };
    char output[512];
    char *arguments[] = { "./sdfetch", "--retry-wait", "0", "--hub", hub_url, FILE_ON_HUB, "-o",
                          output, "--sha256", SHA256, NULL };

    snprintf(output, sizeof output, "%s", temp_path("model"));
    http_plan(&hub, steps, 2);
    program_finish(program_start(NULL, 0, arguments));
    cr_expect_eq(ended.status, 0);
    cr_expect_eq(ended.lines, 3, "%s", ended.text);
    cr_expect(strstr(ended.text, "licence"), "%s", ended.text);
    cr_expect(strstr(ended.text, "trying again"), "%s", ended.text);
    cr_expect(strstr(ended.text, "SHA-256 right"), "%s", ended.text);
}

Test(sdfetch, explains_wrong_usage)
{
    fetch(NULL, NULL);
    expect_error(2, "--list");
    fetch(NULL, "sd16", NULL);
    expect_error(2, "'sd16'");
    fetch(NULL, "maker/model", NULL);
    expect_error(2, "OWNER/REPOSITORY/FILE");
    fetch(NULL, "maker/model/../x", NULL);
    expect_error(2, "OWNER/REPOSITORY/FILE");
    fetch(NULL, "ftp://host/x", NULL);
    expect_error(2, "http or https");
    fetch(NULL, hub_url, NULL);
    expect_error(2, "--output");
    fetch(NULL, "sd15", "sdxl", NULL);
    expect_error(2, "'sdxl'");
    fetch(NULL, "sd35-large", "-o", "x", NULL);
    expect_error(2, "several files");
    fetch(NULL, "sd15", "--revision", "main", NULL);
    expect_error(2, "--revision");
    fetch(NULL, "sd15", "-o", "x", "-d", "y", NULL);
    expect_error(2, "one of them");
    fetch(NULL, "sd15", "--sha256", "abc", NULL);
    expect_error(2, "64 hexadecimal");
    fetch(NULL, "sd15", "--retries", "-1", NULL);
    expect_error(2, "--retries");
    fetch(NULL, "sd15", "--retries", "1.5", NULL);
    expect_error(2, "whole number");
    fetch(NULL, "sd15", "--hub", "huggingface", NULL);
    expect_error(2, "hub 'huggingface'");
    fetch(NULL, "sd15", "--frobnicate", NULL);
    expect_error(2, "--frobnicate");
    fetch(NULL, "sd15", "-x", NULL);
    expect_error(2, "-x");
    fetch(NULL, "sd15", "--force=1", NULL);
    expect_error(2, "takes no value");
    fetch(NULL, "sd15", "-o", NULL);
    expect_error(2, "expected a value");
    fetch("hf x\r\nHost: y", "sd15", NULL);
    expect_error(2, "HF_TOKEN");
    cr_expect_eq(http_count(&hub), 0);
    expect_nothing();
}

/* Without https the token stays at home, but for this machine itself. */
Test(sdfetch, sends_no_token_in_the_clear)
{
    fetch("hf_secret", FILE_ON_HUB, TO_MODEL, "--hub", "http://no-such-host.invalid", NULL);
    cr_expect_eq(ended.status, 1);
    cr_expect_eq(ended.lines, 2, "%s", ended.text);
    cr_expect(strstr(ended.text, "HF_TOKEN is not sent"), "%s", ended.text);
    expect_nothing();
}
