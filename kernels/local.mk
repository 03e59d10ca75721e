noinst_LTLIBRARIES += libkernels.la
libkernels_la_SOURCES = \
	kernels/isa.c kernels/isa.h kernels/dtype.h kernels/exec.h \
	kernels/ops.c kernels/ops.h \
	kernels/gemm.h kernels/conv.h kernels/attention.h kernels/norm.h kernels/elementwise.h \
	kernels/pack.h
libkernels_la_LIBADD =
