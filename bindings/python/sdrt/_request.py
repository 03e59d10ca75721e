# SPDX-License-Identifier: MIT
"""Python's values as the structs of sdrt.h.  ctypes would cut a number that does not fit and a text
at a zero byte, so each is checked first."""

from __future__ import annotations

import contextlib
import ctypes
import operator
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping, Optional

import numpy as np

from . import _abi

if TYPE_CHECKING:
    from typing import Sequence, Tuple, TypedDict, Union

    from numpy.typing import ArrayLike, NDArray

    from . import Control, IpAdapter

    Path = Union[str, os.PathLike[str]]

    class Options(TypedDict, total=False):
        """struct sdrt_options.  A true value of cancelled ends the opening."""

        vae: Path
        text_encoder: Path
        text_encoder_2: Path
        t5: Path
        t5_tokenizer: Path
        refiner: Path
        threads: int
        isa: str
        precision: str
        prediction: str
        random_weights: bool
        arch: str
        no_pin: bool
        denoiser: Path
        device: str
        device_memory: int
        plan_only: bool
        taesd: Path
        hashes: Path
        hash_files: bool
        cancelled: Callable[[], Any]

    class Request(TypedDict, total=False):
        """struct sdrt_request.  Of a callback a true value cancels."""

        negative_prompt: str
        width: int
        height: int
        steps: int
        refiner_start: float
        cfg_scale: float
        sampler: str
        schedule: str
        spacing: str
        clip_skip: int
        original_width: int
        original_height: int
        crop_x: int
        crop_y: int
        target_width: int
        target_height: int
        rng: str
        seed: int
        batch: int
        loras: Sequence[Tuple[Path, float]]
        lora_dir: Path
        lora_lenient: bool
        progress: Callable[[str, int, int], Any]  # stage, done, total
        preview: Callable[[NDArray[np.uint8], int, int, int], Any]  # pixels, image, step, total
        dump: Callable[[str, NDArray[np.float32]], Any]
        init: ArrayLike  # uint8 [H][W], or [H][W] of 1, 3 or 4 channels
        mask: ArrayLike  # the same, or bool: true is redrawn
        strength: float
        controls: Sequence[Control]
        resize_mode: str
        mask_invert: bool
        mask_blur: float
        masked_content: str
        mask_only: bool
        mask_padding: int
        extend_left: int
        extend_top: int
        extend_right: int
        extend_bottom: int
        prompt_style: str
        embeddings: Path
        eta: float
        s_noise: float
        eta_noise_seed_delta: int
        subseed: int
        subseed_strength: float
        sigmas: Sequence[float]
        timesteps: Sequence[float]
        cfg_rescale: float
        cfg_start: float
        cfg_end: float
        image_cfg_scale: float
        hires: float
        hires_strength: float
        hires_steps: int
        vae_bands: int
        hires_upscaler: Path
        control_guess: bool
        cache: str
        guidance: str
        cfg_schedule: str
        slg_scale: float
        slg_start: float
        slg_end: float
        slg_layers: str
        pag_scale: float
        pag_adaptive_scale: float
        pag_layers: str
        freeu: str
        dynamic_prompts: bool
        ip_adapters: Sequence[IpAdapter]
        clip_vision: Path
        s_churn: float
        s_tmin: float
        s_tmax: float
        seed_resize_width: int
        seed_resize_height: int

# What is set by what stands beside it.
_DERIVED = {"size", "prompt", "n_loras", "n_controls", "n_ip_adapters", "control_maps", "control_types",
            "n_sigmas", "n_timesteps",
            "user", "progress_user", "dump_user", "preview_user"}


def _text(name: str, value: Any) -> Optional[bytes]:
    if value is None:
        return None
    if not isinstance(value, (str, bytes, os.PathLike)):
        raise TypeError(f"{name}: expected a text, not {type(value).__name__}")
    data = os.fsencode(value) if isinstance(value, os.PathLike) else value
    data = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
    if b"\0" in data:
        raise ValueError(f"{name}: expected a text without a zero byte")
    return data


def _scalar(name: str, kind: Any, value: Any) -> Any:
    """The value for a field of that type."""
    if kind is ctypes.c_char_p:
        return _text(name, value)
    try:
        if kind in (ctypes.c_float, ctypes.c_double):
            return float(value)
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected a number, not {type(value).__name__}") from None
    if kind(number).value != number:
        raise ValueError(f"{name}: {number} is out of range")
    return number


def fill(struct: Any, values: Mapping[str, Any], hidden: set[str]) -> None:
    """Sets fields by name.  TypeError for a name that is not there or is one of the hidden."""
    kinds = dict(struct._fields_)
    for name, value in values.items():
        if name not in kinds or name in hidden:
            raise TypeError(f"{name}: there is no such option")
        setattr(struct, name, _scalar(name, kinds[name], value))


def picture(name: str, value: Any, keep: list[Any]) -> Any:
    """A pointer to a Picture of the array, which keep holds."""
    array = np.asarray(value)
    if name == "mask" and array.dtype == np.bool_:
        array = array * np.uint8(255)
    if array.dtype != np.uint8:
        raise TypeError(f"{name}: expected an array of uint8, not {array.dtype}")
    channels = 1 if array.ndim == 2 else array.shape[2] if array.ndim == 3 else 0
    if channels not in (1, 3, 4) or not array.size:
        raise ValueError(f"{name}: shape {array.shape}: expected [H][W], or [H][W] of 1, 3 or 4 channels")
    array = np.ascontiguousarray(array)
    keep.append(array)
    return ctypes.pointer(_abi.Picture(array.ctypes.data, array.shape[1], array.shape[0], channels, 0))


class Guard:
    """Callbacks of one call.  An exception of theirs cancels and is kept."""

    _raised: Optional[BaseException] = None

    def reraise(self) -> None:
        if self._raised is not None:
            raise self._raised

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Ctrl-C cancels.  Its exception would come before a callback's first line, which ctypes drops."""
        if (threading.current_thread() is not threading.main_thread() or
                signal.getsignal(signal.SIGINT) is not signal.default_int_handler):
            yield
            return

        def interrupt(_signal: int, _frame: Any) -> None:
            self._raised = KeyboardInterrupt()
        signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def guarded(self, function: Callable[[], Any]) -> int:
        try:
            return 1 if function() or self._raised else 0
        except BaseException as error:  # would be lost in C
            self._raised = error
            return 1


class RequestBuilder(Guard):
    """A filled request with what it borrows."""

    def __init__(self, library: ctypes.CDLL, prompt: str, values: Mapping[str, Any]) -> None:
        self.request = _abi.Request()
        self._keep: list[Any] = []
        library.sdrt_request_init_sized(ctypes.byref(self.request), ctypes.sizeof(self.request))
        self.request.prompt = _text("prompt", prompt)
        rest = dict(values)
        # Always there, so that Python sees to signals between two steps.
        self.request.progress = self._progress(rest.pop("progress", None))
        for name in ("preview", "dump", "init", "mask", "loras", "controls", "ip_adapters", "sigmas", "timesteps"):
            value = rest.pop(name, None)
            if value is not None:
                getattr(self, "_set_" + name, self._set_numbers)(name, value)
        fill(self.request, rest, _DERIVED)

    def _progress(self, told: Optional[Callable[[str, int, int], Any]]) -> Any:
        def call(_user: Any, stage: int, done: int, total: int) -> int:
            return self.guarded(lambda: told and told(_abi.STAGES[stage], done, total))
        return _abi.ProgressFn(call)

    def _set_preview(self, _name: str, told: Callable[..., Any]) -> None:
        def call(_user: Any, pixels: Any, width: int, height: int, at: Any) -> int:
            return self.guarded(lambda: told(
                np.ctypeslib.as_array(pixels, (height, width, 3)).copy(),
                at.contents.image, at.contents.step, at.contents.total))
        self.request.preview = _abi.PreviewFn(call)

    def _set_dump(self, _name: str, told: Callable[..., Any]) -> None:
        def call(_user: Any, name: bytes, dims: Any, data: Any) -> int:
            return self.guarded(lambda: told(
                name.decode(), np.ctypeslib.as_array(data, tuple(dims[0:4])).copy()))
        self.request.dump = _abi.DumpFn(call)

    def _set_init(self, name: str, value: Any) -> None:
        self.request.init = picture(name, value, self._keep)

    def _set_mask(self, name: str, value: Any) -> None:
        self.request.mask = picture(name, value, self._keep)

    def _set_loras(self, name: str, value: Any) -> None:
        loras = [_abi.Lora(_text(name, path), _scalar(name, ctypes.c_float, scale))
                 for path, scale in value]
        self.request.loras = (_abi.Lora * len(loras))(*loras)
        self.request.n_loras = len(loras)

    def _set_controls(self, name: str, value: Any) -> None:
        value = list(value)
        controls = [_abi.Control(_text(name, c.net), picture(name, c.picture, self._keep),
                                 c.scale, c.start, c.end) for c in value]
        self.request.controls = (_abi.Control * len(controls))(*controls)
        self.request.control_maps = (ctypes.c_char_p * len(controls))(
            *[_text(name, c.map) for c in value])
        self.request.control_types = (ctypes.c_char_p * len(controls))(
            *[_text(name, c.type) for c in value])
        self.request.n_controls = len(controls)

    def _set_ip_adapters(self, name: str, value: Any) -> None:
        ips = [_abi.IpAdapter(_text(name, ip.file), picture(name, ip.picture, self._keep), ip.scale)
               for ip in value]
        self.request.ip_adapters = (_abi.IpAdapter * len(ips))(*ips)
        self.request.n_ip_adapters = len(ips)

    def _set_numbers(self, name: str, value: Any) -> None:
        numbers = [_scalar(name, ctypes.c_double, x) for x in value]
        setattr(self.request, name, (ctypes.c_double * len(numbers))(*numbers))
        setattr(self.request, "n_" + name, len(numbers))
