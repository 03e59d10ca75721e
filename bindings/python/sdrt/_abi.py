# SPDX-License-Identifier: MIT
"""sdrt.h for ctypes.  tests/check_python.sh compares each line with the header."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import pathlib
from ctypes import (CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_float, c_int, c_size_t,
                    c_uint8, c_uint64, c_void_p)

ABI = 6  # SDRT_ABI of the header that this follows

LISTS = ("samplers", "schedules", "spacings", "predictions", "rngs", "levels", "precisions", "archs",
         "resize_modes", "masked_contents", "formats", "prompt_styles", "control_maps",
         "control_types")
STAGES = ("load", "text", "denoise", "decode", "encode")
STATUSES = ("ok", "arg", "nomem", "io", "format", "missing", "unsupported", "cancelled", "numeric")
LEVELS = ("error", "warning", "info")  # of the log


class PreviewAt(Structure):
    _fields_ = [("image", c_int), ("step", c_int), ("total", c_int)]


class Picture(Structure):
    _fields_ = [("pixels", c_void_p), ("width", c_int), ("height", c_int), ("channels", c_int),
                ("stride", c_size_t)]


class Lora(Structure):
    _fields_ = [("path", c_char_p), ("scale", c_float)]


class Control(Structure):
    _fields_ = [("net", c_char_p), ("picture", POINTER(Picture)), ("scale", c_float),
                ("start", c_float), ("end", c_float)]


class IpAdapter(Structure):
    _fields_ = [("file", c_char_p), ("picture", POINTER(Picture)), ("scale", c_float)]


class Memory(Structure):
    _fields_ = [("weights_bytes", c_size_t), ("arena_bytes", c_size_t),
                ("available_bytes", c_size_t)]


# Enums are c_int here: their values are small, and negative ones only returned as int.
LogFn = CFUNCTYPE(None, c_void_p, c_int, c_char_p)
ProgressFn = CFUNCTYPE(c_int, c_void_p, c_int, c_int, c_int)
DumpFn = CFUNCTYPE(c_int, c_void_p, c_char_p, POINTER(c_int), POINTER(c_float))
PreviewFn = CFUNCTYPE(c_int, c_void_p, POINTER(c_uint8), c_int, c_int, POINTER(PreviewAt))
CancelledFn = CFUNCTYPE(c_int, c_void_p)
UpscalerProgressFn = CFUNCTYPE(c_int, c_void_p, c_int, c_int)


class Log(Structure):
    _fields_ = [("fn", LogFn), ("user", c_void_p)]


class Options(Structure):
    _fields_ = [
        ("size", c_size_t), ("model", c_char_p), ("vae", c_char_p), ("text_encoder", c_char_p),
        ("text_encoder_2", c_char_p), ("t5", c_char_p), ("t5_tokenizer", c_char_p),
        ("refiner", c_char_p), ("threads", c_int), ("isa", c_char_p), ("precision", c_char_p),
        ("prediction", c_char_p), ("random_weights", c_int), ("arch", c_char_p),
        ("log", POINTER(Log)), ("no_pin", c_int), ("denoiser", c_char_p), ("device", c_char_p),
        ("device_memory", c_size_t), ("plan_only", c_int), ("taesd", c_char_p),
        ("hashes", c_char_p), ("hash_files", c_int), ("cancelled", CancelledFn),
        ("cancelled_user", c_void_p)]


class Request(Structure):
    _fields_ = [
        ("size", c_size_t), ("prompt", c_char_p), ("negative_prompt", c_char_p), ("width", c_int),
        ("height", c_int), ("steps", c_int), ("refiner_start", c_double), ("cfg_scale", c_float),
        ("sampler", c_char_p), ("schedule", c_char_p), ("spacing", c_char_p), ("clip_skip", c_int),
        ("original_width", c_int), ("original_height", c_int), ("crop_x", c_int),
        ("crop_y", c_int), ("target_width", c_int), ("target_height", c_int), ("rng", c_char_p),
        ("seed", c_uint64), ("batch", c_int), ("loras", POINTER(Lora)), ("n_loras", c_int),
        ("lora_dir", c_char_p), ("lora_lenient", c_int), ("progress", ProgressFn),
        ("dump", DumpFn), ("preview", PreviewFn), ("user", c_void_p), ("progress_user", c_void_p),
        ("dump_user", c_void_p), ("preview_user", c_void_p), ("init", POINTER(Picture)),
        ("mask", POINTER(Picture)), ("strength", c_float), ("n_controls", c_int),
        ("controls", POINTER(Control)), ("resize_mode", c_char_p), ("mask_invert", c_int),
        ("mask_blur", c_float), ("masked_content", c_char_p), ("mask_only", c_int),
        ("mask_padding", c_int), ("extend_left", c_int), ("extend_top", c_int),
        ("extend_right", c_int), ("extend_bottom", c_int), ("prompt_style", c_char_p),
        ("embeddings", c_char_p), ("eta", c_double), ("s_noise", c_double),
        ("eta_noise_seed_delta", c_uint64), ("subseed", c_uint64), ("subseed_strength", c_float),
        ("sigmas", POINTER(c_double)), ("timesteps", POINTER(c_double)), ("n_sigmas", c_int),
        ("n_timesteps", c_int), ("cfg_rescale", c_float), ("cfg_start", c_float),
        ("cfg_end", c_float), ("image_cfg_scale", c_float), ("hires", c_float),
        ("hires_strength", c_float), ("hires_steps", c_int), ("vae_bands", c_int),
        ("hires_upscaler", c_char_p), ("control_guess", c_int),
        ("control_maps", POINTER(c_char_p)), ("cache", c_char_p),
        ("control_types", POINTER(c_char_p)),
        ("guidance", c_char_p),
        ("cfg_schedule", c_char_p), ("slg_scale", c_float), ("slg_start", c_float),
        ("slg_end", c_float), ("slg_layers", c_char_p), ("pag_scale", c_float),
        ("pag_adaptive_scale", c_float), ("pag_layers", c_char_p), ("freeu", c_char_p),
        ("dynamic_prompts", c_int), ("ip_adapters", POINTER(IpAdapter)),
        ("clip_vision", c_char_p), ("n_ip_adapters", c_int), ("s_churn", c_double),
        ("s_tmin", c_double), ("s_tmax", c_double), ("seed_resize_width", c_int),
        ("seed_resize_height", c_int)]


STRUCTS = {"sdrt_preview_at": PreviewAt, "sdrt_picture": Picture, "sdrt_lora": Lora,
           "sdrt_control": Control, "sdrt_ip_adapter": IpAdapter, "sdrt_memory": Memory, "sdrt_log": Log,
           "sdrt_options": Options, "sdrt_request": Request}

# What each function returns and takes.  A text that is to be freed comes as an address.
FUNCTIONS = {
    "sdrt_version": (c_char_p, []),
    "sdrt_abi_version": (c_int, []),
    "sdrt_status_name": (c_char_p, [c_int]),
    "sdrt_list_name": (c_char_p, [c_int, c_int]),
    "sdrt_list_usable": (c_int, [c_int, c_int]),
    "sdrt_options_init_sized": (None, [POINTER(Options), c_size_t]),
    "sdrt_request_init_sized": (None, [POINTER(Request), c_size_t]),
    "sdrt_free": (None, [c_void_p]),
    "sdrt_model_open": (c_int, [POINTER(c_void_p), POINTER(Options)]),
    "sdrt_model_release": (None, [POINTER(c_void_p)]),
    "sdrt_session_open": (c_int, [POINTER(c_void_p), c_void_p, c_int]),
    "sdrt_session_close": (None, [POINTER(c_void_p)]),
    "sdrt_session_measure": (c_int, [c_void_p, POINTER(Request), POINTER(Memory)]),
    "sdrt_session_generate": (c_int, [c_void_p, POINTER(Request)]),
    "sdrt_session_cancel": (None, [c_void_p]),
    "sdrt_session_finish": (None, [c_void_p]),
    "sdrt_session_image": (c_void_p, [c_void_p, c_int, POINTER(c_int), POINTER(c_int)]),
    "sdrt_session_copy_image": (c_int, [c_void_p, c_int, c_void_p, c_size_t, c_size_t]),
    "sdrt_session_encode": (c_int, [c_void_p, c_int, c_char_p, c_int, POINTER(c_void_p),
                                    POINTER(c_size_t)]),
    "sdrt_session_parameters": (c_char_p, [c_void_p, c_int]),
    "sdrt_session_report_json": (c_void_p, [c_void_p]),
    "sdrt_upscaler_open": (c_int, [POINTER(c_void_p), c_char_p, POINTER(Options)]),
    "sdrt_upscaler_close": (None, [POINTER(c_void_p)]),
    "sdrt_upscaler_scale": (c_int, [c_void_p]),
    "sdrt_upscaler_run": (c_int, [c_void_p, POINTER(Picture), c_int, UpscalerProgressFn, c_void_p,
                                  POINTER(c_void_p), POINTER(c_int), POINTER(c_int)]),
    "sdrt_upscaler_cancel": (None, [c_void_p]),
    "sdrt_inspect": (c_void_p, [c_char_p, POINTER(Log)]),
}


def _candidates() -> list[str]:
    """$SDRT_LIBRARY alone, else where the loader looks, else beside where this is installed."""
    named = os.environ.get("SDRT_LIBRARY")
    if named:
        return [named]
    found = ctypes.util.find_library("sdrt")
    above = list(pathlib.Path(__file__).resolve().parents)
    prefix = above[min(4, len(above) - 1)]  # of PREFIX/share/sdrt/python/sdrt
    return ([found] if found else []) + [str(p) for p in sorted(prefix.glob("lib*/libsdrt.so*"))]


def load() -> ctypes.CDLL:
    """The library, with the types of its functions.  ImportError where it is not, or too old."""
    reason = "no libsdrt where the loader looks: expected it installed, or its path in SDRT_LIBRARY"
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
            version = library.sdrt_abi_version()
            if version < ABI:
                raise OSError(f"{path}: ABI {version}: expected {ABI} or later")
            for name, (result, arguments) in FUNCTIONS.items():
                function = getattr(library, name)
                function.restype, function.argtypes = result, arguments
            return library
        except (OSError, AttributeError) as error:
            reason = str(error)
    raise ImportError(reason)
