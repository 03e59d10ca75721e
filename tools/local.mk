bin_PROGRAMS += sdgen
sdgen_SOURCES = \
	tools/sdgen.c \
	tools/options.c tools/options.h \
	tools/progress.c tools/progress.h \
	tools/dump.c tools/dump.h \
	tools/show.c tools/show.h \
	tools/default_model.c tools/default_model.h
sdgen_CPPFLAGS = $(AM_CPPFLAGS) -DSDRT_PKGDATADIR='"$(pkgdatadir)"'
sdgen_CFLAGS = $(AM_CFLAGS) $(CHAFA_CFLAGS)
sdgen_LDADD = libmodel.la libruntime.la libkernels.la $(DEPS_LIBS) $(CHAFA_LIBS)
dist_man_MANS += man/sdgen.1

# How the small model is made; it is no part of the build.
EXTRA_DIST += tools/demo-model/README.md tools/demo-model/captions.txt tools/demo-model/common.py \
	tools/demo-model/data.py tools/demo-model/evaluate.py tools/demo-model/export.py \
	tools/demo-model/make.sh tools/demo-model/make_latents.py tools/demo-model/make_tokenizer.py \
	tools/demo-model/train_unet.py tools/demo-model/train_vae.py
