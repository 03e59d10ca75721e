noinst_LTLIBRARIES += libruntime.la
libruntime_la_SOURCES = \
	runtime/base/choices.c runtime/base/choices.h runtime/base/error.c runtime/base/error.h runtime/base/sdrt_status.h \
	runtime/base/stop.c runtime/base/stop.h \
	runtime/base/numbers.c runtime/base/numbers.h runtime/base/printable.c runtime/base/printable.h \
	runtime/random/rng.c runtime/random/rng.h runtime/random/brownian.c runtime/random/brownian.h runtime/random/entropy.h \
	runtime/files/atomic_file.c runtime/files/atomic_file.h \
	runtime/files/atomic_folder.c runtime/files/atomic_folder.h \
	runtime/files/read_file.c runtime/files/read_file.h \
	runtime/files/file_kind.c runtime/files/file_kind.h \
	runtime/files/file_pages.c runtime/files/file_pages.h \
	runtime/files/held_buffers.c runtime/files/held_buffers.h \
	runtime/files/json.c runtime/files/json.h \
	runtime/files/png.h runtime/files/png_write.c runtime/files/png_read.c runtime/files/png_text.c runtime/files/png_text.h \
	runtime/files/picture_file.c runtime/files/picture_file.h runtime/files/picture_formats.h \
	runtime/files/npy.c runtime/files/npy.h runtime/files/path.c runtime/files/path.h \
	runtime/files/json_reader.c runtime/files/json_reader.h runtime/files/unfinished.c runtime/files/unfinished.h runtime/files/tensor_files.c runtime/files/tensor_files.h runtime/files/tensor_format.h \
	runtime/files/safetensors.c runtime/files/gguf.c runtime/files/gguf_values.c runtime/files/gguf_values.h \
	runtime/files/ggml_types.c runtime/files/ggml_types.h \
	runtime/files/zip.c runtime/files/zip.h runtime/files/pickle_file.c runtime/files/pickle_tar.c \
	runtime/files/pickle.c runtime/files/pickle.h runtime/files/pickle_ops.c runtime/files/pickle_ops.h \
	runtime/files/pickle_globals.c runtime/files/pickle_globals.h \
	runtime/files/pickle_tensors.c runtime/files/pickle_tensors.h \
	runtime/weights/weights.c runtime/weights/weights.h runtime/weights/weight_files.c runtime/weights/storage.c runtime/weights/storage.h runtime/weights/storage_read.c runtime/weights/random_weights.c \
	runtime/weights/weight_store.c runtime/weights/weight_store.h runtime/weights/weight_store_internal.h \
	runtime/weights/commons.c runtime/weights/commons.h \
	runtime/machine/common_memory.h \
	runtime/weights/weight_source.c runtime/weights/weight_fill.c runtime/weights/weight_uses.c runtime/weights/packing.c runtime/weights/packing.h runtime/base/grow.h runtime/base/clock.h runtime/base/hash.h runtime/base/sha256.c runtime/base/sha256.h \
	runtime/files/file_hash.c runtime/files/file_hash.h runtime/files/file_time.h runtime/base/text.h \
	runtime/machine/arena.c runtime/machine/arena.h runtime/weights/low_rank.c runtime/weights/low_rank.h \
	runtime/machine/memory.h runtime/machine/sleep.h runtime/machine/thread.h \
	runtime/machine/control_group.c runtime/machine/control_group.h \
	runtime/machine/core_kinds.c runtime/machine/core_kinds.h \
	runtime/machine/topology.c runtime/machine/topology.h \
	runtime/ranks/ranks.c runtime/ranks/ranks.h runtime/ranks/deal.c runtime/ranks/deal.h runtime/ranks/cores.c runtime/ranks/cores.h \
	runtime/machine/spill.c runtime/machine/spill.h runtime/machine/team.c runtime/machine/team.h \
	runtime/device/device.c runtime/device/device.h runtime/device/cpu.c runtime/device/cpu.h \
	runtime/device/cuda.c runtime/device/cuda.h runtime/device/cuda_internal.h runtime/device/cuda_queue.c \
	runtime/device/cuda_driver.c runtime/device/cuda_driver.h \
	runtime/graph/planner.c runtime/graph/planner.h \
	runtime/graph/graph_conv.c \
	runtime/graph/graph.c runtime/graph/graph.h runtime/graph/tensor.h runtime/graph/graph_internal.h runtime/graph/graph_plan.c runtime/graph/graph_types.c \
	runtime/graph/graph_elementwise.c \
	runtime/graph/graph_ranks.c runtime/graph/operations_ranks.c runtime/graph/operations_ranks.h \
	runtime/graph/operations.c runtime/graph/externals.c \
	runtime/graph/program.c runtime/graph/program.h runtime/graph/program_internal.h runtime/graph/program_check.c runtime/graph/program_report.c
libruntime_la_LIBADD = libkernels.la

# Pictures of other formats, where their libraries are.
if HAVE_EXIF
libruntime_la_SOURCES += runtime/files/exif.c
endif
if HAVE_JPEG
libruntime_la_SOURCES += runtime/files/jpeg.c
endif
if HAVE_WEBP
libruntime_la_SOURCES += runtime/files/webp.c
endif

# What each system does its own way, a file each.
if MACOS
libruntime_la_SOURCES += runtime/machine/memory_macos.c runtime/machine/common_memory_macos.c runtime/machine/sleep_posix.c \
	runtime/machine/thread_macos.c runtime/files/file_time_macos.c runtime/random/entropy_macos.c
else
libruntime_la_SOURCES += runtime/machine/memory_linux.c runtime/machine/common_memory_linux.c runtime/machine/memory_linux.h \
	runtime/machine/sleep_linux.c runtime/machine/thread_linux.c runtime/files/file_time_linux.c runtime/random/entropy_linux.c
endif

# The part that knows MPI, which programs load where they are asked to.
if HAVE_MPI
pkglib_LTLIBRARIES += sdrt-mpi.la
sdrt_mpi_la_SOURCES = runtime/ranks/mpi.c
sdrt_mpi_la_CFLAGS = $(AM_CFLAGS) $(MPI_CFLAGS)
sdrt_mpi_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
sdrt_mpi_la_LIBADD = $(MPI_LIBS)
endif
