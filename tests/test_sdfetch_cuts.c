/* SPDX-License-Identifier: MIT
 *
 * ./sdfetch against a web server with faults.  Downloads that are cut, and go on in the same run
 * or a later one.
 */
#include "tests/fetch_cases.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

TestSuite(sdfetch_cuts, .init = fetch_set_up, .fini = fetch_tear_down, .timeout = 60);

Test(sdfetch_cuts, goes_on_after_a_cut)
{
    const struct http_step steps[] = { { .cut_after = 100000 }, { .cut_after = 150000 },
                                       { .status = 503 }, { .status = 0 } };

    http_plan(&hub, steps, 4);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_file(first_file, SIZE, 1);
    cr_expect_eq(http_count(&hub), 4);
    cr_expect_str_eq(http_request(&hub, 1).range, "bytes=100000-");
    cr_expect_str_eq(http_request(&hub, 1).if_range, "\"first\"");
    cr_expect_str_eq(http_request(&hub, 2).range, "bytes=250000-");
    cr_expect_str_eq(http_request(&hub, 3).range, "bytes=250000-");
}

Test(sdfetch_cuts, counts_only_tries_in_vain)
{
    const struct http_step steps[] = { { .cut_after = 100 }, { .cut_after = 100 },
                                       { .cut_after = 100 }, { .status = 0 } };

    http_plan(&hub, steps, 4);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, "--retries", "1", NULL);
    expect_file(first_file, SIZE, 1);
    cr_expect_str_eq(http_request(&hub, 3).range, "bytes=300-");
}

Test(sdfetch_cuts, goes_on_in_a_later_run)
{
    const struct http_step steps[] = { { .cut_after = 100000 }, { .status = 1 } };

    http_plan(&hub, steps, 2);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, "--retries", "2", NULL);
    expect_error(1, "model.part");
    cr_expect_eq(http_count(&hub), 3, "%d requests", http_count(&hub));
    expect_part(100000);
    http_plan(&hub, NULL, 0);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_file(first_file, SIZE, 1);
    cr_expect_str_eq(http_request(&hub, 0).range, "bytes=100000-");
    cr_expect_str_eq(http_request(&hub, 0).if_range, "\"first\"");
}

Test(sdfetch_cuts, starts_anew_for_another_address)
{
    const struct http_step cut = { .cut_after = 100000 };

    http_plan(&hub, &cut, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, "--retries", "0", NULL);
    expect_part(100000);
    http_plan(&hub, NULL, 0);
    http_replace(&hub, (struct http_file){ second_file, OTHER_SIZE, "\"first\"" });
    fetch(NULL, "maker/model/other.bin", TO_MODEL, NULL);
    expect_file(second_file, OTHER_SIZE, 1);
    cr_expect_str_eq(http_request(&hub, 0).range, "");
}

Test(sdfetch_cuts, copes_with_a_server_without_ranges)
{
    const struct http_step steps[] = { { .cut_after = 100000 }, { .ignore_range = 1 } };

    http_plan(&hub, steps, 2);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_file(first_file, SIZE, 1);
    cr_expect_str_eq(http_request(&hub, 1).range, "bytes=100000-");
}

/* Leaves 100000 bytes of the first file, then lets the server have the other. */
static void change_meanwhile(const struct http_step *then)
{
    const struct http_step cut = { .cut_after = 100000 };

    http_replace(&hub, (struct http_file){ first_file, SIZE, "\"first\"" });
    http_plan(&hub, &cut, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, "--retries", "0", NULL);
    expect_part(100000);
    http_replace(&hub, (struct http_file){ second_file, OTHER_SIZE, "\"second\"" });
    http_plan(&hub, then, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_file(second_file, OTHER_SIZE, 1);
    unlink(temp_path("model"));
}

Test(sdfetch_cuts, notices_a_file_that_changed)
{
    const struct http_step proper = { .status = 0 }, wrong = { .ignore_if_range = 1 };

    change_meanwhile(&proper); /* 200, by If-Range */
    change_meanwhile(&wrong);  /* 206 with another ETag */
    cr_expect_eq(http_count(&hub), 2);
    cr_expect_str_eq(http_request(&hub, 1).range, "");
}

Test(sdfetch_cuts, does_not_continue_what_nothing_can_recognise)
{
    const struct http_step steps[] = { { .cut_after = 100000, .etag = "W/\"weak\"" },
                                       { .etag = "W/\"weak\"" } };

    http_plan(&hub, steps, 2);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_file(first_file, SIZE, 1);
    cr_expect_str_eq(http_request(&hub, 1).range, "");
}

Test(sdfetch_cuts, finishes_a_part_that_is_all_there)
{
    const struct http_step cut = { .cut_after = SIZE, .claim = SIZE + 1 };

    http_plan(&hub, &cut, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, "--retries", "0", NULL);
    expect_part(SIZE);
    http_plan(&hub, NULL, 0); /* 416 */
    fetch(NULL, FILE_ON_HUB, TO_MODEL, "--sha256", SHA256, NULL);
    expect_file(first_file, SIZE, 0);
    cr_expect_eq(http_count(&hub), 1);
}

Test(sdfetch_cuts, drops_a_part_that_is_longer_than_the_file)
{
    const struct http_step cut = { .cut_after = SIZE, .claim = SIZE + 1 };

    http_plan(&hub, &cut, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, "--retries", "0", NULL);
    http_plan(&hub, NULL, 0);
    http_replace(&hub, (struct http_file){ first_file, SIZE - 1000, "\"first\"" });
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_file(first_file, SIZE - 1000, 1);
}

Test(sdfetch_cuts, keeps_what_a_full_disk_holds)
{
    file_limit = 120000;
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_error(1, "could not be written");
    expect_part(120000);
    file_limit = 0;
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_file(first_file, SIZE, 1);
    cr_expect_str_eq(http_request(&hub, 1).range, "bytes=120000-");
}

Test(sdfetch_cuts, shares_a_part_with_nobody)
{
    const char *part = temp_write("model.part", first_file, 1000);
    const int fd = open(part, O_RDWR);
    size_t size;

    cr_assert(fd >= 0 && flock(fd, LOCK_EX) == 0);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_error(1, "another program");
    free(temp_read(part, &size));
    cr_expect_eq(size, 1000);
    close(fd);
    /* Bytes without a tag are somebody else's. */
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_error(1, "another program's");
    free(temp_read(part, &size));
    cr_expect_eq(size, 1000);
    cr_expect_eq(http_count(&hub), 0);
    unlink(part);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_file(first_file, SIZE, 1);
    cr_expect_str_eq(http_request(&hub, 0).range, "");
}

Test(sdfetch_cuts, writes_through_no_link)
{
    const char *other = temp_write("other", "theirs", 6);
    size_t size;

    cr_assert_eq(symlink(other, temp_path("model.part")), 0);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_error(1, "model.part");
    char *bytes = temp_read(other, &size);
    cr_expect(size == 6 && !memcmp(bytes, "theirs", 6));
    free(bytes);
}

Test(sdfetch_cuts, stops_at_the_length_that_the_hub_tells)
{
    const struct http_step longer = { .no_length = 1, .headers = "X-Linked-Size: 1000\r\n" };

    http_plan(&hub, &longer, 1);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, NULL);
    expect_error(1, "more than the 1000 bytes");
    cr_expect_eq(access(temp_path("model.part"), F_OK), -1);
    cr_expect_eq(access(temp_path("model"), F_OK), -1);
}

Test(sdfetch_cuts, takes_silence_for_a_cut)
{
    const struct http_step steps[] = { { .cut_after = 100000, .stall = 1 }, { .status = 0 } };

    http_plan(&hub, steps, 2);
    fetch(NULL, FILE_ON_HUB, TO_MODEL, "--timeout", "1", NULL);
    expect_file(first_file, SIZE, 1);
    cr_expect_str_eq(http_request(&hub, 1).range, "bytes=100000-");
}

Test(sdfetch_cuts, stops_on_a_signal)
{
    const struct http_step stall = { .cut_after = 100000, .stall = 1 };
    char output[512];
    char *arguments[] = { "./sdfetch", "--quiet", "--hub", hub_url, FILE_ON_HUB, "-o", output,
                          NULL };
    struct timespec moment = { 0, 20000000 };
    size_t size = 0;

    snprintf(output, sizeof output, "%s", temp_path("model"));
    http_plan(&hub, &stall, 1);
    const pid_t child = program_start(NULL, 0, arguments);
    for (int i = 0; i < 500 && size < 100000; i++) {
        nanosleep(&moment, NULL);
        if (access(temp_path("model.part"), F_OK) == 0)
            free(temp_read(temp_path("model.part"), &size));
    }
    kill(child, SIGINT);
    program_finish(child);
    cr_expect_eq(ended.status, 130, "status %d: %s", ended.status, ended.text);
    cr_expect_str_eq(ended.text, "sdfetch: interrupted\n");
    expect_part(100000);
}
