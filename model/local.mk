noinst_LTLIBRARIES += libmodel.la
libmodel_la_SOURCES = \
	model/sampler.c model/sampler.h model/sampler_internal.h model/sampler_plan.c \
	model/schedule.c model/schedule.h
libmodel_la_LIBADD = libruntime.la
libmodel_la_SOURCES += \
	model/name.c model/name.h \
	model/text_encoder.c model/text_encoder.h \
	model/t5_encoder.c model/t5_encoder.h \
	model/denoiser.c model/denoiser.h model/mmdit.c model/mmdit.h model/unet.c model/unet.h model/vae.c model/vae.h \
	model/pipeline.c model/pipeline.h model/pipeline_plan.c model/pipeline_report.c \
	model/generate.c model/generate_internal.h model/generate_once.c model/generate_text.c \
	model/preview.c model/preview.h model/conditioning.c model/refiner.c model/refiner.h \
	model/inspect.c model/inspect_names.c model/inspect.h

libmodel_la_SOURCES += \
	model/config.h model/names.c model/names.h \
	model/checkpoint.c model/checkpoint.h model/checkpoint_internal.h \
	model/checkpoint_parts.c model/checkpoint_config.c model/checkpoint_json.c \
	model/family.c model/family.h

libmodel_la_SOURCES += \
	model/lora.c model/lora.h model/lora_config.c model/lora_config.h \
	model/lora_file.c model/lora_file.h model/lora_merge.c model/lora_merge.h \
	model/lora_names.c model/lora_names.h model/lora_prompt.c model/lora_prompt.h \
	model/pipeline_lora.c model/pipeline_lora.h

libmodel_la_SOURCES += \
	model/codepoints.c model/codepoints.h \
	model/html_entities.c model/html_entities.h model/data/html_entities.inc \
	model/mojibake.c model/mojibake.h model/data/mojibake_tables.inc \
	model/mojibake_bytes.c model/mojibake_bytes.h \
	model/text_clean.c model/text_clean.h \
	model/tokenizer.c model/tokenizer.h \
	model/t5_tokenizer.c model/t5_tokenizer.h model/t5_tokenizer_json.c model/t5_spiece.c \
	model/t5_vocab.c model/t5_vocab.h \
	model/tokenizer_vocab.c model/tokenizer_vocab.h model/clip_merges.h
nodist_libmodel_la_SOURCES = model/clip_merges.c
CLEANFILES += model/clip_merges.c
EXTRA_DIST += build-aux/embed.sh model/data/clip_merges.txt model/data/clip_merges.LICENSE \
	model/data/ftfy.LICENSE model/data/make_text_tables.py

model/clip_merges.c: model/data/clip_merges.txt build-aux/embed.sh
	$(AM_V_GEN)$(MKDIR_P) model && $(SHELL) $(top_srcdir)/build-aux/embed.sh sdrt_clip_merges \
		model/clip_merges.h $(top_srcdir)/model/data/clip_merges.txt > $@.tmp && mv $@.tmp $@

# The installed library: all the rooms, of which only what sdrt.h declares is visible.
lib_LTLIBRARIES += libsdrt.la
libsdrt_la_SOURCES = model/sdrt.h
libsdrt_la_LIBADD = libmodel.la $(DEPS_LIBS)
libsdrt_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined
include_HEADERS += model/sdrt.h
