"""The sums behind the information of every question, compiled by numba, which is imported when a kernel is first made.

The kernel walks four rows of the table at a time, so that a tile of partial sums is loaded and stored once for four
keywords, and asks the memory for the next four meanwhile. Entropies are added in float32 for at most 32 rows, then in
float64; codes in float64 throughout.

The entropy of a code is looked up in one of two ways. One at a time costs two loads and a multiply-add for each cell,
on any processor. Where bytes can be permuted across two registers (AVX-512 VBMI: Intel since Ice Lake, AMD since
Zen 4), 64 are looked up at a time: P(yes) and P(no) have the same entropy, so codes fold at 127 and 128 entries are
enough; each of the four bytes of a float32 entry has a plane of 128 bytes, which is two registers; and interleaving the
four permuted registers makes 64 floats.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twenty_questions._numpy_kernel import Sums, SumsOfRows

__all__ = ["has_wide_look_up", "numba_sums"]

_ROWS_IN_FLOAT32 = 32
_TILE = 2048
_HALF = np.uint8(127)
_UNLABELLED = np.uint8(255)

# Interleaving stays within the quarters of a register, so the 64 sums stand in this order of columns.
_COLUMN_OF_SUM = np.array(
    [16 * quarter + 8 * a + 4 * b + i for a in (0, 1) for b in (0, 1) for quarter in range(4) for i in range(4)]
)


def numba_sums(
    codes: NDArray[np.uint8], entropies: NDArray[np.float32], classes: NDArray[np.intp], *, wide: bool = True
) -> SumsOfRows:
    """Return the compiled kernel over one table.

    Args:
        codes: uint8, shape (K, Q); 255 counts as 127.
        entropies: float32, shape (T, 256), h of each code under each noise.
        classes: shape (Q,), the row of `entropies` that holds for each column.
        wide: look up 64 at a time where this processor can.
    """
    add_sums = _compiled()
    # One form of the array for every caller, so that one specialisation is compiled and kept.
    table = np.ascontiguousarray(codes).view(np.ndarray)
    table.flags.writeable = False
    first_halves = np.ascontiguousarray(entropies[:, :128])
    planes = np.ascontiguousarray(first_halves.view(np.uint8).reshape(-1, 128, 4).swapaxes(1, 2))
    tiles = _tiles(classes, wide=wide and has_wide_look_up())
    first_entries = (256 * classes).astype(np.uint64)
    flat = np.ascontiguousarray(entropies).ravel()

    def sums(rows: NDArray[np.intp], p: NDArray[np.float64]) -> Sums:
        missing = -rows.size % 4
        rows, p = np.append(rows, rows[:1].repeat(missing)), np.append(p, np.zeros(missing))
        entropy_sums, code_sums = np.zeros(classes.size), np.zeros(classes.size)
        add_sums(table, rows, p, flat, first_entries, planes, tiles, entropy_sums, code_sums)
        return entropy_sums, code_sums

    return sums


@cache
def has_wide_look_up() -> bool:
    """Return whether numba compiles for a processor that can permute bytes across two registers."""
    from numba.core.registry import cpu_target

    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    return "+avx512vbmi" in features.split(",")


def _tiles(classes: NDArray[np.intp], *, wide: bool) -> NDArray[np.int64]:
    """Cut the columns into tiles of at most `_TILE`: rows of from, to, and the class for wide look-ups or -1.

    A tile for wide look-ups is of one class and a multiple of 64 columns.
    """
    edges = np.flatnonzero(np.diff(classes, prepend=-1, append=-1))
    tiles: list[tuple[int, int, int]] = []
    done = 0
    for start, stop in pairwise(edges.tolist()):
        whole = (stop - start) // 64 * 64
        if wide and whole:
            tiles += [(done, start, -1), (start, start + whole, int(classes[start]))]
            done = start + whole
    tiles.append((done, classes.size, -1))
    return np.array(
        [(low, min(low + _TILE, stop), kind) for start, stop, kind in tiles for low in range(start, stop, _TILE)],
        dtype=np.int64,
    )


# A global, and not a variable of `_compiled`, because what numba keeps on disk is found again by the kernel's closure.
_add_64_entropies: Any = None


@cache
def _compiled() -> Callable[..., None]:
    """Compile for this machine; the machine code is kept on disk, beside the module or in the user's cache folder."""
    import numba
    from numba.extending import intrinsic

    global _add_64_entropies
    _add_64_entropies = intrinsic(_type_64_entropies)
    options = {"nogil": True, "fastmath": {"contract"}}
    try:
        return numba.njit(cache=True, **options)(_add_sums)  # type: ignore[no-any-return]
    except RuntimeError:  # neither folder is writable
        return numba.njit(**options)(_add_sums)  # type: ignore[no-any-return]


def _add_sums(codes, rows, weights, entropies, first_entries, planes, tiles, entropy_sums, code_sums):  # type: ignore[no-untyped-def]
    """Add sum_k p_k h(code) to `entropy_sums` and sum_k p_k code to `code_sums`, for every column.

    Args:
        codes: uint8, shape (K, Q), C-contiguous; 255 counts as 127.
        rows: the rows to walk, a multiple of four of them.
        weights: float64, p of each of these rows.
        entropies: float32, tables of 256 entries, one after the other: h of each code under each noise.
        first_entries: uint64, shape (Q,), where the table of each column begins.
        planes: uint8, shape (T, 4, 128): byte b of entry c < 128 of table t at [t, b, c].
        tiles: `_tiles(...)`.
        entropy_sums: float64, shape (Q,), added to.
        code_sums: float64, shape (Q,), added to.
    """
    buffer = np.empty(_TILE, np.float32)
    for tile in range(tiles.shape[0]):
        low, high, wide_class = tiles[tile, 0], tiles[tile, 1], tiles[tile, 2]
        width = high - low
        partial = buffer[:width]
        begins = first_entries[low:high]
        code_sum = code_sums[low:high]
        entropy_sum = entropy_sums[low:high]
        for first in range(0, rows.size, _ROWS_IN_FLOAT32):
            partial[:] = 0
            for k in range(first, min(first + _ROWS_IN_FLOAT32, rows.size), 4):
                p0, p1, p2, p3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
                w0, w1, w2, w3 = np.float32(p0), np.float32(p1), np.float32(p2), np.float32(p3)
                row0 = codes[rows[k], low:high]
                row1 = codes[rows[k + 1], low:high]
                row2 = codes[rows[k + 2], low:high]
                row3 = codes[rows[k + 3], low:high]
                if wide_class >= 0:
                    table = planes[wide_class].ctypes.data
                    following = min(k + 4, rows.size - 4)
                    next0 = codes[rows[following], low:high].ctypes.data
                    next1 = codes[rows[following + 1], low:high].ctypes.data
                    next2 = codes[rows[following + 2], low:high].ctypes.data
                    next3 = codes[rows[following + 3], low:high].ctypes.data
                    for q in range(0, width, 64):
                        at = np.uintp(q)
                        sums = partial.ctypes.data + np.uintp(4) * at
                        _add_64_entropies(table, row0.ctypes.data + at, next0 + at, w0, sums)
                        _add_64_entropies(table, row1.ctypes.data + at, next1 + at, w1, sums)
                        _add_64_entropies(table, row2.ctypes.data + at, next2 + at, w2, sums)
                        _add_64_entropies(table, row3.ctypes.data + at, next3 + at, w3, sums)
                else:
                    for q in range(width):
                        begin = begins[q]
                        partial[q] += (
                            w0 * entropies[begin + row0[q]]
                            + w1 * entropies[begin + row1[q]]
                            + w2 * entropies[begin + row2[q]]
                            + w3 * entropies[begin + row3[q]]
                        )
                for q in range(width):
                    c0 = _HALF if row0[q] == _UNLABELLED else row0[q]
                    c1 = _HALF if row1[q] == _UNLABELLED else row1[q]
                    c2 = _HALF if row2[q] == _UNLABELLED else row2[q]
                    c3 = _HALF if row3[q] == _UNLABELLED else row3[q]
                    code_sum[q] += p0 * np.float64(c0) + p1 * np.float64(c1) + p2 * np.float64(c2) + p3 * np.float64(c3)
            if wide_class >= 0:
                for q in range(width):
                    entropy_sum[q // 64 * 64 + _COLUMN_OF_SUM[q % 64]] += partial[q]
            else:
                for q in range(width):
                    entropy_sum[q] += partial[q]


def _type_64_entropies(_context: Any, planes: Any, codes: Any, codes_ahead: Any, weight: Any, sums: Any) -> Any:
    """Type the wide look-up: addresses of the byte planes, of 64 codes now and next, and of 64 sums; a float weight."""
    from numba.core import types

    return types.void(types.uintp, types.uintp, types.uintp, types.float32, types.uintp), _emit_64_entropies


def _emit_64_entropies(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Emit: sums[0:64] += weight * entropy[codes[0:64]], the sums in the order of `_COLUMN_OF_SUM`."""
    from llvmlite import ir  # type: ignore[import-untyped]

    if not has_wide_look_up():
        return context.get_dummy_value()
    planes, codes, codes_ahead, weight, sums = arguments
    byte, int32 = ir.IntType(8), ir.IntType(32)
    bytes_64, floats_16 = ir.VectorType(byte, 64), ir.VectorType(ir.FloatType(), 16)
    pairs_32 = ir.VectorType(ir.IntType(16), 32)

    def at(address: Any, offset: int, kind: Any) -> Any:
        return builder.inttoptr(builder.add(address, ir.Constant(address.type, offset)), kind.as_pointer())

    def call(name: str, overload: list[Any], *values: Any, result: Any) -> Any:
        function_type = ir.FunctionType(result, [value.type for value in values])
        return builder.call(builder.module.declare_intrinsic(name, overload, function_type), values)

    def interleave(left: Any, right: Any, upper: int) -> Any:
        """Alternate the lanes of the lower (or upper) half of every quarter of two vectors."""
        lanes = left.type.count
        half = lanes // 8
        starts = [(2 * quarter + upper) * half for quarter in range(4)]
        picks = [lane + source for start in starts for lane in range(start, start + half) for source in (0, lanes)]
        return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(int32, lanes), picks))

    ahead = at(codes_ahead, 0, byte)
    call("llvm.prefetch", [ahead.type], ahead, int32(0), int32(2), int32(1), result=ir.VoidType())

    code = builder.load(at(codes, 0, bytes_64), align=1)
    mirrored = builder.sub(ir.Constant(bytes_64, [254] * 64), code)
    # The permutation reads seven bits of an index, so that 255, which is its own mirror image, finds entry 127.
    folded = builder.select(builder.icmp_unsigned("<", code, mirrored), code, mirrored)
    plane = [builder.load(at(planes, 64 * half, bytes_64), align=1) for half in range(8)]
    found = [
        call("llvm.x86.avx512.vpermi2var.qi.512", [], plane[2 * i], folded, plane[2 * i + 1], result=bytes_64)
        for i in range(4)
    ]
    weights = ir.Constant(floats_16, ir.Undefined)
    for lane in range(16):
        weights = builder.insert_element(weights, weight, int32(lane))
    for position in range(4):
        low, high = (builder.bitcast(interleave(found[i], found[i + 1], position // 2), pairs_32) for i in (0, 2))
        entropy = builder.bitcast(interleave(low, high, position % 2), floats_16)
        target = at(sums, 64 * position, floats_16)
        total = call("llvm.fma.v16f32", [], weights, entropy, builder.load(target, align=4), result=floats_16)
        builder.store(total, target, align=4)
    return context.get_dummy_value()
