# One Criterion program for each piece; tests find their data through SDRT_TESTDATA.
AM_TESTS_ENVIRONMENT = SDRT_TESTDATA='$(top_srcdir)/tests'; export SDRT_TESTDATA;
TEST_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
TEST_LIBS = libmodel.la libruntime.la libkernels.la $(CRITERION_LIBS) $(DEPS_LIBS)
