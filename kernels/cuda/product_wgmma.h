/* SPDX-License-Identifier: MIT
 *
 * Parameters of the products for sm_90a.
 */
#ifndef SDRT_KERNELS_CUDA_PRODUCT_WGMMA_H
#define SDRT_KERNELS_CUDA_PRODUCT_WGMMA_H

#include "kernels/cuda/product.h"
#include "kernels/cuda/tensor_map.h"

struct sdrt_cuda_product_wgmma {
    sdrt_cuda_map a; /* (channel, column, row, image), box of 64 channels of the block's pixels */
    sdrt_cuda_map w; /* (channel, row, tap), box of 64 channels of tile_n rows */
    struct sdrt_cuda_product p;
    int batch;
    int box_w, box_h, box_n; /* the block's 128 pixels: columns, rows, images */
};

#endif
