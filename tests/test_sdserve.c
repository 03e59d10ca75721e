/* SPDX-License-Identifier: MIT
 *
 * What sdserve's queue promises: whose turn it is, who is remembered, what a change of the checkpoint
 * waits for.  And base64, which comes from whoever asks.
 */
#include "tests/temp_folder.h"
#include "tools/sdserve/base64.h"
#include "tools/sdserve/options.h"
#include "tools/sdserve/queue.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { WAITING = 6, KEPT = 2 };

static struct queue *queue;

static void make(void) { queue = queue_make(WAITING, KEPT); }
static void end(void) { queue_free(&queue); }

TestSuite(sdserve, .init = make, .fini = end);

static struct wish *wish(int images, int checkpoint)
{
    static struct serve_options options;

    sdrt_request_init(&options.defaults);
    struct wish *w = wish_make(&options);
    w->request.batch = images;
    w->checkpoint = checkpoint;
    return w;
}

/* The job's id into id; SDRT_E_ARG and the like where it is not taken. */
static int submit(const char *client, int images, int checkpoint, char id[JOB_ID])
{
    struct job *job;
    const int status = queue_submit(queue, wish(images, checkpoint), client, &job);

    if (job) memcpy(id, job->id, JOB_ID);
    queue_release(queue, &job);
    return status;
}

static int place_of(const char *id)
{
    struct job *job = queue_find(queue, id);
    const int place = job ? queue_place(queue, job) : -1;

    queue_release(queue, &job);
    return place;
}

/* Takes the next job, which is to be id, and ends it. */
static void expect_next(const char *id, int open)
{
    struct job *job;

    cr_assert_eq(queue_take(queue, open, &job), QUEUE_DRAW);
    cr_expect_str_eq(job->id, id);
    if (!open) queue_opened(queue, 1);
    queue_finish(queue, job, JOB_DONE, SDRT_OK, NULL);
}

/* One with four requests does not keep another with one waiting for all of them. */
Test(sdserve, turns_are_fair)
{
    char many[3][JOB_ID], one[JOB_ID], late[JOB_ID];

    for (int i = 0; i < 3; i++) cr_expect_eq(submit("many", 2, 0, many[i]), SDRT_OK);
    cr_expect_eq(submit("one", 1, 0, one), SDRT_OK);
    cr_expect_eq(place_of(many[0]), 0);
    cr_expect_eq(place_of(one), 1);
    cr_expect_eq(place_of(many[1]), 2);
    expect_next(many[0], 0);
    expect_next(one, 1);
    cr_expect_eq(submit("late", 1, 0, late), SDRT_OK);
    expect_next(late, 1);
    expect_next(many[1], 1);
    expect_next(many[2], 1);
}

Test(sdserve, a_full_queue_refuses)
{
    char id[JOB_ID], last[JOB_ID];

    for (int i = 0; i < WAITING; i++) cr_expect_eq(submit("a", 1, 0, last), SDRT_OK);
    cr_expect_eq(submit("b", 1, 0, id), SDRT_E_ARG);
    struct job *job = queue_find(queue, last);
    queue_end(queue, job, JOB_CANCEL);
    queue_release(queue, &job);
    cr_expect_eq(submit("b", 1, 0, id), SDRT_OK, "a cancelled job left its place");
    queue_stop(queue);
    cr_expect_eq(submit("b", 1, 0, id), SDRT_E_CANCELLED);
    cr_expect(queue_is_idle(queue));
    cr_expect_eq(queue_take(queue, 0, &job), QUEUE_END);
}

/* Those that are over are remembered, as many as are kept, and longer by who uses them. */
Test(sdserve, old_jobs_are_forgotten)
{
    char id[KEPT + 2][JOB_ID];

    cr_expect_eq(submit("a", 1, 0, id[0]), SDRT_OK);
    struct job *used = queue_find(queue, id[0]), now;
    expect_next(id[0], 0);
    for (int i = 1; i < KEPT + 2; i++) {
        cr_expect_eq(submit("a", 1, 0, id[i]), SDRT_OK);
        expect_next(id[i], 1);
    }
    cr_expect_eq(place_of(id[0]), -1);
    cr_expect_eq(place_of(id[1]), -1);
    cr_expect_eq(place_of(id[2]), 0);
    queue_look(queue, used, &now);
    cr_expect_eq(now.state, JOB_DONE);
    queue_release(queue, &used);
}

/* A session of the checkpoint before is closed first, and a model that does not open is tried anew. */
Test(sdserve, checkpoints_change_between_jobs)
{
    char first[JOB_ID], second[JOB_ID], third[JOB_ID];
    struct job *job;

    cr_expect_eq(submit("a", 1, 0, first), SDRT_OK);
    cr_expect_eq(submit("a", 1, 1, second), SDRT_OK);
    cr_expect_eq(submit("a", 1, 1, third), SDRT_OK);
    expect_next(first, 0);
    cr_expect_eq(queue_take(queue, 1, &job), QUEUE_CLOSE);
    cr_expect_eq(queue_take(queue, 0, &job), QUEUE_DRAW);
    cr_expect_str_eq(job->id, second);
    queue_opened(queue, 0);
    queue_finish(queue, job, JOB_FAILED, SDRT_E_FORMAT, "no model");
    expect_next(third, 0);
}

Test(sdserve, base64)
{
    static const char *const bad[] = { "A", "AAAA=", "AA=A", "A===", "AA!A", "AAAAA", "AAA==" };
    size_t size;

    for (size_t n = 0; n < 40; n++) {
        uint8_t bytes[40], *back;
        for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)(i * 37 + n);
        char *text = base64_encode("", bytes, n);
        back = base64_decode(text, strlen(text), n, &size);
        cr_assert_not_null(back, "%s", text);
        cr_expect(size == n && !memcmp(back, bytes, n));
        free(back);
        cr_expect_null(n ? base64_decode(text, strlen(text), n - 1, &size) : NULL);
        free(text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_null(base64_decode(bad[i], strlen(bad[i]), 100, &size), "%s", bad[i]);
    uint8_t *kept = base64_decode("aGVs\r\nbG8", 9, 100, &size);
    cr_expect_str_eq((char *)kept, "hello");
    free(kept);
}
