"""GGUF files, converted once into a folder that transformers opens at once (io).

A GGUF file holds blocks of a few bits a weight. transformers unpacks them all on every load, which takes a minute for
1.5 billion weights; the copy loads in a second. It is held in bfloat16, whatever the device computes in: it has
float32's range, so that no block's scale can overflow, as it may in float16; its rounding (2^-9 of a weight) is far
below that of 4-bit blocks; and it is half of float32's size.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib
import importlib.util
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from furikaeri_common.artifacts import read_json, sha256_of, sync_folder, write_json
from furikaeri_common.devices import choose_device
from furikaeri_common.errors import FurikaeriError, InputError, MissingExtraError, WorkError, full_disk
from furikaeri_common.models.gguf_header import GgufHeader, read_gguf_header
from furikaeri_common.models.opening import first_line, is_out_of_memory, quietly
from furikaeri_common.models.places import CONVERTED, models_folder

__all__ = ["SOURCE", "converted_folder", "gguf_digest"]

SOURCE = "gguf_source.json"
"""The file of a converted copy that says what it was made from."""

_BYTES = 2  # of a bfloat16 number
_BYTES_WORKING = 4  # a weight, in memory, at the height of the work; measured, without the file's own pages
_PART = ".part"

Note = Callable[[str], None]


def converted_folder(path: Path, *, on_note: Note | None = None) -> Path:
    """Return the converted copy of a GGUF file, made now if there is none.

    The copy appears whole or not at all. Of several processes that want it one makes it, and the others wait.

    Args:
        path: the GGUF file.
        on_note: told, in one line, what is waited for.

    Raises:
        MissingExtraError: without torch, transformers and gguf.
        InputError: if the file is damaged, one part of several, or of an architecture that transformers cannot convert.
        WorkError: if the disk or the memory does not suffice.
    """
    header = read_gguf_header(path)
    digest = gguf_digest(path)
    folder = models_folder() / CONVERTED / f"{path.stem}-{digest[:12]}"
    if (folder / SOURCE).is_file():
        return folder
    if any(importlib.util.find_spec(package) is None for package in ("torch", "transformers", "gguf", "accelerate")):
        raise MissingExtraError("loading a GGUF file", distribution="furikaeri-common", extra="llm")
    say = on_note or _silent
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder.parent, say):
            if not (folder / SOURCE).is_file():
                _require_memory(header, path)
                _require_room(folder.parent, header, path)
                say(f"converting {path.name} once, for faster loading: {header.num_parameters / 1e6:,.0f} M weights")
                _convert(path, digest, folder)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    return folder


def gguf_digest(path: Path) -> str:
    """Return the SHA-256 of a GGUF file; it is read again only when its size or its time has changed.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    key = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
    memo = models_folder() / CONVERTED / ".digests" / f"{key}.json"
    seen = {"bytes": state.st_size, "modified": state.st_mtime_ns}
    with contextlib.suppress(InputError):
        known = read_json(memo)
        if isinstance(known, dict) and {name: known.get(name) for name in seen} == seen:
            digest = known.get("sha256")
            if isinstance(digest, str) and len(digest) == 64:
                return digest
    digest = sha256_of(path)
    with contextlib.suppress(FurikaeriError):  # where nothing can be written, it is read again next time
        write_json(memo, {**seen, "sha256": digest})
    return digest


def _silent(_: str) -> None:
    pass


@contextlib.contextmanager
def _alone(root: Path, say: Note) -> Iterator[None]:
    """Let one process at a time convert, and clear what killed ones left; without locks the first to end wins."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with (root / ".lock").open("ab") as stream:
        try:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("waiting for another process that converts a GGUF file")
                fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            yield
            return
        for left in root.glob(f".*{_PART}"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def _require_memory(header: GgufHeader, path: Path) -> None:
    # The system does not refuse memory: it ends the process that uses too much. So it is asked before.
    need, free = header.num_parameters * _BYTES_WORKING, choose_device("cpu").memory_free
    if free is not None and need > free:
        raise WorkError(
            f"{path}: converting it takes {need / 2**30:.2f} GiB of memory, and {free / 2**30:.2f} GiB are free",
            fix="Use a smaller model, or convert it on a machine with more memory and bring the folder here",
        )


def _require_room(root: Path, header: GgufHeader, path: Path) -> None:
    need, free = header.num_parameters * _BYTES, shutil.disk_usage(root).free
    if need > free:
        raise WorkError(
            f"{root}: the converted copy of {path.name} needs {need / 1e9:.2f} GB, and {free / 1e9:.2f} GB are free",
            fix="Free some space, or let FURIKAERI_MODELS name a folder on a larger disk",
        )


def _convert(path: Path, digest: str, folder: Path) -> None:
    work = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}{_PART}")
    work.mkdir()
    try:
        _write(path, work)
        write_json(work / SOURCE, {"file": path.name, "bytes": path.stat().st_size, "sha256": digest})
        for file in work.iterdir():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
        try:
            work.rename(folder)
        except OSError:
            if not (folder / SOURCE).is_file():  # else another process was first
                raise
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write(path: Path, work: Path) -> None:
    """Write the model, its tokenizer and its chat template as transformers keeps them."""
    try:
        with quietly(), _without_bar():
            model, tokenizer = _unpacked(path)
    except Exception as error:  # a file from a stranger may fail in any way
        if is_out_of_memory(error):
            raise WorkError(f"{path}: the memory does not suffice to convert it", fix="Use a smaller model") from error
        raise InputError(
            f"{path}: cannot be converted ({first_line(error)})",
            fix="Use a GGUF of an architecture that this transformers knows, or the model's own folder",
        ) from error
    try:
        with quietly():
            model.save_pretrained(work)
            tokenizer.save_pretrained(work)
    except Exception as error:
        if isinstance(error, OSError):
            raise
        # safetensors tells a full disk in words alone
        if "No space left" in str(error) or "os error 28" in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(work)) from error
        raise WorkError(f"{path}: its converted copy cannot be written ({first_line(error)})") from error


@contextlib.contextmanager
def _without_bar() -> Iterator[None]:
    """Keep transformers from drawing the one bar that its own switch does not stop."""
    module = importlib.import_module("transformers.modeling_gguf_pytorch_utils")
    drawn = getattr(module, "tqdm", None)
    vars(module)["tqdm"] = lambda tensors, **_: tensors
    try:
        yield
    finally:
        vars(module)["tqdm"] = drawn


def _unpacked(path: Path) -> tuple[Any, Any]:
    import torch
    import transformers

    options: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True}
    tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, **options)
    # Before version 5 a GGUF file is always unpacked, and there is no GgufConfig.
    unpack = getattr(transformers, "GgufConfig", None)
    if unpack is not None:
        options["quantization_config"] = unpack(dequantize=True)
    dtype = "dtype" if unpack is not None else "torch_dtype"
    model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, **options, **{dtype: torch.bfloat16})
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model, tokenizer


def _cannot_write(folder: Path, error: OSError) -> FurikaeriError:
    told = f"{folder}: cannot be written ({error.strerror or error})"
    return full_disk(folder, error) or InputError(told, fix="Let FURIKAERI_MODELS name a folder that can be written")
