/* SPDX-License-Identifier: MIT
 *
 * Products of warpgroups beyond those of ptx.h: of other widths, and of a left operand in registers with
 * a right one that lies with its columns side by side, as values do in attention.
 */
#ifndef SDRT_KERNELS_CUDA_WARPGROUP_H
#define SDRT_KERNELS_CUDA_WARPGROUP_H

#include "kernels/cuda/ptx.h"

#if defined(__CUDACC__)
#if SDRT_ARCH >= 90

/* The first so many operands of an instruction. */
#define REGISTERS_20                                                       \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15" \
    ", %16, %17, %18, %19"
#define REGISTERS_32 \
    REGISTERS_20     \
    ", %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define REGISTERS_40 \
    REGISTERS_32     \
    ", %32, %33, %34, %35, %36, %37, %38, %39"
#define REGISTERS_64                                                                   \
    REGISTERS_40                                                                       \
    ", %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55" \
    ", %56, %57, %58, %59, %60, %61, %62, %63"
#define REGISTERS_80 \
    REGISTERS_64     \
    ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"
#define SUMS_4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define SUMS_20 SUMS_4(0), SUMS_4(4), SUMS_4(8), SUMS_4(12), SUMS_4(16)
#define SUMS_32 SUMS_20, SUMS_4(20), SUMS_4(24), SUMS_4(28)
#define SUMS_40 SUMS_32, SUMS_4(32), SUMS_4(36)
#define SUMS_64 SUMS_40, SUMS_4(40), SUMS_4(44), SUMS_4(48), SUMS_4(52), SUMS_4(56), SUMS_4(60)
#define SUMS_80 SUMS_64, SUMS_4(64), SUMS_4(68), SUMS_4(72), SUMS_4(76)

/* As those of ptx.h, for n = 80. */
DEVICE void warpgroup_multiply(float (&d)[40], uint64_t a, uint64_t b, int accumulate)
{
    asm volatile("{\n"
                 ".reg .pred sum;\n"
                 "setp.ne.b32 sum, %42, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n80k16.f32.bf16.bf16 {" REGISTERS_40 "}, "
                 "%40, %41, sum, 1, 1, 0, 0;\n"
                 "}"
                 : SUMS_40
                 : "l"(a), "l"(b), "r"(accumulate));
}

/* d [64][n] += a [64][16] b [16][n], n twice d's length; a in registers as multiply_narrow has it for each
 * warp's 16 rows, b in shared memory (warpgroup_operand_across). */
#define WARPGROUP_MULTIPLY_ROWS(n, half, a0, a1, a2, a3, b0)                                   \
    DEVICE void warpgroup_multiply_rows(float(&d)[half], const uint32_t(&a)[4], uint64_t b)    \
    {                                                                                          \
        asm volatile("{\n"                                                                     \
                     ".reg .pred sum;\n"                                                       \
                     "setp.ne.b32 sum, 1, 0;\n"                                                \
                     "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32.bf16.bf16 "               \
                     "{" REGISTERS_##half "}, {%" #a0 ", %" #a1 ", %" #a2 ", %" #a3 "}, %" #b0 \
                                          ", sum, 1, 1, 1;\n"                                  \
                                          "}"                                                  \
                     : SUMS_##half                                                             \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                    \
    }
WARPGROUP_MULTIPLY_ROWS(40, 20, 20, 21, 22, 23, 24)
WARPGROUP_MULTIPLY_ROWS(64, 32, 32, 33, 34, 35, 36)
WARPGROUP_MULTIPLY_ROWS(80, 40, 40, 41, 42, 43, 44)
WARPGROUP_MULTIPLY_ROWS(128, 64, 64, 65, 66, 67, 68)
WARPGROUP_MULTIPLY_ROWS(160, 80, 80, 81, 82, 83, 84)
#undef WARPGROUP_MULTIPLY_ROWS
#undef REGISTERS_20
#undef REGISTERS_32
#undef REGISTERS_40
#undef REGISTERS_64
#undef REGISTERS_80
#undef SUMS_4
#undef SUMS_20
#undef SUMS_32
#undef SUMS_40
#undef SUMS_64
#undef SUMS_80

/* As warpgroup_settle, of a left operand: nothing takes its place before the wait. */
DEVICE void warpgroup_settle_rows(uint32_t (&a)[4])
{
#pragma unroll
    for (int i = 0; i < 4; i++) asm volatile("" : "+r"(a[i])::"memory");
}
#endif
#endif

/* Describes an operand whose 64 neighbouring columns are a row of 128 bytes, swizzled as TMA's 128-byte mode
 * leaves them: of k, eight rows are 1024 bytes; the next 64 columns lie `apart` bytes on.  at: its first
 * row, a multiple of 1024. */
DEVICE uint64_t warpgroup_operand_across(uint32_t at, uint32_t apart)
{
    const uint64_t swizzle_128 = 1ull << 62, stride = (uint64_t)(1024 >> 4) << 32;

    return swizzle_128 | stride | (uint64_t)(apart >> 4) << 16 | (uint64_t)((at & 0x3ffff) >> 4);
}

/* What lies so many bytes on in the same tile: the lower half has the address. */
DEVICE uint64_t warpgroup_operand_on(uint64_t operand, uint32_t bytes)
{
    return (operand & 0xffffffff00000000ull) | ((uint32_t)operand + (bytes >> 4));
}

#endif
