# What the programs share, and the library does not need.
noinst_LTLIBRARIES += libcli.la
libcli_la_SOURCES = cli/options.c cli/options.h cli/process.c cli/process.h
