# One Criterion program for each piece; tests find their data through SDRT_TESTDATA.
AM_TESTS_ENVIRONMENT = SDRT_TESTDATA='$(top_srcdir)/tests'; export SDRT_TESTDATA;
# ThreadSanitizer gets a stand-in for Criterion, which does not start under it.
if PLAIN_TESTS
check_LTLIBRARIES += tests/libplain.la
tests_libplain_la_SOURCES = tests/plain/plain.c tests/plain/criterion/criterion.h \
	tests/plain/criterion/new/assert.h
tests_libplain_la_CFLAGS = $(TEST_CFLAGS)
HARNESS_CFLAGS = -I$(top_srcdir)/tests/plain
HARNESS_LIBS = tests/libplain.la
else
HARNESS_CFLAGS = $(CRITERION_CFLAGS)
HARNESS_LIBS = $(CRITERION_LIBS)
endif
TEST_CFLAGS = $(AM_CFLAGS) -Wno-frame-larger-than $(HARNESS_CFLAGS)
TEST_LIBS = libmodel.la libruntime.la libkernels.la $(HARNESS_LIBS) $(DEPS_LIBS)

check_PROGRAMS += tests/test_rng
tests_test_rng_SOURCES = tests/test_rng.c
tests_test_rng_CFLAGS = $(TEST_CFLAGS)
tests_test_rng_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/rng.txt tests/oracle/make_rng_golden.py

# The sampler's test counts and refuses allocations in the objects it links.
check_PROGRAMS += tests/test_sampler
tests_test_sampler_SOURCES = tests/test_sampler.c tests/trajectory.h $(ALLOCATIONS)
tests_test_sampler_CFLAGS = $(TEST_CFLAGS)
tests_test_sampler_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_sampler_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/sampler.bin tests/oracle/make_sampler_golden.py

# This one refuses allocations too.
check_PROGRAMS += tests/test_tokenizer tests/fuzz_tokenizer
tests_test_tokenizer_SOURCES = tests/test_tokenizer.c $(ALLOCATIONS)
tests_test_tokenizer_CFLAGS = $(TEST_CFLAGS)
tests_test_tokenizer_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_tokenizer_LDADD = $(TEST_LIBS) -lpthread
tests_fuzz_tokenizer_SOURCES = tests/fuzz_tokenizer.c tests/fuzz.h
tests_fuzz_tokenizer_LDADD = libmodel.la libruntime.la libkernels.la $(DEPS_LIBS)
EXTRA_DIST += tests/golden/tokenizer.txt tests/golden/characters.txt tests/oracle/make_tokenizer_golden.py

# Prompts as they are written for other programs.
check_PROGRAMS += tests/test_prompts
tests_test_prompts_SOURCES = tests/test_prompts.c tests/any_level.h $(GOLDEN_IMAGES)
tests_test_prompts_CFLAGS = $(TEST_CFLAGS)
tests_test_prompts_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/prompts tests/oracle/a1111_prompts.py tests/oracle/make_prompts_golden.py \
	tests/oracle/make_vectors_golden.py

check_PROGRAMS += tests/test_compel
tests_test_compel_SOURCES = tests/test_compel.c tests/any_level.h $(GOLDEN_IMAGES)
tests_test_compel_CFLAGS = $(TEST_CFLAGS)
tests_test_compel_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/compel tests/oracle/make_compel_golden.py

check_PROGRAMS += tests/test_few_steps
tests_test_few_steps_SOURCES = tests/test_few_steps.c tests/temp_folder.c tests/temp_folder.h
tests_test_few_steps_CFLAGS = $(TEST_CFLAGS)
tests_test_few_steps_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_file_hash
tests_test_file_hash_SOURCES = tests/test_file_hash.c $(GOLDEN_IMAGES)
tests_test_file_hash_CFLAGS = $(TEST_CFLAGS)
tests_test_file_hash_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_variants tests/fuzz_prompts
tests_test_variants_SOURCES = tests/test_variants.c $(GOLDEN_IMAGES)
tests_test_variants_CFLAGS = $(TEST_CFLAGS)
tests_test_variants_LDADD = $(TEST_LIBS)
tests_fuzz_prompts_SOURCES = tests/fuzz_prompts.c tests/fuzz.h
tests_fuzz_prompts_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_k_samplers
tests_test_k_samplers_SOURCES = tests/test_k_samplers.c tests/trajectory.h $(ALLOCATIONS)
tests_test_k_samplers_CFLAGS = $(TEST_CFLAGS)
tests_test_k_samplers_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_k_samplers_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/k_samplers.bin tests/golden/churn_samplers.bin tests/oracle/make_churn_golden.py tests/golden/d_samplers.bin \
	tests/golden/pp_samplers.bin tests/oracle/make_pp_golden.py tests/oracle/make_k_golden.py \
	tests/golden/adaptive_samplers.bin tests/oracle/make_adaptive_golden.py \
	tests/golden/comfy_samplers.bin tests/oracle/make_comfy_golden.py \
	tests/oracle/make_d_golden.py

check_PROGRAMS += tests/test_guidance
tests_test_guidance_SOURCES = tests/test_guidance.c $(GOLDEN_IMAGES)
tests_test_guidance_CFLAGS = $(TEST_CFLAGS)
tests_test_guidance_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/oracle/make_guidance_golden.py

# Counts allocations too.
check_PROGRAMS += tests/test_cache
tests_test_cache_SOURCES = tests/test_cache.c $(GOLDEN_IMAGES) $(ALLOCATIONS)
tests_test_cache_CFLAGS = $(TEST_CFLAGS)
tests_test_cache_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_cache_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/cache tests/oracle/make_cache_golden.py

check_PROGRAMS += tests/test_guide
tests_test_guide_SOURCES = tests/test_guide.c $(GOLDEN_IMAGES) $(ALLOCATIONS)
tests_test_guide_CFLAGS = $(TEST_CFLAGS)
tests_test_guide_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_guide_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/guide tests/oracle/make_guide_golden.py

check_PROGRAMS += tests/test_t5_tokenizer tests/fuzz_t5_tokenizer
tests_test_t5_tokenizer_SOURCES = tests/test_t5_tokenizer.c tests/temp_folder.c \
	tests/temp_folder.h
tests_test_t5_tokenizer_CFLAGS = $(TEST_CFLAGS)
tests_test_t5_tokenizer_LDADD = $(TEST_LIBS)
tests_fuzz_t5_tokenizer_SOURCES = tests/fuzz_t5_tokenizer.c tests/fuzz.h
tests_fuzz_t5_tokenizer_LDADD = libmodel.la libruntime.la libkernels.la $(DEPS_LIBS)
EXTRA_DIST += tests/golden/t5-tokenizer tests/oracle/make_t5_tokenizer_golden.py

check_PROGRAMS += tests/test_checkpoint tests/test_checkpoint_folder
CHECKPOINT_CASES = tests/checkpoint_cases.c tests/checkpoint_cases.h tests/checkpoint_files.c \
	tests/checkpoint_files.h tests/checkpoint_pickled.c tests/checkpoint_pickled.h tests/temp_folder.c tests/temp_folder.h
tests_test_checkpoint_SOURCES = tests/test_checkpoint.c $(CHECKPOINT_CASES)
tests_test_checkpoint_CFLAGS = $(TEST_CFLAGS)
tests_test_checkpoint_LDADD = $(TEST_LIBS)
tests_test_checkpoint_folder_SOURCES = tests/test_checkpoint_folder.c $(CHECKPOINT_CASES)
tests_test_checkpoint_folder_CFLAGS = $(TEST_CFLAGS)
tests_test_checkpoint_folder_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/sd15_names.txt tests/oracle/make_sd15_names.py

# Memory and threads.
check_PROGRAMS += tests/test_planner tests/test_team tests/test_topology tests/test_arena
tests_test_planner_SOURCES = tests/test_planner.c
tests_test_planner_CFLAGS = $(TEST_CFLAGS)
tests_test_planner_LDADD = $(TEST_LIBS)
TEST_MACHINES = tests/machines.c tests/machines.h
TEAM_TESTS = tests/test_team.c tests/test_team_shares.c tests/teams.h $(TEST_MACHINES)
tests_test_team_SOURCES = $(TEAM_TESTS)
tests_test_team_CFLAGS = $(TEST_CFLAGS)
tests_test_team_LDADD = $(TEST_LIBS) -lpthread
# The team once more over what it sleeps by where there is no futex.
check_PROGRAMS += tests/test_team_posix
tests_test_team_posix_SOURCES = $(TEAM_TESTS) runtime/machine/sleep_posix.c
tests_test_team_posix_CFLAGS = $(TEST_CFLAGS)
tests_test_team_posix_LDADD = $(TEST_LIBS) -lpthread
tests_test_topology_SOURCES = tests/test_topology.c $(TEST_MACHINES)
tests_test_topology_CFLAGS = $(TEST_CFLAGS)
tests_test_topology_LDADD = $(TEST_LIBS)
tests_test_arena_SOURCES = tests/test_arena.c
tests_test_arena_CFLAGS = $(TEST_CFLAGS)
tests_test_arena_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/test_device
tests_test_device_SOURCES = tests/test_device.c $(TEST_KERNELS) tests/temp_folder.c \
	tests/temp_folder.h
tests_test_device_CFLAGS = $(TEST_CFLAGS)
tests_test_device_LDADD = $(TEST_LIBS)

# Ranks, which are threads here; over MPI they are in check_mpi.sh.
check_PROGRAMS += tests/test_rows
tests_test_rows_SOURCES = tests/test_rows.c $(THREAD_RANKS) tests/golden_models.c tests/golden_models.h \
	tests/temp_folder.c tests/temp_folder.h
tests_test_rows_CFLAGS = $(TEST_CFLAGS)
tests_test_rows_LDADD = $(TEST_LIBS) -lpthread
THREAD_RANKS = tests/ranks_threads.c tests/ranks_threads.h
check_PROGRAMS += tests/test_ranks
tests_test_ranks_SOURCES = tests/test_ranks.c $(THREAD_RANKS)
tests_test_ranks_CFLAGS = $(TEST_CFLAGS)
tests_test_ranks_LDADD = $(TEST_LIBS) -lpthread

# The kernels, each family at every level that the machine can run, and from the same sources,
# over emulated instructions, at those that it cannot.
TEST_KERNELS = tests/support.c tests/support.h bench/oracle/values.c bench/oracle/values.h
TEST_LEVELS = $(TEST_KERNELS) tests/emulated.c tests/emulated.h
LEVEL_LIBS = $(EMULATED) $(TEST_LIBS)
EMULATED =
EXTRA_DIST += tests/emulation/amx.h tests/emulation/avx512.h tests/emulation/immintrin.h \
	tests/emulation/names.h
if HAVE_EMULATION
check_LIBRARIES += libemulated.a
libemulated_a_SOURCES = $(EMULATED_FILES) kernels/ops.c tests/emulation/amx.c
libemulated_a_CPPFLAGS = -I$(srcdir)/tests/emulation -include $(srcdir)/tests/emulation/names.h \
	$(AM_CPPFLAGS)
# -O1 compiles in half the time, and the tests take half as long again.
libemulated_a_CFLAGS = $(AM_CFLAGS) -O1 -Wno-psabi -Wno-frame-larger-than -Wno-unused-parameter \
	$(AVX2_CFLAGS)
EMULATED += libemulated.a
endif
check_PROGRAMS += tests/test_pack tests/test_gemm tests/test_gemm_int8 tests/test_conv tests/test_attention \
	tests/test_norm tests/test_elementwise
tests_test_pack_SOURCES = tests/test_pack.c $(TEST_LEVELS)
tests_test_pack_CFLAGS = $(TEST_CFLAGS)
tests_test_pack_LDADD = $(LEVEL_LIBS)
EXTRA_DIST += tests/golden/f8 tests/oracle/make_f8_golden.py
tests_test_gemm_SOURCES = tests/test_gemm.c bench/oracle/gemm.c bench/oracle/gemm.h \
	tests/weights.c tests/weights.h bench/shapes_gemm.h tests/gemm_not_finite.h $(TEST_LEVELS)
tests_test_gemm_CFLAGS = $(TEST_CFLAGS)
tests_test_gemm_LDADD = $(LEVEL_LIBS)
tests_test_gemm_int8_SOURCES = tests/test_gemm_int8.c tests/gemm_not_finite.h bench/oracle/gemm.c bench/oracle/gemm.h \
	$(TEST_LEVELS)
tests_test_gemm_int8_CFLAGS = $(TEST_CFLAGS)
tests_test_gemm_int8_LDADD = $(LEVEL_LIBS)
check_PROGRAMS += tests/test_balance
tests_test_balance_SOURCES = tests/test_balance.c $(TEST_LEVELS)
tests_test_balance_CFLAGS = $(TEST_CFLAGS)
tests_test_balance_LDADD = $(LEVEL_LIBS)
tests_test_conv_SOURCES = tests/test_conv.c bench/oracle/conv.c bench/oracle/conv.h \
	tests/weights.c tests/weights.h bench/shapes_conv.h $(TEST_LEVELS)
tests_test_conv_CFLAGS = $(TEST_CFLAGS)
tests_test_conv_LDADD = $(LEVEL_LIBS)
tests_test_attention_SOURCES = tests/test_attention.c bench/oracle/attention.c \
	bench/oracle/attention.h bench/shapes_attention.h $(TEST_LEVELS)
tests_test_attention_CFLAGS = $(TEST_CFLAGS)
tests_test_attention_LDADD = $(LEVEL_LIBS)
tests_test_norm_SOURCES = tests/test_norm.c bench/oracle/norm.c bench/oracle/norm.h \
	bench/shapes_norm.h $(TEST_LEVELS)
tests_test_norm_CFLAGS = $(TEST_CFLAGS)
tests_test_norm_LDADD = $(LEVEL_LIBS)
tests_test_elementwise_SOURCES = tests/test_elementwise.c $(TEST_LEVELS)
tests_test_elementwise_CFLAGS = $(TEST_CFLAGS)
tests_test_elementwise_LDADD = $(LEVEL_LIBS)

# CUDA's kernels, by an execution model in the place of a driver: the sources as C++, of which the
# compiler's pass for ThreadSanitizer shows every access.
SHIM_INCLUDES = tests/emulation/cuda/cuda_shim.h tests/emulation/cuda/internal.h \
	tests/emulation/cuda/shim.h
SHIM_PARTS = tests/emulation/cuda/async.cc tests/emulation/cuda/driver.cc \
	tests/emulation/cuda/hooks.cc tests/emulation/cuda/sectors.cc tests/emulation/cuda/shadow.cc \
	tests/emulation/cuda/shim.cc
CUDA_LEVEL = tests/cuda_call.h tests/cuda_level.c tests/cuda_level.h tests/cuda_level_elementwise.c $(SHIM_INCLUDES) $(TEST_KERNELS) tests/emulated.h
EXTRA_DIST += $(SHIM_PARTS) $(CUDA_LEVEL) tests/emulation/cuda/level/kernels/levels.h \
	tests/test_cuda_attention_wgmma.c tests/test_cuda_faults.c tests/test_cuda_sectors.c \
	tests/test_cuda_split.c
if HAVE_SHIM
SHIM_FLAGS = -std=c++17 -O2 -g -fPIC -fvisibility=default -Wall -Wextra -I$(srcdir) \
	-iquote $(srcdir)/tests/emulation/cuda
SHIM_OBJECTS = $(SHIM_PARTS:.cc=.shim.o) $(GPU_KERNELS:.cu=.shim.o)
# The same of a device of compute capability 7.5.
SHIM75_OBJECTS = $(SHIM_OBJECTS:.shim.o=.shim75.o)
SHIM_COMPILE = $(AM_V_GEN)$(MKDIR_P) $(@D) && $(SHIM_CXX) $(SHIM_FLAGS)
SHIM_KERNEL_FLAGS = -fsanitize=thread -Wno-unknown-pragmas -x c++
$(SHIM_PARTS:.cc=.shim.o): %.shim.o: %.cc $(SHIM_INCLUDES) kernels/cuda/ptx.h
	$(SHIM_COMPILE) -c -o $@ $(srcdir)/$*.cc
$(SHIM_PARTS:.cc=.shim75.o): %.shim75.o: %.cc $(SHIM_INCLUDES) kernels/cuda/ptx.h
	$(SHIM_COMPILE) -DSDRT_ARCH=75 -c -o $@ $(srcdir)/$*.cc
$(GPU_KERNELS:.cu=.shim.o): %.shim.o: %.cu $(SHIM_INCLUDES) $(CUDA_DEPENDS)
	$(SHIM_COMPILE) $(SHIM_KERNEL_FLAGS) -c -o $@ $(srcdir)/$*.cu
$(GPU_KERNELS:.cu=.shim75.o): %.shim75.o: %.cu $(SHIM_INCLUDES) $(CUDA_DEPENDS)
	$(SHIM_COMPILE) $(SHIM_KERNEL_FLAGS) -DSDRT_ARCH=75 -c -o $@ $(srcdir)/$*.cu
tests/libcuda-shim.so: $(SHIM_OBJECTS)
	$(AM_V_GEN)$(SHIM_CXX) -shared -Wl,-Bsymbolic -o $@ $(SHIM_OBJECTS) -ldl
tests/libcuda-shim75.so: $(SHIM75_OBJECTS)
	$(AM_V_GEN)$(SHIM_CXX) -shared -Wl,-Bsymbolic -o $@ $(SHIM75_OBJECTS) -ldl
CUDA_SHIMS = tests/libcuda-shim.so tests/libcuda-shim75.so
CUDA_SHIM_PATHS = -DSDRT_CUDA_SHIM='"$(abs_builddir)/tests/libcuda-shim.so"' \
	-DSDRT_CUDA_SHIM75='"$(abs_builddir)/tests/libcuda-shim75.so"'
CLEANFILES += $(CUDA_SHIMS) $(SHIM_OBJECTS) $(SHIM75_OBJECTS)
CUDA_CPPFLAGS = -iquote $(srcdir)/tests/emulation/cuda/level $(AM_CPPFLAGS) $(CUDA_SHIM_PATHS)
CUDA_LIBS = $(TEST_LIBS) -ldl
CUDA_TESTS = tests/test_cuda_gemm tests/test_cuda_conv tests/test_cuda_attention \
	tests/test_cuda_attention_wgmma tests/test_cuda_norm tests/test_cuda_elementwise tests/test_cuda_faults \
	tests/test_cuda_sectors tests/test_cuda_split
check_PROGRAMS += $(CUDA_TESTS)
# All their shapes, of which `make check` tries one in sixteen.
cuda-whole:
	$(AM_V_at)SDRT_CUDA_FULL=1 $(MAKE) $(AM_MAKEFLAGS) check TESTS='$(CUDA_TESTS) tests/test_gpu_models'
# The tests' programs look for it when they run.
EXTRA_tests_test_cuda_gemm_DEPENDENCIES = $(CUDA_SHIMS)
EXTRA_tests_test_cuda_conv_DEPENDENCIES = $(CUDA_SHIMS)
EXTRA_tests_test_cuda_attention_DEPENDENCIES = $(CUDA_SHIMS)
EXTRA_tests_test_cuda_attention_wgmma_DEPENDENCIES = $(CUDA_SHIMS)
EXTRA_tests_test_cuda_norm_DEPENDENCIES = $(CUDA_SHIMS)
EXTRA_tests_test_cuda_elementwise_DEPENDENCIES = $(CUDA_SHIMS)
EXTRA_tests_test_cuda_faults_DEPENDENCIES = $(CUDA_SHIMS)
EXTRA_tests_test_cuda_sectors_DEPENDENCIES = $(CUDA_SHIMS)
EXTRA_tests_test_cuda_split_DEPENDENCIES = $(CUDA_SHIMS)
tests_test_cuda_gemm_SOURCES = tests/test_gemm.c bench/oracle/gemm.c bench/oracle/gemm.h \
	tests/weights.c tests/weights.h bench/shapes_gemm.h $(CUDA_LEVEL)
tests_test_cuda_gemm_CPPFLAGS = $(CUDA_CPPFLAGS)
tests_test_cuda_gemm_CFLAGS = $(TEST_CFLAGS)
tests_test_cuda_gemm_LDADD = $(CUDA_LIBS)
tests_test_cuda_conv_SOURCES = tests/test_conv.c bench/oracle/conv.c bench/oracle/conv.h \
	tests/weights.c tests/weights.h bench/shapes_conv.h $(CUDA_LEVEL)
tests_test_cuda_conv_CPPFLAGS = $(CUDA_CPPFLAGS)
tests_test_cuda_conv_CFLAGS = $(TEST_CFLAGS)
tests_test_cuda_conv_LDADD = $(CUDA_LIBS)
tests_test_cuda_attention_SOURCES = tests/test_attention.c bench/oracle/attention.c \
	bench/oracle/attention.h bench/shapes_attention.h $(CUDA_LEVEL)
tests_test_cuda_attention_CPPFLAGS = $(CUDA_CPPFLAGS)
tests_test_cuda_attention_CFLAGS = $(TEST_CFLAGS)
tests_test_cuda_attention_LDADD = $(CUDA_LIBS)
tests_test_cuda_attention_wgmma_SOURCES = tests/test_cuda_attention_wgmma.c bench/oracle/attention.c \
	bench/oracle/attention.h $(CUDA_LEVEL)
tests_test_cuda_attention_wgmma_CPPFLAGS = $(CUDA_CPPFLAGS)
tests_test_cuda_attention_wgmma_CFLAGS = $(TEST_CFLAGS)
tests_test_cuda_attention_wgmma_LDADD = $(CUDA_LIBS)
tests_test_cuda_norm_SOURCES = tests/test_norm.c bench/oracle/norm.c bench/oracle/norm.h \
	bench/shapes_norm.h $(CUDA_LEVEL)
tests_test_cuda_norm_CPPFLAGS = $(CUDA_CPPFLAGS)
tests_test_cuda_norm_CFLAGS = $(TEST_CFLAGS)
tests_test_cuda_norm_LDADD = $(CUDA_LIBS)
tests_test_cuda_elementwise_SOURCES = tests/test_elementwise.c $(CUDA_LEVEL)
tests_test_cuda_elementwise_CPPFLAGS = $(CUDA_CPPFLAGS)
tests_test_cuda_elementwise_CFLAGS = $(TEST_CFLAGS)
tests_test_cuda_elementwise_LDADD = $(CUDA_LIBS)
tests_test_cuda_faults_SOURCES = tests/test_cuda_faults.c $(CUDA_LEVEL)
tests_test_cuda_faults_CPPFLAGS = $(CUDA_CPPFLAGS)
tests_test_cuda_faults_CFLAGS = $(TEST_CFLAGS)
tests_test_cuda_faults_LDADD = $(CUDA_LIBS)
tests_test_cuda_sectors_SOURCES = tests/test_cuda_sectors.c bench/shapes_attention.h \
	bench/shapes_conv.h bench/shapes_gemm.h bench/shapes_norm.h $(CUDA_LEVEL)
tests_test_cuda_sectors_CPPFLAGS = $(CUDA_CPPFLAGS)
tests_test_cuda_sectors_CFLAGS = $(TEST_CFLAGS)
tests_test_cuda_sectors_LDADD = $(CUDA_LIBS)
tests_test_cuda_split_SOURCES = tests/test_cuda_split.c bench/oracle/conv.c bench/oracle/conv.h \
	bench/oracle/gemm.c bench/oracle/gemm.h tests/weights.c tests/weights.h $(CUDA_LEVEL)
tests_test_cuda_split_CPPFLAGS = $(CUDA_CPPFLAGS)
tests_test_cuda_split_CFLAGS = $(TEST_CFLAGS)
tests_test_cuda_split_LDADD = $(CUDA_LIBS)
endif

# Check scripts run beside the programs; CC compiles the installed header alone.
SH_LOG_COMPILER = $(SHELL)
AM_TESTS_ENVIRONMENT += CC='$(CC)' CRITERION_VERBOSITY_LEVEL=1; export CC CRITERION_VERBOSITY_LEVEL;
EXTRA_DIST += tests/check_mpi.sh tests/add_kernel.sh tests/fresh_root.sh tests/check_attacks.sh tests/check_ends.sh tests/check_faults.sh tests/check_cli.sh tests/check_docs.sh tests/check_header.sh tests/check_layers.sh tests/check_auto.sh tests/check_output.sh tests/check_readme.sh tests/check_sdbench.sh tests/check_man.sh \
	tests/support.sh tests/header.c \
	build-aux/summary.sh build-aux/check-layers.sh build-aux/check-levels.sh \
	build-aux/check-wide.sh
check_SCRIPTS = tests/check_mpi.sh tests/check_attacks.sh tests/check_ends.sh tests/check_faults.sh tests/check_cli.sh tests/check_docs.sh tests/check_header.sh tests/check_layers.sh tests/check_auto.sh tests/check_output.sh tests/check_readme.sh tests/check_sdbench.sh tests/check_man.sh \
	build-aux/check-layers.sh build-aux/check-levels.sh build-aux/check-wide.sh
EXTRA_DIST += tests/check_precision.sh
check_SCRIPTS += tests/check_precision.sh
EXTRA_DIST += tests/check_kernels.sh tests/wrong_kernel.c tests/norm_kernel.c tests/check_pts.sh
EXTRA_DIST += tests/wrong_group_norm.c
EXTRA_DIST += tests/wrong_elementwise.c tests/all_elementwise.c
check_SCRIPTS += tests/check_kernels.sh tests/check_pts.sh
# Of what the compiler makes, which may be for another machine.
AM_TESTS_ENVIRONMENT += OBJDUMP='$(OBJDUMP)'; export OBJDUMP;
EXTRA_DIST += build-aux/arm.sh build-aux/arm-model.sh

# The server, over HTTP; and whose turn it is.
EXTRA_DIST += tests/check_sdserve.sh tests/check_sdserve_models.sh tests/serve.sh tests/clients/with_openai.py tests/clients/with_webuiapi.py tests/clients/with_sd_backend_client.py \
	tests/clients/schema.sh tests/clients/load.py tests/clients/first_byte.py tests/clients/fuzz.py tests/clients/page.py
if HAVE_SERVE
check_SCRIPTS += tests/check_sdserve.sh tests/check_sdserve_models.sh
check_PROGRAMS += tests/test_sdserve
tests_test_sdserve_SOURCES = tests/test_sdserve.c tools/sdserve/queue.c tools/sdserve/wish.c \
	tools/sdserve/base64.c tools/seed.c tests/temp_folder.c tests/temp_folder.h
tests_test_sdserve_CFLAGS = $(TEST_CFLAGS)
tests_test_sdserve_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/fuzz_sdserve
tests_fuzz_sdserve_SOURCES = tests/fuzz_sdserve.c tests/fuzz.h $(SDSERVE_PARTS)
nodist_tests_fuzz_sdserve_SOURCES = $(nodist_sdserve_SOURCES)
tests_fuzz_sdserve_CPPFLAGS = $(sdserve_CPPFLAGS)
tests_fuzz_sdserve_CFLAGS = $(sdserve_CFLAGS)
tests_fuzz_sdserve_LDADD = $(sdserve_LDADD)
endif

# The Python bindings, where Python and numpy are.
EXTRA_DIST += tests/check_python.sh tests/check_python.py
check_SCRIPTS += tests/check_python.sh

# All of it compiled for macOS, where zig is there.
EXTRA_DIST += build-aux/macos.sh tests/check_macos.sh
check_SCRIPTS += tests/check_macos.sh

# What nvcc made of CUDA's kernels.
EXTRA_DIST += tests/check_cubins.sh
if HAVE_NVCC
check_SCRIPTS += tests/check_cubins.sh
endif

# Instructions of Arm's kernels, counted by the emulator.
EXTRA_DIST += tests/check_counts.sh tests/count_plugin.c
if HAVE_NEON
noinst_PROGRAMS += tests/kernel_counts
tests_kernel_counts_SOURCES = tests/kernel_counts.c
tests_kernel_counts_LDADD = libkernels.la $(DEPS_LIBS)
check_SCRIPTS += tests/check_counts.sh
endif

# What sdbench says of its figures.
check_PROGRAMS += tests/test_bench
tests_test_bench_SOURCES = tests/test_bench.c bench/assembly.c bench/counters.c bench/roof_arithmetic.c bench/sketch.c bench/sketch.h bench/stats.c bench/energy.c bench/harness.c \
	$(TEST_FILES)
tests_test_bench_CFLAGS = $(TEST_CFLAGS)
tests_test_bench_LDADD = $(TEST_LIBS)

# One pass of one network, for comparing a full-size model with diffusers by hand.
noinst_PROGRAMS += tests/sdprobe
tests_sdprobe_SOURCES = tests/sdprobe.c tests/passes.c tests/passes.h
tests_sdprobe_LDADD = libmodel.la libruntime.la libkernels.la $(DEPS_LIBS)

# The whole pipeline on a tiny model; counts allocations in the objects it links.
check_PROGRAMS += tests/test_golden
tests_test_golden_SOURCES = tests/test_golden.c tests/any_level.h $(TEST_KERNELS) $(ALLOCATIONS)
tests_test_golden_CFLAGS = $(TEST_CFLAGS)
tests_test_golden_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_golden_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/emulated_machine.c
if HAVE_EMULATION
# Once more on a machine that has every level, by emulation.
check_PROGRAMS += tests/test_golden_emulated
tests_test_golden_emulated_SOURCES = $(tests_test_golden_SOURCES) tests/emulated_machine.c \
	tests/emulated.h
tests_test_golden_emulated_CFLAGS = $(TEST_CFLAGS)
tests_test_golden_emulated_LDFLAGS = $(tests_test_golden_LDFLAGS) \
	-Wl,--wrap=sdrt_isa_detect,--wrap=sdrt_ops_init
tests_test_golden_emulated_LDADD = $(LEVEL_LIBS)
endif
EXTRA_DIST += tests/golden/tiny-sd15 $(ORACLE_FILES)
check_PROGRAMS += tests/test_precision
tests_test_precision_SOURCES = tests/test_precision.c tests/temp_folder.c tests/temp_folder.h $(ALLOCATIONS)
tests_test_precision_CFLAGS = $(TEST_CFLAGS)
tests_test_precision_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_precision_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_demo_model
tests_test_demo_model_SOURCES = tests/test_demo_model.c
tests_test_demo_model_CFLAGS = $(TEST_CFLAGS)
tests_test_demo_model_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/demo-model tests/oracle/demo_model.py
ORACLE_FILES = tests/oracle/compare.py tests/oracle/compare_bf16.py tests/oracle/compare_sd15.py tests/oracle/full_size.py \
	tests/oracle/make_sd15_full.py tests/oracle/make_tiny.py tests/oracle/probe.py \
	tests/oracle/reference_sd15.py tests/oracle/sd15_build.py tests/oracle/sd15_folder.py \
	tests/oracle/sd15_names.py tests/oracle/sd15_reference.py tests/oracle/sd15_weights.py

# What diffusers makes of the tiny models, pass by pass and as images.
GOLDEN_FILES = tests/golden_models.c tests/golden_models.h tests/temp_folder.c tests/temp_folder.h
GOLDEN_IMAGES = $(GOLDEN_FILES) tests/golden_images.c tests/golden_images.h
GOLDEN_PASSES = tests/golden_passes.c tests/golden_passes.h tests/passes.c tests/passes.h \
	tests/single_file.c tests/single_file.h $(TEST_KERNELS)

# Single passes of the tiny model, block by block.
check_PROGRAMS += tests/test_passes
tests_test_passes_SOURCES = tests/test_passes.c tests/passes.c tests/passes.h $(GOLDEN_FILES) \
	$(TEST_KERNELS)
tests_test_passes_CFLAGS = $(TEST_CFLAGS)
tests_test_passes_LDADD = $(TEST_LIBS)

# SD 2.1, SDXL and the refiner, tiny.
check_PROGRAMS += tests/test_families
tests_test_families_SOURCES = tests/test_families.c $(GOLDEN_IMAGES) $(GOLDEN_PASSES)
tests_test_families_CFLAGS = $(TEST_CFLAGS)
tests_test_families_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/tiny-sd21 tests/golden/tiny-sdxl tests/golden/tiny-sdxl-refiner \
	tests/oracle/families_build.py tests/oracle/families_names.py \
	tests/oracle/families_reference.py tests/oracle/make_families.py \
	tests/oracle/make_families_full.py tests/oracle/compare_families.py \
	tests/oracle/shards.py tests/oracle/compare_images_full.py tests/oracle/check_single_file.py \
	tests/oracle/check_folder.py tests/oracle/make_joined_loras.py

# Denoisers of other shapes, and as files of their own.
check_PROGRAMS += tests/test_nets
tests_test_nets_SOURCES = tests/test_nets.c tests/any_level.h $(GOLDEN_IMAGES) $(GOLDEN_PASSES) tests/made_weights.c \
	tests/made_weights.h
tests_test_nets_CFLAGS = $(TEST_CFLAGS)
tests_test_nets_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/nets tests/oracle/make_nets.py

# SD 3 and SD 3.5, tiny.
check_PROGRAMS += tests/test_sd3
tests_test_sd3_SOURCES = tests/test_sd3.c $(GOLDEN_IMAGES) $(GOLDEN_PASSES)
tests_test_sd3_CFLAGS = $(TEST_CFLAGS)
tests_test_sd3_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/tiny-sd3 tests/golden/tiny-sd35 tests/oracle/sd3_names.py \
	tests/oracle/sd3_build.py tests/oracle/make_sd3.py tests/oracle/make_sd3_full.py \
	tests/oracle/compare_sd3.py

# What begins with a picture, of every family.
# Drawings whose steps allocate nothing.
LEAN = tests/lean.c tests/lean.h $(ALLOCATIONS)
check_PROGRAMS += tests/test_init
GOLDEN_PICTURES = $(GOLDEN_FILES) tests/golden_pictures.c tests/golden_pictures.h
tests_test_init_SOURCES = tests/test_init.c $(LEAN) $(GOLDEN_PICTURES)
tests_test_init_CFLAGS = $(TEST_CFLAGS)
tests_test_init_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_init_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/test_mask
tests_test_mask_SOURCES = tests/test_mask.c $(LEAN) $(GOLDEN_PICTURES) tests/made_weights.c \
	tests/made_weights.h
tests_test_mask_CFLAGS = $(TEST_CFLAGS)
tests_test_mask_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_mask_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/test_taesd
tests_test_taesd_SOURCES = tests/test_taesd.c $(LEAN) $(GOLDEN_PICTURES) tests/made_weights.c \
	tests/made_weights.h
tests_test_taesd_CFLAGS = $(TEST_CFLAGS)
tests_test_taesd_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_taesd_LDADD = $(TEST_LIBS)
# Control nets; counts allocations.
check_PROGRAMS += tests/test_image_prompts
tests_test_image_prompts_SOURCES = tests/test_image_prompts.c $(CONTROL_CASES) $(ALLOCATIONS) $(GOLDEN_PICTURES) \
	tests/made_weights.c tests/made_weights.h tools/control_option.c tools/control_option.h
tests_test_image_prompts_CFLAGS = $(TEST_CFLAGS)
tests_test_image_prompts_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_image_prompts_LDADD = $(TEST_LIBS)
CONTROL_CASES = tests/control_cases.c tests/control_cases.h
check_PROGRAMS += tests/test_control_kinds
tests_test_control_kinds_SOURCES = tests/test_control_kinds.c $(CONTROL_CASES) $(GOLDEN_PICTURES) \
	tests/made_weights.c tests/made_weights.h
tests_test_control_kinds_CFLAGS = $(TEST_CFLAGS)
tests_test_control_kinds_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/test_control
tests_test_control_SOURCES = tests/test_control.c $(CONTROL_CASES) $(ALLOCATIONS) $(GOLDEN_PICTURES) \
	tests/made_weights.c tests/made_weights.h tools/control_option.c tools/control_option.h
tests_test_control_CFLAGS = $(TEST_CFLAGS)
tests_test_control_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_control_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/pictures tests/golden/fuzz-seeds tests/oracle/make_fuzz_seeds.py tests/oracle/make_pictures.py tests/oracle/make_control.py tests/oracle/make_image_prompts.py \
	tests/oracle/make_control_maps.py

# Nets of the small model; counts allocations.
check_PROGRAMS += tests/test_demo_nets
tests_test_demo_nets_SOURCES = tests/test_demo_nets.c $(LEAN) $(GOLDEN_PICTURES)
tests_test_demo_nets_CFLAGS = $(TEST_CFLAGS)
tests_test_demo_nets_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_demo_nets_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/oracle/demo_nets.py

# What enlarges pictures.
check_PROGRAMS += tests/test_upscaler
tests_test_upscaler_SOURCES = tests/test_upscaler.c $(GOLDEN_PICTURES) tests/made_weights.c \
	tests/made_weights.h
tests_test_upscaler_CFLAGS = $(TEST_CFLAGS)
tests_test_upscaler_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/oracle/upscalers.py tests/oracle/make_upscalers.py
check_PROGRAMS += tests/test_hires
tests_test_hires_SOURCES = tests/test_hires.c $(LEAN) $(GOLDEN_PICTURES) tests/made_weights.c \
	tests/made_weights.h
tests_test_hires_CFLAGS = $(TEST_CFLAGS)
tests_test_hires_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_hires_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/oracle/make_hires.py
check_PROGRAMS += tests/test_finish
tests_test_finish_SOURCES = tests/test_finish.c $(GOLDEN_PICTURES)
tests_test_finish_CFLAGS = $(TEST_CFLAGS)
tests_test_finish_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/test_bands
tests_test_bands_SOURCES = tests/test_bands.c $(GOLDEN_FILES) $(ALLOCATIONS)
tests_test_bands_CFLAGS = $(TEST_CFLAGS)
tests_test_bands_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_bands_LDADD = $(TEST_LIBS)

# T5's encoder, tiny.
check_PROGRAMS += tests/test_t5
tests_test_t5_SOURCES = tests/test_t5.c tests/t5_pass.c tests/t5_pass.h tests/temp_folder.c \
	tests/temp_folder.h $(TEST_KERNELS)
tests_test_t5_CFLAGS = $(TEST_CFLAGS)
tests_test_t5_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/t5 tests/oracle/make_t5_golden.py tests/oracle/compare_t5.py
noinst_PROGRAMS += tests/t5probe
tests_t5probe_SOURCES = tests/t5probe.c tests/t5_pass.c tests/t5_pass.h
tests_t5probe_LDADD = libmodel.la libruntime.la libkernels.la $(DEPS_LIBS)

# SDXL with its refiner.
check_PROGRAMS += tests/test_refiner
tests_test_refiner_SOURCES = tests/test_refiner.c $(GOLDEN_IMAGES)
tests_test_refiner_CFLAGS = $(TEST_CFLAGS)
tests_test_refiner_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/oracle/make_refined.py

# A device whose memory the host does not reach.
check_PROGRAMS += tests/test_far
tests_test_far_SOURCES = tests/test_far.c tests/any_level.h tests/far_device.c tests/far_device.h $(GOLDEN_IMAGES)
tests_test_far_CFLAGS = $(TEST_CFLAGS)
tests_test_far_LDADD = $(TEST_LIBS)

# A GPU over a stand-in for its driver; another lacks a call.
if SHARED
check_LTLIBRARIES += tests/libstubcuda.la tests/libstubcuda_old.la
tests_libstubcuda_la_SOURCES = tests/stub_cuda.c
tests_libstubcuda_la_CFLAGS = $(TEST_CFLAGS) -Wno-missing-prototypes
tests_libstubcuda_la_LDFLAGS = -module -avoid-version -rpath /nowhere $(AM_LDFLAGS)
tests_libstubcuda_old_la_SOURCES = tests/stub_cuda.c
tests_libstubcuda_old_la_CFLAGS = $(tests_libstubcuda_la_CFLAGS) -DSTUB_WITHOUT_GRAPHS
tests_libstubcuda_old_la_LDFLAGS = $(tests_libstubcuda_la_LDFLAGS)
check_PROGRAMS += tests/test_gpu_device
tests_test_gpu_device_SOURCES = tests/test_gpu_device.c tests/temp_folder.c tests/temp_folder.h $(TEST_KERNELS)
tests_test_gpu_device_CPPFLAGS = $(AM_CPPFLAGS) -DSTUB_FOLDER='"$(abs_top_builddir)"'
tests_test_gpu_device_CFLAGS = $(TEST_CFLAGS)
tests_test_gpu_device_LDADD = $(TEST_LIBS)
EXTRA_tests_test_gpu_device_DEPENDENCIES = tests/libstubcuda.la tests/libstubcuda_old.la
endif

# The published models planned for one.
check_PROGRAMS += tests/test_gpu_plans
tests_test_gpu_plans_SOURCES = tests/test_gpu_plans.c tests/temp_folder.c tests/temp_folder.h
tests_test_gpu_plans_CFLAGS = $(TEST_CFLAGS)
tests_test_gpu_plans_LDADD = $(TEST_LIBS)

# Whole models on its kernels, where there is the execution model.
EXTRA_DIST += tests/test_gpu_attention.c tests/test_gpu_models.c tests/test_gpu_nets.c
if HAVE_SHIM
check_PROGRAMS += tests/test_gpu_attention
tests_test_gpu_attention_SOURCES = tests/test_gpu_attention.c bench/oracle/attention.c bench/oracle/attention.h \
	$(TEST_KERNELS)
tests_test_gpu_attention_CPPFLAGS = $(AM_CPPFLAGS) $(CUDA_SHIM_PATHS)
tests_test_gpu_attention_CFLAGS = $(TEST_CFLAGS)
tests_test_gpu_attention_LDADD = $(TEST_LIBS)
EXTRA_tests_test_gpu_attention_DEPENDENCIES = $(CUDA_SHIMS)
check_PROGRAMS += tests/test_gpu_models
tests_test_gpu_models_SOURCES = tests/test_gpu_models.c $(GOLDEN_IMAGES)
tests_test_gpu_models_CPPFLAGS = $(AM_CPPFLAGS) $(CUDA_SHIM_PATHS)
tests_test_gpu_models_CFLAGS = $(TEST_CFLAGS)
tests_test_gpu_models_LDADD = $(TEST_LIBS)
EXTRA_tests_test_gpu_models_DEPENDENCIES = $(CUDA_SHIMS)
check_PROGRAMS += tests/test_gpu_nets
tests_test_gpu_nets_SOURCES = tests/test_gpu_nets.c $(GOLDEN_IMAGES) tests/golden_pictures.c \
	tests/golden_pictures.h tests/made_weights.c tests/made_weights.h tests/run_program.c tests/run_program.h
tests_test_gpu_nets_CPPFLAGS = $(tests_test_gpu_models_CPPFLAGS)
tests_test_gpu_nets_CFLAGS = $(TEST_CFLAGS)
tests_test_gpu_nets_LDADD = $(TEST_LIBS)
EXTRA_tests_test_gpu_nets_DEPENDENCIES = $(CUDA_SHIMS) sdconvert
endif

# Sessions in threads.
check_PROGRAMS += tests/test_sessions
tests_test_sessions_SOURCES = tests/test_sessions.c tests/any_level.h $(GOLDEN_FILES)
tests_test_sessions_CFLAGS = $(TEST_CFLAGS)
tests_test_sessions_LDADD = $(TEST_LIBS) -lpthread

# Slots.
check_PROGRAMS += tests/test_slots
tests_test_slots_SOURCES = tests/test_slots.c $(TEST_KERNELS) tests/temp_folder.c \
	tests/temp_folder.h
tests_test_slots_CFLAGS = $(TEST_CFLAGS)
tests_test_slots_LDADD = $(TEST_LIBS)

# Graphs and programs; counts allocations.
check_PROGRAMS += tests/test_types
tests_test_types_SOURCES = tests/test_types.c $(TEST_KERNELS)
tests_test_types_CFLAGS = $(TEST_CFLAGS)
tests_test_types_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_program
tests_test_program_SOURCES = tests/test_program.c tests/any_level.h $(ALLOCATIONS) $(TEST_KERNELS)
tests_test_program_CFLAGS = $(TEST_CFLAGS)
tests_test_program_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_program_LDADD = $(TEST_LIBS)

# The table of options that the programs share.
check_PROGRAMS += tests/test_cli
tests_test_cli_SOURCES = tests/test_cli.c tests/temp_folder.c tests/temp_folder.h
tests_test_cli_CFLAGS = $(TEST_CFLAGS)
tests_test_cli_LDADD = libcli.la $(TEST_LIBS)

# The public interface.
check_PROGRAMS += tests/test_host
tests_test_host_SOURCES = tests/test_host.c tests/any_level.h tests/comma_locale.c tests/comma_locale.h \
	tests/temp_folder.c tests/temp_folder.h
tests_test_host_CFLAGS = $(TEST_CFLAGS)
tests_test_host_LDADD = $(TEST_LIBS) -lpthread

check_PROGRAMS += tests/test_sdrt
tests_test_sdrt_SOURCES = tests/test_sdrt.c tests/any_level.h tests/temp_folder.c tests/temp_folder.h
tests_test_sdrt_CFLAGS = $(TEST_CFLAGS)
tests_test_sdrt_LDADD = $(TEST_LIBS)

# The same as an installed library, to programs made with headers of other versions.
check_PROGRAMS += tests/test_abi
tests_test_abi_SOURCES = tests/test_abi.c tests/abi_v0.h tests/abi_v0_client.c \
	tests/abi_v0_client.h tests/temp_folder.c tests/temp_folder.h
tests_test_abi_CFLAGS = $(TEST_CFLAGS)
tests_test_abi_LDADD = libsdrt.la $(HARNESS_LIBS)

# Files: readers and writers, with fuzzers that run for a bounded time.
TEST_FILES = tests/temp_folder.c tests/temp_folder.h tests/safetensors_files.h
check_PROGRAMS += tests/test_safetensors
tests_test_safetensors_SOURCES = tests/test_safetensors.c $(TEST_FILES)
tests_test_safetensors_CFLAGS = $(TEST_CFLAGS)
tests_test_safetensors_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/all_dtypes.safetensors tests/oracle/make_safetensors_golden.py
check_PROGRAMS += tests/test_gguf tests/fuzz_gguf
tests_test_gguf_SOURCES = tests/test_gguf.c tests/gguf_files.h $(TEST_FILES)
tests_test_gguf_CFLAGS = $(TEST_CFLAGS)
tests_test_gguf_LDADD = $(TEST_LIBS)
tests_fuzz_gguf_SOURCES = tests/fuzz_gguf.c tests/fuzz.h tests/gguf_files.h $(ALLOCATIONS)
tests_fuzz_gguf_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_fuzz_gguf_LDADD = libruntime.la libkernels.la $(DEPS_LIBS)
EXTRA_DIST += tests/golden/gguf tests/oracle/make_gguf_golden.py tests/oracle/make_q4_k_golden.sh \
	tests/oracle/compare_stored.py
check_PROGRAMS += tests/test_gguf_models
tests_test_gguf_models_SOURCES = tests/test_gguf_models.c tests/single_file.c tests/single_file.h \
	tests/golden_models.c tests/golden_models.h $(TEST_FILES)
tests_test_gguf_models_CFLAGS = $(TEST_CFLAGS)
tests_test_gguf_models_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/test_store tests/test_convert
tests_test_store_SOURCES = tests/test_store.c
tests_test_store_CFLAGS = $(TEST_CFLAGS)
tests_test_store_LDADD = $(TEST_LIBS)
tests_test_convert_SOURCES = tests/test_convert.c tests/single_file.c tests/single_file.h \
	tests/run_program.c tests/run_program.h tests/golden_models.c tests/golden_models.h \
	$(TEST_FILES)
tests_test_convert_CFLAGS = $(TEST_CFLAGS)
tests_test_convert_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/test_convert_lora
tests_test_convert_lora_SOURCES = tests/test_convert_lora.c tests/any_level.h tests/run_program.c tests/run_program.h \
	tests/single_file.c tests/single_file.h tests/golden_models.c tests/golden_models.h \
	$(TEST_FILES)
tests_test_convert_lora_CFLAGS = $(TEST_CFLAGS)
tests_test_convert_lora_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/test_convert_folder
tests_test_convert_folder_SOURCES = tests/test_convert_folder.c tests/any_level.h tests/single_file.c tests/single_file.h \
	tests/run_program.c tests/run_program.h tests/golden_models.c tests/golden_models.h \
	tests/golden_images.c tests/golden_images.h $(TEST_FILES)
tests_test_convert_folder_CFLAGS = $(TEST_CFLAGS)
tests_test_convert_folder_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/test_refusals
tests_test_refusals_SOURCES = tests/test_refusals.c $(TEST_FILES)
tests_test_refusals_CFLAGS = $(TEST_CFLAGS)
tests_test_refusals_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/refusals.txt tests/oracle/make_refusals.py
check_PROGRAMS += tests/test_pickle
tests_test_pickle_SOURCES = tests/test_pickle.c tests/pickle_files.h $(ALLOCATIONS) $(TEST_FILES)
tests_test_pickle_CFLAGS = $(TEST_CFLAGS)
tests_test_pickle_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_pickle_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/pickle tests/oracle/make_pickle_golden.py
check_PROGRAMS += tests/fuzz_pickle
tests_fuzz_pickle_SOURCES = tests/fuzz_pickle.c tests/fuzz.h tests/pickle_files.h $(ALLOCATIONS)
tests_fuzz_pickle_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_fuzz_pickle_LDADD = libruntime.la libkernels.la $(DEPS_LIBS)
check_PROGRAMS += tests/test_picture_file
tests_test_picture_file_SOURCES = tests/test_picture_file.c $(TEST_FILES)
tests_test_picture_file_CFLAGS = $(TEST_CFLAGS)
tests_test_picture_file_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/test_png tests/test_npy
tests_test_png_SOURCES = tests/test_png.c $(TEST_FILES)
tests_test_png_CFLAGS = $(TEST_CFLAGS)
tests_test_png_LDADD = $(TEST_LIBS)
tests_test_npy_SOURCES = tests/test_npy.c $(TEST_FILES)
tests_test_npy_CFLAGS = $(TEST_CFLAGS)
tests_test_npy_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/test_weights tests/test_json
tests_test_weights_SOURCES = tests/test_weights.c $(ALLOCATIONS) $(TEST_FILES)
tests_test_weights_CFLAGS = $(TEST_CFLAGS)
tests_test_weights_LDFLAGS = $(AM_LDFLAGS) $(COUNT_ALLOCATIONS)
tests_test_weights_LDADD = $(TEST_LIBS)
tests_test_json_SOURCES = tests/test_json.c $(TEST_FILES)
tests_test_json_CFLAGS = $(TEST_CFLAGS)
tests_test_json_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/test_storage
tests_test_storage_SOURCES = tests/test_storage.c $(TEST_FILES)
tests_test_storage_CFLAGS = $(TEST_CFLAGS)
tests_test_storage_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/test_commons
tests_test_commons_SOURCES = tests/test_commons.c tests/temp_folder.c tests/temp_folder.h
tests_test_commons_CFLAGS = $(TEST_CFLAGS)
tests_test_commons_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/test_weight_store
tests_test_weight_store_SOURCES = tests/test_weight_store.c tests/temp_folder.c \
	tests/temp_folder.h $(TEST_KERNELS)
tests_test_weight_store_CFLAGS = $(TEST_CFLAGS)
tests_test_weight_store_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/fuzz_safetensors tests/fuzz_json
tests_fuzz_safetensors_SOURCES = tests/fuzz_safetensors.c tests/fuzz.h
tests_fuzz_safetensors_LDADD = libruntime.la libkernels.la $(DEPS_LIBS)
tests_fuzz_json_SOURCES = tests/fuzz_json.c tests/fuzz.h
tests_fuzz_json_LDADD = libruntime.la libkernels.la $(DEPS_LIBS)

# LoRA: every kind of file against the merge of the library that made it.
check_PROGRAMS += tests/test_lora
tests_test_lora_SOURCES = tests/test_lora.c tests/lora_model.c tests/lora_model.h tests/temp_folder.c \
	tests/temp_folder.h
tests_test_lora_CFLAGS = $(TEST_CFLAGS)
tests_test_lora_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/lora tests/oracle/make_lora_golden.py tests/oracle/make_lora_images.py
check_PROGRAMS += tests/test_lora_files
tests_test_lora_files_SOURCES = tests/test_lora_files.c tests/lora_files.c tests/lora_files.h \
	tests/lora_model.c tests/lora_model.h tests/temp_folder.c tests/temp_folder.h
tests_test_lora_files_CFLAGS = $(TEST_CFLAGS)
tests_test_lora_files_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/test_lora_tags
tests_test_lora_tags_SOURCES = tests/test_lora_tags.c tests/temp_folder.c tests/temp_folder.h
tests_test_lora_tags_CFLAGS = $(TEST_CFLAGS)
tests_test_lora_tags_LDADD = $(TEST_LIBS)
# What may fail in a program, made to fail; a library that is loaded before it.
EXTRA_DIST += tests/faults.c
if SHARED
check_LTLIBRARIES += tests/libfaults.la
tests_libfaults_la_SOURCES = tests/faults.c
tests_libfaults_la_CFLAGS = $(TEST_CFLAGS) -Wno-missing-prototypes -fvisibility=default
tests_libfaults_la_LDFLAGS = -module -avoid-version -rpath /nowhere $(AM_LDFLAGS)
tests_libfaults_la_LIBADD = -ldl
endif
check_PROGRAMS += tests/fuzz_options
tests_fuzz_options_SOURCES = tests/fuzz_options.c tests/fuzz.h \
	$(SDGEN_PARTS)
tests_fuzz_options_CPPFLAGS = $(sdgen_CPPFLAGS)
tests_fuzz_options_CFLAGS = $(sdgen_CFLAGS)
tests_fuzz_options_LDADD = $(sdgen_LDADD)
check_PROGRAMS += tests/fuzz_models
tests_fuzz_models_SOURCES = tests/fuzz_models.c tests/fuzz.h
tests_fuzz_models_LDADD = libmodel.la libruntime.la libkernels.la $(DEPS_LIBS)
check_PROGRAMS += tests/fuzz_texts
tests_fuzz_texts_SOURCES = tests/fuzz_texts.c tests/fuzz.h tools/prompt_file.c tools/prompt_file.h \
	tools/fetch_reply.c tools/fetch_reply.h bench/shape_text.c bench/shape_text.h bench/elementwise.c bench/elementwise.h \
	bench/kernel_jobs.c bench/kernel_jobs.h
tests_fuzz_texts_LDADD = libmodel.la libruntime.la libkernels.la $(DEPS_LIBS)
# The fuzzers as targets of libFuzzer; and what takes long, as make soak.
EXTRA_DIST += tests/fuzz/build.sh tests/fuzz/corpus.sh tests/fuzz/coverage.sh tests/fuzz/parsers.dict tests/soak/kills.sh tests/soak/soak.sh tests/soak/valgrind.sh tests/soak/valgrind.supp
noinst_PROGRAMS += tests/cut_files
tests_cut_files_SOURCES = tests/cut_files.c tests/fuzz.h
tests_cut_files_LDADD = libruntime.la libkernels.la $(DEPS_LIBS)
EXTRA_PROGRAMS = tests/soak_images
tests_soak_images_SOURCES = tests/soak/images.c
tests_soak_images_LDADD = libmodel.la libruntime.la libkernels.la $(DEPS_LIBS)
soak: sdgen sdconvert tests/cut_files tests/soak_images $(check_LTLIBRARIES)
	$(AM_V_at)srcdir=$(srcdir) $(SHELL) $(srcdir)/tests/soak/soak.sh
# Files that were made to harm, for tests/check_attacks.sh.
noinst_PROGRAMS += tests/attack_files
tests_attack_files_SOURCES = tests/attack_files.c
tests_attack_files_LDADD = libmodel.la libruntime.la libkernels.la $(DEPS_LIBS)
check_PROGRAMS += tests/fuzz_lora
tests_fuzz_lora_SOURCES = tests/fuzz_lora.c tests/fuzz.h
tests_fuzz_lora_LDADD = libmodel.la libruntime.la libkernels.la $(DEPS_LIBS)
check_PROGRAMS += tests/test_lora_images
tests_test_lora_images_SOURCES = tests/test_lora_images.c tests/lora_files.c tests/lora_files.h \
	tests/temp_folder.c tests/temp_folder.h
tests_test_lora_images_CFLAGS = $(TEST_CFLAGS)
tests_test_lora_images_LDADD = $(TEST_LIBS)

# Downloads, against a web server with faults.
if HAVE_FETCH
check_PROGRAMS += tests/test_sdfetch tests/test_sdfetch_cuts tests/test_fetch
FETCH_CASES = tests/fetch_cases.c tests/fetch_cases.h tests/http_server.c tests/http_server.h \
	tests/run_program.c tests/run_program.h tests/temp_folder.c tests/temp_folder.h
tests_test_sdfetch_SOURCES = tests/test_sdfetch.c $(FETCH_CASES)
tests_test_sdfetch_CFLAGS = $(TEST_CFLAGS)
tests_test_sdfetch_LDADD = libruntime.la $(HARNESS_LIBS) -lpthread
tests_test_sdfetch_cuts_SOURCES = tests/test_sdfetch_cuts.c $(FETCH_CASES)
tests_test_sdfetch_cuts_CFLAGS = $(TEST_CFLAGS)
tests_test_sdfetch_cuts_LDADD = libruntime.la $(HARNESS_LIBS) -lpthread
tests_test_fetch_SOURCES = tests/test_fetch.c $(FETCH_SOURCES) tests/temp_folder.c \
	tests/temp_folder.h
tests_test_fetch_CFLAGS = $(TEST_CFLAGS) $(FETCH_CFLAGS)
tests_test_fetch_LDADD = libruntime.la $(HARNESS_LIBS) $(FETCH_LIBS)
endif

# The picture of a run on its way.
check_PROGRAMS += tests/test_preview
tests_test_preview_SOURCES = tests/test_preview.c tests/any_level.h
tests_test_preview_CFLAGS = $(TEST_CFLAGS)
tests_test_preview_LDADD = $(TEST_LIBS)
