noinst_LTLIBRARIES += libmodel.la
libmodel_la_SOURCES =
libmodel_la_LIBADD = libruntime.la
