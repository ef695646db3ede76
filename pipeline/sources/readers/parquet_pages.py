"""Finds the sizes of the pages in a Parquet file, since a page is in memory as a whole while its rows are read.

pyarrow does not report these sizes. They are in the header before each page, a struct in Thrift's compact protocol.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa

MAX_PAGES = 100_000
"""In one column of a row group; writers start a new page after about 1 MB."""
HEADER, MAX_HEADER = 2**9, 2**17
"""Bytes of a header, usually and at most; it also contains the smallest and the largest value of the page."""
_UNCOMPRESSED, _COMPRESSED = 2, 3  # fields of a page header
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 1, 2, 3, 7, 8, 12  # types of fields
_INTEGERS = (4, 5, 6)


def page_sizes(file: BinaryIO, chunk: pa.parquet.ColumnChunkMetaData) -> Iterator[int]:
    """Yields the uncompressed size in bytes of each page in a column of a row group; a dictionary is the first page.

    Raises ArrowInvalid if the column has more than MAX_PAGES, or a header that cannot be read.
    """
    at = min(chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset)
    end = at + chunk.total_compressed_size
    for _ in range(MAX_PAGES):
        if at >= end:
            return
        try:
            header, length = _header(file, at)
            size, stored = header[_UNCOMPRESSED], header[_COMPRESSED]
            if min(size, stored) < 0:
                raise ValueError(f"a size is negative: {size}, {stored}")
        except (LookupError, TypeError, ValueError, RecursionError) as error:
            raise pa.ArrowInvalid(f"the page at byte {at:,} has no readable header") from error
        yield size
        at += length + stored
    raise pa.ArrowInvalid(f"a column has more than {MAX_PAGES:,} pages in a row group")


def _header(file: BinaryIO, at: int) -> tuple[dict[int, Any], int]:
    """Returns the fields and the length of a page header."""
    file.seek(at)
    start = file.read(HEADER)
    try:
        return _struct(start, 0)
    except IndexError:
        return _struct(start + file.read(MAX_HEADER - HEADER), 0)


def _struct(data: bytes, at: int) -> tuple[dict[int, Any], int]:
    """Returns the fields of a struct by number, and the position after the struct."""
    fields: dict[int, Any] = {}
    number = 0
    while data[at]:
        step, kind = divmod(data[at], 16)
        at += 1
        if step:
            number += step
        else:
            number, at = _signed(data, at)
        fields[number], at = _value(data, at, kind)
    return fields, at + 1


def _value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, at
    if kind in _INTEGERS:
        return _signed(data, at)
    if kind in (_BYTE, _DOUBLE):
        return None, at + (1 if kind == _BYTE else 8)
    if kind == _BINARY:
        length, at = _unsigned(data, at)
        return None, at + length
    if kind == _STRUCT:
        return _struct(data, at)
    raise LookupError(f"page headers have no fields of type {kind}")


def _unsigned(data: bytes, at: int) -> tuple[int, int]:
    """Reads 7 bits of each byte, the lowest first; the highest bit of a byte means that another byte follows."""
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def _signed(data: bytes, at: int) -> tuple[int, int]:
    value, at = _unsigned(data, at)
    return (value >> 1) ^ -(value & 1), at
