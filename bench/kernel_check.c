/* SPDX-License-Identifier: MIT */
#include "bench/kernel_check.h"
#include "bench/kernel_trial.h"
#include "bench/shape_text.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SMALL = 60,    /* shapes of random sizes */
    SECONDS = 120, /* for one shape */
    RUNS = 4,
    MESSAGE = 1024,
    DONE = 'd',
    WRONG = 'w'
};

/* Beyond it a kernel is run on fewer rows, and the oracle is asked for fewer values. */
static const double most_flop = 2e10, oracle_flop = 4e8;

/* What the child is at, for its signal handlers. */
static struct {
    int pipe;
    const char *path;
    struct sdrt_trial *trial;
    char shape[160];
    uint64_t seed;
} now;

/* ---- saying ---- */

static void say(char kind, const char *text)
{
    char line[MESSAGE];
    const int n = snprintf(line, sizeof line, "%c%s", kind, text);

    if (n > 0 && write(now.pipe, line, (size_t)(n < MESSAGE ? n : MESSAGE - 1)) < 0) _exit(3);
}

__attribute__((format(printf, 1, 2), noreturn)) static void wrong(const char *format, ...)
{
    char what[512], text[MESSAGE];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(text, sizeof text, "kernel %.100s is wrong: %s: %s (--seed %llu)", now.path, now.shape,
             what, (unsigned long long)now.seed);
    say(WRONG, text);
    _exit(1);
}

/* The process ends here, so that nothing is lost by formatting in a handler. */
static void caught(int signal, siginfo_t *info, void *context)
{
    static const char *const places[] = { "", "before the beginning of", "inside",
                                          "past the end of" };

    (void)context;
    if (signal == SIGALRM) wrong("not done after %d seconds", SECONDS);
    for (int i = 0; now.trial && i < SDRT_TRIAL_BUFFERS; i++) {
        const struct sdrt_guarded *g = &now.trial->buffer[i];
        const enum sdrt_guarded_place place = sdrt_guarded_place(g, info->si_addr);
        if (signal != SIGSEGV && signal != SIGBUS) break;
        if (place == SDRT_INSIDE) wrong("writes to %s, which is an input", g->name);
        if (place != SDRT_ELSEWHERE) wrong("reads or writes %s %s", places[place], g->name);
    }
    wrong("ends by signal %d (%s)", signal, strsignal(signal));
}

static void catch_signals(void)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM };
    static char stack[1 << 16];
    const stack_t other = { .ss_sp = stack, .ss_size = sizeof stack };
    struct sigaction action = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    sigaltstack(&other, NULL); /* a kernel may have used up the stack */
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
}

/* ---- one shape ---- */

struct share {
    struct sdrt_trial *t;
    int thread, threads, nparts;
};

/* Every threads-th part, on the second thread the last ones first. */
static void *do_share(void *arg)
{
    const struct share *s = arg;
    const int n = (s->nparts - s->thread + s->threads - 1) / s->threads;

    for (int i = 0; i < n; i++) {
        const int part = s->thread + s->threads * (s->thread ? n - 1 - i : i);
        const int got = sdrt_trial_part(s->t, part, s->nparts, s->thread);
        if (got) wrong("returns %d", got);
    }
    return NULL;
}

static void run(struct sdrt_trial *t, int nparts, int threads)
{
    struct share first = { t, 0, threads, nparts }, second = { t, 1, threads, nparts };
    pthread_t other;

    sdrt_trial_clear(t);
    if (threads == 2 && pthread_create(&other, NULL, do_share, &second) != 0)
        wrong("no second thread: %s", strerror(errno));
    do_share(&first);
    if (threads == 2) pthread_join(other, NULL);
}

/* Against the oracle, and what is around the result. */
static void judge(const struct sdrt_trial *t, enum sdrt_dtype operand, const float *earlier)
{
    const struct sdrt_guarded *y = &t->buffer[SDRT_TRIAL_Y];
    const size_t all = t->rows * (size_t)t->width, missing = sdrt_trial_unwritten(t);
    double nmse_limit;
    const struct tdiff d = sdrt_trial_compare(t, operand, &nmse_limit);
    const int off = d.bad || d.nmse > nmse_limit;

    if (missing) wrong("leaves %zu of %zu values unwritten", missing, all);
    /* Right it may be: the sums of a single pixel are 0 each time. */
    if (off && earlier && !memcmp(y->p, earlier, y->bytes))
        wrong("gives an earlier call's result again");
    if (off)
        wrong(
            "%zu of %zu values are off, the most at row %zu, column %zu: %.6g, expected %.6g; mean "
            "error %.1e",
            d.bad, (all + t->step - 1) / t->step, d.at / (size_t)t->width, d.at % (size_t)t->width,
            sdrt_trial_value(t, d.at), t->want[d.at], sqrt(d.nmse));
    if (tgaps_written(y->v, t->rows, t->width, t->pitch))
        wrong("writes between the rows of %s", y->name);
}

/* Its own, and others where the family leaves that free. */
static void numbers_of_parts(const struct sdrt_trial *t, int own, int nparts[RUNS])
{
    const int all = t->job.family == SDRT_FAMILY_GN_SUMS,
              fold = t->job.family == SDRT_FAMILY_GN_FOLD;

    nparts[0] = own;
    nparts[1] = all ? own : 1;
    nparts[2] = all || (fold && own < 2) ? own : 2;
    nparts[3] = all || fold ? own : own + 3;
}

static void check_shape(struct sdrt_trial *t, const struct sdrt_kernel_file *f, uint64_t *rng,
                        int at_end)
{
    float *first = NULL, *earlier = NULL;

    sdrt_shape_write(&t->job, now.shape, sizeof now.shape);
    now.trial = t;
    alarm(SECONDS);
    if (!sdrt_trial_create(t, &f->ops, at_end)) wrong("no memory for the operands");
    const size_t bytes = t->buffer[SDRT_TRIAL_Y].bytes;
    first = malloc(bytes);
    earlier = malloc(bytes);
    if (!first || !earlier) wrong("no memory for the operands");
    const int own = sdrt_trial_parts(t, 2);
    if (own < 1 || own > 1 << 20) wrong("parts() gives %d", own);
    const int threads[RUNS] = { 2, 1, 2, 1 };
    int nparts[RUNS];
    numbers_of_parts(t, own, nparts);
    /* New numbers where the old ones were: what is kept from call to call shows. */
    for (int numbers = 0; numbers < 2; numbers++) {
        const char *text = sdrt_trial_fill(t, rng);
        if (text) wrong("%s", text);
        for (int i = 0; i < (t->step > 1 ? 1 : RUNS); i++) {
            run(t, nparts[i], threads[i]);
            if (i == 0) judge(t, f->operand, numbers ? earlier : NULL);
            if (i == 0) memcpy(first, t->buffer[SDRT_TRIAL_Y].p, bytes);
            if (memcmp(first, t->buffer[SDRT_TRIAL_Y].p, bytes))
                wrong("%d parts on %d thread%s give other bits than %d on 2", nparts[i], threads[i],
                      threads[i] > 1 ? "s" : "", own);
        }
        for (int i = 0; i < SDRT_TRIAL_BUFFERS; i++)
            if (!sdrt_guarded_intact(&t->buffer[i]))
                wrong("writes just outside %s", t->buffer[i].name);
        memcpy(earlier, first, bytes);
    }
    alarm(0);
    now.trial = NULL;
    free(first);
    free(earlier);
    sdrt_trial_free(t);
}

/* ---- which shapes ---- */

static int gap(uint64_t *rng) { return trand_int(rng, 2) * trand_int(rng, 9); }

static void random_conv(struct sdrt_conv_shape *s, uint64_t *rng)
{
    const int kernel = trand_int(rng, 4) ? 3 : 1, geometry = trand_int(rng, 5);

    *s = (struct sdrt_conv_shape){
        .batch = 1 + trand_int(rng, 2),
        .in_h = 1 + trand_int(rng, 17),
        .in_w = 1 + trand_int(rng, 17),
        .in_c = 1 + trand_int(rng, 70),
        .in_c2 = trand_int(rng, 3) ? 0 : 1 + trand_int(rng, 40),
        .out_c = 1 + trand_int(rng, 70),
        .kernel = kernel,
        .stride = 1,
        .upsample = 1,
        .pad = kernel == 3,
        .prologue = (enum sdrt_prologue)trand_int(rng, 3),
    };
    s->out_h = s->in_h;
    s->out_w = s->in_w;
    if (kernel == 3 && geometry == 0) { /* to an even or an odd size */
        s->upsample = 2;
        s->out_h = 2 * s->in_h - trand_int(rng, 2);
        s->out_w = 2 * s->in_w - trand_int(rng, 2);
    } else if (kernel == 3 && geometry == 1) {
        s->stride = 2;
        s->pad = trand_int(rng, 2);
        s->in_h += !s->pad;
        s->in_w += !s->pad;
        s->out_h = (s->in_h + s->pad) / 2;
        s->out_w = (s->in_w + s->pad) / 2;
    }
    s->x_pitch = s->in_c + gap(rng);
    s->x2_pitch = s->in_c2 + gap(rng);
    s->y_pitch = s->out_c + gap(rng);
    s->residual_pitch = s->out_c + gap(rng);
    s->chan_pitch = trand_int(rng, 2) ? s->out_c + gap(rng) : 0;
}

static void random_gemm(struct sdrt_gemm_shape *s, uint64_t *rng)
{
    *s = (struct sdrt_gemm_shape){ .m = 1 + trand_int(rng, 40),
                                   .n = 1 + trand_int(rng, 140),
                                   .k = 1 + trand_int(rng, 300),
                                   .act = (enum sdrt_act)trand_int(rng, 5) };
    s->w.gated = trand_int(rng, 3) == 0;
    s->a_pitch = s->k + gap(rng);
    s->y_pitch = s->n + gap(rng);
    s->residual_pitch = s->n + gap(rng);
}

static void random_attention(struct sdrt_attention_shape *s, uint64_t *rng)
{
    static const int dims[] = { 40, 64, 80, 160, 8, 512 };

    *s = (struct sdrt_attention_shape){ .batch = 1 + trand_int(rng, 2),
                                        .heads = 1 + trand_int(rng, 3),
                                        .head_dim = dims[trand_int(rng, 6)],
                                        .q_len = 1 + trand_int(rng, 70),
                                        .kv_len = 1 + trand_int(rng, 150) };
    if (trand_int(rng, 4) == 0) s->kv_len = s->q_len;
    s->causal = s->kv_len == s->q_len && trand_int(rng, 2);
    s->biased = trand_int(rng, 4) == 0;
    s->scale = 1.0f / sqrtf((float)s->head_dim);
    s->o_pitch = s->heads * s->head_dim + gap(rng);
    s->q_pitch = s->heads * s->head_dim + gap(rng);
    s->k_pitch = s->v_pitch = s->heads * s->head_dim + gap(rng);
}

static void random_group_norm(struct sdrt_gn_shape *s, uint64_t *rng)
{
    const int groups = 1 + trand_int(rng, 8), all = groups * (1 + trand_int(rng, 12));

    *s = (struct sdrt_gn_shape){ .batch = 1 + trand_int(rng, 3),
                                 .pixels = 1 + trand_int(rng, 300),
                                 .c2 = trand_int(rng, 2) * trand_int(rng, all),
                                 .groups = groups,
                                 .eps = 1e-5f };
    s->c = all - s->c2;
    s->x_pitch = s->c + gap(rng);
    s->x2_pitch = s->c2 + gap(rng);
}

static void random_layer_norm(struct sdrt_ln_shape *s, uint64_t *rng)
{
    *s = (struct sdrt_ln_shape){ .rows = 1 + trand_int(rng, 40),
                                 .c = 1 + trand_int(rng, 300),
                                 .eps = 1e-5f };
    s->x_pitch = s->c + gap(rng);
    s->y_pitch = s->c + gap(rng);
}

static void random_rms_norm(struct sdrt_rms_shape *s, uint64_t *rng)
{
    *s = (struct sdrt_rms_shape){ .rows = 1 + trand_int(rng, 40),
                                  .groups = 1 + trand_int(rng, 5),
                                  .width = 1 + trand_int(rng, 130),
                                  .eps = 1e-6f };
    s->x_pitch = s->groups * s->width + gap(rng);
    s->y_pitch = s->groups * s->width + gap(rng);
}

/* The i-th operation of those that it has. */
static void random_elementwise(struct sdrt_ew_shape *s, const struct sdrt_kernel_file *f, int i,
                               uint64_t *rng)
{
    static const enum sdrt_dtype types[] = { SDRT_F32, SDRT_F16, SDRT_BF16 };
    struct sdrt_ew_extent e;
    int have = 0, op = 0;

    for (int k = 0; k < SDRT_EW_OPS; k++) have += f->has_op[k];
    for (int left = i % have; !f->has_op[op] || left--;) op++;
    *s = (struct sdrt_ew_shape){ .op = (enum sdrt_elementwise_op)op };
    const struct sdrt_ew_kind *k = &sdrt_ew_kinds[op];
    do {
        for (int n = 0; n < k->n_sizes; n++)
            s->size[n] = 1 + trand_int(rng, k->n_sizes > 3 ? 12 : 70);
        if (op != SDRT_EW_RELATIVE_BIAS) continue;
        s->size[0] = 1 + trand_int(rng, 90);
        s->size[2] = 4 + 4 * trand_int(rng, 9);
        s->size[3] += s->size[2];
    } while (!sdrt_ew_measure(s, &e));
    sdrt_ew_usual(s);
    s->variant = i / have % SDRT_EW_VARIANTS;
    s->gap = gap(rng);
    s->factor *= 1.0f + trand(rng);
    if (k->typed) s->from = types[trand_int(rng, 3)];
}

/* Of the kernel's types, and what else goes with the shape. */
static void finish(struct sdrt_trial *t, const struct sdrt_kernel_file *f, uint64_t *rng)
{
    struct sdrt_conv_shape *c = &t->job.u.conv;
    struct sdrt_gemm_shape *g = &t->job.u.gemm;
    const int gated = t->job.family == SDRT_FAMILY_GEMM && g->w.gated;

    if (t->job.family == SDRT_FAMILY_CONV)
        c->w = (struct sdrt_weight_shape){ .n = c->out_c,
                                           .k = c->in_c + c->in_c2,
                                           .taps = c->kernel * c->kernel,
                                           .stride = c->stride,
                                           .stored = f->operand };
    if (t->job.family == SDRT_FAMILY_GEMM)
        g->w = (struct sdrt_weight_shape){ .n = g->n,
                                           .k = g->k,
                                           .taps = 1,
                                           .gated = gated,
                                           .stored = f->operand };
    if (t->job.family != SDRT_FAMILY_CONV && t->job.family != SDRT_FAMILY_GEMM) return;
    t->bias = trand_int(rng, 2);
    t->more = !gated && trand_int(rng, 2);
    t->residual = gated ? SDRT_TRIAL_NO_RESIDUAL
                        : (enum sdrt_trial_residual)trand_int(rng, SDRT_TRIAL_RESIDUALS);
    if (t->residual == SDRT_TRIAL_IN_PLACE && t->job.family == SDRT_FAMILY_CONV)
        c->residual_pitch = c->y_pitch;
    if (t->residual == SDRT_TRIAL_IN_PLACE && t->job.family == SDRT_FAMILY_GEMM)
        g->residual_pitch = g->y_pitch;
}

static double flop_of(const struct sdrt_job *j)
{
    const struct sdrt_conv_shape *c = &j->u.conv;
    const struct sdrt_gemm_shape *g = &j->u.gemm;
    const struct sdrt_attention_shape *a = &j->u.attention;

    if (j->family == SDRT_FAMILY_ELEMENTWISE) return 0.0; /* little of anything */
    if (j->family == SDRT_FAMILY_GN_SUMS || j->family == SDRT_FAMILY_GN_FOLD)
        return 3.0 * j->u.gn.batch * j->u.gn.pixels * (j->u.gn.c + j->u.gn.c2);
    if (j->family == SDRT_FAMILY_LAYER_NORM) return 8.0 * j->u.ln.rows * j->u.ln.c;
    if (j->family == SDRT_FAMILY_RMS_NORM)
        return 4.0 * j->u.rms.rows * j->u.rms.groups * j->u.rms.width;
    return j->family == SDRT_FAMILY_CONV ? 2.0 * c->batch * c->out_h * c->out_w * c->out_c *
                                               (double)(c->in_c + c->in_c2) * c->kernel * c->kernel
           : j->family == SDRT_FAMILY_GEMM
               ? 2.0 * g->m * (double)g->n * g->k * (g->w.gated ? 2 : 1)
               : 4.0 * a->batch * a->q_len * (double)a->kv_len * a->heads * a->head_dim;
}

static void check_small(const struct sdrt_kernel_file *f, enum sdrt_family family, uint64_t *rng,
                        int i)
{
    struct sdrt_trial t = { .job.family = family, .step = 1 };

    switch (family) {
    case SDRT_FAMILY_CONV: random_conv(&t.job.u.conv, rng); break;
    case SDRT_FAMILY_GEMM: random_gemm(&t.job.u.gemm, rng); break;
    case SDRT_FAMILY_ELEMENTWISE: random_elementwise(&t.job.u.ew, f, i, rng); break;
    case SDRT_FAMILY_GN_SUMS:
    case SDRT_FAMILY_GN_FOLD: random_group_norm(&t.job.u.gn, rng); break;
    case SDRT_FAMILY_LAYER_NORM: random_layer_norm(&t.job.u.ln, rng); break;
    case SDRT_FAMILY_RMS_NORM: random_rms_norm(&t.job.u.rms, rng); break;
    default: random_attention(&t.job.u.attention, rng);
    }
    finish(&t, f, rng);
    check_shape(&t, f, rng, i % 2);
}

static void check_job(const struct sdrt_kernel_file *f, const struct sdrt_job *job, uint64_t *rng,
                      int i)
{
    struct sdrt_trial t = { .job = *job, .step = 1 };

    if (flop_of(job) > most_flop) sdrt_job_shorten(&t.job);
    finish(&t, f, rng);
    /* Odd, so that all columns and rows have their turn. */
    if (flop_of(&t.job) > oracle_flop) t.step = (size_t)(flop_of(&t.job) / oracle_flop) | 1;
    check_shape(&t, f, rng, i % 2);
}

/* ---- two processes ---- */

__attribute__((noreturn)) static void child(const char *path, enum sdrt_family family,
                                            const struct sdrt_job *jobs, int n, uint64_t seed,
                                            const struct sdrt_log *log)
{
    static struct sdrt_kernel_file f;
    uint64_t rng = seed * 0x9e3779b97f4a7c15u + 1;
    char text[MESSAGE];
    int has = 0;

    snprintf(now.shape, sizeof now.shape, "while it was loaded");
    catch_signals();
    alarm(SECONDS);
    if (sdrt_kernel_load(&f, path, log) != SDRT_OK) _exit(2); /* told by the log */
    for (int i = 0; i < n; i++) has += sdrt_kernel_has(&f, &jobs[i]);
    if (!has) {
        snprintf(text, sizeof text, "kernel %.200s has no entry of %s%s%s", path,
                 sdrt_family_names[family], n == 1 && f.has[family] ? ": " : "",
                 n == 1 && f.has[family] ? sdrt_ew_kinds[jobs->u.ew.op].name : "");
        say(WRONG, text);
        _exit(1);
    }
    for (int i = 0; i < SMALL; i++) check_small(&f, family, &rng, i);
    for (int i = 0; i < n; i++)
        if (sdrt_kernel_has(&f, &jobs[i])) check_job(&f, &jobs[i], &rng, i);
    snprintf(text, sizeof text, "%d", SMALL + has);
    say(DONE, text);
    _exit(0);
}

int sdrt_kernel_check(const char *path, enum sdrt_family family, const struct sdrt_job *jobs, int n,
                      uint64_t seed, int *checked, const struct sdrt_log *log)
{
    char text[MESSAGE] = "";
    size_t at = 0;
    int ends[2], result = 0;

    if (pipe(ends) != 0)
        return sdrt_fail(log, SDRT_E_IO, "cannot make a pipe: %s", strerror(errno));
    now.pipe = ends[1];
    now.path = path;
    now.seed = seed;
    fflush(NULL);
    const pid_t id = fork();
    if (id == 0) {
        close(ends[0]);
        child(path, family, jobs, n, seed, log);
    }
    close(ends[1]);
    for (ssize_t got = 1; id > 0 && got > 0 && at + 1 < sizeof text;
         at += got > 0 ? (size_t)got : 0)
        got = read(ends[0], text + at, sizeof text - 1 - at);
    close(ends[0]);
    if (id < 0) return sdrt_fail(log, SDRT_E_IO, "cannot start a process: %s", strerror(errno));
    waitpid(id, &result, 0);
    *checked = text[0] == DONE ? (int)strtol(text + 1, NULL, 10) : 0;
    if (text[0] == DONE && WIFEXITED(result) && WEXITSTATUS(result) == 0) return SDRT_OK;
    if (text[0] == WRONG) return sdrt_fail(log, SDRT_E_NUMERIC, "%s", text + 1);
    if (WIFEXITED(result) && WEXITSTATUS(result) == 2) return SDRT_E_FORMAT; /* told */
    if (WIFSIGNALED(result))
        return sdrt_fail(log, SDRT_E_NUMERIC,
                         "kernel %s is wrong: ends by signal %d (%s) (--seed %llu)", path,
                         WTERMSIG(result), strsignal(WTERMSIG(result)), (unsigned long long)seed);
    return sdrt_fail(log, SDRT_E_NUMERIC, "kernel %s is wrong: it left the process (--seed %llu)",
                     path, (unsigned long long)seed);
}
