/* SPDX-License-Identifier: MIT */
#include "tools/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 24 };

static const char *const stage_names[] = { "loading", "text", "denoise", "decode" };

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void progress_init(struct progress *progress, int quiet)
{
    struct winsize size;

    memset(progress, 0, sizeof *progress);
    progress->quiet = quiet;
    progress->terminal = isatty(STDERR_FILENO);
    progress->columns = 80;
    progress->stage = -1;
    if (progress->terminal && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        progress->columns = size.ws_col;
}

/* "  2.31 s/step, 0:46 left"; nothing before the first of the pieces that elapsed was for gives a
 * measure. */
static void format_pace(char *text, size_t size, enum sdrt_stage stage, double elapsed, int pieces,
                        int done, int total)
{
    const char *unit = stage == SDRT_STAGE_DENOISE ? "step" : "part";

    text[0] = '\0';
    if (pieces <= 0) return;
    const double pace = elapsed / pieces;
    const int left = (int)(pace * (total - done) + 0.5);
    if (done < total)
        snprintf(text, size, "  %.2f s/%s, %d:%02d left", pace, unit, left / 60, left % 60);
    else if (stage == SDRT_STAGE_DENOISE)
        snprintf(text, size, "  %.2f s/%s, %.1f s", pace, unit, elapsed);
    else
        snprintf(text, size, "  %.1f s", elapsed);
}

static void draw_bar(struct progress *progress, const char *name, int done, int total,
                     const char *pace)
{
    char bar[BAR + 1], line[256];
    const int full = total > 0 ? (int)((long)BAR * done / total) : 0;

    for (int i = 0; i < BAR; i++) bar[i] = i < full ? '#' : '.';
    bar[BAR] = '\0';
    snprintf(line, sizeof line, "%-8s[%s] %d/%d%s", name, bar, done, total, pace);
    /* A line as wide as the terminal would wrap and could not be taken away. */
    fprintf(stderr, "\r%.*s\033[K", progress->columns - 1, line);
    fflush(stderr);
    progress->open = 1;
}

void progress_show(struct progress *progress, enum sdrt_stage stage, int done, int total)
{
    const double now = seconds();
    const int first = progress->stage != (int)stage;
    char pace[96];

    if (progress->quiet || (unsigned)stage >= sizeof stage_names / sizeof *stage_names) return;
    if (first) {
        progress->stage = stage;
        progress->started = now;
        progress->before = done;
    }
    format_pace(pace, sizeof pace, stage, now - progress->started,
                done - progress->before, done, total);
    if (progress->terminal) {
        draw_bar(progress, stage_names[stage], done, total, pace);
        return;
    }
    /* A log wants the steps, but not hundreds of lines a second. */
    if (!first && done < total && now - progress->shown < 1.0) return;
    fprintf(stderr, "sdgen: %s %d/%d%s\n", stage_names[stage], done, total, pace);
    progress->shown = now;
}

void progress_finish(struct progress *progress)
{
    if (progress->open) fputc('\n', stderr);
    progress->open = 0;
}

void progress_clear(struct progress *progress)
{
    if (!progress->open) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    progress->open = 0;
}
