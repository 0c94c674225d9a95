#!/usr/bin/env python3
"""Makes tests/data/format/: small torch and numpy files as those libraries write them.

    python tools/make_format_fixtures.py [FOLDER]

The files are committed; the tests read them and need no Python. Needs torch and numpy.
"""
import io
import os
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict

import numpy
import torch


def state_dict():
    """Every storage type, tied tensors, a view into a larger storage, odd strides of extents of 1, a parameter."""
    tied = torch.arange(6, dtype=torch.float32).reshape(2, 3) / 4
    wide = torch.arange(10, dtype=torch.float32)
    state = OrderedDict()
    state["wte.weight"] = tied
    state["lm_head.weight"] = tied
    state["f64"] = torch.tensor([1.0 / 3.0, -2.0], dtype=torch.float64)
    state["half"] = torch.tensor([1.0, -0.5, 65504.0, 5.9604644775390625e-08], dtype=torch.float16)
    state["brain"] = torch.tensor([1.0, -3.0, 1e30], dtype=torch.bfloat16)
    state["i64"] = torch.tensor([-1, 2**40], dtype=torch.int64)
    state["i32"] = torch.tensor([-7], dtype=torch.int32)
    state["i16"] = torch.tensor([-300], dtype=torch.int16)
    state["i8"] = torch.tensor([-8], dtype=torch.int8)
    state["u8"] = torch.tensor([200], dtype=torch.uint8)
    state["mask"] = torch.tril(torch.ones(2, 2, dtype=torch.bool)).view(1, 1, 2, 2)
    state["scalar"] = torch.tensor(-10000.0)
    state["empty"] = torch.empty(0, 4)
    state["part"] = wide[4:8]
    state["column"] = torch.as_strided(wide, (1, 3), (77, 1), 2)
    state["parameter"] = torch.nn.Parameter(torch.tensor([9.0]))
    state["größe"] = torch.tensor([1.5])
    state._metadata = OrderedDict([("", {"version": 1})])
    return state


class Call:
    """Pickles as a call of a function of the pickle's choosing."""

    def __reduce__(self):
        return os.system, ("true",)


def torch_bytes(value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def with_members(archive, compression=zipfile.ZIP_STORED, **members):
    """The archive with members replaced or added; keys are names within its folder, with _ for the dot."""
    source = zipfile.ZipFile(io.BytesIO(archive))
    root = source.namelist()[0].split("/")[0]
    content = {name: source.read(name) for name in source.namelist()}
    content.update({f"{root}/{name.replace('_', '.')}": data for name, data in members.items()})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as target:
        for name, data in content.items():
            target.writestr(zipfile.ZipInfo(name), data, compression)
    return buffer.getvalue()


def as_zip64(archive):
    """The same stored members in the form of archives beyond 4 GB: all sizes and offsets in zip64 fields."""
    source = zipfile.ZipFile(io.BytesIO(archive))
    body, directory = b"", b""
    for info in source.infolist():
        name, data = info.filename.encode(), source.read(info)
        fixed = struct.pack("<HHHHHIII", 45, 0, 0, 0, 33, info.CRC, 0xFFFFFFFF, 0xFFFFFFFF)
        extra = struct.pack("<HHQQ", 1, 16, len(data), len(data))
        directory += b"PK\1\2" + struct.pack("<H", 45) + fixed
        directory += struct.pack("<HHHHHII", len(name), 38, 0, 0, 0, 0, 0xFFFFFFFF) + name
        directory += struct.pack("<HH6s", 0x7777, 6, b"before") + struct.pack("<HHQQQ", 1, 24, len(data), len(data), len(body))
        body += b"PK\3\4" + fixed + struct.pack("<HH", len(name), len(extra)) + name + extra + data
    count = len(source.infolist())
    record = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, len(directory), len(body))
    locator = b"PK\6\7" + struct.pack("<IQI", 0, len(body) + len(directory), 1)
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return body + directory + record + locator + end


def npz_bytes(save, **arrays):
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def npy_member(name, array, version):
    buffer = io.BytesIO()
    numpy.lib.format.write_array(buffer, array, version=version)
    return name + ".npy", buffer.getvalue()


def npz_of_members(*members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, data in members:
            target.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../tests/data/format")
    os.makedirs(folder, exist_ok=True)
    files = {}

    state = state_dict()
    small = {"a": torch.tensor([[1.0, 2.0], [3.0, 4.0]]), "b": torch.tensor([5.0], dtype=torch.float16)}
    files["state.bin"] = torch_bytes(state)
    files["state_protocol4.bin"] = torch_bytes(state, pickle_protocol=4)
    files["state_protocol5.bin"] = torch_bytes(state, pickle_protocol=5)
    files["small.bin"] = torch_bytes(small)
    files["zip64.bin"] = as_zip64(files["small.bin"])
    files["deflated.bin"] = with_members(files["small.bin"], zipfile.ZIP_DEFLATED)
    files["big_endian.bin"] = with_members(files["small.bin"], byteorder=b"big")
    files["torchscript.bin"] = with_members(files["small.bin"], constants_pkl=b"\x80\x02).")
    files["transposed.bin"] = torch_bytes({"fine": torch.ones(2), "turned": torch.arange(6.0).reshape(2, 3).t()})
    files["old_format.bin"] = torch_bytes(small, _use_new_zipfile_serialization=False)
    files["nested.bin"] = torch_bytes({"state_dict": small, "epoch": 3})
    files["list.bin"] = torch_bytes([torch.ones(2)])
    files["system.bin"] = with_members(files["small.bin"], data_pkl=pickle.dumps({"a": Call()}, 2))
    files["system_protocol4.bin"] = with_members(files["small.bin"], data_pkl=pickle.dumps({"a": Call()}, 4))
    files["plain_pickle.bin"] = with_members(files["small.bin"], data_pkl=pickle.dumps(small, 2))
    torch.serialization.set_crc32_options(False)
    files["no_checksums.bin"] = torch_bytes(small)
    torch.serialization.set_crc32_options(True)

    arrays = {
        "mom2.constructor": numpy.array("util.runningstats.SecondMoment()"),
        "mom2.count": numpy.array(12345),
        "mom2.mom2": numpy.arange(9, dtype=numpy.float32).reshape(3, 3) / 8,
        "sample_size": numpy.array(100000),
        "f8": numpy.array([1 / 3, -numpy.inf]),
        "f2": numpy.array([0.5, -65504], dtype=numpy.float16),
        "i4": numpy.array([-4], dtype=numpy.int32),
        "i2": numpy.array([-2], dtype=numpy.int16),
        "i1": numpy.array([-1], dtype=numpy.int8),
        "u8": numpy.array([2**40], dtype=numpy.uint64),
        "u4": numpy.array([2**32 - 1], dtype=numpy.uint32),
        "u2": numpy.array([65535], dtype=numpy.uint16),
        "u1": numpy.array([255], dtype=numpy.uint8),
        "b1": numpy.array([[True, False]]),
        "empty": numpy.zeros((0, 3), dtype=numpy.float32),
        "text": numpy.array("größe 𝄞"),
    }
    files["stored.npz"] = npz_bytes(numpy.savez, **arrays)
    files["deflated.npz"] = npz_bytes(numpy.savez_compressed, **arrays)
    files["small.npz"] = npz_bytes(numpy.savez, a=numpy.arange(4.0), t=numpy.array("text"))
    files["zip64.npz"] = as_zip64(files["small.npz"])
    files["versions.npz"] = npz_of_members(
        npy_member("one", numpy.array([1.0]), (1, 0)),
        npy_member("two", numpy.array([2.0]), (2, 0)),
        npy_member("three", numpy.array([3.0]), (3, 0)),
    )
    files["refused.npz"] = npz_bytes(
        numpy.savez,
        fortran=numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)),
        big=numpy.array([1.0], dtype=">f8"),
        objects=numpy.array([{}, None], dtype=object),
        structured=numpy.array([(1, 2.0)], dtype=[("x", "i4"), ("y", "f8")]),
        complex=numpy.array([1j]),
        strings=numpy.array(["a", "b"]),
        bytes=numpy.array(b"bytes"),
    )

    for name, data in files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
        print(f"{len(data):6} {name}")


if __name__ == "__main__":
    main()
