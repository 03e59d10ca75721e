bin_PROGRAMS += sdbench
# Counts, and refuses on demand, what the objects of a program allocate; see the header.
if HAVE_WRAP
ALLOCATIONS = bench/allocations.c bench/allocations.h
COUNT_ALLOCATIONS = \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=posix_memalign
else
ALLOCATIONS = bench/allocations_uncounted.c bench/allocations.h
COUNT_ALLOCATIONS =
endif
SDBENCH_PARTS = \
	bench/sdbench.h $(ALLOCATIONS) bench/options.c \
	bench/report.c bench/report.h bench/report_forms.c bench/report_csv.c bench/report_internal.h \
	bench/machine.c bench/machine.h bench/energy.c bench/energy.h bench/load.c bench/load.h \
	bench/harness.c bench/harness.h bench/stats.c bench/stats.h \
	bench/roof.c bench/roof_arithmetic.c bench/roof.h bench/roof_gpu.c bench/roof_gpu.h bench/roofline_gpu.c bench/roof_generic.c \
	bench/bound.c bench/bound.h bench/pass.c bench/pass.h bench/ranks.c bench/layers.c bench/layers.h bench/layers_svg.c \
	bench/compare.c bench/results_file.c bench/results_file.h bench/generate.c bench/kernels.c bench/kernel_contest.c bench/kernel_contest.h \
	bench/assembly.c bench/assembly.h bench/counters.c bench/counters.h bench/kernel_loop.c \
	bench/kernel_race.c bench/kernel_race.h bench/kernel_check.c bench/kernel_check.h bench/kernel_file.c \
	bench/elementwise.c bench/elementwise.h bench/oracle/elementwise.c bench/oracle/elementwise.h \
	bench/kernel_trial.c bench/kernel_trial.h bench/guarded.c bench/guarded.h \
	bench/shape_text.c bench/shape_text.h bench/shape_list.c bench/shape_list.h \
	bench/oracle/values.c bench/oracle/values.h bench/oracle/attention.c bench/oracle/attention.h \
	bench/oracle/conv.c bench/oracle/conv.h bench/oracle/gemm.c bench/oracle/gemm.h bench/oracle/norm.c bench/oracle/norm.h \
	bench/kernel_jobs.c bench/kernel_jobs.h bench/rivals.h bench/rival_openblas.c \
	bench/rival_onednn.c \
	bench/many.c bench/many.h bench/together.c \
	bench/model.c bench/roofline.c bench/error.c bench/score.c bench/score_prints.h bench/sketch.c bench/sketch.h bench/sweep.c bench/sweep.h bench/until.c bench/page.c bench/page.h bench/page_parts.h bench/page_overview.c bench/page_picture.c bench/page_table.c \
	bench/shapes_attention.h bench/shapes_conv.h bench/shapes_gemm.h bench/shapes_norm.h
sdbench_SOURCES = bench/sdbench.c $(SDBENCH_PARTS)
sdbench_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
SDBENCH_LIBS = libcli.la libmodel.la libruntime.la libkernels.la $(DEPS_LIBS) $(ONEDNN_LIBS)
sdbench_LDADD = $(SDBENCH_LIBS)
dist_man_MANS += man/sdbench.1

# What a kernel outside this tree includes, and one to begin with.
KERNEL_CONTRACT = kernels/dtype.h kernels/exec.h kernels/act.h kernels/pack.h kernels/gemm.h kernels/conv.h \
	kernels/attention.h kernels/norm.h kernels/elementwise.h kernels/plugin.h
EXTRA_DIST += build-aux/kernel-header.sh kernels/plugin.h
nodist_include_HEADERS = bench/plugin/sdrt_kernel.h
BUILT_SOURCES += bench/plugin/sdrt_kernel.h
CLEANFILES += bench/plugin/sdrt_kernel.h
bench/plugin/sdrt_kernel.h: $(KERNEL_CONTRACT) build-aux/kernel-header.sh
	$(AM_V_GEN)$(MKDIR_P) bench/plugin && $(SHELL) $(srcdir)/build-aux/kernel-header.sh $(srcdir) > $@.tmp && mv $@.tmp $@
plugindir = $(datadir)/sdrt/plugin
dist_plugin_DATA = bench/plugin/kernel.c bench/plugin/README.md bench/plugin/shapes.json
dist_plugin_DATA += bench/plugin/group_norm.c bench/plugin/elementwise.c

EXTRA_DIST += bench/pts/test-definition.xml bench/pts/results-definition.xml bench/pts/install.sh \
	bench/pts/make-profile.sh bench/results/README.md
EXTRA_DIST += bench/full-run.sh bench/gpu-run.sh bench/arm-day.sh bench/processor-day.sh bench/arm_model.py bench/gpu_model.py bench/peers/peers.py bench/peers/openvino_peer.py \
	bench/peers/nncf_peer.py bench/peers/sdcpp_peer.py bench/peers/sdrt_peer.py bench/peers/torch_peer.py

# What is being built, looked at by each make, written when it has changed.
EXTRA_DIST += build-aux/build-info.sh
CLEANFILES += bench/build_info.h
bench/machine.$(OBJEXT): bench/build_info.h
bench/build_info.h: build-info
	$(AM_V_at)$(SHELL) $(top_srcdir)/build-aux/build-info.sh $(top_srcdir) '$(CC) $(OPTIMISE) $(CFLAGS)' $@
.PHONY: build-info
dist-hook:
	$(SHELL) $(top_srcdir)/build-aux/build-info.sh $(top_srcdir) '' - > $(distdir)/COMMIT

if HAVE_NEON
noinst_LTLIBRARIES += libroof_neon.la
libroof_neon_la_SOURCES = bench/roof_neon.c
libroof_neon_la_CFLAGS = $(AM_CFLAGS) $(NEON_CFLAGS)
SDBENCH_LIBS += libroof_neon.la
endif

if HAVE_NEONBF16
noinst_LTLIBRARIES += libroof_neonbf16.la
libroof_neonbf16_la_SOURCES = bench/roof_neonbf16.c
libroof_neonbf16_la_CFLAGS = $(AM_CFLAGS) $(NEONBF16_CFLAGS)
SDBENCH_LIBS += libroof_neonbf16.la
endif

if HAVE_NEONF16
noinst_LTLIBRARIES += libroof_neonf16.la
libroof_neonf16_la_SOURCES = bench/roof_neonf16.c
libroof_neonf16_la_CFLAGS = $(AM_CFLAGS) $(NEONF16_CFLAGS)
SDBENCH_LIBS += libroof_neonf16.la
endif

if HAVE_AVX2
noinst_LTLIBRARIES += libroof_avx2.la
libroof_avx2_la_SOURCES = bench/roof_avx2.c bench/roof_simd.h
libroof_avx2_la_CFLAGS = $(AM_CFLAGS) $(AVX2_CFLAGS)
SDBENCH_LIBS += libroof_avx2.la
endif

if HAVE_AVX512
noinst_LTLIBRARIES += libroof_avx512.la
libroof_avx512_la_SOURCES = bench/roof_avx512.c bench/roof_simd.h
libroof_avx512_la_CFLAGS = $(AM_CFLAGS) $(AVX512_CFLAGS)
SDBENCH_LIBS += libroof_avx512.la
endif

if HAVE_AVX512BF16
noinst_LTLIBRARIES += libroof_avx512bf16.la
libroof_avx512bf16_la_SOURCES = bench/roof_avx512bf16.c
libroof_avx512bf16_la_CFLAGS = $(AM_CFLAGS) $(AVX512BF16_CFLAGS)
SDBENCH_LIBS += libroof_avx512bf16.la
endif

if HAVE_AMX
noinst_LTLIBRARIES += libroof_amx.la
libroof_amx_la_SOURCES = bench/roof_amx.c
libroof_amx_la_CFLAGS = $(AM_CFLAGS) $(AMX_CFLAGS)
SDBENCH_LIBS += libroof_amx.la
endif
