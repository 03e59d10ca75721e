/* SPDX-License-Identifier: MIT
 *
 * All kernels of kernels/cuda, one row each.  No include guard: define the row, include the list.
 *
 *   SDRT_CUDA_KERNEL(name, threads, shared, shared_75, capability)
 *       threads     of a block
 *       shared      bytes of shared memory, the most that a launch asks for
 *       shared_75   the same on a device of capability 7.5, which has 64 KiB
 *       capability  the least that a device must have; below it the kernel is never launched
 */
SDRT_CUDA_KERNEL(product_128x128, 128, 65536, 32768, 75)
SDRT_CUDA_KERNEL(product_64x64, 128, 32768, 16384, 75)
SDRT_CUDA_KERNEL(product_read_128x128, 128, 65536, 0, 80)
SDRT_CUDA_KERNEL(product_read_64x64, 128, 32768, 16384, 75)
SDRT_CUDA_KERNEL(product_f8_128x128, 128, 65536, 32768, 75)
SDRT_CUDA_KERNEL(product_f8_64x64, 128, 32768, 16384, 75)
SDRT_CUDA_KERNEL(product_f8_read_64x64, 128, 32768, 16384, 75)
SDRT_CUDA_KERNEL(product_wgmma_128, 384, 131136, 0, 90)
SDRT_CUDA_KERNEL(product_wgmma_256, 384, 196672, 0, 90)
SDRT_CUDA_KERNEL(product_f32, 256, 8448, 8448, 75)
SDRT_CUDA_KERNEL(prepare, 256, 0, 0, 75)
SDRT_CUDA_KERNEL(group_norm_fold, 256, 64, 64, 75)
SDRT_CUDA_KERNEL(group_norm_operand, 1024, 256, 256, 75)
SDRT_CUDA_KERNEL(group_norm_operand_small, 256, 64, 64, 75)
SDRT_CUDA_KERNEL(layer_norm, 128, 0, 0, 75)
SDRT_CUDA_KERNEL(rms_norm, 128, 0, 0, 75)
SDRT_CUDA_KERNEL(attention_40, 128, 35840, 14336, 75)
SDRT_CUDA_KERNEL(attention_64, 128, 46080, 18432, 75)
SDRT_CUDA_KERNEL(attention_80, 128, 56320, 22528, 75)
SDRT_CUDA_KERNEL(attention_160, 128, 107520, 43008, 75)
SDRT_CUDA_KERNEL(attention_plain, 128, 8192, 8192, 75)
SDRT_CUDA_KERNEL(timestep_embedding, 128, 0, 0, 75)
SDRT_CUDA_KERNEL(silu_of_sums, 128, 0, 0, 75)
SDRT_CUDA_KERNEL(embed, 128, 0, 0, 75)
SDRT_CUDA_KERNEL(relative_bias, 128, 0, 0, 75)
SDRT_CUDA_KERNEL(guide, 128, 0, 0, 75)
SDRT_CUDA_KERNEL(to_nhwc, 128, 0, 0, 75)
SDRT_CUDA_KERNEL(to_nchw, 128, 0, 0, 75)
SDRT_CUDA_KERNEL(to_patches, 128, 0, 0, 75)
SDRT_CUDA_KERNEL(from_patches, 128, 0, 0, 75)
SDRT_CUDA_KERNEL(crop, 128, 0, 0, 75)
SDRT_CUDA_KERNEL(relu_in_place, 128, 0, 0, 75)
SDRT_CUDA_KERNEL(silu_in_place, 128, 0, 0, 75)
SDRT_CUDA_KERNEL(halve, 128, 0, 0, 75)
SDRT_CUDA_KERNEL(blend, 128, 0, 0, 75)
SDRT_CUDA_KERNEL(low_frequencies, 128, 3584, 3584, 75)
SDRT_CUDA_KERNEL(probe_empty, 256, 0, 0, 75)
SDRT_CUDA_KERNEL(probe_mma, 256, 0, 0, 75)
SDRT_CUDA_KERNEL(probe_fma, 256, 0, 0, 75)
SDRT_CUDA_KERNEL(probe_copy, 256, 0, 0, 75)
#undef SDRT_CUDA_KERNEL
