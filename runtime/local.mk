noinst_LTLIBRARIES += libruntime.la
libruntime_la_SOURCES = \
	runtime/error.c runtime/error.h \
	runtime/rng.c runtime/rng.h \
	runtime/atomic_file.c runtime/atomic_file.h \
	runtime/read_file.c runtime/read_file.h \
	runtime/file_kind.c runtime/file_kind.h \
	runtime/held_buffers.c runtime/held_buffers.h \
	runtime/json.c runtime/json.h \
	runtime/png.h runtime/png_write.c runtime/png_read.c runtime/png_text.c runtime/png_text.h \
	runtime/npy.c runtime/npy.h \
	runtime/safetensors.c runtime/safetensors.h \
	runtime/weights.c runtime/weights.h runtime/weight_files.c runtime/random_weights.c \
	runtime/weight_store.c runtime/weight_store.h runtime/weight_store_internal.h \
	runtime/weight_fill.c runtime/grow.h runtime/clock.h \
	runtime/arena.c runtime/arena.h runtime/low_rank.c runtime/low_rank.h \
	runtime/memory.c runtime/memory.h \
	runtime/topology.c runtime/topology.h \
	runtime/team.c runtime/team.h \
	runtime/planner.c runtime/planner.h \
	runtime/graph.c runtime/graph.h runtime/graph_internal.h runtime/graph_plan.c \
	runtime/graph_elementwise.c \
	runtime/operations.c \
	runtime/program.c runtime/program.h runtime/program_internal.h runtime/program_report.c
libruntime_la_LIBADD = libkernels.la
