noinst_LTLIBRARIES += libmodel.la
libmodel_la_SOURCES = \
	model/noise/sampler_check.c model/noise/sampler.c model/noise/sampler.h model/noise/sampler_internal.h model/noise/sampler_plan.c \
	model/noise/sampler_k.c model/noise/sampler_d.c model/noise/sampler_fast.c model/noise/sampler_pp.c \
	model/noise/sampler_adaptive.c \
	model/noise/sampler_names.c model/noise/schedule_kinds.c \
	model/noise/schedule.c model/noise/schedule.h model/noise/named.c model/noise/named.h \
	model/noise/guidance.c model/noise/guidance.h model/noise/cache.c model/noise/cache.h
libmodel_la_LIBADD = libruntime.la
libmodel_la_SOURCES += \
	model/net/linear.c model/net/linear.h model/net/name.c model/net/name.h \
	model/net/clip_encoder.c model/net/clip_encoder.h \
	model/net/t5_encoder.c model/net/t5_encoder.h \
	model/net/freeu.c model/net/freeu.h model/net/denoiser.c model/net/denoiser.h model/net/mmdit.c model/net/mmdit.h model/net/unet.c model/net/unet.h model/net/unet_gate.c model/net/unet_gate.h model/net/unet_once.c model/net/unet_once.h model/net/unet_parts.c model/net/unet_parts.h model/net/vae.c model/net/vae.h \
	model/pipeline/guide.c model/pipeline/guide.h model/pipeline/hashes.c model/pipeline/hashes.h model/pipeline/context.c model/pipeline/open.c model/pipeline/open_device.c model/pipeline/model.c model/pipeline/model.h model/pipeline/session.c model/pipeline/session.h \
	model/pipeline/packing.c model/pipeline/packing.h \
	model/pipeline/precision.c model/pipeline/precision.h \
	model/pipeline/slots.c model/pipeline/slots.h model/pipeline/pass.c model/pipeline/pass.h model/pipeline/passes.c model/pipeline/passes.h model/pipeline/plan.c \
	model/pipeline/request.c model/pipeline/read.c model/pipeline/read.h model/pipeline/image.c \
	model/pipeline/version.c model/pipeline/defaults.c model/pipeline/lists.c model/pipeline/lists.h model/pipeline/generate.c model/pipeline/run.h model/pipeline/text.c model/pipeline/once.c \
	model/pipeline/steps.c model/pipeline/decoder.c model/pipeline/dump.c model/pipeline/report.c \
	model/pipeline/picture.c model/pipeline/picture.h model/pipeline/resize.c model/pipeline/begin.c model/pipeline/begin.h model/pipeline/encoder.c \
	model/net/controlnet.c model/net/controlnet.h model/net/adapter.c model/net/adapter.h model/checkpoint/image_prompt.c model/checkpoint/image_prompt.h model/net/clip_vision.c model/net/clip_vision.h model/net/ip_adapter.c model/net/ip_adapter.h \
	model/pipeline/nets.c model/pipeline/nets.h model/pipeline/image_prompts.c model/pipeline/image_prompts.h model/checkpoint/behind.c model/checkpoint/behind.h model/checkpoint/control.c model/checkpoint/control.h \
	model/pipeline/controls.c model/pipeline/controls.h model/pipeline/control_run.c \
	model/pipeline/control_maps.c model/pipeline/control_maps.h \
	model/net/taesd.c model/net/taesd.h model/pipeline/taesd.c model/pipeline/taesd.h \
	model/net/upscaler.c model/net/upscaler.h model/pipeline/upscaler_file.c model/pipeline/upscaler_file.h \
	model/pipeline/upscaler.c model/pipeline/upscaler.h model/pipeline/upscaler_run.c \
	model/pipeline/hires.c model/pipeline/hires.h \
	model/net/vae_bands.c model/net/vae_bands.h model/pipeline/bands.c model/pipeline/bands.h \
	model/pipeline/bands_internal.h model/pipeline/bands_run.c \
	model/pipeline/parameters.c model/pipeline/parameters.h model/pipeline/canvas.c model/pipeline/canvas.h model/pipeline/fill.c model/pipeline/fill.h \
	model/pipeline/cache.c model/pipeline/cache.h model/pipeline/share.c model/pipeline/share.h model/pipeline/kept.c model/pipeline/kept.h model/pipeline/preview.c model/pipeline/preview.h model/pipeline/refiner.c model/pipeline/refiner.h \
	model/checkpoint/inspect.c model/checkpoint/inspect_names.c model/checkpoint/inspect.h \
	model/checkpoint/few_steps.c model/checkpoint/few_steps.h \
	model/checkpoint/lora_base.c model/checkpoint/lora_base.h

libmodel_la_SOURCES += \
	model/net/config.c model/net/config.h model/net/published.c model/net/published.h \
	model/checkpoint/tensor_names.c model/checkpoint/tensor_names.h \
	model/checkpoint/checkpoint.c model/checkpoint/checkpoint.h \
	model/checkpoint/part.c model/checkpoint/part.h model/checkpoint/file.c model/checkpoint/file.h \
	model/checkpoint/folder.c model/checkpoint/folder.h model/checkpoint/folder_weights.c model/checkpoint/folder_weights.h model/checkpoint/layout.c model/checkpoint/layout.h \
	model/checkpoint/provider.c model/checkpoint/provider.h model/checkpoint/detect.c model/checkpoint/detect.h \
	model/checkpoint/detect_t5.c model/checkpoint/detect_t5.h \
	model/checkpoint/config_json.c model/checkpoint/config_json.h \
	model/checkpoint/config_write.c model/checkpoint/config_write.h \
	model/checkpoint/config_fixed.c model/checkpoint/config_fixed.h \
	model/checkpoint/config_check.c model/checkpoint/config_check.h \
	model/checkpoint/kind.c model/checkpoint/kind.h model/checkpoint/marks.c model/checkpoint/marks.h \
	model/checkpoint/coverage.c model/checkpoint/coverage.h model/net/needs.c model/net/needs.h \
	model/net/family.c model/net/family.h

libmodel_la_SOURCES += \
	model/lora/lora.c model/lora/lora.h model/lora/config.c model/lora/config.h \
	model/lora/file.c model/lora/file.h model/lora/merge.c model/lora/merge.h \
	model/lora/names.c model/lora/names.h model/lora/by_weight.c model/lora/by_weight.h \
	model/lora/values.h model/lora/strength.c model/lora/strength.h model/lora/pattern.c \
	model/lora/pattern.h model/lora/tags.c model/lora/tags.h model/lora/folder.c \
	model/lora/folder.h \
	model/pipeline/loras.c model/pipeline/loras.h \
	model/pipeline/prompts.c model/pipeline/prompts.h model/pipeline/prompt_store.c \
	model/pipeline/vectors.c model/pipeline/vectors.h model/pipeline/noise.c

libmodel_la_SOURCES += \
	model/text/codepoints.c model/text/codepoints.h \
	model/text/prompt_variants.c model/text/prompt_variants.h model/text/prompt_weights.c model/text/prompt_weights.h model/text/prompt_schedule.c \
	model/text/prompt_schedule.h model/text/prompt_chunks.c model/text/prompt_chunks.h \
	model/text/prompt_compel.c model/text/prompt_compel.h model/text/prompt_compel_chunks.c \
	model/text/clip_tokenizer.c model/text/clip_tokenizer.h \
	model/text/t5_tokenizer.c model/text/t5_tokenizer.h model/text/t5_vocab_json.c model/text/t5_vocab_spiece.c \
	model/text/t5_vocab.c model/text/t5_vocab.h \
	model/text/clip_vocab.c model/text/clip_vocab.h model/text/clip_merges.h
nodist_libmodel_la_SOURCES = model/text/clip_merges.c
CLEANFILES += model/text/clip_merges.c
EXTRA_DIST += build-aux/embed.sh model/text/data/clip_merges.txt model/text/data/clip_merges.LICENSE

model/text/clip_merges.c: model/text/data/clip_merges.txt build-aux/embed.sh
	$(AM_V_GEN)$(MKDIR_P) model/text && $(SHELL) $(top_srcdir)/build-aux/embed.sh sdrt_clip_merges \
		model/text/clip_merges.h $(top_srcdir)/model/text/data/clip_merges.txt > $@.tmp && mv $@.tmp $@

# The installed library: all the rooms, of which only what sdrt.h declares is visible.
lib_LTLIBRARIES += libsdrt.la
libsdrt_la_SOURCES = model/sdrt.h
libsdrt_la_LIBADD = libmodel.la $(DEPS_LIBS)
libsdrt_la_LDFLAGS = $(AM_LDFLAGS) -version-info 4:0:4 -no-undefined
include_HEADERS += model/sdrt.h runtime/base/sdrt_status.h
