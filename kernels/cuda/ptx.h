/* SPDX-License-Identifier: MIT
 *
 * The instructions that kernels are written in, one inline function each: PTX under nvcc, a call
 * into the execution model of tests/emulation/cuda under a C++ compiler.  Nothing else in a .cu
 * file knows which of the two it is compiled for.
 *
 * Shared memory is addressed as the hardware does it: a 32-bit byte offset.
 */
#ifndef SDRT_KERNELS_CUDA_PTX_H
#define SDRT_KERNELS_CUDA_PTX_H

#include <stddef.h>
#include <stdint.h>

/* What the code is compiled for, 10 * major + minor.  nvcc's pass for the host sees what later devices do. */
#if defined(__CUDA_ARCH__)
#define SDRT_ARCH (__CUDA_ARCH__ / 10)
#elif !defined(SDRT_ARCH)
#define SDRT_ARCH 90
#endif

/* The 16-bit type of the device: bf16, or f16 on those of 7.5, which multiply no bf16.  What f16 does not
 * hold becomes infinite.  Two travel in one register, the lower index in the lower half. */
typedef uint16_t narrow;
constexpr bool NARROW_IS_F16 = SDRT_ARCH < 80;
/* Whether copies to shared memory go beside the thread; else they go through its registers. */
constexpr bool ASYNC_COPIES = SDRT_ARCH >= 80;

/* A TMA descriptor (CUtensorMap): made by the host, passed by value inside the parameters. */
struct alignas(64) tensor_map {
    uint64_t opaque[16];
};

struct alignas(16) bytes16 {
    uint32_t v[4];
};
struct alignas(8) bytes8 {
    uint32_t v[2];
};

#if defined(__CUDACC__)

/* Whether a test has planted this fault (tests/test_cuda_faults.c); never on a GPU. */
#define PLANTED(fault) 0

/* One parameter struct for every kernel, so that the host launches by name and bytes.  A launch may begin
 * before the one before it is over (sm_90): KERNEL waits for that at once, KERNEL_AHEAD leaves it to its body,
 * of which one thread must call follow_previous (math.h). */
#define KERNEL_AHEAD(name, type, threads, blocks)                 \
    extern "C" __global__ void __launch_bounds__(threads, blocks) \
        name(const __grid_constant__ type p)
#if SDRT_ARCH >= 90
#define KERNEL(name, type, threads, blocks)                            \
    static __device__ __forceinline__ void name##_body(const type &p); \
    KERNEL_AHEAD(name, type, threads, blocks)                          \
    {                                                                  \
        follow_previous();                                             \
        name##_body(p);                                                \
    }                                                                  \
    static __device__ __forceinline__ void name##_body(const type &p)
#else
#define KERNEL KERNEL_AHEAD
#endif
#define SHARED(name) extern __shared__ __align__(1024) unsigned char name[]
#define DEVICE static __device__ __forceinline__

DEVICE uint32_t shared_address(const void *p) { return (uint32_t)__cvta_generic_to_shared(p); }

/* ---- warps and blocks ---- */

DEVICE void sync_block(void) { __syncthreads(); }
DEVICE void sync_warp(void) { __syncwarp(); }
DEVICE void sync_named(int id, int threads)
{
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
DEVICE float shuffle_xor(float v, int lanes) { return __shfl_xor_sync(0xffffffffu, v, lanes); }
/* Of lane `from`, which may differ from lane to lane. */
DEVICE float shuffle(float v, int from) { return __shfl_sync(0xffffffffu, v, from); }

/* ---- conversions and approximations ---- */

#if SDRT_ARCH >= 80
DEVICE uint32_t pack_narrow(float lo, float hi)
{
    uint32_t r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
    return r;
}
DEVICE float low_narrow(uint32_t v) { return __uint_as_float(v << 16); }
DEVICE float high_narrow(uint32_t v) { return __uint_as_float(v & 0xffff0000u); }
/* Two products; subnormal numbers are numbers. */
DEVICE uint32_t multiply_two(uint32_t a, uint32_t b)
{
    uint32_t r;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(0x80008000u));
    return r;
}
#else
DEVICE uint32_t pack_narrow(float lo, float hi)
{
    uint32_t r;
    asm("{\n"
        ".reg .b16 l, h;\n"
        "cvt.rn.f16.f32 l, %1;\n"
        "cvt.rn.f16.f32 h, %2;\n"
        "mov.b32 %0, {l, h};\n"
        "}"
        : "=r"(r)
        : "f"(lo), "f"(hi));
    return r;
}
DEVICE float low_narrow(uint32_t v)
{
    float r;
    asm("{ .reg .b16 l, h; mov.b32 {l, h}, %1; cvt.f32.f16 %0, l; }" : "=f"(r) : "r"(v));
    return r;
}
DEVICE float high_narrow(uint32_t v)
{
    float r;
    asm("{ .reg .b16 l, h; mov.b32 {l, h}, %1; cvt.f32.f16 %0, h; }" : "=f"(r) : "r"(v));
    return r;
}
DEVICE uint32_t multiply_two(uint32_t a, uint32_t b)
{
    uint32_t r;
    asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
#endif
/* The two lower bytes of each, in turn. */
DEVICE uint32_t first_bytes(uint32_t a, uint32_t b) { return __byte_perm(a, b, 0x5140); }
/* The two upper ones. */
DEVICE uint32_t second_bytes(uint32_t a, uint32_t b) { return __byte_perm(a, b, 0x7362); }
DEVICE float float_of_bits(uint32_t v) { return __uint_as_float(v); }
DEVICE uint32_t bits_of_float(float v) { return __float_as_uint(v); }
DEVICE float exp2_fast(float x)
{
    float r;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
    return r;
}
DEVICE float reciprocal_fast(float x)
{
    float r;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
    return r;
}

/* ---- memory ---- */

DEVICE bytes16 load_16(const void *p)
{
    bytes16 r;
    asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r.v[0]), "=r"(r.v[1]), "=r"(r.v[2]), "=r"(r.v[3])
                 : "l"(p)
                 : "memory");
    return r;
}
DEVICE bytes8 load_8(const void *p)
{
    bytes8 r;
    asm volatile("ld.global.v2.u32 {%0, %1}, [%2];"
                 : "=r"(r.v[0]), "=r"(r.v[1])
                 : "l"(p)
                 : "memory");
    return r;
}
DEVICE void store_8(void *p, bytes8 x)
{
    asm volatile("st.global.v2.u32 [%0], {%1, %2};" ::"l"(p), "r"(x.v[0]), "r"(x.v[1]) : "memory");
}
DEVICE void store_16(void *p, bytes16 x)
{
    asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(p), "r"(x.v[0]), "r"(x.v[1]),
                 "r"(x.v[2]), "r"(x.v[3])
                 : "memory");
}

/* What this thread knows to be stored is stored for whoever meets it at an atomic operation from now on, and
 * what those whom it has met there knew is there for it. */
DEVICE void device_fence(void) { asm volatile("fence.acq_rel.gpu;" ::: "memory"); }
/* Counts to most, then from 0 again; what was there. */
DEVICE uint32_t atomic_inc(uint32_t *p, uint32_t most)
{
    uint32_t r;
    asm volatile("atom.relaxed.gpu.global.inc.u32 %0, [%1], %2;"
                 : "=r"(r)
                 : "l"(p), "r"(most)
                 : "memory");
    return r;
}

#if SDRT_ARCH >= 80
/* 16 bytes to shared memory, of which the first `bytes` are read and the rest are zero. */
DEVICE void copy_async_16(uint32_t dst, const void *src, int bytes)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(dst), "l"(src), "r"(bytes)
                 : "memory");
}
DEVICE void copy_async_commit(void) { asm volatile("cp.async.commit_group;" ::: "memory"); }
/* Waits until at most `left` of this thread's groups are unfinished. */
template <int left> DEVICE void copy_async_wait(void)
{
    asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
}
#else
/* At once, and all 16 bytes or none. */
DEVICE void copy_async_16(uint32_t dst, const void *src, int bytes)
{
    bytes16 x = {};
    if (bytes) x = load_16(src);
    asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(dst), "r"(x.v[0]), "r"(x.v[1]),
                 "r"(x.v[2]), "r"(x.v[3])
                 : "memory");
}
DEVICE void copy_async_commit(void) {}
template <int left> DEVICE void copy_async_wait(void) {}
#endif

/* ---- tensor cores, warp by warp ---- */

/* Four 8x8 matrices of 16-bit numbers: lane i gives the address of row i % 8 of matrix i / 8. */
DEVICE void load_matrices(uint32_t (&r)[4], uint32_t address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

/* The same, each matrix transposed on its way. */
DEVICE void load_matrices_transposed(uint32_t (&r)[4], uint32_t address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

/* d [16][8] += a [16][16] b [8][16], row major both (b by columns).  Lane l holds of d the rows
 * l/4 and l/4+8, columns 2(l%4) and the next; of a the same rows, of b row l/4; PTX ISA, 9.7.14. */
#if SDRT_ARCH >= 80
DEVICE void multiply_narrow(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
#else
/* In two halves of k. */
DEVICE void multiply_narrow(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(b0));
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[2]), "r"(a[3]), "r"(b1));
}
#endif

/* ---- barriers in shared memory, the copy engine, warpgroups (sm_90a) ---- */

#if SDRT_ARCH >= 90
DEVICE void barrier_init(uint32_t bar, uint32_t arrivals)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(bar), "r"(arrivals) : "memory");
}
/* After init, before anyone else uses the barrier (a block barrier must follow). */
DEVICE void barrier_init_fence(void)
{
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
DEVICE void barrier_arrive(uint32_t bar)
{
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(bar) : "memory");
}
/* Arrives, and says that the copy engine will bring so many bytes in this phase. */
DEVICE void barrier_expect(uint32_t bar, uint32_t bytes)
{
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(bar), "r"(bytes)
                 : "memory");
}
/* Until the phase of this parity is complete.  Parity 1 is complete at first. */
DEVICE void barrier_wait(uint32_t bar, uint32_t parity)
{
    asm volatile("{\n"
                 ".reg .pred done;\n"
                 "again:\n"
                 "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
                 "@!done bra again;\n"
                 "}" ::"r"(bar),
                 "r"(parity)
                 : "memory");
}
/* Ordinary stores of this thread become visible to the copy engine and to warpgroup products. */
DEVICE void async_proxy_fence(void) { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
/* Boxes of a tensor to shared memory; bar hears of the bytes.  Coordinates: innermost first;
 * what lies outside the tensor, below 0 too, is zero. */
DEVICE void tma_load_3d(uint32_t dst, const tensor_map *map, uint32_t bar, int c0, int c1, int c2)
{
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%3, %4, %5}], [%2];" ::"r"(dst),
                 "l"(map), "r"(bar), "r"(c0), "r"(c1), "r"(c2)
                 : "memory");
}
DEVICE void tma_load_4d(uint32_t dst, const tensor_map *map, uint32_t bar, int c0, int c1, int c2,
                        int c3)
{
    asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(dst),
                 "l"(map), "r"(bar), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
                 : "memory");
}
DEVICE void tma_prefetch(const tensor_map *map)
{
    asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

/* Programmatic dependent launch: the next launch of the stream may begin once all blocks have come here;
 * what the launch before wrote is there after the wait, for the whole block.  Nothing without the launch
 * attribute. */
DEVICE void launch_next(void) { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }
DEVICE void wait_for_previous(void) { asm volatile("griddepcontrol.wait;" ::: "memory"); }

template <int count> DEVICE void registers_give(void)
{
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(count));
}
template <int count> DEVICE void registers_take(void)
{
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(count));
}

DEVICE void warpgroup_fence(void) { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void warpgroup_commit(void)
{
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int left> DEVICE void warpgroup_wait(void)
{
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(left) : "memory");
}

/* After the wait: the compiler moves no use of the sums before it, which would make the assembler
 * wait after each product. */
template <int count> DEVICE void warpgroup_settle(float (&sum)[count])
{
#pragma unroll
    for (int i = 0; i < count; i++) asm volatile("" : "+f"(sum[i])::"memory");
}

/* d [64][n] += a [64][16] b [n][16], both in shared memory (warpgroup_operand), n twice d's length.
 * Thread t of the warpgroup holds rows 16(t/32) + l/4 and + 8, l = t%32: d[4j + 0, 1] is row l/4,
 * columns 8j + 2(l%4) + 0, 1; d[4j + 2, 3] the row 8 below. */
#define D4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define D16(i) D4(i), D4(i + 4), D4(i + 8), D4(i + 12)
DEVICE void warpgroup_multiply(float (&d)[64], uint64_t a, uint64_t b, int accumulate)
{
    asm volatile("{\n"
                 ".reg .pred sum;\n"
                 "setp.ne.b32 sum, %66, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
                 "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
                 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
                 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
                 "%64, %65, sum, 1, 1, 0, 0;\n"
                 "}"
                 : D16(0), D16(16), D16(32), D16(48)
                 : "l"(a), "l"(b), "r"(accumulate));
}
DEVICE void warpgroup_multiply(float (&d)[128], uint64_t a, uint64_t b, int accumulate)
{
    asm volatile(
        "{\n"
        ".reg .pred sum;\n"
        "setp.ne.b32 sum, %130, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
        "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
        "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
        "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
        "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
        "%128, %129, sum, 1, 1, 0, 0;\n"
        "}"
        : D16(0), D16(16), D16(32), D16(48), D16(64), D16(80), D16(96), D16(112)
        : "l"(a), "l"(b), "r"(accumulate));
}
#undef D4
#undef D16
#endif /* sm_90 */

#else
#include "cuda_shim.h"
#endif

/* Describes an operand of a warpgroup product: rows of 64 bf16 (128 bytes) whose 16-byte pieces
 * are swizzled as TMA's 128-byte mode leaves them, groups of 8 rows 1024 bytes apart.  at is
 * where its first column lies; the tile begins at a multiple of 1024. */
DEVICE uint64_t warpgroup_operand(uint32_t at)
{
    const uint64_t swizzle_128 = 1ull << 62, stride = (uint64_t)(1024 >> 4) << 32;

    return swizzle_128 | stride | (uint64_t)1 << 16 | (uint64_t)((at & 0x3ffff) >> 4);
}

#endif
