/* SPDX-License-Identifier: MIT
 *
 * A library that is loaded before a program (LD_PRELOAD) and lets what may fail in it fail, for
 * tests/check_faults.sh and tests/soak.  Of the C library of GNU.
 *
 *     FAULT_ALLOC=N       the N-th allocation by the program's own code fails; FAULT_ALL=1: and those
 *                         behind it
 *     FAULT_COUNT=FILE    the number of allocations, or with FAULT_NTH of preads, is written there at
 *                         the end
 *     FAULT_LEAKS=FILE    the number of the program's own allocations that are left at the end
 *     FAULT_SITES=FILE    the numbers of those that each way through the program makes first
 *     FAULT_CUT=FILE      is cut to FAULT_CUT_TO bytes the FAULT_CUT_AT-th time that anything is read
 *                         or looked at; the number of times is written to FAULT_COUNT
 *     FAULT_AT=NAME       FAULT_SIGNAL is sent before NAME, which is fsync or rename, behind the
 *                         FAULT_NTH-th pread, or behind the making (open, mkdir) of a temporary file or
 *                         folder; FAULT_SIGNALS: how often
 *     FAULT_NAMED=1       the file system has no files without a name; 2: it gives them none later
 *     FAULT_UNNAMED=FILE  whether the folder's has them is written there, 1 or 0
 *
 * Allocations of other libraries do not fail: what they do then is not the program's to mend.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *p);

static uintptr_t code_begin, code_end; /* of the program itself */
static long allocations, fail_at, reads, cut_at, preads, nth;
static int fail_all;
static const char *count_file, *cut_file, *leaks_file;

static long number(const char *name)
{
    const char *text = getenv(name);

    return text ? strtol(text, NULL, 10) : 0;
}

/* ---- the ways to an allocation ---- */

enum { SITES = 1 << 16, FRAMES = 24 };
static uint64_t sites[SITES]; /* hashes of the callers, 0 for none */
static FILE *site_list;

static void note_site(long n)
{
    static __thread int within; /* backtrace() allocates at first */
    void *frames[FRAMES];
    uint64_t hash = 14695981039346656037u;

    if (within) return;
    within = 1;
    const int depth = backtrace(frames, FRAMES);
    for (int i = 2; i < depth; i++) hash = (hash ^ (uintptr_t)frames[i]) * 1099511628211u;
    size_t at = hash % SITES;
    while (sites[at] && sites[at] != hash) at = (at + 1) % SITES;
    if (!sites[at]) fprintf(site_list, "%ld\n", n);
    sites[at] = hash;
    within = 0;
}

/* The program comes first in the list. */
static int find_code(struct dl_phdr_info *info, size_t size, void *user)
{
    (void)size;
    (void)user;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type != PT_LOAD || !(h->p_flags & PF_X)) continue;
        code_begin = (uintptr_t)info->dlpi_addr + (uintptr_t)h->p_vaddr;
        code_end = code_begin + (uintptr_t)h->p_memsz;
    }
    return 1;
}

static void tell_unnamed(const char *path);

__attribute__((constructor)) static void begin(void)
{
    count_file = getenv("FAULT_COUNT");
    leaks_file = getenv("FAULT_LEAKS");
    cut_file = getenv("FAULT_CUT");
    cut_at = number("FAULT_CUT_AT");
    fail_all = (int)number("FAULT_ALL");
    dl_iterate_phdr(find_code, NULL);
    const char *list = getenv("FAULT_SITES");
    if (list) site_list = fopen(list, "w");
    fail_at = number("FAULT_ALLOC");
    nth = number("FAULT_NTH");
    tell_unnamed(getenv("FAULT_UNNAMED"));
    /* A shell leaves INT and QUIT ignored in what it runs in the background, make check perhaps. */
    if (getenv("FAULT_AT")) signal((int)number("FAULT_SIGNAL"), SIG_DFL);
}

static void tell(const char *path, long n)
{
    char text[32];
    const int length = snprintf(text, sizeof text, "%ld\n", n);
    const int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;

    if (fd >= 0 && write(fd, text, (size_t)length) != length) perror("faults: write");
    if (fd >= 0) close(fd);
}

static void tell_unnamed(const char *path)
{
    if (!path) return;
    const int fd = open(".", O_WRONLY | O_TMPFILE, 0600);

    if (fd >= 0) close(fd);
    tell(path, fd >= 0);
}

static long count_left(void);

/* Of a program that leaves by _exit(), or that returns. */
__attribute__((destructor)) static void end(void)
{
    if (site_list) fclose(site_list);
    site_list = NULL;
    tell(count_file, cut_file ? reads : nth ? preads : allocations);
    if (leaks_file) tell(leaks_file, count_left());
}

/* Some programs leave past exit handlers. */
void _exit(int status)
{
    void (*real)(int) = (void (*)(int))dlsym(RTLD_NEXT, "_exit");

    end();
    real(status);
    abort();
}

static int is_own(const void *caller)
{
    return (uintptr_t)caller >= code_begin && (uintptr_t)caller < code_end;
}

static int fails(const void *caller)
{
    if (!is_own(caller)) return 0;
    const long n = __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    if (site_list) note_site(n);
    if (!fail_at || n < fail_at || (n > fail_at && !fail_all)) return 0;
    errno = ENOMEM;
    return 1;
}

#define CALLER __builtin_return_address(0)

/* ---- what is left ---- */

enum { GONE = 1, ROOM = 1 << 20 };
static uintptr_t
    left[ROOM]; /* addresses by their hash, GONE for one that was freed, 0 behind all */
static int left_lock;

static size_t place_of(uintptr_t at) { return (size_t)(at * UINT64_C(0x9e3779b97f4a7c15) >> 44); }

/* Takes the address out; whether it was there. */
static int drop(void *p)
{
    size_t i = place_of((uintptr_t)p);
    int found = 0;

    if (!p || !leaks_file) return 0;
    while (__atomic_exchange_n(&left_lock, 1, __ATOMIC_ACQUIRE)) {
    }
    while (left[i] && left[i] != (uintptr_t)p) i = (i + 1) % ROOM;
    found = left[i] != 0;
    if (found) left[i] = GONE;
    __atomic_store_n(&left_lock, 0, __ATOMIC_RELEASE);
    return found;
}

static void *keep(void *p, int own)
{
    size_t i = place_of((uintptr_t)p);

    if (!p || !own || !leaks_file) return p;
    while (__atomic_exchange_n(&left_lock, 1, __ATOMIC_ACQUIRE)) {
    }
    while (left[i] > GONE) i = (i + 1) % ROOM;
    left[i] = (uintptr_t)p;
    __atomic_store_n(&left_lock, 0, __ATOMIC_RELEASE);
    return p;
}

static long count_left(void)
{
    long n = 0;

    for (size_t i = 0; i < ROOM; i++) n += left[i] > GONE;
    return n;
}

void *malloc(size_t size)
{
    return fails(CALLER) ? NULL : keep(__libc_malloc(size), is_own(CALLER));
}

void *calloc(size_t n, size_t size)
{
    return fails(CALLER) ? NULL : keep(__libc_calloc(n, size), is_own(CALLER));
}

void *realloc(void *p, size_t size)
{
    if (fails(CALLER)) return NULL;
    const int was = drop(p);
    void *out = __libc_realloc(p, size);
    if (!out && size) keep(p, was);
    return keep(out, was || is_own(CALLER));
}

void free(void *p)
{
    drop(p);
    __libc_free(p);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(CALLER) ? NULL : keep(__libc_memalign(alignment, size), is_own(CALLER));
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    if (fails(CALLER)) return ENOMEM;
    *out = keep(__libc_memalign(alignment, size), is_own(CALLER));
    return *out ? 0 : ENOMEM;
}

static char *copy(const char *text, size_t n, int own)
{
    char *out = keep(__libc_malloc(n + 1), own);

    if (!out) return NULL;
    memcpy(out, text, n);
    out[n] = 0;
    return out;
}

char *strdup(const char *text)
{
    return fails(CALLER) ? NULL : copy(text, strlen(text), is_own(CALLER));
}

char *strndup(const char *text, size_t n)
{
    return fails(CALLER) ? NULL : copy(text, strnlen(text, n), is_own(CALLER));
}

FILE *open_memstream(char **text, size_t *size)
{
    FILE *(*real)(char **, size_t *) = (FILE * (*)(char **, size_t *))
        dlsym(RTLD_NEXT, "open_memstream");

    return fails(CALLER) ? NULL : real(text, size);
}

FILE *fdopen(int fd, const char *mode)
{
    FILE *(*real)(int, const char *) = (FILE * (*)(int, const char *)) dlsym(RTLD_NEXT, "fdopen");

    return fails(CALLER) ? NULL : real(fd, mode);
}

/* ---- signals ---- */

static void reach(const char *name)
{
    const char *at = getenv("FAULT_AT");
    const long times = number("FAULT_SIGNALS");

    if (!at || strcmp(at, name)) return;
    for (long i = 0; i < (times ? times : 1); i++) kill(getpid(), (int)number("FAULT_SIGNAL"));
}

/* ---- files that become shorter ---- */

static void look(void)
{
    if (cut_file && __atomic_add_fetch(&reads, 1, __ATOMIC_RELAXED) == cut_at)
        if (truncate(cut_file, number("FAULT_CUT_TO")) != 0) perror("faults: truncate");
}

int fstat(int fd, struct stat *info)
{
    int (*real)(int, struct stat *) = (int (*)(int, struct stat *))dlsym(RTLD_NEXT, "fstat");

    look();
    return real(fd, info);
}

ssize_t pread(int fd, void *out, size_t n, off_t at)
{
    ssize_t (*real)(int, void *, size_t,
                    off_t) = (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread");

    /* Behind it: what is parsed in a map is touched then. */
    const ssize_t got = real(fd, out, n, at);
    look();
    if (__atomic_add_fetch(&preads, 1, __ATOMIC_RELAXED) == nth) reach("pread");
    return got;
}

void *mmap(void *p, size_t n, int protection, int flags, int fd, off_t at)
{
    void *(*real)(void *, size_t, int, int, int,
                  off_t) = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT,
                                                                                  "mmap");
    void *map = real(p, n, protection, flags, fd, at);

    if (fd >= 0) look();
    return map;
}

/* ---- moments ---- */

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

    reach("fsync");
    return real(fd);
}

/* Where a signal comes that was sent while the system was at it. */
static void reach_made(const char *name, const char *path)
{
    const int error = errno;

    if (strstr(path, ".sdrt-")) reach(name);
    errno = error;
}

int open(const char *path, int flags, ...)
{
    int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    const int makes = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
    va_list args;

    va_start(args, flags);
    const mode_t mode = makes ? va_arg(args, mode_t) : 0;
    va_end(args);
    if ((flags & O_TMPFILE) == O_TMPFILE && number("FAULT_NAMED") == 1) {
        errno = EOPNOTSUPP;
        return -1;
    }
    const int fd = real(path, flags, mode);
    if (makes && fd >= 0) reach_made("open", path);
    return fd;
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    int (*real)(int, const char *, int, const char *,
                int) = (int (*)(int, const char *, int, const char *, int))dlsym(RTLD_NEXT,
                                                                                 "linkat");

    if (number("FAULT_NAMED") != 2) return real(from_folder, from, to_folder, to, flags);
    errno = EPERM;
    return -1;
}

int mkdir(const char *path, mode_t mode)
{
    int (*real)(const char *, mode_t) = (int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "mkdir");
    const int status = real(path, mode);

    if (status == 0) reach_made("mkdir", path);
    return status;
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT,
                                                                                         "rename");

    reach("rename");
    return real(from, to);
}
