noinst_LTLIBRARIES += libmodel.la
libmodel_la_SOURCES = \
	model/sampler.c model/sampler.h model/sampler_internal.h model/sampler_plan.c \
	model/schedule.c model/schedule.h
libmodel_la_LIBADD = libruntime.la
