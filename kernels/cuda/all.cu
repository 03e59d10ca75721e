/* SPDX-License-Identifier: MIT
 *
 * All kernels as one module.  Each file's own names stay in a namespace; what they share is
 * included before.
 */
#include "kernels/cuda/attention_params.h"
#include "kernels/cuda/attention_rows.h"
#include "kernels/cuda/attention_wgmma.h"
#include "kernels/cuda/elementwise_params.h"
#include "kernels/cuda/epilogue.h"
#include "kernels/cuda/math.h"
#include "kernels/cuda/norm_params.h"
#include "kernels/cuda/probe_params.h"
#include "kernels/cuda/product.h"
#include "kernels/cuda/product_wgmma.h"
#include "kernels/cuda/ptx.h"
#include "kernels/cuda/split.h"
#include "kernels/cuda/warpgroup.h"

namespace attention_tiles {
#include "kernels/cuda/attention.cu"
}
namespace attention_rows {
#include "kernels/cuda/attention_plain.cu"
}
namespace attention_warpgroups {
#include "kernels/cuda/attention_wgmma.cu"
}
namespace elementwise_values {
#include "kernels/cuda/elementwise.cu"
}
namespace norms {
#include "kernels/cuda/norm.cu"
}
namespace operands {
#include "kernels/cuda/prepare.cu"
}
namespace probes {
#include "kernels/cuda/probe.cu"
}
namespace product_tiles {
#include "kernels/cuda/product.cu"
}
namespace product_floats {
#include "kernels/cuda/product_f32.cu"
}
namespace product_warpgroups {
#include "kernels/cuda/product_wgmma.cu"
}
