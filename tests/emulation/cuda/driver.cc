/* SPDX-License-Identifier: MIT
 *
 * The shim as a CUDA driver: a libcuda.so of the few calls that a device backend makes, so that
 * the host's code (loading the driver, memory, launches, tensor maps, graphs) is tested without a
 * GPU too, unchanged.  A launch in which the shim found a fault is an error of that launch, and
 * the fault goes to standard error.  Everything runs at once; streams and events only count.
 */
#include "kernels/cuda/ptx.h"
#include "tests/emulation/cuda/shim.h"

#include <dlfcn.h>
#include <functional>
#include <map>
#include <stdio.h>
#include <stdlib.h>
#include <string>
#include <time.h>
#include <vector>

typedef int CUresult;
enum {
    OK = 0,
    INVALID = 1,
    NO_MEMORY = 2,
    NOT_FOUND = 500,
    LAUNCH_FAILED = 719,
    UNSUPPORTED = 801
};

struct stream;
struct graph {
    std::vector<std::function<CUresult()>> nodes;
    std::vector<stream *>
        joined; /* while it is captured: other streams that waited for its events */
};
struct stream {
    graph *capture;
};
struct event {
    double at;
    graph *captured; /* where it was recorded last; nullptr: in no capture */
};
struct function {
    shim_kernel *kernel;
    size_t params;
    unsigned threads;
    unsigned shared; /* the most that a launch may ask for */
    std::string name;
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static CUresult in_order(stream *s, std::function<CUresult()> work)
{
    if (!s || !s->capture) return work();
    s->capture->nodes.push_back(work);
    return OK;
}

#define API extern "C" __attribute__((visibility("default"))) CUresult

API cuInit(unsigned flags) { return flags ? INVALID : OK; }
API cuDriverGetVersion(int *version)
{
    *version = 13000;
    return OK;
}
API cuGetErrorString(CUresult e, const char **text)
{
    *text = e == OK ? "no error" : "an error of the execution model";
    return OK;
}
API cuGetErrorName(CUresult e, const char **name)
{
    *name = e == OK ? "CUDA_SUCCESS" : e == LAUNCH_FAILED ? "CUDA_ERROR_LAUNCH_FAILED" : "an error";
    return OK;
}
API cuDeviceGetCount(int *count)
{
    *count = 1;
    return OK;
}
API cuDeviceGet(int *device, int i)
{
    *device = i;
    return i ? INVALID : OK;
}
API cuDeviceGetName(char *name, int size, int device)
{
    (void)device;
    snprintf(name, (size_t)size, "shim");
    return OK;
}
API cuDeviceTotalMem_v2(size_t *bytes, int device)
{
    (void)device;
    *bytes = (size_t)8 << 30;
    return OK;
}
/* Compute capability 9.0 with 132 multiprocessors, or 7.5 with 40, and what a block may have. */
enum {
    IS_75 = SDRT_ARCH < 80,
    MULTIPROCESSORS = IS_75 ? 40 : 132,
    MOST_SHARED = (IS_75 ? 64 : 227) << 10,
};
API cuDeviceGetAttribute(int *value, int which, int device)
{
    (void)device;
    switch (which) {
    case 16: *value = MULTIPROCESSORS; return OK;
    case 38: *value = 50 << 20; return OK;      /* L2 */
    case 75: *value = IS_75 ? 7 : 9; return OK; /* compute capability, major */
    case 76: *value = IS_75 ? 5 : 0; return OK; /* minor */
    case 97: *value = MOST_SHARED; return OK;   /* shared memory of a block */
    default: return INVALID;
    }
}
API cuDevicePrimaryCtxRetain(void **context, int device)
{
    (void)device;
    *context = (void *)1;
    return OK;
}
API cuDevicePrimaryCtxRelease_v2(int device)
{
    (void)device;
    return OK;
}
API cuCtxSetCurrent(void *context)
{
    (void)context;
    return OK;
}

/* ---- modules ---- */

API cuModuleLoadData(void **module, const void *image)
{
    *module = (void *)1;
    return image ? OK : INVALID;
}
API cuModuleUnload(void *module)
{
    (void)module;
    return OK;
}
API cuModuleGetFunction(function **f, void *module, const char *name)
{
    Dl_info self;
    (void)module;
    if (!dladdr((void *)&cuModuleLoadData, &self)) return NOT_FOUND;
    void *library = dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    const std::string n = name;
    void *kernel = library ? dlsym(library, name) : nullptr;
    const size_t *params = library ? (size_t *)dlsym(library, (n + "_parameter_bytes").c_str())
                                   : nullptr;
    const unsigned *threads = library ? (unsigned *)dlsym(library, (n + "_block_threads").c_str())
                                      : nullptr;
    if (!kernel || !params || !threads) return NOT_FOUND;
    *f = new function{ (shim_kernel *)kernel, *params, *threads, 48 << 10, n };
    return OK;
}
API cuFuncSetAttribute(function *f, int which, int value)
{
    if (which != 8 || value < 0 || value > MOST_SHARED) return INVALID;
    f->shared = (unsigned)value;
    return OK;
}

/* ---- memory ---- */

API cuMemAlloc_v2(void **p, size_t bytes)
{
    *p = shim_alloc(bytes);
    return OK;
}
API cuMemAllocHost_v2(void **p, size_t bytes)
{
    *p = malloc(bytes);
    return *p ? OK : NO_MEMORY;
}
API cuMemFreeHost(void *p)
{
    free(p);
    return OK;
}
API cuMemHostRegister_v2(void *p, size_t bytes, unsigned flags)
{
    return p && bytes && !flags ? OK : INVALID;
}
API cuMemHostUnregister(void *p) { return p ? OK : INVALID; }
API cuMemGetInfo_v2(size_t *left, size_t *all)
{
    *left = *all = (size_t)8 << 30;
    return OK;
}
API cuMemsetD8_v2(void *to, unsigned char value, size_t bytes)
{
    memset(to, value, bytes);
    return OK;
}
API cuMemFree_v2(void *p)
{
    shim_free(p);
    return OK;
}
API cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t bytes, stream *s)
{
    return in_order(s, [=] {
        memcpy(to, from, bytes);
        return OK;
    });
}
API cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t bytes, stream *s)
{
    return in_order(s, [=] {
        memcpy(to, from, bytes);
        return OK;
    });
}
API cuMemsetD8Async(void *to, unsigned char value, size_t bytes, stream *s)
{
    return in_order(s, [=] {
        memset(to, value, bytes);
        return OK;
    });
}

/* ---- streams, events, graphs ---- */

API cuStreamCreate(stream **s, unsigned flags)
{
    (void)flags;
    *s = new stream();
    return OK;
}
API cuStreamDestroy_v2(stream *s)
{
    delete s;
    return OK;
}
/* All runs at once, so that only captures ask for something: who waits for an event of one is part of
 * it from then on. */
API cuStreamWaitEvent(stream *s, event *e, unsigned flags)
{
    if (!s || !e || flags) return INVALID;
    if (e->captured && !s->capture) {
        s->capture = e->captured;
        e->captured->joined.push_back(s);
    }
    return OK;
}
API cuStreamSynchronize(stream *s) { return s && s->capture ? INVALID : OK; }
API cuEventCreate(event **e, unsigned flags)
{
    (void)flags;
    *e = new event();
    return OK;
}
API cuEventDestroy_v2(event *e)
{
    delete e;
    return OK;
}
API cuEventRecord(event *e, stream *s)
{
    e->captured = s ? s->capture : nullptr;
    return in_order(s, [=] {
        e->at = seconds();
        return OK;
    });
}
API cuEventSynchronize(event *e)
{
    (void)e;
    return OK;
}
API cuEventElapsedTime(float *ms, event *a, event *b)
{
    *ms = (float)((b->at - a->at) * 1e3);
    return OK;
}
API cuStreamBeginCapture_v2(stream *s, int mode)
{
    (void)mode;
    if (!s || s->capture) return INVALID;
    s->capture = new graph();
    return OK;
}
API cuStreamEndCapture(stream *s, graph **g)
{
    if (!s || !s->capture) return INVALID;
    *g = s->capture;
    s->capture = nullptr;
    for (stream *other : (*g)->joined) other->capture = nullptr;
    (*g)->joined.clear();
    return OK;
}
API cuGraphInstantiateWithFlags(graph **exec, graph *g, unsigned long long flags)
{
    (void)flags;
    *exec = new graph(*g);
    return OK;
}
API cuGraphLaunch(graph *exec, stream *s)
{
    (void)s;
    for (auto &n : exec->nodes) {
        const CUresult r = n();
        if (r != OK) return r;
    }
    return OK;
}
API cuGraphDestroy(graph *g)
{
    delete g;
    return OK;
}
API cuGraphExecDestroy(graph *g)
{
    delete g;
    return OK;
}

/* ---- launches ---- */

static int order_set = -1;
static struct shim_result totals;
static std::map<std::string, shim_sectors> sectors; /* by kernel */

static enum shim_order order_wanted(void)
{
    if (order_set >= 0) return (enum shim_order)order_set;
    const char *name = getenv("SHIM_ORDER");

    if (name && !strcmp(name, "backward")) return SHIM_BACKWARD;
    return name && !strcmp(name, "shuffled") ? SHIM_SHUFFLED : SHIM_FORWARD;
}

/* The first fault of all, and all numbers. */
static void add_to_totals(const struct shim_result &r, const char *name)
{
    if (!totals.total && r.total) {
        snprintf(totals.first, sizeof totals.first, "%s: %.200s", name, r.first);
    }
    for (int i = 0; i < SHIM_FAULTS; i++) totals.faults[i] += r.faults[i];
    totals.total += r.total;
    totals.ldmatrix += r.ldmatrix;
    totals.ldmatrix_replays += r.ldmatrix_replays;
    shim_sectors &s = sectors[name];
    s = { s.launches + 1, s.sectors + r.sectors, s.bytes + r.sector_bytes };
    totals.products += r.products;
    totals.barriers += r.barriers;
    totals.tma_bytes += r.tma_bytes;
}

#define OWN __attribute__((visibility("default")))
OWN void shim_plant(const char *fault) { shim_planted = fault; }
OWN const struct shim_result *shim_totals(void) { return &totals; }
OWN void shim_totals_clear(void)
{
    totals = shim_result();
    sectors.clear();
}
OWN struct shim_sectors shim_sectors_of(const char *kernel) { return sectors[kernel]; }
OWN void shim_set_order(enum shim_order order) { order_set = order; }

static CUresult launch(function *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                       unsigned bz, unsigned shared, stream *s, void **params, void **extra,
                       int dependent)
{
    if (!f || !gx || !gy || !gz || by != 1 || bz != 1 || extra || shared > f->shared ||
        bx > f->threads || bx % 32)
        return INVALID;
    const std::vector<unsigned char> bytes((unsigned char *)params[0],
                                           (unsigned char *)params[0] + f->params);
    return in_order(s, [=] {
        alignas(64) unsigned char copy[4096];
        const shim_launch l = { gx, gy,        gz,
                                bx, shared,    order_wanted(),
                                1,  dependent, getenv("SHIM_UNPROVEN") != nullptr };
        if (bytes.size() > sizeof copy) return (CUresult)INVALID;
        memcpy(copy, bytes.data(), bytes.size());
        const shim_result r = shim_run(f->kernel, &l, copy);
        if (r.total && !shim_planted) fprintf(stderr, "shim: %s: %s\n", f->name.c_str(), r.first);
        add_to_totals(r, f->name.c_str());
        return r.total ? (CUresult)LAUNCH_FAILED : (CUresult)OK;
    });
}

API cuLaunchKernel(function *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned shared, stream *s, void **params, void **extra)
{
    return launch(f, gx, gy, gz, bx, by, bz, shared, s, params, extra, 0);
}

/* Of attributes that of programmatic dependent launch alone. */
struct launch_attribute {
    int id, pad, value, rest[15];
};
struct launch_config {
    unsigned gx, gy, gz, bx, by, bz, shared;
    stream *s;
    const launch_attribute *attributes;
    unsigned n_attributes;
};
API cuLaunchKernelEx(const launch_config *c, function *f, void **params, void **extra)
{
    enum { PROGRAMMATIC = 6 };
    int dependent = 0;

    for (unsigned i = 0; i < c->n_attributes; i++) {
        if (IS_75 || c->attributes[i].id != PROGRAMMATIC) return INVALID;
        dependent = c->attributes[i].value;
    }
    return launch(f, c->gx, c->gy, c->gz, c->bx, c->by, c->bz, c->shared, c->s, params, extra,
                  dependent);
}

/* bf16 or f16, 128-byte swizzle, zeros outside; anything else the kernels do not use. */
API cuTensorMapEncodeTiled(tensor_map *map, int type, unsigned rank, void *base,
                           const uint64_t *dims, const uint64_t *strides, const uint32_t *box,
                           const uint32_t *steps, int interleave, int swizzle, int promotion,
                           int fill)
{
    (void)promotion;
    if (IS_75 || (type != 6 && type != 9) || interleave != 0 || swizzle != 3 || fill != 0)
        return UNSUPPORTED;
    return shim_tensor_map(map, base, (int)rank, dims, strides, box, steps) ? INVALID : OK;
}
