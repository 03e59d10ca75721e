/* SPDX-License-Identifier: MIT */
#include "tools/progress.h"
#include "runtime/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR = 24 };

static const char *const stage_names[] = { "loading", "text",   "denoise",
                                           "decode",  "encode", "enlarge" };

void progress_init(struct progress *progress, const char *program, int quiet)
{
    struct winsize size;

    memset(progress, 0, sizeof *progress);
    progress->program = program;
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
    else snprintf(text, size, "  %.1f s", elapsed);
}

/* A bar, full from 0 to 1, with text behind it. */
static void draw_bar(struct progress *progress, const char *name, double full, const char *text)
{
    char bar[BAR + 1], line[256];

    for (int i = 0; i < BAR; i++) bar[i] = i < (int)(BAR * full) ? '#' : '.';
    bar[BAR] = '\0';
    snprintf(line, sizeof line, "%-8s[%s] %s", name, bar, text);
    /* A line as wide as the terminal would wrap and could not be taken away. */
    fprintf(stderr, "\r%.*s\033[K", progress->columns - 1, line);
    fflush(stderr);
    progress->open = 1;
}

void progress_show(struct progress *progress, enum sdrt_stage stage, int done, int total)
{
    const double now = sdrt_now();
    const int first = progress->stage != (int)stage;
    char pace[96], text[128];

    if (progress->quiet || (unsigned)stage >= sizeof stage_names / sizeof *stage_names) return;
    if (first) {
        progress->stage = stage;
        progress->started = now;
        progress->before = done;
    }
    format_pace(pace, sizeof pace, stage, now - progress->started, done - progress->before, done,
                total);
    snprintf(text, sizeof text, "%d/%d%s", done, total, pace);
    if (progress->terminal) {
        draw_bar(progress, stage_names[stage], total > 0 ? (double)done / total : 0, text);
        return;
    }
    /* A log wants the steps, but not hundreds of lines a second, and none again. */
    if (!first && ((done < total && now - progress->shown < 1.0) || done == progress->done)) return;
    fprintf(stderr, "%s: %s %s\n", progress->program, stage_names[stage], text);
    progress->shown = now;
    progress->done = done;
}

void progress_bytes_start(struct progress *progress, uint64_t first)
{
    progress->first = first;
    progress->started = progress->shown = sdrt_now();
}

void progress_bytes(struct progress *progress, const char *name, uint64_t done, uint64_t total)
{
    const double mib = 1 << 20, now = sdrt_now(), elapsed = now - progress->started;
    const double rate = elapsed > 0 && done > progress->first
                            ? (double)(done - progress->first) / elapsed
                            : 0;
    char text[128];
    int n;

    if (progress->quiet || now - progress->shown < (progress->terminal ? 0.1 : 10.0)) return;
    progress->shown = now;
    n = snprintf(text, sizeof text, "%.0f", (double)done / mib);
    if (total) n += snprintf(text + n, sizeof text - (size_t)n, "/%.0f", (double)total / mib);
    n += snprintf(text + n, sizeof text - (size_t)n, " MiB");
    if (rate > 0) n += snprintf(text + n, sizeof text - (size_t)n, "  %.1f MiB/s", rate / mib);
    if (rate > 0 && total > done) {
        const uint64_t left = (uint64_t)((double)(total - done) / rate + 0.5);
        snprintf(text + n, sizeof text - (size_t)n, ", %llu:%02llu left",
                 (unsigned long long)(left / 60), (unsigned long long)(left % 60));
    }
    if (progress->terminal)
        draw_bar(progress, name, total ? (double)done / (double)total : 0, text);
    else fprintf(stderr, "%s: %s %s\n", progress->program, name, text);
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
