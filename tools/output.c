/* SPDX-License-Identifier: MIT */
#include "tools/output.h"
#include "runtime/base/numbers.h"
#include "runtime/files/atomic_file.h"
#include "runtime/files/path.h"
#include "runtime/files/picture_file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { HIGHEST = 99999999 /* number of a name */, DIGITS = 8 };

int output_is_stdout(const struct output *o) { return o->name && !strcmp(o->name, "-"); }

/* errno tells those who get no name. */
static int no_memory(const struct output *o)
{
    errno = ENOMEM;
    return sdrt_fail(o->log, SDRT_E_NOMEM, "no memory for a file's name");
}

/* ---- patterns ---- */

/* The pattern that -o means; the caller's. */
static char *pattern_of(const struct output *o)
{
    static const char *const numbered = "sdrt-%04d.png";

    if (!o->name) return strdup(numbered);
    if (sdrt_path_is_folder(o->name)) return sdrt_path_join(o->name, numbered);
    return strdup(o->name);
}

/* How long "%d" or "%04d" at text is; 0 where it is none. */
static size_t number_at(const char *text)
{
    size_t n = 1;

    if (*text != '%') return 0;
    while (n < 4 && isdigit((unsigned char)text[n])) n++;
    return text[n] == 'd' ? n + 1 : 0;
}

static const char *find_number(const char *pattern)
{
    while (*pattern && !number_at(pattern)) pattern++;
    return *pattern ? pattern : NULL;
}

/* What stands in brackets, n characters at word, for image k; 0 where nothing is called so. */
static int write_word(FILE *f, const struct output *o, const char *word, size_t n, int k)
{
    const struct sdrt_request *r = o->request;
    const time_t now = time(NULL);
    struct tm local;
    char text[32];
#define IS(name) (n == sizeof name - 1 && !memcmp(word, name, n))
    const char *form = IS("date") ? "%Y-%m-%d" : IS("time") ? "%H%M%S" : NULL;

    localtime_r(&now, &local);
    if (IS("seed")) fprintf(f, "%llu", (unsigned long long)(o->seed + (uint64_t)k));
    else if (IS("n")) fprintf(f, "%d", k);
    else if (IS("steps")) fprintf(f, "%d", r->steps);
    else if (IS("width")) fprintf(f, "%d", r->width);
    else if (IS("height")) fprintf(f, "%d", r->height);
    else if (IS("cfg")) fprintf(f, "%g", (double)r->cfg_scale);
    else if (IS("sampler")) fputs(r->sampler ? r->sampler : "default", f);
    else if (form && strftime(text, sizeof text, form, &local)) fputs(text, f);
    else return 0;
#undef IS
    return 1;
}

/* Whether names of several images differ by themselves. */
static int tells_apart(const char *pattern)
{
    return find_number(pattern) || strstr(pattern, "[seed]") || strstr(pattern, "[n]");
}

/* Where "-3" goes in a name that would be another's: before the ending. */
static const char *ending_of(const char *pattern)
{
    const char *slash = strrchr(pattern, '/'), *dot = strrchr(pattern, '.');

    return dot && (!slash || dot > slash) ? dot : pattern + strlen(pattern);
}

/* The name of image k by the pattern, with number where it has one; the caller's.  NULL after a
 * line. */
static char *expand(const struct output *o, const char *pattern, int k, int number)
{
    const char *end = o->total > 1 && !tells_apart(pattern) ? ending_of(pattern) : NULL;
    const struct sdrt_numbers numbers = sdrt_numbers_begin();
    char *name = NULL;
    size_t size, n;
    FILE *f = open_memstream(&name, &size);
    int status = f ? SDRT_OK : no_memory(o);

    for (const char *at = pattern; status == SDRT_OK; at++) {
        if (at == end) fprintf(f, "-%d", k);
        if (!*at) break;
        n = number_at(at);
        if (n) {
            const int width = atoi(at + 1);
            fprintf(f, "%0*d", width > DIGITS ? DIGITS : width, number);
            at += n - 1;
        } else if (*at == '[' && strchr(at, ']')) {
            n = strcspn(at + 1, "]");
            if (!write_word(f, o, at + 1, n, k))
                status = sdrt_fail(o->log, SDRT_E_ARG,
                                   "--output %s: [%.*s]: expected seed, date, time, "
                                   "width, height, steps, cfg, sampler or n",
                                   pattern, (int)n, at + 1);
            at += n + 1;
        } else {
            fputc(*at, f);
        }
    }
    sdrt_numbers_end(&numbers);
    if (f && fclose(f)) status = no_memory(o);
    if (status == SDRT_OK) return name;
    free(name);
    return NULL;
}

/* ---- numbers ---- */

/* The highest number that stands between front and back in a name of the folder; 0 for none. */
static int highest_in(const char *folder, const char *front, const char *back)
{
    DIR *dir = opendir(folder);
    const struct dirent *e;
    int highest = 0;

    while (dir && (e = readdir(dir))) {
        const size_t n = strlen(front),
                     digits = strspn(e->d_name + (strncmp(e->d_name, front, n) ? 0 : n),
                                     "0123456789");
        if (strncmp(e->d_name, front, n) || !digits || digits > DIGITS) continue;
        if (strcmp(e->d_name + n + digits, back)) continue;
        const int number = atoi(e->d_name + n);
        if (number > highest) highest = number;
    }
    if (dir) closedir(dir);
    return highest;
}

/* The highest number of names that image k could have; they differ in nothing but it.  -1 after a
 * line. */
static int highest_number(const struct output *o, const char *pattern, int k)
{
    enum { A = 11111111, B = 22222222 }; /* as wide as each other */
    char *a = expand(o, pattern, k, A), *b = a ? expand(o, pattern, k, B) : NULL;
    size_t n = 0;

    if (!b) {
        free(a);
        return -1;
    }
    while (a[n] && a[n] == b[n]) n++;
    const char *back = a + n + DIGITS;
    char *slash = strrchr(a, '/');
    char *front = slash && slash < a + n ? slash + 1 : a;
    char *end = strdup(back);
    a[n] = '\0';
    if (front > a) front[-1] = '\0';
    const char *folder = front == a ? "." : *a ? a : "/";
    const int highest = end ? highest_in(folder, front, end) : 0;
    free(end);
    free(a);
    free(b);
    return highest;
}

/* The name of image k when so many others have come that differ from it by their number alone. */
static char *name_after(const struct output *o, int k, int others)
{
    char *pattern = pattern_of(o), *name = NULL;
    int number = 0;

    if (!pattern) {
        no_memory(o);
        return NULL;
    }
    if (find_number(pattern)) {
        const int before = strstr(pattern, "[seed]") || strstr(pattern, "[n]") ? 0 : others;
        number = highest_number(o, pattern, k) + 1;
        if (number > 0) number += before;
    }
    if (number >= 0 && number <= HIGHEST) name = expand(o, pattern, k, number);
    else if (number > HIGHEST)
        sdrt_fail(o->log, SDRT_E_ARG, "--output %s: expected a number that is free", pattern);
    free(pattern);
    return name;
}

char *output_name(const struct output *o, int k) { return name_after(o, k, 0); }

char *output_name_ahead(const struct output *o, int k) { return name_after(o, k, k); }

/* ---- before anything is drawn ---- */

/* A device or a pipe, which has no ending. */
static int is_special(const char *name)
{
    struct stat s;

    return stat(name, &s) == 0 && !S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode);
}

static int check_name(const struct output *o, const char *name)
{
    enum sdrt_picture_format format;
    struct stat s;
    int status = !*name || is_special(name) ? SDRT_OK
                                            : sdrt_picture_format_of(&format, name, o->log);

    if (status == SDRT_OK) status = sdrt_atomic_check(name, o->log);
    if (status == SDRT_OK && !o->force && !is_special(name) && lstat(name, &s) == 0)
        return sdrt_fail(o->log, SDRT_E_IO,
                         "%s: is there already: expected --force to replace it, or "
                         "another name",
                         name);
    return status;
}

int output_check(const struct output *o)
{
    int status = SDRT_OK;

    if (output_is_stdout(o) && o->total > 1)
        return sdrt_fail(o->log, SDRT_E_ARG, "--output -: expected one image, not %d", o->total);
    if (output_is_stdout(o)) return SDRT_OK;
    for (int k = 0; k < o->total && status == SDRT_OK; k++) {
        errno = 0;
        char *name = output_name(o, k);
        status = name ? check_name(o, name) : errno == ENOMEM ? SDRT_E_NOMEM : SDRT_E_ARG;
        free(name);
    }
    return status;
}

/* ---- writing ---- */

static int write_stdout(const uint8_t *bytes, size_t size, const struct sdrt_log *log)
{
    errno = 0;
    if (fwrite(bytes, 1, size, stdout) == size && fflush(stdout) == 0) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_IO, "standard output: could not be written: %s",
                     strerror(errno ? errno : EIO));
}

int output_format(const struct output *o, const char *path, enum sdrt_picture_format *format)
{
    *format = SDRT_PNG;
    if (output_is_stdout(o) || is_special(path)) return SDRT_OK;
    return sdrt_picture_format_of(format, path, o->log);
}

int output_put(const struct output *o, const uint8_t *bytes, size_t size, const char *path)
{
    struct sdrt_atomic_file *file = NULL;
    int status;

    if (output_is_stdout(o)) return write_stdout(bytes, size, o->log);
    status = sdrt_atomic_open(&file, path, o->log);
    if (status != SDRT_OK) return status;
    sdrt_atomic_write(file, bytes, size);
    return sdrt_atomic_commit(&file, o->log);
}

int output_write(const struct output *o, struct sdrt_session *session, int i, const char *path)
{
    enum sdrt_picture_format format;
    uint8_t *bytes = NULL;
    size_t size;
    int status = output_format(o, path, &format);

    if (status == SDRT_OK)
        status = sdrt_session_encode(session, i, sdrt_picture_format_name((int)format), o->quality,
                                     &bytes, &size);
    if (status == SDRT_OK) status = output_put(o, bytes, size, path);
    sdrt_free(bytes);
    return status;
}
