/* SPDX-License-Identifier: MIT
 *
 * What kernels/cuda/ptx.h is made of where there is no GPU, of sm_90 and, with SDRT_ARCH 75, of sm_75:
 * the same functions with a meaning in
 * C++.  Every CUDA thread is a fiber; what a warp or a warpgroup does together happens when the
 * last of its threads arrives; what is asynchronous on the chip happens as late as it may, and
 * nobody may touch its memory meanwhile.
 *
 * The kernels' translation unit is compiled with -fsanitize=thread and not linked with it: the
 * calls that the compiler then puts before each access of memory come to hooks.cc, which checks
 * them: bounds, alignment, reads of what nobody wrote, and, by vector clocks, accesses that no
 * barrier orders, or of two blocks no fences about an atomic operation, whether or not they went
 * wrong in this run.
 */
#ifndef SDRT_TESTS_EMULATION_CUDA_CUDA_SHIM_H
#define SDRT_TESTS_EMULATION_CUDA_CUDA_SHIM_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct shim_dim {
    unsigned x, y, z;
};
extern shim_dim threadIdx, blockIdx, blockDim, gridDim;

#define DEVICE static inline

/* The fault that a test wants in the kernels, by its name, or NULL. */
extern const char *shim_planted;
#define PLANTED(fault) (shim_planted && !strcmp(shim_planted, #fault))

#define SHARED(name) unsigned char *const name = shim_shared()
/* Beside the kernel what a driver reads from its cubin: bytes of its parameters, and the threads
 * that its registers were counted for. */
#define KERNEL_AHEAD(name, type, threads, blocks)                                       \
    static void name##_body(const type &p);                                             \
    extern "C" const size_t name##_parameter_bytes = sizeof(type);                      \
    extern "C" const unsigned name##_block_threads = threads;                           \
    extern "C" void name(const void *p) { name##_body(*static_cast<const type *>(p)); } \
    static void name##_body(const type &p)
#if SDRT_ARCH >= 90
#define KERNEL(name, type, threads, blocks)      \
    static void name##_following(const type &p); \
    KERNEL_AHEAD(name, type, threads, blocks)    \
    {                                            \
        follow_previous();                       \
        name##_following(p);                     \
    }                                            \
    static void name##_following(const type &p)
#else
#define KERNEL KERNEL_AHEAD
#endif

/* ---- threads ---- */

unsigned char *shim_shared(void);
uint32_t shim_shared_address(const void *p);
void shim_sync_block(void);
void shim_sync_warp(void);
void shim_sync_named(int id, int threads);
float shim_shuffle(float v, int from);

DEVICE uint32_t shared_address(const void *p) { return shim_shared_address(p); }
DEVICE void sync_block(void) { shim_sync_block(); }
DEVICE void sync_warp(void) { shim_sync_warp(); }
DEVICE void sync_named(int id, int threads) { shim_sync_named(id, threads); }
DEVICE float shuffle_xor(float v, int lanes)
{
    return shim_shuffle(v, (int)(threadIdx.x % 32) ^ lanes);
}
DEVICE float shuffle(float v, int from) { return shim_shuffle(v, from); }

/* ---- numbers ---- */

static inline uint32_t shim_bits(float v)
{
    uint32_t b;
    memcpy(&b, &v, 4);
    return b;
}
static inline float shim_float(uint32_t b)
{
    float v;
    memcpy(&v, &b, 4);
    return v;
}
/* To nearest, ties to even; NaN stays NaN. */
static inline uint32_t shim_bf16(float v)
{
    const uint32_t b = shim_bits(v);
    return v != v ? 0x7fff : (b + 0x7fff + (b >> 16 & 1)) >> 16;
}
/* Of f16; what lies beyond its 65504 is infinite. */
static inline uint32_t shim_f16(float v)
{
    const uint32_t b = shim_bits(v), sign = b >> 16 & 0x8000, a = b & 0x7fffffff;

    if (v != v) return 0x7fff;
    if (a >= 0x47800000) return sign | 0x7c00; /* 65536 */
    /* Units of the last place, 2^-24 below 2^-14; a carry goes to the exponent. */
    if (a < 0x38800000) return sign | (uint32_t)rintf(shim_float(a) * 0x1p24f);
    return sign | ((a + 0xfff + (a >> 13 & 1) - (112u << 23)) >> 13);
}
static inline float shim_of_f16(uint32_t h)
{
    const uint32_t sign = (h & 0x8000) << 16, rest = h & 0x7fff;

    if (rest > 0x7c00) return NAN;
    if (rest == 0x7c00) return shim_float(sign | 0x7f800000);
    if (rest < 0x400) return shim_float(sign | shim_bits((float)rest * 0x1p-24f));
    return shim_float(sign | ((rest << 13) + (112u << 23)));
}
static inline uint32_t shim_narrow(float v) { return NARROW_IS_F16 ? shim_f16(v) : shim_bf16(v); }
static inline float shim_of_narrow(uint32_t v)
{
    return NARROW_IS_F16 ? shim_of_f16(v & 0xffff) : shim_float(v << 16);
}
DEVICE uint32_t pack_narrow(float lo, float hi) { return shim_narrow(lo) | shim_narrow(hi) << 16; }
DEVICE uint32_t first_bytes(uint32_t a, uint32_t b)
{
    return (a & 0xffu) | (b & 0xffu) << 8 | (a & 0xff00u) << 8 | (b & 0xff00u) << 16;
}
DEVICE uint32_t second_bytes(uint32_t a, uint32_t b) { return first_bytes(a >> 16, b >> 16); }
DEVICE float float_of_bits(uint32_t v) { return shim_float(v); }
DEVICE uint32_t bits_of_float(float v) { return shim_bits(v); }
DEVICE float low_narrow(uint32_t v) { return shim_of_narrow(v); }
DEVICE float high_narrow(uint32_t v) { return shim_of_narrow(v >> 16); }
DEVICE float exp2_fast(float x) { return exp2f(x); }
DEVICE float reciprocal_fast(float x) { return 1.0f / x; }

DEVICE uint32_t multiply_two(uint32_t a, uint32_t b)
{
    return pack_narrow(low_narrow(a) * low_narrow(b), high_narrow(a) * high_narrow(b));
}

/* ---- memory ---- */

bytes16 shim_load_16(const void *p);
void shim_store_16(void *p, bytes16 x);
bytes8 shim_load_8(const void *p);
void shim_store_8(void *p, bytes8 x);
void shim_copy_async_16(uint32_t dst, const void *src, int bytes);
void shim_copy_async_commit(void);
void shim_copy_async_wait(int left);

DEVICE bytes16 load_16(const void *p) { return shim_load_16(p); }
DEVICE void store_16(void *p, bytes16 x) { shim_store_16(p, x); }
DEVICE bytes8 load_8(const void *p) { return shim_load_8(p); }
DEVICE void store_8(void *p, bytes8 x) { shim_store_8(p, x); }
/* Without copies beside the thread it stores what it loads; see ptx.h. */
DEVICE void copy_async_16(uint32_t dst, const void *src, int bytes)
{
    bytes16 x = {};

    if (ASYNC_COPIES) {
        shim_copy_async_16(dst, src, bytes);
        return;
    }
    if (bytes) x = load_16(src);
    *(bytes16 *)(void *)(shim_shared() + dst) = x;
}
DEVICE void copy_async_commit(void) { shim_copy_async_commit(); }
template <int left> DEVICE void copy_async_wait(void) { shim_copy_async_wait(left); }

void shim_device_fence(void);
uint32_t shim_atomic_inc(uint32_t *p, uint32_t most);

DEVICE void device_fence(void) { shim_device_fence(); }
DEVICE uint32_t atomic_inc(uint32_t *p, uint32_t most) { return shim_atomic_inc(p, most); }

/* ---- tensor cores ---- */

void shim_load_matrices(uint32_t *r, uint32_t address, int transposed);
void shim_multiply(float *d, const uint32_t *a, uint32_t b0, uint32_t b1);

DEVICE void load_matrices(uint32_t (&r)[4], uint32_t address) { shim_load_matrices(r, address, 0); }
DEVICE void load_matrices_transposed(uint32_t (&r)[4], uint32_t address)
{
    shim_load_matrices(r, address, 1);
}
DEVICE void multiply_narrow(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    shim_multiply(d, a, b0, b1);
}

/* ---- sm_90a ---- */

void shim_barrier_init(uint32_t bar, uint32_t arrivals);
void shim_barrier_init_fence(void);
void shim_barrier_arrive(uint32_t bar, uint32_t bytes);
void shim_barrier_wait(uint32_t bar, uint32_t parity);
void shim_async_proxy_fence(void);
void shim_tma_load(uint32_t dst, const tensor_map *map, uint32_t bar, const int *at, int rank);
void shim_wait_for_previous(void);
void shim_warpgroup_fence(void);
void shim_warpgroup_multiply(float *d, uint64_t a, uint64_t b, int n, int accumulate);
void shim_warpgroup_multiply_rows(float *d, const uint32_t *a, uint64_t b, int n);
void shim_warpgroup_commit(void);
void shim_warpgroup_wait(int left);

DEVICE void barrier_init(uint32_t bar, uint32_t arrivals) { shim_barrier_init(bar, arrivals); }
DEVICE void barrier_init_fence(void) { shim_barrier_init_fence(); }
DEVICE void barrier_arrive(uint32_t bar) { shim_barrier_arrive(bar, 0); }
DEVICE void barrier_expect(uint32_t bar, uint32_t bytes) { shim_barrier_arrive(bar, bytes); }
DEVICE void barrier_wait(uint32_t bar, uint32_t parity) { shim_barrier_wait(bar, parity); }
DEVICE void async_proxy_fence(void) { shim_async_proxy_fence(); }
DEVICE void tma_load_3d(uint32_t dst, const tensor_map *map, uint32_t bar, int c0, int c1, int c2)
{
    const int at[3] = { c0, c1, c2 };
    shim_tma_load(dst, map, bar, at, 3);
}
DEVICE void tma_load_4d(uint32_t dst, const tensor_map *map, uint32_t bar, int c0, int c1, int c2,
                        int c3)
{
    const int at[4] = { c0, c1, c2, c3 };
    shim_tma_load(dst, map, bar, at, 4);
}
DEVICE void tma_prefetch(const tensor_map *map) { (void)map; }
DEVICE void launch_next(void) {}
DEVICE void wait_for_previous(void) { shim_wait_for_previous(); }
template <int count> DEVICE void registers_give(void) {}
template <int count> DEVICE void registers_take(void) {}
DEVICE void warpgroup_fence(void) { shim_warpgroup_fence(); }
DEVICE void warpgroup_commit(void) { shim_warpgroup_commit(); }
template <int left> DEVICE void warpgroup_wait(void) { shim_warpgroup_wait(left); }
template <int count> DEVICE void warpgroup_settle(float (&)[count]) {}
template <int half>
DEVICE void warpgroup_multiply(float (&d)[half], uint64_t a, uint64_t b, int accumulate)
{
    shim_warpgroup_multiply(d, a, b, 2 * half, accumulate);
}
template <int half>
DEVICE void warpgroup_multiply_rows(float (&d)[half], const uint32_t (&a)[4], uint64_t b)
{
    shim_warpgroup_multiply_rows(d, a, b, 2 * half);
}
DEVICE void warpgroup_settle_rows(uint32_t (&)[4]) {}

#endif
