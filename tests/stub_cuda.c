/* SPDX-License-Identifier: MIT
 *
 * A stand-in for NVIDIA's driver, without a GPU and without kernels: memory is the host's, a launch
 * only counts, and copies to the device are made as late as they may be.  $STUB_CUDA says what is wrong with it, words with blanks between:
 *
 *     init no-device version=N capability=N name=TEXT no-binary no-kernel memory=MIB launch
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default"))) int

enum {
    OK = 0,
    INVALID = 1,
    NO_MEMORY = 2,
    NO_DEVICE = 100,
    NO_BINARY = 209,
    NOT_FOUND = 500,
    LAUNCH_FAILED = 719,
    NODES = 256
};

struct copy {
    void *to;
    const void *from;
    size_t n;
};

struct stub_stream {
    struct copy late[64]; /* asked for, not made yet */
    int n_late;
    int capturing;
    int nodes; /* launches captured */
};

/* For tests, by dlsym(). */
struct stub_counts {
    long blocks, pinned, streams, events, graphs, contexts, modules; /* alive */
    long launches, captures, graph_launches;
    long dependent; /* of the launches, captured or not; not those of graphs */
};
__attribute__((visibility("default"))) struct stub_counts stub_counts;
static size_t taken;

struct stub_event {
    struct stub_stream *stream; /* where it was recorded last */
};

static void make_copies(struct stub_stream *s)
{
    for (int i = 0; s && i < s->n_late; i++) memcpy(s->late[i].to, s->late[i].from, s->late[i].n);
    if (s) s->n_late = 0;
}

/* What $STUB_CUDA says behind word (its rest, or "" for a word alone); NULL without it. */
static const char *asked(const char *word)
{
    static char rest[64];
    const char *all = getenv("STUB_CUDA");
    const size_t n = strlen(word);

    while (all && *all) {
        const size_t length = strcspn(all, " ");
        if (length >= n && !strncmp(all, word, n)) {
            snprintf(rest, sizeof rest, "%.*s", (int)(length - n), all + n);
            return rest;
        }
        all += length + strspn(all + length, " ");
    }
    return NULL;
}

static int number(const char *word, int otherwise)
{
    const char *text = asked(word);

    return text ? atoi(text) : otherwise;
}

API cuInit(unsigned flags) { return flags || asked("init") ? INVALID : OK; }

API cuDriverGetVersion(int *version)
{
    *version = number("version=", 12020);
    return OK;
}

API cuGetErrorName(int error, const char **name)
{
    *name = error == LAUNCH_FAILED ? "CUDA_ERROR_LAUNCH_FAILED"
            : error == INVALID     ? "CUDA_ERROR_INVALID_VALUE"
            : error == NOT_FOUND   ? "CUDA_ERROR_NOT_FOUND"
                                   : NULL;
    return *name ? OK : INVALID;
}

API cuDeviceGetCount(int *count)
{
    *count = 2;
    return asked("no-device") ? NO_DEVICE : OK;
}

API cuDeviceGet(int *device, int i)
{
    *device = 40 + i;
    return i < 2 ? OK : INVALID;
}

API cuDeviceGetName(char *name, int size, int device)
{
    const char *text = asked("name=");

    snprintf(name, (size_t)size, "%s", text ? text : "stub");
    return device >= 40 ? OK : INVALID;
}

API cuDeviceGetAttribute(int *value, int which, int device)
{
    (void)device;
    *value = which == 16   ? 7
             : which == 75 ? number("capability=", 90) / 10
             : which == 76 ? number("capability=", 90) % 10
                           : -1;
    return *value < 0 ? INVALID : OK;
}

static size_t memory(void) { return (size_t)number("memory=", 1024) << 20; }

API cuMemGetInfo_v2(size_t *left, size_t *total)
{
    *total = memory();
    *left = *total - taken;
    return OK;
}

API cuDevicePrimaryCtxRetain(void **context, int device)
{
    *context = &stub_counts;
    stub_counts.contexts++;
    return device >= 40 ? OK : INVALID;
}

API cuDevicePrimaryCtxRelease_v2(int device)
{
    stub_counts.contexts--;
    return device >= 40 ? OK : INVALID;
}

API cuCtxSetCurrent(void *context) { return context ? OK : INVALID; }

API cuModuleLoadData(void **module, const void *image)
{
    if (asked("no-binary")) return NO_BINARY;
    *module = &taken;
    stub_counts.modules++;
    return image ? OK : INVALID;
}

API cuModuleUnload(void *module)
{
    stub_counts.modules--;
    return module ? OK : INVALID;
}

API cuModuleGetFunction(void **f, void *module, const char *name)
{
    (void)module;
    *f = (void *)(uintptr_t)name;
    return asked("no-kernel") ? NOT_FOUND : OK;
}

/* Shared memory of a block: 64 KiB can be had before 8.0, 227 after. */
API cuFuncSetAttribute(void *f, int which, int value)
{
    const int most = (number("capability=", 90) < 80 ? 64 : 227) << 10;

    return f && which == 8 && value > 0 && value <= most ? OK : INVALID;
}

/* ---- memory ---- */

API cuMemAlloc_v2(uint64_t *p, size_t bytes)
{
    size_t *block;

    if (bytes > memory() - taken) return NO_MEMORY;
    block = malloc(256 + bytes);
    if (!block) return NO_MEMORY;
    memset(block, 0xa5, 256 + bytes);
    *block = bytes;
    taken += bytes;
    stub_counts.blocks++;
    *p = (uint64_t)(uintptr_t)block + 256;
    return OK;
}

API cuMemFree_v2(uint64_t p)
{
    size_t *block = (size_t *)(uintptr_t)(p - 256);

    taken -= *block;
    stub_counts.blocks--;
    free(block);
    return OK;
}

API cuMemAllocHost_v2(void **p, size_t bytes)
{
    *p = malloc(bytes);
    stub_counts.pinned++;
    return *p ? OK : NO_MEMORY;
}

API cuMemFreeHost(void *p)
{
    stub_counts.pinned--;
    free(p);
    return OK;
}

API cuMemHostRegister_v2(void *p, size_t bytes, unsigned flags)
{
    stub_counts.pinned++;
    return p && bytes && !flags ? OK : INVALID;
}

API cuMemHostUnregister(void *p)
{
    stub_counts.pinned--;
    return p ? OK : INVALID;
}

API cuMemsetD8_v2(uint64_t to, unsigned char value, size_t bytes)
{
    memset((void *)(uintptr_t)to, value, bytes);
    return OK;
}

API cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t n, struct stub_stream *s)
{
    if (s->capturing) return INVALID;
    if (s->n_late == 64) make_copies(s);
    s->late[s->n_late++] = (struct copy){ (void *)(uintptr_t)to, from, n };
    return OK;
}

API cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t n, struct stub_stream *s)
{
    if (s->capturing) return INVALID;
    make_copies(s);
    memcpy(to, (const void *)(uintptr_t)from, n);
    return OK;
}

/* ---- streams, events, graphs ---- */

API cuStreamCreate(struct stub_stream **s, unsigned flags)
{
    (void)flags;
    *s = calloc(1, sizeof **s);
    stub_counts.streams++;
    return *s ? OK : NO_MEMORY;
}

API cuStreamDestroy_v2(struct stub_stream *s)
{
    make_copies(s);
    stub_counts.streams--;
    free(s);
    return OK;
}

API cuStreamWaitEvent(struct stub_stream *s, struct stub_event *e, unsigned flags)
{
    if (!s || !e || flags) return INVALID;
    make_copies(e->stream);
    return OK;
}

API cuStreamSynchronize(struct stub_stream *s)
{
    make_copies(s);
    return s->capturing ? INVALID : OK;
}

API cuEventCreate(struct stub_event **e, unsigned flags)
{
    (void)flags;
    *e = calloc(1, sizeof **e);
    stub_counts.events++;
    return *e ? OK : NO_MEMORY;
}

API cuEventDestroy_v2(struct stub_event *e)
{
    stub_counts.events--;
    free(e);
    return OK;
}

API cuEventRecord(struct stub_event *e, struct stub_stream *s)
{
    if (!e || !s) return INVALID;
    e->stream = s;
    return OK;
}

API cuEventSynchronize(struct stub_event *e)
{
    if (!e) return INVALID;
    make_copies(e->stream);
    return OK;
}

API cuEventElapsedTime(float *ms, void *a, void *b)
{
    *ms = 0.25f;
    return a && b ? OK : INVALID;
}

API cuStreamBeginCapture_v2(struct stub_stream *s, int mode)
{
    (void)mode;
    if (s->capturing) return INVALID;
    s->capturing = 1;
    s->nodes = 0;
    stub_counts.captures++;
    return OK;
}

API cuStreamEndCapture(struct stub_stream *s, int **graph)
{
    if (!s->capturing) return INVALID;
    s->capturing = 0;
    *graph = malloc(sizeof **graph);
    if (!*graph) return NO_MEMORY;
    **graph = s->nodes;
    stub_counts.graphs++;
    return OK;
}

API cuGraphInstantiateWithFlags(int **exec, int *graph, unsigned long long flags)
{
    (void)flags;
    *exec = malloc(sizeof **exec);
    if (!*exec) return NO_MEMORY;
    **exec = *graph;
    stub_counts.graphs++;
    return OK;
}

API cuGraphLaunch(int *exec, struct stub_stream *s)
{
    if (s->capturing) return INVALID;
    stub_counts.launches += *exec;
    stub_counts.graph_launches++;
    return OK;
}

#ifndef STUB_WITHOUT_GRAPHS
API cuGraphExecDestroy(int *exec)
{
    stub_counts.graphs--;
    free(exec);
    return OK;
}
#endif

API cuGraphDestroy(int *graph)
{
    stub_counts.graphs--;
    free(graph);
    return OK;
}

API cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned shared, struct stub_stream *s, void **params, void **extra)
{
    (void)shared;
    if (!f || !gx || !gy || !gz || !bx || by != 1 || bz != 1 || !params || extra) return INVALID;
    if (asked("launch")) return LAUNCH_FAILED;
    if (s->capturing) s->nodes++;
    else stub_counts.launches++;
    return OK;
}

/* Of attributes that of programmatic dependent launch alone. */
struct launch_attribute {
    int id, pad, value, rest[15];
};
struct launch_config {
    unsigned gx, gy, gz, bx, by, bz, shared;
    struct stub_stream *s;
    const struct launch_attribute *attributes;
    unsigned n_attributes;
};

API cuLaunchKernelEx(const struct launch_config *c, void *f, void **params, void **extra)
{
    if (c->n_attributes != 1 || c->attributes[0].id != 6 || c->attributes[0].value != 1)
        return INVALID;
    stub_counts.dependent++;
    return cuLaunchKernel(f, c->gx, c->gy, c->gz, c->bx, c->by, c->bz, c->shared, c->s, params,
                          extra);
}
