bin_PROGRAMS += sdgen
sdgen_SOURCES = \
	tools/sdgen.c \
	tools/options.c tools/options.h \
	tools/progress.c tools/progress.h \
	tools/dump.c tools/dump.h
sdgen_LDADD = libmodel.la libruntime.la libkernels.la $(DEPS_LIBS)
dist_man_MANS += man/sdgen.1
