/* SPDX-License-Identifier: MIT
 *
 * Draws images in one process, each with another size, prompt, LoRA or none, and some cancelled on
 * their way:
 *
 *     soak_images MODEL COUNT LORA...
 *
 * The model is opened anew now and then.  At twelve moments, so and after the same small image, the
 * process' memory, what malloc() has given out and its descriptors are told; from the third to the last
 * they may not grow.  Of Linux and the C library of GNU.
 */
#include "model/sdrt.h"

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOOKS = 12, FIRST = 2, LORAS = 8, RSS_KIB = 2048, HEAP_KIB = 64 };

struct look {
    long rss, heap; /* KiB */
    int files;
};

static const char *const prompts[] = {
    "a red apple",
    "",
    "a snowman on a gray background, (detailed:1.3), [blurred], by nobody in particular",
    "x \xff\xc3 y",
    "a cat AND a dog :0.5",
    "[a cat:a dog:0.5] in the rain BREAK with a hat",
    "\xe2\x96\x81 \xf0\x9f\x98\x80 words words words words words words words words words words words "
    "words words words words words words words words words words words words words words words words "
    "words words words words words words words words words words words words words words words words "
    "words words words words words words words words words words words words words words words words ",
};
enum { PROMPTS = sizeof prompts / sizeof *prompts };

static unsigned long long state = 19;
static int cancel_at, asked; /* the call of progress that says no; 0: none */

static unsigned below(unsigned limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((state >> 33) % limit);
}

static int on_progress(void *user, enum sdrt_stage stage, int done, int total)
{
    (void)user;
    (void)stage;
    (void)done;
    (void)total;
    return ++asked == cancel_at;
}

static void on_log(void *user, enum sdrt_log_level level, const char *text)
{
    char *kept = user;

    if (level == SDRT_LOG_ERROR) snprintf(kept, 200, "%s", text);
}

static struct look look(void)
{
    struct look l = { .files = -2 }; /* . and .. */
    FILE *f = fopen("/proc/self/statm", "r");
    DIR *d = opendir("/proc/self/fd");
    long pages = 0;

    if (f && fscanf(f, "%*d %ld", &pages) != 1) pages = 0;
    if (f) fclose(f);
    l.rss = pages * (sysconf(_SC_PAGESIZE) / 1024);
    while (d && readdir(d)) l.files++;
    if (d) closedir(d);
    l.heap = (long)(mallinfo2().uordblks / 1024);
    return l;
}

static void choose(struct sdrt_request *r, struct sdrt_lora *loras, char **files, int n)
{
    static const char *const samplers[] = { "euler_a", "ddim", "dpmpp_2m", "lcm", "heun" };

    sdrt_request_init(r);
    r->prompt = prompts[below(PROMPTS)];
    r->negative_prompt = below(2) ? prompts[below(2)] : NULL;
    r->width = 8 * (1 + (int)below(5));
    r->height = 8 * (1 + (int)below(5));
    r->steps = 1 + (below(8) == 0);
    r->batch = 1 + (below(6) == 0);
    r->cfg_scale = below(2) ? 3.0f : 1.0f;
    r->sampler = samplers[below(5)];
    r->seed = below(1000);
    r->progress = on_progress;
    r->loras = loras;
    r->n_loras = n && below(3) == 0 ? 1 + (int)below(2) : 0;
    for (int i = 0; i < r->n_loras; i++)
        loras[i] = (struct sdrt_lora){ files[below((unsigned)n)], 0.25f * (float)(1 + below(4)) };
    cancel_at = below(9) == 0 ? 1 + (int)below(20) : 0;
    asked = 0;
}

/* A model just opened and the same request before each look, so that what is kept is the same. */
static int draw_alike(struct sdrt_context **c, struct sdrt_options *o)
{
    struct sdrt_request r;

    sdrt_close(c);
    o->threads = 1;
    const int status = sdrt_open(c, o);
    sdrt_request_init(&r);
    r.width = r.height = 8;
    r.steps = 1;
    return status == SDRT_OK ? sdrt_generate(*c, &r) : status;
}

static int judge(const struct look *looks)
{
    const struct look *from = &looks[FIRST], *to = &looks[LOOKS - 1];
    const int flat = to->rss - from->rss <= RSS_KIB && to->heap - from->heap <= HEAP_KIB &&
                     to->files == from->files;

    printf("soak_images: from the third look to the last: RSS %+ld KiB, heap %+ld KiB, descriptors "
           "%+d: %s\n",
           to->rss - from->rss, to->heap - from->heap, to->files - from->files,
           flat ? "flat" : "GROWS");
    return flat;
}

int main(int argc, char **argv)
{
    char said[200] = "";
    const struct sdrt_log log = { .fn = on_log, .user = said };
    struct sdrt_options o;
    struct sdrt_context *c = NULL;
    struct look looks[LOOKS];
    int drawn = 0, cancelled = 0, opened = 0, status = SDRT_OK, n_looks = 0;

    if (argc < 3 || argc > 3 + LORAS) {
        fputs("usage: soak_images MODEL COUNT LORA...\n", stderr);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    const int count = atoi(argv[2]), every = count / LOOKS > 0 ? count / LOOKS : 1;
    sdrt_options_init(&o);
    o.model = argv[1];
    o.log = &log;
    for (int i = 1; i <= count && status == SDRT_OK; i++) {
        struct sdrt_lora loras[2];
        struct sdrt_request r;
        if (!c) {
            o.threads = opened++ % 4 == 3 ? 2 : 1;
            status = sdrt_open(&c, &o);
        }
        if (status != SDRT_OK) break;
        choose(&r, loras, argv + 3, argc - 3);
        status = sdrt_generate(c, &r);
        cancelled += status == SDRT_E_CANCELLED;
        drawn += status == SDRT_OK ? r.batch : 0;
        if (status == SDRT_E_CANCELLED && cancel_at) status = SDRT_OK;
        if (status == SDRT_OK && i % every == 0 && n_looks < LOOKS) {
            status = draw_alike(&c, &o);
            looks[n_looks] = look();
            printf("%d requests: RSS %ld KiB, heap %ld KiB, %d descriptors\n", i,
                   looks[n_looks].rss, looks[n_looks].heap, looks[n_looks].files);
            n_looks++;
        }
        if (i % 400 == 0) sdrt_close(&c);
    }
    sdrt_close(&c);
    printf("soak_images: %d images, %d cancelled, opened %d times%s%s\n", drawn, cancelled, opened,
           status == SDRT_OK ? "" : ": ", status == SDRT_OK ? "" : said);
    return status != SDRT_OK || n_looks < LOOKS || !judge(looks);
}
