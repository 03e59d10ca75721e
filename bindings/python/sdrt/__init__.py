# SPDX-License-Identifier: MIT
"""sdrt from Python: Stable Diffusion on the CPU, pictures as numpy arrays.

    import sdrt
    pixels = sdrt.Model("demo-model").generate("a red apple", cfg_scale=3)  # uint8 [H][W][3]

Options of a model and of a request have the names and the meaning that sdrt.h tells, where they are
given; the library's defaults stand for the others.  What the library refuses is an Error with the
line that it logs; its warnings go to logging.getLogger("sdrt").  Drawing releases the interpreter's
lock, and Ctrl-C ends it.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import logging
import os
import threading
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional, Union

import numpy as np

from . import _abi
from ._request import Guard, RequestBuilder, fill, picture

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from typing_extensions import Unpack

    from ._request import Options, Request

__all__ = ["Cancelled", "Control", "Error", "Image", "IpAdapter", "Memory", "Model", "Session",
           "Upscaler", "inspect", "names", "samplers", "schedules", "usable", "version"]

_library = _abi.load()
_logger = logging.getLogger("sdrt")
_lines = threading.local()  # the last error's line of each thread: the log is called by the caller's


class Error(Exception):
    """What the library refused, in its words; status is a name of enum sdrt_status, "arg"."""

    def __init__(self, line: str, status: str) -> None:
        super().__init__(line)
        self.status = status


class Cancelled(Error):
    """A callback or cancel() ended it.  Images that were ready stay in the session."""


class Memory(NamedTuple):
    """Bytes of the first request, before any of it is loaded; available 0 where it is unknown."""

    weights_bytes: int
    arena_bytes: int
    available_bytes: int


@dataclasses.dataclass(frozen=True)
class Image:
    """A picture, uint8 [H][W][3] in RGB, with A1111's text of parameters."""

    pixels: NDArray[np.uint8]
    parameters: str


@dataclasses.dataclass(frozen=True)
class Control:
    """A ControlNet or T2I-Adapter's path and the picture that it reads; map is a name of
    names("control_maps"), made of the picture first, type one of names("control_types"), which a union
    of nets is told."""

    net: Union[str, os.PathLike[str]]
    picture: NDArray[np.uint8]
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0
    map: Optional[str] = None
    type: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class IpAdapter:
    """An IP-Adapter's file and the picture that is a prompt to it; generate() wants clip_vision too."""

    file: Union[str, os.PathLike[str]]
    picture: NDArray[np.uint8]
    scale: float = 1.0


def _log(_user: Any, level: int, text: bytes) -> None:
    line = text.decode(errors="replace")
    if level == _abi.LEVELS.index("error"):
        _lines.error = line
    else:
        _logger.log(logging.WARNING if level == 1 else logging.INFO, "%s", line)


_LOG = _abi.Log(_abi.LogFn(_log), None)  # models borrow it until the program ends


def _error(status: int) -> Error:
    known = 0 <= -status < len(_abi.STATUSES)
    name = _abi.STATUSES[-status] if known else str(status)
    line = getattr(_lines, "error", None) or _library.sdrt_status_name(status).decode()
    return (Cancelled if name == "cancelled" else Error)(line, name)


def _call(function: Callable[..., int], *arguments: Any) -> None:
    _lines.error = None
    status = function(*arguments)
    if status:
        raise _error(status)


def _take_text(address: Optional[int]) -> str:
    """A text of the library's, which is then freed."""
    if not address:
        raise _error(-_abi.STATUSES.index("nomem"))
    try:
        return ctypes.string_at(address).decode(errors="replace")
    finally:
        _library.sdrt_free(address)


def version() -> str:
    """The library's, "0.1.0"."""
    return str(_library.sdrt_version().decode())


def names(kind: str) -> list[str]:
    """What an option or a request may say: "samplers", "schedules", "levels" and so on."""
    if kind not in _abi.LISTS:
        raise ValueError(f"{kind!r}: expected one of {', '.join(_abi.LISTS)}")
    number = _abi.LISTS.index(kind)
    found: list[str] = []
    while True:
        name = _library.sdrt_list_name(number, len(found))
        if name is None:
            return found
        found.append(name.decode())


def samplers() -> list[str]:
    return names("samplers")


def schedules() -> list[str]:
    return names("schedules")


def usable(kind: str, name: str) -> bool:
    """Whether this machine and this build can use it, which only levels and formats know."""
    known = names(kind)
    return name in known and bool(_library.sdrt_list_usable(_abi.LISTS.index(kind), known.index(name)))


def inspect(path: Union[str, os.PathLike[str]]) -> str:
    """What a file or a folder is, as lines of text; also of what sdrt does not draw with."""
    _lines.error = None
    address = _library.sdrt_inspect(os.fsencode(path), ctypes.byref(_LOG))
    if not address:
        raise _error(-_abi.STATUSES.index("io"))
    return _take_text(address)


class Session:
    """What draws with a model: threads, memory, images.  One thread at a time is in it, others wait;
    different sessions do not disturb each other.  It keeps its model open."""

    def __init__(self, model: Model, threads: int = 0) -> None:
        self._handle = ctypes.c_void_p()
        self._turn = threading.RLock()
        self._alive = threading.RLock()  # cancel() holds it, beside whoever draws
        self._busy = False
        with model._alive:
            _call(_library.sdrt_session_open, ctypes.byref(self._handle), model._open(), threads)

    def _enter(self) -> ctypes.c_void_p:
        """Within _turn: the handle."""
        if self._busy:
            raise RuntimeError("the session is drawing: expected no call from its own callback")
        if not self._handle:
            raise ValueError("the session is closed")
        return self._handle

    def draw(self, prompt: str = "", **request: Unpack[Request]) -> list[Image]:
        """Draws a request's images, batch of them."""
        builder = RequestBuilder(_library, prompt, request)
        with self._turn:
            handle = self._enter()
            self._busy = True
            try:
                with builder.interruptible():
                    _call(_library.sdrt_session_generate, handle, ctypes.byref(builder.request))
            except Error:
                builder.reraise()
                raise
            finally:
                self._busy = False
            builder.reraise()
            return [self.image(i) for i in range(builder.request.batch)]

    def generate(self, prompt: str = "", **request: Unpack[Request]) -> NDArray[np.uint8]:
        """Draws one image: its pixels, uint8 [H][W][3] in RGB."""
        if request.get("batch", 1) != 1:
            raise ValueError("batch: expected 1; draw() gives several images")
        return self.draw(prompt, **request)[0].pixels

    def cancel(self) -> None:
        """Asks what is being drawn to end soon, from any thread; else it does nothing."""
        with self._alive:
            if self._handle:
                _library.sdrt_session_cancel(self._handle)

    def finish(self) -> None:
        """Asks what is being drawn to leave out the evaluations still to come, from any thread: draw()
        returns what the denoiser has predicted so far."""
        with self._alive:
            if self._handle:
                _library.sdrt_session_finish(self._handle)

    def image(self, i: int = 0) -> Image:
        """Image i of the last request, copied.  IndexError where there is no such image."""
        with self._turn:
            handle = self._enter()
            width, height = ctypes.c_int(), ctypes.c_int()
            if i < 0 or not _library.sdrt_session_image(handle, i, ctypes.byref(width),
                                                        ctypes.byref(height)):
                raise IndexError(f"image {i}: there is no such image")
            pixels = np.empty((height.value, width.value, 3), np.uint8)
            _call(_library.sdrt_session_copy_image, handle, i, pixels.ctypes.data, 0, pixels.nbytes)
            text = _library.sdrt_session_parameters(handle, i) or b""
            return Image(pixels, text.decode(errors="replace"))

    def encode(self, i: int = 0, format: str = "png", quality: int = 100) -> bytes:
        """Image i as a file of names("formats"), the parameters inside."""
        with self._turn:
            handle = self._enter()
            data, size = ctypes.c_void_p(), ctypes.c_size_t()
            _call(_library.sdrt_session_encode, handle, i, format.encode(), quality,
                  ctypes.byref(data), ctypes.byref(size))
            try:
                return ctypes.string_at(data.value or 0, size.value)
            finally:
                _library.sdrt_free(data)

    def measure(self, prompt: str = "", **request: Unpack[Request]) -> Memory:
        """The memory that a request will need; nothing is loaded."""
        builder, memory = RequestBuilder(_library, prompt, request), _abi.Memory()
        with self._turn:
            _call(_library.sdrt_session_measure, self._enter(), ctypes.byref(builder.request),
                  ctypes.byref(memory))
        return Memory(memory.weights_bytes, memory.arena_bytes, memory.available_bytes)

    def report(self) -> dict[str, Any]:
        """Timings and memory of the last request."""
        with self._turn:
            report: dict[str, Any] = json.loads(
                _take_text(_library.sdrt_session_report_json(self._enter())))
        return report

    def close(self) -> None:
        with self._turn:
            if self._busy:
                raise RuntimeError("the session is drawing: expected no call from its own callback")
            with self._alive:
                _library.sdrt_session_close(ctypes.byref(self._handle))

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            _library.sdrt_session_close(ctypes.byref(self._handle))


class Model:
    """A checkpoint, a file or a folder, that sessions share.  Its own session is opened when the
    first request comes, with the threads of its options."""

    def __init__(self, model: Union[str, os.PathLike[str], None] = None,
                 **options: Unpack[Options]) -> None:
        self._handle = ctypes.c_void_p()
        self._alive = threading.RLock()
        self._own: Optional[Session] = None
        filled = _abi.Options()
        _library.sdrt_options_init_sized(ctypes.byref(filled), ctypes.sizeof(filled))
        given: dict[str, Any] = dict(options, model=model)
        cancelled, guard = given.pop("cancelled", None), Guard()
        fill(filled, given, {"size", "log", "cancelled_user"})
        filled.log = ctypes.pointer(_LOG)
        # Always there, so that Python sees to signals between two files.
        filled.cancelled = _abi.CancelledFn(
            lambda _user: guard.guarded(lambda: cancelled and cancelled()))
        self._threads = int(filled.threads)
        try:
            with guard.interruptible():
                _call(_library.sdrt_model_open, ctypes.byref(self._handle), ctypes.byref(filled))
        except Error:
            guard.reraise()
            raise
        guard.reraise()

    def _open(self) -> ctypes.c_void_p:
        if not self._handle:
            raise ValueError("the model is closed")
        return self._handle

    def session(self, threads: int = 0) -> Session:
        """Another session, for another thread."""
        return Session(self, threads)

    @property
    def own(self) -> Session:
        """The model's own session."""
        with self._alive:
            if self._own is None:
                self._own = Session(self, self._threads)
            return self._own

    def draw(self, prompt: str = "", **request: Unpack[Request]) -> list[Image]:
        return self.own.draw(prompt, **request)

    def generate(self, prompt: str = "", **request: Unpack[Request]) -> NDArray[np.uint8]:
        return self.own.generate(prompt, **request)

    def measure(self, prompt: str = "", **request: Unpack[Request]) -> Memory:
        return self.own.measure(prompt, **request)

    def cancel(self) -> None:
        """Ends what the model's own session draws."""
        if self._own is not None:
            self._own.cancel()

    def finish(self) -> None:
        """Ends it with what it is so far."""
        if self._own is not None:
            self._own.finish()

    def close(self) -> None:
        """Ends its own session; the model goes when the last of the others has closed."""
        own = self._own
        if own is not None:
            own.close()
        with self._alive:
            _library.sdrt_model_release(ctypes.byref(self._handle))

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            _library.sdrt_model_release(ctypes.byref(self._handle))


class Upscaler:
    """An ESRGAN or Real-ESRGAN network that enlarges pictures.  One thread at a time is in it, others
    wait.  Of a model's options threads, isa, precision and no_pin are read."""

    def __init__(self, path: Union[str, os.PathLike[str]], **options: Unpack[Options]) -> None:
        self._handle = ctypes.c_void_p()
        self._turn = threading.RLock()
        self._alive = threading.RLock()
        self._busy = False
        filled = _abi.Options()
        _library.sdrt_options_init_sized(ctypes.byref(filled), ctypes.sizeof(filled))
        fill(filled, options, {"size", "log", "model"})
        filled.log = ctypes.pointer(_LOG)
        _call(_library.sdrt_upscaler_open, ctypes.byref(self._handle), os.fsencode(path),
              ctypes.byref(filled))

    @property
    def scale(self) -> int:
        """How many times larger it makes a side; 0 once it is closed."""
        return int(_library.sdrt_upscaler_scale(self._handle))

    def run(self, image: ArrayLike, tile: int = 0,
            progress: Optional[Callable[[int, int], Any]] = None) -> NDArray[np.uint8]:
        """The picture, uint8 [H][W] or [H][W] of 1, 3 or 4 channels, enlarged: uint8 [H][W][3] in RGB.
        It goes through the network in squares of tile pixels (0: as many as suit it); progress is told
        how many are done of how many, and cancels with a true value."""
        keep: list[Any] = []
        guard = Guard()
        told = _abi.UpscalerProgressFn(
            lambda _user, done, total: guard.guarded(lambda: progress and progress(done, total)))
        given = picture("image", image, keep)
        data, width, height = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_int()
        with self._turn:
            if self._busy:
                raise RuntimeError("it is enlarging: expected no call from its own callback")
            if not self._handle:
                raise ValueError("the upscaler is closed")
            self._busy = True
            try:
                with guard.interruptible():
                    _call(_library.sdrt_upscaler_run, self._handle, given, tile, told, None,
                          ctypes.byref(data), ctypes.byref(width), ctypes.byref(height))
            except Error:
                guard.reraise()
                raise
            finally:
                self._busy = False
        try:
            guard.reraise()
            flat = ctypes.string_at(data.value or 0, width.value * height.value * 3)
        finally:
            _library.sdrt_free(data)
        return np.frombuffer(flat, np.uint8).reshape(height.value, width.value, 3).copy()

    def cancel(self) -> None:
        """Asks what is being enlarged to end soon, from any thread; else it does nothing."""
        with self._alive:
            if self._handle:
                _library.sdrt_upscaler_cancel(self._handle)

    def close(self) -> None:
        with self._turn:
            if self._busy:
                raise RuntimeError("it is enlarging: expected no call from its own callback")
            with self._alive:
                _library.sdrt_upscaler_close(ctypes.byref(self._handle))

    def __enter__(self) -> Upscaler:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            _library.sdrt_upscaler_close(ctypes.byref(self._handle))
