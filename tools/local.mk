bin_PROGRAMS += sdgen
sdgen_SOURCES = tools/sdgen.c $(SDGEN_PARTS)
SDGEN_PARTS = \
	tools/memory.c tools/memory.h tools/auto_option.c tools/auto_option.h \
	tools/options.c tools/options.h tools/options_together.c tools/options_together.h \
	tools/option_values.c tools/option_values.h \
	tools/prompt_file.c tools/prompt_file.h tools/lora_option.c tools/lora_option.h tools/control_option.c tools/control_option.h tools/pictures.c tools/pictures.h \
	tools/inputs.c tools/inputs.h tools/output.c tools/output.h tools/grid.c tools/grid.h tools/enlarge.c tools/enlarge.h tools/from_image.c tools/from_image.h \
	tools/many.c tools/many.h \
	tools/plan_svg.c tools/plan_svg.h \
	tools/progress.c tools/progress.h \
	tools/precision_auto.c tools/precision_auto.h \
	tools/compare.c tools/compare.h tools/dump.c tools/dump.h \
	tools/show.c tools/show.h \
	tools/hash_cache.c tools/hash_cache.h tools/default_model.c tools/default_model.h tools/seed.c tools/seed.h
sdgen_CPPFLAGS = $(AM_CPPFLAGS) -DSDRT_PKGDATADIR='"$(pkgdatadir)"'
sdgen_CFLAGS = $(AM_CFLAGS) $(CHAFA_CFLAGS)
sdgen_LDADD = libcli.la libmodel.la libruntime.la libkernels.la $(DEPS_LIBS) $(CHAFA_LIBS)
dist_man_MANS += man/sdgen.1

bin_PROGRAMS += sdconvert
sdconvert_SOURCES = \
	tools/sdconvert.c tools/convert.h \
	tools/convert_choose.c tools/convert_compare.c tools/convert_folder.c tools/convert_folder_files.c \
	tools/convert_merge.c tools/convert_open.c \
	tools/convert_read.c tools/convert_write.c \
	tools/lora_option.c tools/lora_option.h \
	tools/progress.c tools/progress.h
sdconvert_LDADD = libcli.la libmodel.la libruntime.la libkernels.la $(DEPS_LIBS)
dist_man_MANS += man/sdconvert.1

if HAVE_FETCH
bin_PROGRAMS += sdfetch
dist_man_MANS += man/sdfetch.1
endif
FETCH_SOURCES = \
	tools/fetch.c tools/fetch.h tools/fetch_explain.c \
	tools/fetch_part.c tools/fetch_part.h \
	tools/fetch_reply.c tools/fetch_reply.h \
	tools/fetch_table.c tools/fetch_table.h \
	tools/fetch_url.c tools/fetch_url.h \
	tools/progress.c tools/progress.h
sdfetch_SOURCES = tools/sdfetch.c $(FETCH_SOURCES)
sdfetch_CFLAGS = $(AM_CFLAGS) $(FETCH_CFLAGS)
sdfetch_LDADD = libcli.la libruntime.la $(FETCH_LIBS)

if HAVE_SERVE
bin_PROGRAMS += sdserve
dist_man_MANS += man/sdserve.1
endif
EXTRA_DIST += tools/sdserve/page-1280.jpg tools/sdserve/page-360.jpg tools/sdserve/sdserve.service tools/sdserve/Dockerfile tools/sdserve/Dockerfile.dockerignore
# All but main(): tests/fuzz_sdserve takes it too.
SDSERVE_PARTS = tools/sdserve/server.h \
	tools/sdserve/options.c tools/sdserve/options.h \
	tools/sdserve/wish.c tools/sdserve/wish.h tools/sdserve/job.h tools/sdserve/queue.c tools/sdserve/queue.h \
	tools/sdserve/shelf.c tools/sdserve/shelf.h tools/sdserve/draw.c tools/sdserve/draw.h \
	tools/sdserve/http.c tools/sdserve/http.h tools/sdserve/answer.c tools/sdserve/routes.c tools/sdserve/base64.c tools/sdserve/base64.h \
	tools/sdserve/fields.c tools/sdserve/fields.h tools/sdserve/jobs.c tools/sdserve/jobs.h \
	tools/sdserve/gallery.c tools/sdserve/gallery.h tools/sdserve/page_files.h \
	tools/sdserve/openapi.c tools/sdserve/openapi.h \
	tools/sdserve/control.c tools/sdserve/control.h tools/sdserve/image_prompt.c tools/sdserve/image_prompt.h \
	tools/sdserve/extras.c tools/sdserve/extras.h tools/sdserve/hires.c tools/sdserve/hires.h \
	tools/sdserve/a1111.c tools/sdserve/a1111.h tools/sdserve/a1111_draw.c tools/sdserve/openai.c tools/sdserve/openai.h \
	tools/enlarge.c tools/enlarge.h tools/output.c tools/output.h tools/seed.c tools/seed.h \
	tools/hash_cache.c tools/hash_cache.h tools/default_model.c tools/default_model.h
sdserve_SOURCES = tools/sdserve/sdserve.c $(SDSERVE_PARTS)
nodist_sdserve_SOURCES = tools/sdserve/page_index.c tools/sdserve/page_style.c tools/sdserve/page_script.c
PAGE = tools/sdserve/page
EMBED_PAGE = $(AM_V_GEN)$(MKDIR_P) tools/sdserve && $(SHELL) $(top_srcdir)/build-aux/embed.sh
tools/sdserve/page_index.c: $(PAGE)/index.html build-aux/embed.sh
	$(EMBED_PAGE) page_index tools/sdserve/page_files.h $(top_srcdir)/$(PAGE)/index.html > $@.tmp && mv $@.tmp $@
tools/sdserve/page_style.c: $(PAGE)/style.css build-aux/embed.sh
	$(EMBED_PAGE) page_style tools/sdserve/page_files.h $(top_srcdir)/$(PAGE)/style.css > $@.tmp && mv $@.tmp $@
tools/sdserve/page_script.c: $(PAGE)/page.js build-aux/embed.sh
	$(EMBED_PAGE) page_script tools/sdserve/page_files.h $(top_srcdir)/$(PAGE)/page.js > $@.tmp && mv $@.tmp $@
CLEANFILES += $(nodist_sdserve_SOURCES)
EXTRA_DIST += $(PAGE)/index.html $(PAGE)/style.css $(PAGE)/page.js
sdserve_CPPFLAGS = $(AM_CPPFLAGS) -DSDRT_PKGDATADIR='"$(pkgdatadir)"'
sdserve_CFLAGS = $(AM_CFLAGS) $(MICROHTTPD_CFLAGS)
sdserve_LDADD = libcli.la libmodel.la libruntime.la libkernels.la $(DEPS_LIBS) $(MICROHTTPD_LIBS)

# The small model that sdgen takes when none is named.
nobase_dist_pkgdata_DATA = \
	demo-model/README.md demo-model/grid.jpg demo-model/right-half.png demo-model/LICENSE.OFL demo-model/model_index.json \
	demo-model/scheduler/scheduler_config.json \
	demo-model/text_encoder/config.json demo-model/text_encoder/model.safetensors \
	demo-model/tokenizer/merges.txt demo-model/tokenizer/tokenizer_config.json \
	demo-model/tokenizer/vocab.json \
	demo-model/unet/config.json demo-model/unet/diffusion_pytorch_model.safetensors \
	demo-model/vae/config.json demo-model/vae/diffusion_pytorch_model.safetensors \
	demo-model/taesd/config.json demo-model/taesd/diffusion_pytorch_model.safetensors \
	demo-model/lora/cyanotype.safetensors \
	demo-model/canny/config.json demo-model/canny/diffusion_pytorch_model.safetensors demo-model/edges.png \
	demo-model/ip-adapter/adapter.safetensors demo-model/ip-adapter/image_encoder/config.json \
	demo-model/ip-adapter/image_encoder/model.safetensors

# How it was made; this is no part of the build.
EXTRA_DIST += tools/demo-model/README.md tools/demo-model/captions.txt tools/demo-model/common.py \
	tools/demo-model/data.py tools/demo-model/evaluate.py tools/demo-model/export.py \
	tools/demo-model/make.sh tools/demo-model/make_latents.py tools/demo-model/make_tokenizer.py \
	tools/demo-model/train_unet.py tools/demo-model/train_vae.py
EXTRA_DIST += tools/demo-model/small.py tools/demo-model/train_taesd.py tools/demo-model/train_lora.py \
	tools/demo-model/evaluate_nets.py
EXTRA_DIST += tools/demo-model/train_control.py tools/demo-model/evaluate_control.py
EXTRA_DIST += tools/demo-model/train_ip.py tools/demo-model/evaluate_ip.py
