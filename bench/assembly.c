/* SPDX-License-Identifier: MIT */
#include "bench/assembly.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { LINE = 1024, LEAST_SHARE = 3 /* a third of the samples */ };

/* ---- another program's lines ---- */

typedef void line_fn(void *user, char *line);

/* Runs argv and hands each line of its output on.  Its exit status; -1 where it cannot be started. */
static int lines_of(char *const argv[], line_fn *take, void *user)
{
    posix_spawn_file_actions_t actions;
    char line[LINE];
    int ends[2], status = 0;
    pid_t id;

    if (pipe(ends) != 0) return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    const int failed = posix_spawnp(&id, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    FILE *from = failed ? NULL : fdopen(ends[0], "r");
    if (!from) {
        close(ends[0]);
        return -1;
    }
    while (fgets(line, sizeof line, from)) {
        line[strcspn(line, "\n")] = '\0';
        take(user, line);
    }
    fclose(from);
    while (waitpid(id, &status, 0) < 0 && errno == EINTR) continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* ---- the function ---- */

struct search {
    uint64_t offset, first, end; /* end: of the next symbol; 0: not met yet */
    char name[SDRT_ASSEMBLY_TEXT];
};

/* "0000000000401136 t product", in the order of addresses. */
static void take_symbol(void *user, char *line)
{
    struct search *s = user;
    char *rest;
    const uint64_t address = strtoull(line, &rest, 16);

    if (rest == line || rest[0] != ' ' || !rest[1] || !strchr("tTwW", rest[1]) || rest[2] != ' ')
        return;
    if (address <= s->offset) {
        s->first = address;
        snprintf(s->name, sizeof s->name, "%s", rest + 3);
    } else if (!s->end) s->end = address;
}

struct reading {
    struct sdrt_assembly *a;
    int room, failed;
};

/* x86's jumps begin with j, Arm's are b, b.cond, cbz, cbnz, tbz and tbnz. */
static int is_jump(const char *text)
{
    return text[0] == 'j' || !strncmp(text, "b.", 2) || !strncmp(text, "b\t", 2) ||
           !strncmp(text, "cb", 2) || !strncmp(text, "tb", 2);
}

/* Where "jne 401140 <product+0x1a>" goes: the number before " <". */
static uint64_t target_of(const char *text)
{
    const char *p = is_jump(text) ? strstr(text, " <") : NULL;

    if (!p) return 0;
    while (p > text && isxdigit((unsigned char)p[-1])) p--;
    return strtoull(p, NULL, 16);
}

/* "  401136: vfmadd231ps (%rax),%zmm1,%zmm2". */
static void take_instruction(void *user, char *line)
{
    struct reading *r = user;
    char *rest;
    const uint64_t address = strtoull(line, &rest, 16);

    if (rest == line || rest[0] != ':' || rest[1] != '\t' || r->failed) return;
    if (r->a->n == r->room) {
        const int room = r->room ? 2 * r->room : 1024;
        struct sdrt_instruction *at = realloc(r->a->at, (size_t)room * sizeof *at);
        r->failed = !at;
        if (!at) return;
        r->a->at = at;
        r->room = room;
    }
    struct sdrt_instruction *i = &r->a->at[r->a->n++];
    *i = (struct sdrt_instruction){ .address = address };
    snprintf(i->text, sizeof i->text, "%s", rest + 2);
    i->target = target_of(i->text);
}

int sdrt_assembly_create(struct sdrt_assembly *a, const char *object, uint64_t offset,
                         const struct sdrt_log *log)
{
    char path[LINE], from[64], to[64];
    char *const nm[] = { "nm", "-n", "--defined-only", path, NULL };
    char *const objdump[] = { "objdump", "-d", "--no-show-raw-insn", from, to, path, NULL };
    struct search s = { .offset = offset };
    struct reading r = { .a = a };

    *a = (struct sdrt_assembly){ .n = 0 };
    snprintf(path, sizeof path, "%s", object);
    if (lines_of(nm, take_symbol, &s) < 0)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "cannot run nm: expected binutils");
    if (!s.name[0] || !s.end)
        return sdrt_fail(
            log, SDRT_E_UNSUPPORTED,
            "%s: no symbol for the kernel's code: expected a file that is not stripped", object);
    snprintf(a->function, sizeof a->function, "%s", s.name);
    snprintf(from, sizeof from, "--start-address=0x%" PRIx64, s.first);
    snprintf(to, sizeof to, "--stop-address=0x%" PRIx64, s.end);
    const int status = lines_of(objdump, take_instruction, &r);
    if (status < 0)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "cannot run objdump: expected binutils");
    if (r.failed) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for a disassembly");
    if (status || !a->n) return sdrt_fail(log, SDRT_E_IO, "objdump cannot read %s", object);
    return SDRT_OK;
}

void sdrt_assembly_free(struct sdrt_assembly *a)
{
    free(a->at);
    *a = (struct sdrt_assembly){ .n = 0 };
}

/* ---- the loop ---- */

/* The instruction that the byte at offset is of, -1: none. */
static int find(const struct sdrt_assembly *a, uint64_t offset)
{
    int low = 0, high = a->n;

    if (!a->n || offset < a->at[0].address) return -1;
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (a->at[middle].address <= offset) low = middle;
        else high = middle;
    }
    return low;
}

int sdrt_assembly_sample(struct sdrt_assembly *a, uint64_t offset)
{
    const int i = find(a, offset);

    if (i < 0 || (i == a->n - 1 && offset > a->at[i].address + 15)) return 0;
    a->at[i].samples++;
    return 1;
}

int sdrt_assembly_loop(const struct sdrt_assembly *a, int *first, int *last)
{
    int all = 0, shortest = 0;

    for (int i = 0; i < a->n; i++) all += a->at[i].samples;
    for (int i = 0; i < a->n; i++) {
        const uint64_t target = a->at[i].target;
        if (!target || target > a->at[i].address || target < a->at[0].address) continue;
        const int begin = find(a, target);
        int samples = 0;
        for (int k = begin; k <= i; k++) samples += a->at[k].samples;
        if (samples * LEAST_SHARE < all || (shortest && i - begin >= shortest)) continue;
        shortest = i - begin;
        *first = begin;
        *last = i;
    }
    return shortest > 0;
}

/* ---- writing ---- */

/* Jumps go to labels, what the disassembler adds after # or // is left out. */
static void write_instruction(const struct sdrt_assembly *a, int i, int first, FILE *to)
{
    const struct sdrt_instruction *in = &a->at[i];
    char text[SDRT_ASSEMBLY_TEXT];

    snprintf(text, sizeof text, "%s", in->text);
    for (const char *mark = "#"; mark; mark = *mark == '#' ? "//" : NULL) {
        char *note = strstr(text, mark);
        /* Arm writes constants as #1, behind a blank and with no blank after it. */
        while (note && *mark == '#' && note[1] != ' ') note = strstr(note + 1, mark);
        if (note) *note = '\0';
    }
    char *symbol = strstr(text, " <");
    if (symbol && in->target) {
        while (symbol > text && isxdigit((unsigned char)symbol[-1])) symbol--;
        const size_t room = sizeof text - (size_t)(symbol - text);
        if (in->target == a->at[first].address) snprintf(symbol, room, "1b");
        else snprintf(symbol, room, "sdrt_%" PRIx64, in->target);
    } else if (symbol) *symbol = '\0';
    for (size_t n = strlen(text); n && text[n - 1] == ' ';) text[--n] = '\0';
    /* Padding before a loop inside it, some of whose spellings an assembler does not know. */
    if (!strstr(text, "nop")) fprintf(to, "\t%s\n", text);
}

void sdrt_assembly_write(const struct sdrt_assembly *a, int first, int last, FILE *to)
{
    fprintf(to, "# LLVM-MCA-BEGIN %s\n1:\n", a->function);
    for (int i = first; i <= last; i++) write_instruction(a, i, first, to);
    fprintf(to, "# LLVM-MCA-END\n");
}

/* ---- the prediction ---- */

struct prediction {
    double rounds, clocks;
    char version[160], error[SDRT_ASSEMBLY_TEXT];
};

static void take_version(void *user, char *line)
{
    struct prediction *p = user;
    const char *llvm = strstr(line, "LLVM version"), *cpu = strstr(line, "Host CPU: ");

    if (llvm)
        snprintf(p->version, sizeof p->version, "llvm-mca %s", llvm + strlen("LLVM version "));
    if (cpu) {
        const size_t n = strlen(p->version);
        snprintf(p->version + n, sizeof p->version - n, " for %s", cpu + strlen("Host CPU: "));
    }
}

static void take_figure(void *user, char *line)
{
    struct prediction *p = user;

    if (!strncmp(line, "Iterations:", 11)) p->rounds = strtod(line + 11, NULL);
    if (!strncmp(line, "Total Cycles:", 13)) p->clocks = strtod(line + 13, NULL);
    if (strstr(line, "error:") && !p->error[0])
        snprintf(p->error, sizeof p->error, "%s", strstr(line, "error:"));
}

/* An llvm-mca older than the processor takes it for its last one that it knows, which may lack instructions:
 * then another one's is better than none, and named. */
static void ask_models(struct prediction *p, char *path)
{
    static const char *const models[] = { "native",         "znver4",      "sapphirerapids",
                                          "icelake-server", "neoverse-v1", NULL };

    for (int i = 0; models[i] && !(p->rounds > 0.0); i++) {
        char cpu[64];
        char *const run[] = { "llvm-mca", cpu, "-iterations=200", path, NULL };
        snprintf(cpu, sizeof cpu, "-mcpu=%s", models[i]);
        if (lines_of(run, take_figure, p) != 0) p->rounds = 0.0;
        else if (i) {
            const size_t n = strlen(p->version);
            snprintf(p->version + n, sizeof p->version - n, ", by its model of %s", models[i]);
        }
    }
}

double sdrt_assembly_predict(const struct sdrt_assembly *a, int first, int last, char *version,
                             size_t version_size)
{
    char path[] = "/tmp/sdbench-XXXXXX.s";
    char *const ask[] = { "llvm-mca", "--version", NULL };
    struct prediction p = { .rounds = 0.0 };
    const int file = mkstemps(path, 2);
    FILE *f = file < 0 ? NULL : fdopen(file, "w");

    snprintf(version, version_size, "llvm-mca: not on this machine");
    if (!f) return 0.0;
    sdrt_assembly_write(a, first, last, f);
    const int written = fclose(f) == 0;
    if (written && lines_of(ask, take_version, &p) >= 0 && p.version[0]) {
        ask_models(&p, path);
        if (p.rounds > 0.0) snprintf(version, version_size, "%s", p.version);
        else snprintf(version, version_size, "%s: cannot read the loop: %s", p.version, p.error);
    }
    unlink(path);
    return p.rounds > 0.0 ? p.clocks / p.rounds : 0.0;
}
