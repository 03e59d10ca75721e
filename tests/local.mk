# One Criterion program for each piece; tests find their data through SDRT_TESTDATA.
AM_TESTS_ENVIRONMENT = SDRT_TESTDATA='$(top_srcdir)/tests'; export SDRT_TESTDATA;
TEST_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
TEST_LIBS = libmodel.la libruntime.la libkernels.la $(CRITERION_LIBS) $(DEPS_LIBS)

check_PROGRAMS += tests/test_rng
tests_test_rng_SOURCES = tests/test_rng.c
tests_test_rng_CFLAGS = $(TEST_CFLAGS)
tests_test_rng_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/rng.txt tests/oracle/make_rng_golden.py

# The sampler's test counts and refuses allocations in the objects it links.
check_PROGRAMS += tests/test_sampler
tests_test_sampler_SOURCES = tests/test_sampler.c
tests_test_sampler_CFLAGS = $(TEST_CFLAGS)
tests_test_sampler_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc
tests_test_sampler_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/golden/sampler.bin tests/oracle/make_sampler_golden.py
