/* SPDX-License-Identifier: MIT */
#include "tools/memory.h"

#include <string.h>

/* Of what, and by whom it is told. */
struct needs {
    struct sdrt_context *context;
    struct sdgen_options *o;
    const struct prompt_file *prompts;
    const struct sdrt_log *log;
};

/* What the largest of the drawings needs, which also finds what is written wrongly in any. */
static int measure(const struct needs *s, struct sdrt_memory *memory)
{
    const int n = s->o->prompt_file ? s->prompts->n : 1;
    int status = SDRT_OK;

    memset(memory, 0, sizeof *memory);
    for (int i = 0; i < n && !status; i++) {
        struct sdrt_memory one;
        if (s->o->prompt_file) s->o->request.prompt = s->prompts->lines[i];
        status = sdrt_measure(s->context, &s->o->request, &one);
        if (!status &&
            one.weights_bytes + one.arena_bytes > memory->weights_bytes + memory->arena_bytes)
            *memory = one;
    }
    memory->available_bytes /= (size_t)s->o->sharers;
    return status;
}

/* Beside what is counted there are threads' stacks, a picture's bytes, pages of files. */
static int fits(const struct sdrt_memory *m)
{
    const size_t beside = (size_t)16 << 20;
    size_t need;

    return !__builtin_add_overflow(m->weights_bytes, m->arena_bytes, &need) &&
           m->available_bytes > beside && need <= m->available_bytes - beside;
}

/* What has room for the whole VAE runs at once, other drawings in the highest bands that fit: the lower they
 * are, the more is computed twice. */
static int measure_fitting(const struct needs *s, struct sdrt_memory *memory)
{
    static const int rows[] = { 256, 128, 64, 32, 16 };
    struct sdgen_options *o = s->o;
    const int on_processor = !o->model.device || !strcmp(o->model.device, "cpu");
    int status = measure(s, memory);

    if (status || !memory->available_bytes || fits(memory) || o->request.vae_bands ||
        o->model.taesd || !on_processor || o->no_memory_check)
        return status;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && !status; i++) {
        o->request.vae_bands = rows[i];
        status = measure(s, memory);
        if (status || !fits(memory)) continue;
        sdrt_note(s->log, SDRT_LOG_WARNING,
                  "memory is short: the VAE runs in bands of %d rows, which takes longer", rows[i]);
        return SDRT_OK;
    }
    o->request.vae_bands = 0;
    return status ? status : measure(s, memory);
}

int memory_check(struct sdrt_context *context, struct sdgen_options *o,
                 const struct prompt_file *prompts, const struct sdrt_log *log)
{
    const struct needs s = { .context = context, .o = o, .prompts = prompts, .log = log };
    const size_t mib = (size_t)1 << 20;
    const char *device = o->model.device;
    const int gpu = device && strcmp(device, "cpu");
    struct sdrt_memory memory;
    const int status = measure_fitting(&s, &memory);

    if (status) return status;
    const size_t weights = memory.weights_bytes / mib + 1, arena = memory.arena_bytes / mib + 1;
    const size_t available = memory.available_bytes / mib;
    if (memory.available_bytes && !fits(&memory) && !o->no_memory_check)
        return sdrt_fail(
            log, SDRT_E_NOMEM,
            "needs %zu MiB (weights %zu, arena %zu), but %s has %zu MiB available; expected "
            "enough memory, a smaller size or %s",
            weights + arena, weights, arena, gpu ? device : "this machine", available,
            gpu ? "--vram-limit, which streams weights" : "--no-memory-check");
    if (memory.available_bytes)
        sdrt_note(log, SDRT_LOG_INFO, "needs %zu MiB (weights %zu, arena %zu), %zu MiB available",
                  weights + arena, weights, arena, available);
    else
        sdrt_note(log, SDRT_LOG_INFO, "needs %zu MiB (weights %zu, arena %zu)", weights + arena,
                  weights, arena);
    return SDRT_OK;
}
