/* SPDX-License-Identifier: MIT
 *
 * NVIDIA's driver, found when a device is asked for: the calls that a device makes, with prototypes
 * of our own, so that nothing is linked and no toolkit is needed.  The driver API promises these
 * names and types (docs.nvidia.com/cuda/cuda-driver-api).
 */
#ifndef SDRT_RUNTIME_DEVICE_CUDA_DRIVER_H
#define SDRT_RUNTIME_DEVICE_CUDA_DRIVER_H

#include "runtime/base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct cuda_context_handle *cuda_context;
typedef struct cuda_module_handle *cuda_module;
typedef struct cuda_function_handle *cuda_function;
typedef struct cuda_stream_handle *cuda_stream;
typedef struct cuda_event_handle *cuda_event;
typedef struct cuda_graph_handle *cuda_graph;
typedef struct cuda_graph_exec_handle *cuda_graph_exec;
typedef uint64_t cuda_pointer;

/* CUlaunchAttribute and CUlaunchConfig, with an int for a value. */
struct cuda_launch_attribute {
    int id, pad, value, rest[15];
};
struct cuda_launch_config {
    unsigned gx, gy, gz, bx, by, bz, shared;
    cuda_stream stream;
    const struct cuda_launch_attribute *attributes;
    unsigned n_attributes;
};

enum {
    CUDA_OLDEST_DRIVER = 12000,      /* CUDA 12.0: 1000 * major + 10 * minor */
    CUDA_CAPTURES_DEPENDENT = 12030, /* the first whose graphs have edges for dependent launches */

    /* Attributes of a device. */
    CUDA_MULTIPROCESSORS = 16,
    CUDA_CAPABILITY_MAJOR = 75,
    CUDA_CAPABILITY_MINOR = 76,
    /* Of a function. */
    CUDA_MAX_DYNAMIC_SHARED = 8,

    /* Of a launch: it may begin before the one before it is over. */
    CUDA_PROGRAMMATIC_STREAM_SERIALIZATION = 6,

    CUDA_STREAM_NON_BLOCKING = 1,
    CUDA_CAPTURE_THREAD_LOCAL = 1,

    CUDA_TENSOR_BF16 = 9,
    CUDA_SWIZZLE_128 = 3,
    CUDA_PROMOTE_L2_256 = 3,

    CUDA_ERROR_OUT_OF_MEMORY = 2,
    CUDA_ERROR_NO_DEVICE = 100,
    CUDA_ERROR_NO_BINARY = 209,
};

/* Each row: name in the library, member, arguments. */
#define SDRT_CUDA_CALLS(X)                                                                        \
    X(cuInit, init, (unsigned flags))                                                             \
    X(cuDriverGetVersion, version, (int *version))                                                \
    X(cuGetErrorName, error_name, (int error, const char **name))                                 \
    X(cuDeviceGetCount, device_count, (int *count))                                               \
    X(cuDeviceGet, device, (int *device, int i))                                                  \
    X(cuDeviceGetName, device_name, (char *name, int size, int device))                           \
    X(cuDeviceGetAttribute, attribute, (int *value, int which, int device))                       \
    X(cuMemGetInfo_v2, memory_info, (size_t * free, size_t * total))                              \
    X(cuDevicePrimaryCtxRetain, retain_context, (cuda_context * context, int device))             \
    X(cuDevicePrimaryCtxRelease_v2, release_context, (int device))                                \
    X(cuCtxSetCurrent, use_context, (cuda_context context))                                       \
    X(cuModuleLoadData, load_module, (cuda_module * module, const void *image))                   \
    X(cuModuleUnload, unload_module, (cuda_module module))                                        \
    X(cuModuleGetFunction, find, (cuda_function * f, cuda_module module, const char *name))       \
    X(cuFuncSetAttribute, set_attribute, (cuda_function f, int which, int value))                 \
    X(cuMemAlloc_v2, alloc, (cuda_pointer * p, size_t bytes))                                     \
    X(cuMemFree_v2, free, (cuda_pointer p))                                                       \
    X(cuMemAllocHost_v2, alloc_pinned, (void **p, size_t bytes))                                  \
    X(cuMemFreeHost, free_pinned, (void *p))                                                      \
    X(cuMemHostRegister_v2, pin, (void *p, size_t bytes, unsigned flags))                         \
    X(cuMemHostUnregister, unpin, (void *p))                                                      \
    X(cuMemsetD8_v2, fill, (cuda_pointer to, unsigned char value, size_t bytes))                  \
    X(cuMemcpyHtoDAsync_v2, upload, (cuda_pointer to, const void *from, size_t n, cuda_stream s)) \
    X(cuMemcpyDtoHAsync_v2, download, (void *to, cuda_pointer from, size_t n, cuda_stream s))     \
    X(cuStreamCreate, create_stream, (cuda_stream * s, unsigned flags))                           \
    X(cuStreamDestroy_v2, destroy_stream, (cuda_stream s))                                        \
    X(cuStreamSynchronize, synchronize, (cuda_stream s))                                          \
    X(cuStreamWaitEvent, wait_for, (cuda_stream s, cuda_event e, unsigned flags))                 \
    X(cuEventCreate, create_event, (cuda_event * e, unsigned flags))                              \
    X(cuEventDestroy_v2, destroy_event, (cuda_event e))                                           \
    X(cuEventRecord, record, (cuda_event e, cuda_stream s))                                       \
    X(cuEventSynchronize, wait_event, (cuda_event e))                                             \
    X(cuEventElapsedTime, elapsed, (float *ms, cuda_event a, cuda_event b))                       \
    X(cuLaunchKernel, launch,                                                                     \
      (cuda_function f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,          \
       unsigned bz, unsigned shared, cuda_stream s, void **params, void **extra))                 \
    X(cuStreamBeginCapture_v2, begin_capture, (cuda_stream s, int mode))                          \
    X(cuStreamEndCapture, end_capture, (cuda_stream s, cuda_graph * g))                           \
    X(cuGraphInstantiateWithFlags, instantiate,                                                   \
      (cuda_graph_exec * exec, cuda_graph g, unsigned long long flags))                           \
    X(cuGraphLaunch, launch_graph, (cuda_graph_exec exec, cuda_stream s))                         \
    X(cuGraphExecDestroy, destroy_exec, (cuda_graph_exec exec))                                   \
    X(cuGraphDestroy, destroy_graph, (cuda_graph g))
/* What kernels for capability 9.0 ask for beyond them; NULL where the library lacks it. */
#define SDRT_CUDA_OPTIONAL_CALLS(X)                                                         \
    X(cuLaunchKernelEx, launch_with,                                                        \
      (const struct cuda_launch_config *c, cuda_function f, void **params, void **extra))   \
    X(cuTensorMapEncodeTiled, encode_tensor_map,                                            \
      (void *map, int type, unsigned rank, void *base, const uint64_t *dims,                \
       const uint64_t *strides, const uint32_t *box, const uint32_t *steps, int interleave, \
       int swizzle, int promotion, int fill))

/* Each call answers 0 or the driver's error. */
struct sdrt_cuda_driver {
    void *loaded;
#define SDRT_CUDA_MEMBER(name, member, arguments) int(*member) arguments;
    SDRT_CUDA_CALLS(SDRT_CUDA_MEMBER)
    SDRT_CUDA_OPTIONAL_CALLS(SDRT_CUDA_MEMBER)
#undef SDRT_CUDA_MEMBER
};

/* Loads libcuda.so.1, or the library that SDRT_CUDA_LIBRARY names, and starts it.  It stays
 * loaded, since it may have threads of its own.  SDRT_E_UNSUPPORTED, with one line: no driver, one
 * that is too old, one that does not start, no device. */
int sdrt_cuda_driver_open(struct sdrt_cuda_driver *d, const struct sdrt_log *log);

/* What the driver calls an error: "CUDA_ERROR_LAUNCH_FAILED"; a constant. */
const char *sdrt_cuda_error(const struct sdrt_cuda_driver *d, int error);

#endif
