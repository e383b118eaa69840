"""The sums behind the information of every question, compiled by numba, which is imported when a kernel is first made.

Two loops do the same, 32 rows of the table at a time.

The plain one runs on any processor: two loads and a multiply-add look up an entropy, a conversion and a multiply-add
count a code. Four rows go together, so that a tile of sums is loaded and stored once for four keywords.

The wide one takes 64 columns at a time where bytes can be permuted across two registers and multiplied in fours
(AVX-512 with VBMI and VNNI: Intel since Ice Lake, AMD since Zen 4), and keeps all sums in registers.

- Entropies: P(yes) and P(no) have the same entropy, so codes fold at 127 and 128 entries are enough. Each of the four
  bytes of a float32 entry has a plane of 128 bytes, which is two registers; one instruction looks up that byte of 64
  codes, and interleaving the four results makes 64 floats.
- Codes: the probabilities of 32 rows become integers of 32 bits, in units of their largest over 2^32, and these four
  digits of 8 bits each. Interleaving the codes of four rows puts the four of a column side by side; one instruction
  multiplies each by its row's digit and adds them up, for 16 columns, exactly.

Both are in this one file because numba compiles anew when the file of the kernel changes, and for no other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twenty_questions._numpy_kernel import Sums, SumsOfRows

__all__ = ["has_wide_loop", "numba_sums"]

_GROUP = 32
_TILE = 2048
_WIDE = 64
_DIGITS = 4
_HALF = np.uint8(127)
_UNLABELLED = np.uint8(255)


# Interleaving stays within the quarters of a register, so the wide loop's 64 sums stand in this order of columns.
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
        wide: take 64 columns at a time where this processor can.
    """
    add_sums = _compiled()
    # One form of the array for every caller, so that one specialisation is compiled and kept.
    table = np.ascontiguousarray(codes).view(np.ndarray)
    table.flags.writeable = False
    first_halves = np.ascontiguousarray(entropies[:, :128])
    planes = np.ascontiguousarray(first_halves.view(np.uint8).reshape(-1, 128, 4).swapaxes(1, 2))
    tiles = _tiles(classes, wide=wide and has_wide_loop())
    first_entries = (256 * classes).astype(np.uint64)
    flat = np.ascontiguousarray(entropies).ravel()

    def sums(rows: NDArray[np.intp], p: NDArray[np.float64]) -> Sums:
        missing = -rows.size % _GROUP
        rows, p = np.append(rows, rows[:1].repeat(missing)), np.append(p, np.zeros(missing))
        units, digits = _digits(p)
        entropy_sums, code_sums = np.zeros(classes.size), np.zeros(classes.size)
        add_sums(table, rows, p, units, digits, flat, first_entries, planes, tiles, entropy_sums, code_sums)
        for low, high, kind in tiles:
            if kind >= 0:
                for total in (entropy_sums[low:high], code_sums[low:high]):
                    total.reshape(-1, _WIDE)[:, _COLUMN_OF_SUM] = total.reshape(-1, _WIDE).copy()
        return entropy_sums, code_sums

    return sums


@cache
def has_wide_loop() -> bool:
    """Return whether numba compiles for a processor that has the wide loop's instructions."""
    from numba.core.registry import cpu_target

    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    return {"+avx512vbmi", "+avx512vnni"} <= set(features.split(","))


def _tiles(classes: NDArray[np.intp], *, wide: bool) -> NDArray[np.int64]:
    """Cut the columns into tiles of at most `_TILE`: rows of from, to, and the class for the wide loop or -1.

    A tile for the wide loop is of one class and a multiple of 64 columns.
    """
    edges = np.flatnonzero(np.diff(classes, prepend=-1, append=-1))
    tiles: list[tuple[int, int, int]] = []
    done = 0
    for start, stop in pairwise(edges.tolist()):
        whole = (stop - start) // _WIDE * _WIDE
        if wide and whole:
            tiles += [(done, start, -1), (start, start + whole, int(classes[start]))]
            done = start + whole
    tiles.append((done, classes.size, -1))
    return np.array(
        [(low, min(low + _TILE, stop), kind) for start, stop, kind in tiles for low in range(start, stop, _TILE)],
        dtype=np.int64,
    )


def _digits(p: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the unit of each 32 rows, and for each four rows and digit the four rows' bytes as one number.

    The digits of p, the lowest first, are those of the integer nearest to p over the unit.
    """
    groups = p.reshape(-1, _GROUP)
    units = np.maximum(groups.max(axis=1), np.finfo(np.float64).tiny) / (2**32 - 1)
    integers = np.rint(groups / units[:, None]).astype("<u4")
    by_digit = integers.view(np.uint8).reshape(-1, 4, _DIGITS).swapaxes(1, 2)
    return units, np.ascontiguousarray(by_digit).view(np.int32).reshape(-1, _DIGITS)


# A global, and not a variable of `_compiled`, because what numba keeps on disk is found again by the kernel's closure.
_sum_64_columns: Any = None


@cache
def _compiled() -> Callable[..., None]:
    """Compile for this machine; the machine code is kept on disk, beside the module or in the user's cache folder."""
    import numba
    from numba.extending import intrinsic

    global _sum_64_columns
    _sum_64_columns = intrinsic(_type_64_columns)
    options = {"nogil": True, "fastmath": {"contract"}}
    try:
        return numba.njit(cache=True, **options)(_add_sums)  # type: ignore[no-any-return]
    except RuntimeError:  # neither folder is writable
        return numba.njit(**options)(_add_sums)  # type: ignore[no-any-return]


def _add_sums(  # type: ignore[no-untyped-def]
    codes, rows, p, units, digits, entropies, first_entries, planes, tiles, entropy_sums, code_sums
):
    """Add sum_k p_k h(code) to `entropy_sums` and sum_k p_k code to `code_sums`, for every column.

    Within the wide tiles the sums of each 64 columns stand in the order `_COLUMN_OF_SUM`.

    Args:
        codes: uint8, shape (K, Q), C-contiguous; 255 counts as 127.
        rows: the rows to walk, a multiple of 32 of them.
        p: float64, the probability of each of these rows.
        units: as `_digits` returns them.
        digits: as `_digits` returns them.
        entropies: float32, tables of 256 entries, one after the other: h of each code under each noise.
        first_entries: uint64, shape (Q,), where the table of each column begins.
        planes: uint8, shape (T, 4, 128): byte b of entry c < 128 of table t at [t, b, c].
        tiles: as `_tiles` returns them.
        entropy_sums: float64, shape (Q,), added to.
        code_sums: float64, shape (Q,), added to.
    """
    weights = p.astype(np.float32)
    partial = np.empty(_TILE, np.float32)
    counts = np.empty((_DIGITS, _WIDE), np.int32)
    stride = np.uintp(codes.shape[1])
    for first in range(0, rows.size, _GROUP):
        following = min(first + _GROUP, rows.size - _GROUP)
        halves = 127.0 * p[first : first + _GROUP].sum()
        unit = units[first // _GROUP]
        for tile in range(tiles.shape[0]):
            low, high, wide_class = tiles[tile, 0], tiles[tile, 1], tiles[tile, 2]
            if wide_class >= 0:
                for q in range(low, high, _WIDE):
                    _sum_64_columns(
                        planes[wide_class].ctypes.data,
                        codes.ctypes.data + np.uintp(q),
                        stride,
                        rows[first:].ctypes.data,
                        rows[following:].ctypes.data,
                        weights[first:].ctypes.data,
                        digits[first // 4 :].ctypes.data,
                        partial.ctypes.data,
                        counts.ctypes.data,
                    )
                    entropy_sum, code_sum = entropy_sums[q : q + _WIDE], code_sums[q : q + _WIDE]
                    for i in range(_WIDE):
                        entropy_sum[i] += partial[i]
                        count = counts[0, i] + 256.0 * (counts[1, i] + 256.0 * (counts[2, i] + 256.0 * counts[3, i]))
                        code_sum[i] += halves + unit * count
                continue
            width = high - low
            begins, entropy_sum, code_sum = first_entries[low:high], entropy_sums[low:high], code_sums[low:high]
            partial[:width] = 0
            for k in range(first, first + _GROUP, 4):
                p0, p1, p2, p3 = p[k], p[k + 1], p[k + 2], p[k + 3]
                w0, w1, w2, w3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
                row0, row1 = codes[rows[k], low:high], codes[rows[k + 1], low:high]
                row2, row3 = codes[rows[k + 2], low:high], codes[rows[k + 3], low:high]
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
            for q in range(width):
                entropy_sum[q] += partial[q]


def _type_64_columns(
    _context: Any,
    planes: Any,
    codes: Any,
    stride: Any,
    rows: Any,
    rows_ahead: Any,
    weights: Any,
    digits: Any,
    entropy_sums: Any,
    code_sums: Any,
) -> Any:
    """Type the wide loop: addresses all, but for the stride from row to row."""
    from numba.core import types

    return types.void(*[types.uintp] * 9), _emit_64_columns


def _emit_64_columns(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Emit the sums of 64 neighbouring columns over 32 rows: 64 float32, and 64 int32 for each digit.

    The sums are of weight * entropy and of digit * (code - 127). The next 32 rows are fetched meanwhile.
    """
    from llvmlite import ir  # type: ignore[import-untyped]
    from numba.core import cgutils

    if not has_wide_loop():
        return context.get_dummy_value()
    planes, codes, stride, rows, rows_ahead, weights, digits, entropy_sums, code_sums = arguments
    word, byte, int32, float32 = planes.type, ir.IntType(8), ir.IntType(32), ir.FloatType()
    bytes_64, pairs_32 = ir.VectorType(byte, 64), ir.VectorType(ir.IntType(16), 32)
    ints_16, floats_16 = ir.VectorType(int32, 16), ir.VectorType(float32, 16)

    def load(address: Any, kind: Any) -> Any:
        return builder.load(builder.inttoptr(address, kind.as_pointer()), align=1)

    def at(address: Any, index: Any, size: int) -> Any:
        return builder.add(address, builder.mul(index, word(size)))

    def call(name: str, *values: Any) -> Any:
        function_type = ir.FunctionType(values[0].type, [value.type for value in values])
        return builder.call(builder.module.declare_intrinsic(name, [], function_type), values)

    def splat(number: Any, kind: Any) -> Any:
        vector = ir.Constant(kind, ir.Undefined)
        for lane in range(kind.count):
            vector = builder.insert_element(vector, number, int32(lane))
        return vector

    def interleave(left: Any, right: Any, upper: int) -> Any:
        """Alternate the lanes of the lower (or upper) half of every quarter of two vectors."""
        lanes = left.type.count
        half = lanes // 8
        starts = [(2 * quarter + upper) * half for quarter in range(4)]
        picks = [lane + source for start in starts for lane in range(start, start + half) for source in (0, lanes)]
        return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(int32, lanes), picks))

    def side_by_side(kind: Any, first: Any, second: Any, third: Any, fourth: Any) -> list[Any]:
        """Bring each four bytes that stand in one place together: four vectors, in the order `_COLUMN_OF_SUM`."""
        return [
            builder.bitcast(interleave(low, high, upper), kind)
            for half in (0, 1)
            for low in [builder.bitcast(interleave(first, second, half), pairs_32)]
            for high in [builder.bitcast(interleave(third, fourth, half), pairs_32)]
            for upper in (0, 1)
        ]

    def zeros(kind: Any) -> Any:
        return cgutils.alloca_once_value(builder, ir.Constant(kind, [0] * kind.count))

    table = [load(builder.add(planes, word(64 * half)), bytes_64) for half in range(8)]
    entropy_totals = [zeros(floats_16) for _ in range(4)]
    code_totals = [[zeros(ints_16) for _ in range(4)] for _ in range(_DIGITS)]
    with cgutils.for_range(builder, word(_GROUP // 4)) as loop:
        four_rows: list[Any] = []
        terms: list[Any] = []
        for i in range(4):
            k = builder.add(builder.mul(loop.index, word(4)), word(i))
            ahead = builder.add(codes, builder.mul(load(at(rows_ahead, k, 8), word), stride))
            pointer = builder.inttoptr(ahead, byte.as_pointer())
            prefetch_type = ir.FunctionType(ir.VoidType(), [pointer.type, int32, int32, int32])
            prefetch = builder.module.declare_intrinsic("llvm.prefetch", [pointer.type], prefetch_type)
            builder.call(prefetch, [pointer, int32(0), int32(2), int32(1)])

            code = load(builder.add(codes, builder.mul(load(at(rows, k, 8), word), stride)), bytes_64)
            mirrored = builder.sub(ir.Constant(bytes_64, [254] * 64), code)
            # A permutation reads seven bits of its index, so that 255, its own mirror image, finds entry 127.
            folded = builder.select(builder.icmp_unsigned("<", code, mirrored), code, mirrored)
            found = [
                call("llvm.x86.avx512.vpermi2var.qi.512", table[2 * plane], folded, table[2 * plane + 1])
                for plane in range(4)
            ]
            weight = splat(load(at(weights, k, 4), float32), floats_16)
            entropies = side_by_side(floats_16, *found)
            if terms:
                pairs = zip(entropies, terms, strict=True)
                terms = [call("llvm.fma.v16f32", weight, entropy, term) for entropy, term in pairs]
            else:
                terms = [builder.fmul(weight, entropy) for entropy in entropies]

            labelled = builder.icmp_unsigned("!=", code, ir.Constant(bytes_64, [255] * 64))
            centred = builder.sub(code, ir.Constant(bytes_64, [127] * 64))
            four_rows.append(builder.select(labelled, centred, ir.Constant(bytes_64, [0] * 64)))

        for total, term in zip(entropy_totals, terms, strict=True):
            builder.store(builder.fadd(builder.load(total), term), total)
        columns = side_by_side(ints_16, *four_rows)
        for digit, totals in enumerate(code_totals):
            place = builder.add(at(digits, loop.index, 4 * _DIGITS), word(4 * digit))
            factor = splat(load(place, int32), ints_16)
            for total, column in zip(totals, columns, strict=True):
                builder.store(call("llvm.x86.avx512.vpdpbusd.512", builder.load(total), factor, column), total)

    for target, totals in (
        (entropy_sums, entropy_totals),
        (code_sums, [total for row in code_totals for total in row]),
    ):
        for position, total in enumerate(totals):
            vector = builder.load(total)
            place = builder.inttoptr(builder.add(target, word(64 * position)), vector.type.as_pointer())
            builder.store(vector, place, align=4)
    return context.get_dummy_value()
