bin_PROGRAMS += sdbench
sdbench_SOURCES = \
	bench/sdbench.c bench/sdbench.h bench/allocations.c \
	bench/harness.c bench/harness.h \
	bench/kernels.c bench/model.c bench/roofline.c \
	bench/roof.c bench/roof.h bench/roof_generic.c \
	bench/shapes_attention.h bench/shapes_conv.h bench/shapes_gemm.h bench/shapes_norm.h
sdbench_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc
sdbench_LDADD = libmodel.la libruntime.la libkernels.la $(DEPS_LIBS)
dist_man_MANS += man/sdbench.1

if HAVE_AVX2
noinst_LTLIBRARIES += libroof_avx2.la
libroof_avx2_la_SOURCES = bench/roof_avx2.c
libroof_avx2_la_CFLAGS = $(AM_CFLAGS) -O3 $(AVX2_CFLAGS)
sdbench_LDADD += libroof_avx2.la
endif

if HAVE_AVX512
noinst_LTLIBRARIES += libroof_avx512.la
libroof_avx512_la_SOURCES = bench/roof_avx512.c
libroof_avx512_la_CFLAGS = $(AM_CFLAGS) -O3 $(AVX512_CFLAGS)
sdbench_LDADD += libroof_avx512.la
endif
