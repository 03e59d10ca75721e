noinst_LTLIBRARIES += libkernels.la
libkernels_la_SOURCES = \
	kernels/act.h kernels/levels.h kernels/isa.c kernels/isa.h kernels/dtype.h kernels/exec.h \
	kernels/ops.c kernels/ops.h \
	kernels/gemm.h kernels/conv.h kernels/attention.h kernels/norm.h kernels/elementwise.h \
	kernels/pack.h kernels/store.h kernels/generic/store.c \
	kernels/generic/attention.c kernels/generic/conv.c kernels/generic/elementwise.c \
	kernels/generic/blocks.c kernels/generic/blocks.h \
	kernels/generic/gemm.c kernels/generic/norm.c kernels/generic/pack.c \
	kernels/generic/conv_pixel.h kernels/generic/half.h kernels/generic/scalar.h kernels/generic/tile.h kernels/generic/typed.h \
	kernels/blas/conv.c kernels/blas/gemm.c kernels/blas/leave.h \
	kernels/blas/library.h kernels/blas/threads.h kernels/blas/weights.h
# The host's side of the device "cuda", which every build has.
libkernels_la_SOURCES += kernels/stream.h kernels/cuda/attention.c kernels/cuda/attention_params.h \
	kernels/cuda/attention_wgmma.h kernels/cuda/tensor_map.h \
	kernels/cuda/conv.c kernels/cuda/cuda.h kernels/cuda/elementwise.c \
	kernels/cuda/elementwise_params.h kernels/cuda/gemm.c kernels/cuda/image.c \
	kernels/cuda/launch.h kernels/cuda/list.h kernels/cuda/norm.c kernels/cuda/norm_params.h \
	kernels/cuda/ops.c kernels/cuda/probe_params.h kernels/cuda/product.c kernels/cuda/product.h kernels/cuda/product_host.h \
	kernels/cuda/product_wgmma.h kernels/cuda/tiling.c
GPU_INCLUDES = kernels/cuda/attention_rows.h kernels/cuda/epilogue.h kernels/cuda/math.h \
	kernels/cuda/ptx.h kernels/cuda/split.h kernels/cuda/warpgroup.h
GPU_KERNELS = kernels/cuda/attention.cu kernels/cuda/attention_plain.cu \
	kernels/cuda/attention_wgmma.cu kernels/cuda/elementwise.cu \
	kernels/cuda/norm.cu kernels/cuda/prepare.cu kernels/cuda/probe.cu kernels/cuda/product.cu \
	kernels/cuda/product_f32.cu kernels/cuda/product_wgmma.cu
EXTRA_DIST += $(GPU_INCLUDES) $(GPU_KERNELS) kernels/cuda/all.cu
# What the kernels include of the host's headers.
CUDA_DEPENDS = $(GPU_INCLUDES) kernels/act.h kernels/dtype.h kernels/cuda/attention_params.h \
	kernels/cuda/attention_wgmma.h kernels/cuda/tensor_map.h \
	kernels/cuda/elementwise_params.h kernels/cuda/norm_params.h kernels/cuda/probe_params.h kernels/cuda/product.h \
	kernels/cuda/product_wgmma.h
if HAVE_NVCC
# Machine code for T4 and its likes, for A100 and its likes and for H100, and PTX, which drivers compile
# for all others.
NVCCFLAGS = -std=c++17 -O3
CUDA_TARGETS = -gencode arch=compute_75,code=sm_75 -gencode arch=compute_80,code=sm_80 \
	-gencode arch=compute_90a,code=sm_90a -gencode arch=compute_80,code=compute_80
# What the assembler says of registers and spills stays beside it for tests/check_cubins.sh.
kernels/cuda/all.fatbin: kernels/cuda/all.cu $(GPU_KERNELS) $(CUDA_DEPENDS)
	$(AM_V_GEN)$(MKDIR_P) kernels/cuda && { $(NVCC) $(NVCCFLAGS) $(CUDA_TARGETS) -Xptxas -v -I$(srcdir) \
		-fatbin -o $@ $(srcdir)/kernels/cuda/all.cu > $@.log 2>&1 || { cat $@.log; rm -f $@; exit 1; }; }
# By another name, since automake takes a target that it sees here for the whole rule.
IMAGE_OBJECT = kernels/cuda/libkernels_la-image.lo
$(IMAGE_OBJECT): kernels/cuda/all.fatbin
CLEANFILES += kernels/cuda/all.fatbin kernels/cuda/all.fatbin.log
endif
if MACOS
libkernels_la_SOURCES += kernels/blas/threads_accelerate.c
else
libkernels_la_SOURCES += kernels/blas/threads_openblas.c
endif
libkernels_la_CFLAGS = $(AM_CFLAGS)
libkernels_la_LIBADD =

SIMD_BODIES = kernels/simd/attention.h kernels/simd/conv.h kernels/simd/gemm.h \
	kernels/simd/attention_bf16.h kernels/simd/attention_int16.h \
	kernels/simd/attention_int16_pack.h kernels/simd/attention_pack.h kernels/simd/conv_bf16.h kernels/simd/gemm_bf16.h \
	kernels/simd/math.h kernels/simd/narrow.h kernels/simd/norm.h kernels/simd/slot.h \
	kernels/simd/slot_bf16.h \
	kernels/simd/tile.h kernels/simd/unroll.h kernels/simd/winograd.h \
	kernels/simd/winograd_int16.h kernels/simd/winograd_int16_pack.h \
	kernels/simd/winograd_tiles.h kernels/simd/int16.h kernels/simd/slot_int16.h \
	kernels/simd/slot_int8.h kernels/simd/slot_integers.h kernels/simd/slot_units.h kernels/simd/unit.h \
	kernels/simd/product_integers.h kernels/simd/conv_int16.h
EXTRA_DIST += $(SIMD_BODIES)

# A level's files: compiled with its flags for the library, and for the tests of those that
# tests/emulation/ covers once more over emulated instructions.
NEON_FILES = kernels/neon/attention.c kernels/neon/conv.c kernels/neon/gemm.c \
	kernels/neon/norm.c kernels/neon/product.h kernels/neon/product_sum.h \
	kernels/neon/quarter.h kernels/neon/vec.h
if HAVE_NEON
noinst_LTLIBRARIES += libk_neon.la
libk_neon_la_SOURCES = $(NEON_FILES)
libk_neon_la_CFLAGS = $(AM_CFLAGS) $(NEON_CFLAGS)
libkernels_la_LIBADD += libk_neon.la
endif

NEONBF16_FILES = kernels/neonbf16/attention.c kernels/neonbf16/conv.c kernels/neonbf16/gemm.c \
	kernels/neonbf16/narrow.h kernels/neonbf16/product.h kernels/neonbf16/slot.h
if HAVE_NEONBF16
noinst_LTLIBRARIES += libk_neonbf16.la
libk_neonbf16_la_SOURCES = $(NEONBF16_FILES)
libk_neonbf16_la_CFLAGS = $(AM_CFLAGS) $(NEONBF16_CFLAGS)
libkernels_la_LIBADD += libk_neonbf16.la
endif

NEONMMLA_FILES = kernels/neonmmla/attention.c kernels/neonmmla/conv.c kernels/neonmmla/gemm.c \
	kernels/neonmmla/product.h kernels/neonmmla/slot.h kernels/neonbf16/narrow.h
if HAVE_NEONMMLA
noinst_LTLIBRARIES += libk_neonmmla.la
libk_neonmmla_la_SOURCES = $(NEONMMLA_FILES)
libk_neonmmla_la_CFLAGS = $(AM_CFLAGS) $(NEONMMLA_CFLAGS)
libkernels_la_LIBADD += libk_neonmmla.la
endif

NEONF16_FILES = kernels/neonf16/attention.c kernels/neonf16/attention_pack.h \
	kernels/neonf16/conv.c kernels/neonf16/gemm.c kernels/neonf16/product.h \
	kernels/neonf16/slot.h kernels/neonf16/vec.h
if HAVE_NEONF16
noinst_LTLIBRARIES += libk_neonf16.la
libk_neonf16_la_SOURCES = $(NEONF16_FILES)
libk_neonf16_la_CFLAGS = $(AM_CFLAGS) $(NEONF16_CFLAGS)
libkernels_la_LIBADD += libk_neonf16.la
endif

AVX2_FILES = kernels/avx2/attention.c kernels/avx2/conv.c kernels/avx2/gemm.c \
	kernels/avx2/norm.c kernels/avx2/vec.h
if HAVE_AVX2
noinst_LTLIBRARIES += libk_avx2.la
libk_avx2_la_SOURCES = $(AVX2_FILES)
libk_avx2_la_CFLAGS = $(AM_CFLAGS) $(AVX2_CFLAGS)
libkernels_la_LIBADD += libk_avx2.la
endif

AVX2INT16_FILES = kernels/avx2int16/attention.c kernels/avx2int16/conv.c kernels/avx2int16/gemm.c kernels/avx2int16/int16.h
if HAVE_AVX2
noinst_LTLIBRARIES += libk_avx2int16.la
libk_avx2int16_la_SOURCES = $(AVX2INT16_FILES)
libk_avx2int16_la_CFLAGS = $(AM_CFLAGS) $(AVX2_CFLAGS)
libkernels_la_LIBADD += libk_avx2int16.la
endif

EMULATED_FILES =
AVX512_FILES = kernels/avx512/attention.c kernels/avx512/conv.c kernels/avx512/gemm.c \
	kernels/avx512/norm.c kernels/avx512/vec.h
if HAVE_AVX512
noinst_LTLIBRARIES += libk_avx512.la
libk_avx512_la_SOURCES = $(AVX512_FILES)
libk_avx512_la_CFLAGS = $(AM_CFLAGS) $(AVX512_CFLAGS)
libkernels_la_LIBADD += libk_avx512.la
EMULATED_FILES += $(AVX512_FILES)
endif

AVXVNNI_FILES = kernels/avxvnni/attention.c kernels/avxvnni/conv.c kernels/avxvnni/gemm.c kernels/avxvnni/gemm_int8.c kernels/avx2/rotate.h \
	kernels/avxvnni/int16.h
if HAVE_AVXVNNI
noinst_LTLIBRARIES += libk_avxvnni.la
libk_avxvnni_la_SOURCES = $(AVXVNNI_FILES)
libk_avxvnni_la_CFLAGS = $(AM_CFLAGS) $(AVXVNNI_CFLAGS)
libkernels_la_LIBADD += libk_avxvnni.la
EMULATED_FILES += $(AVXVNNI_FILES)
endif

# Products of 16-bit integers.
AVX512VNNI_FILES = kernels/avx512vnni/attention.c kernels/avx512vnni/conv.c kernels/avx512vnni/gemm.c \
	kernels/avx512vnni/gemm_int8.c kernels/avx512/rotate.h kernels/avx512vnni/int16.h kernels/avx512vnni/int8.h
if HAVE_AVX512VNNI
noinst_LTLIBRARIES += libk_avx512vnni.la
libk_avx512vnni_la_SOURCES = $(AVX512VNNI_FILES)
libk_avx512vnni_la_CFLAGS = $(AM_CFLAGS) $(AVX512VNNI_CFLAGS)
libkernels_la_LIBADD += libk_avx512vnni.la
EMULATED_FILES += $(AVX512VNNI_FILES)
endif

AVX512BF16_FILES = kernels/avx512bf16/attention.c kernels/avx512bf16/attention_fused.h \
	kernels/avx512bf16/conv.c kernels/avx512bf16/gemm.c kernels/avx512bf16/slot.h \
	kernels/avx512/bf16.h
if HAVE_AVX512BF16
noinst_LTLIBRARIES += libk_avx512bf16.la
libk_avx512bf16_la_SOURCES = $(AVX512BF16_FILES)
libk_avx512bf16_la_CFLAGS = $(AM_CFLAGS) $(AVX512BF16_CFLAGS)
libkernels_la_LIBADD += libk_avx512bf16.la
EMULATED_FILES += $(AVX512BF16_FILES)
endif

if HAVE_AVX512VNNI
if HAVE_AVX512BF16
AVX512BF16VNNI_FILES = kernels/avx512bf16vnni/attention.c
libkernels_la_SOURCES += $(AVX512BF16VNNI_FILES)
EMULATED_FILES += $(AVX512BF16VNNI_FILES)
endif
endif

# The vectors between the tiles are AVX-512's, and so is what tiles do not serve.
AMX_FILES = kernels/amx/attention.c kernels/amx/attention_unit.h kernels/amx/flash.h \
	kernels/amx/wide.h kernels/amx/conv.c kernels/amx/conv3x3.h kernels/amx/conv_cut.h \
	kernels/amx/conv_feed.h kernels/amx/gemm.c \
	kernels/amx/int8.h kernels/avx512/rotate.h kernels/amx/linear.h kernels/amx/math.h kernels/amx/pack.h kernels/amx/pixel.h kernels/amx/tile.h
if HAVE_AMX
noinst_LTLIBRARIES += libk_amx.la
libk_amx_la_SOURCES = $(AMX_FILES)
libk_amx_la_CFLAGS = $(AM_CFLAGS) $(AMX_CFLAGS)
libkernels_la_LIBADD += libk_amx.la
EMULATED_FILES += $(AMX_FILES)
endif
