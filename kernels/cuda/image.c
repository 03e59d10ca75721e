/* SPDX-License-Identifier: MIT
 *
 * The module that nvcc made, as bytes of the library.
 */
#include "config.h"

#include "kernels/cuda/cuda.h"

#if HAVE_NVCC
/* The folder of the build is where the compiler runs. */
__asm__(".section .rodata\n"
        ".balign 64\n"
        ".globl sdrt_cuda_image\n"
        ".hidden sdrt_cuda_image\n"
        "sdrt_cuda_image:\n"
        ".incbin \"kernels/cuda/all.fatbin\"\n"
        "sdrt_cuda_image_end:\n"
        ".balign 8\n"
        ".globl sdrt_cuda_image_bytes\n"
        ".hidden sdrt_cuda_image_bytes\n"
        "sdrt_cuda_image_bytes:\n"
        ".quad sdrt_cuda_image_end - sdrt_cuda_image\n"
        ".previous\n");
#else
const unsigned char sdrt_cuda_image[1] = { 0 };
const size_t sdrt_cuda_image_bytes = 0;
#endif
