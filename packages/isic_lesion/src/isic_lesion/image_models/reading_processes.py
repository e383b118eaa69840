"""Processes that read pictures ahead of the network that learns from them. (io)

Fresh interpreters, as the task engine's: nothing crosses a fork, neither an open HDF5 file nor a thread's lock nor a
GPU's context, and numeric libraries meet their one thread before they are imported. What to read goes to a process as
a JSON line, pixels come back over its stdout as they are, so that neither shared memory nor the table of lesions is
needed. Batches are dealt out in turn and taken back in order: how many processes there are shows in no bit. A process
whose stdin closes ends itself, so none outlives this one, however it ends.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
from typing import IO, Any, NamedTuple, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import FurikaeriError, InputError, WorkError
from furikaeri_common.local_processes import THREAD_VARIABLES
from isic_lesion.image_models.reading import PictureReader, Place, ReadingSpec

__all__ = ["ReadingProcesses", "main"]

_HEADER = struct.Struct("<cQ")  # of an answer: what it is, and how many pictures or bytes of JSON follow
_PICTURES, _FAILURE = b"P", b"F"
_SECONDS_TO_END = 10.0
_Array = TypeVar("_Array", bound=NDArray[Any])
_START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from isic_lesion.image_models.reading_processes import main
main()
"""


class _Pictures(NamedTuple):
    pixels: NDArray[np.uint8]
    whole: NDArray[np.bool_]


class ReadingProcesses:
    """Some processes that read; leaving ends them.

    Args:
        spec: how pictures are read.
        workers: how many at most, at least 1; each starts when there is a batch for it.
    """

    def __init__(self, spec: ReadingSpec, workers: int) -> None:
        self._spec = spec
        self._workers = workers
        self._readers: list[_Reader] = []
        self._asked = self._taken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._readers:
            reader.end()
        self._readers.clear()

    def ask(self, places: list[Place]) -> None:
        """Let a batch be read; it is taken back after those that were asked for before."""
        number = self._asked % self._workers
        if number == len(self._readers):
            self._readers.append(_Reader(self._spec))
        self._readers[number].ask(places)
        self._asked += 1

    def take(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return the next batch as `PictureReader.read_all` does; waits for it.

        Raises:
            InputError: as `read_all`.
            WorkError: if its process failed or died.
        """
        heard = self._readers[self._taken % self._workers].take()
        self._taken += 1
        return heard


class _Reader:
    """One process, and the thread that hears its answers."""

    def __init__(self, spec: ReadingSpec) -> None:
        self._spec = spec
        self._heard: queue.SimpleQueue[_Pictures | FurikaeriError | None] = queue.SimpleQueue()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")},
                # A session of its own: Ctrl-C at the terminal reaches this process alone, which then ends its readers.
                start_new_session=True,
            )
        except OSError as error:
            raise WorkError(
                f"no process that reads pictures could be started: {error.strerror or error}",
                fix="Read with fewer of these processes",
            ) from error
        self._send(spec)
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    def ask(self, places: list[Place]) -> None:
        self._send(places)

    def take(self) -> _Pictures:
        heard = self._heard.get()
        if isinstance(heard, _Pictures):
            return heard
        if heard is not None:
            raise heard
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS_TO_END)
        raise WorkError(
            f"a process that reads pictures died ({_cause(self._process.poll())})",
            fix="Run the same command again; fewer of these processes need less memory",
        )

    def end(self) -> None:
        self._process.kill()
        self._thread.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        self._process.wait()

    def _send(self, document: object) -> None:
        assert self._process.stdin is not None
        rest = memoryview(json.dumps(document).encode() + b"\n")
        # One that has just died is reported by the end of its stdout.
        with contextlib.suppress(BrokenPipeError):
            while rest:
                rest = rest[self._process.stdin.write(rest) :]

    def _hear(self) -> None:
        while (header := self._receive(np.empty(_HEADER.size, np.uint8))) is not None:
            kind, count = _HEADER.unpack(header.tobytes())
            if kind == _PICTURES:
                whole = self._receive(np.empty(count, np.bool_))
                pixels = self._receive(np.empty((count, 3, self._spec.size, self._spec.size), np.uint8))
                if whole is None or pixels is None:
                    break
                self._heard.put(_Pictures(pixels, whole))
            else:
                told = self._receive(np.empty(count, np.uint8))
                if told is None:
                    break
                failure = json.loads(told.tobytes())
                error = InputError if failure["is_input"] else WorkError
                self._heard.put(error(failure["message"], fix=failure["fix"]))
        self._heard.put(None)

    def _receive(self, held: _Array) -> _Array | None:
        """Fill an array with what comes next; None if it does not come whole."""
        stream = cast(io.FileIO, self._process.stdout)  # unbuffered: pixels are copied once, to where they stay
        rest = held.reshape(-1).view(np.uint8).data
        while rest:
            count = stream.readinto(rest)
            if not count:
                return None
            rest = rest[count:]
        return held


def main() -> None:
    """Read what the parent process asks for over stdin until that closes; what is printed goes to stderr."""
    incoming = os.fdopen(os.dup(0), "rb")
    outgoing = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    try:
        _serve(incoming, outgoing)
    except BrokenPipeError:
        os._exit(1)  # the parent is gone; closing would only complain


def _serve(incoming: IO[bytes], outgoing: IO[bytes]) -> None:
    files, *spec = json.loads(incoming.readline())
    with PictureReader(ReadingSpec(tuple(files), *spec)) as reader:
        for line in incoming:
            try:
                pixels, whole = reader.read_all([Place(*place) for place in json.loads(line)])
            except Exception as error:
                failure = json.dumps(_failure(error)).encode()
                outgoing.write(_HEADER.pack(_FAILURE, len(failure)) + failure)
            else:
                outgoing.write(_HEADER.pack(_PICTURES, len(whole)) + whole.tobytes())
                outgoing.write(pixels.data)
            outgoing.flush()


def _failure(error: Exception) -> dict[str, str | bool]:
    if isinstance(error, FurikaeriError):
        return {"message": error.message, "fix": error.fix, "is_input": isinstance(error, InputError)}
    reason = " ".join(str(error).split())[:200]
    message = f"reading pictures failed: {type(error).__name__}{': ' * bool(reason)}{reason}"
    return {"message": message, "fix": "", "is_input": False}


def _cause(status: int | None) -> str:
    if status is None or status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"
