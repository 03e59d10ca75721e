# What the programs share, and the library does not need.
noinst_LTLIBRARIES += libcli.la
libcli_la_SOURCES = cli/options.c cli/options.h cli/process.c cli/process.h \
	cli/commons.c cli/commons.h \
	cli/mpi_part.c cli/mpi_part.h cli/own_path.h
libcli_la_CPPFLAGS = $(AM_CPPFLAGS) -DSDRT_PKGLIBDIR='"$(pkglibdir)"'
if MACOS
libcli_la_SOURCES += cli/own_path_macos.c
else
libcli_la_SOURCES += cli/own_path_linux.c
endif
