noinst_LTLIBRARIES += libruntime.la
libruntime_la_SOURCES = \
	runtime/error.c runtime/error.h \
	runtime/rng.c runtime/rng.h
libruntime_la_LIBADD = libkernels.la
