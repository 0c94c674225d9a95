#!/usr/bin/env python3
"""Checks files that aedile wrote against the libraries that own the formats.

    python tools/parity_format.py FILE...

Each .safetensors file must load in `safetensors` (numpy), each .npz in numpy (without pickles), and every value must
be readable. The unit tests leave what they write in $AE_KEEP, and what they wrote there is compared by value:

    AE_KEEP=/tmp/kept build/test_safetensors && AE_KEEP=/tmp/kept build/test_npz
    python tools/parity_format.py /tmp/kept/written.safetensors /tmp/kept/written.npz

Exit status 0 if all files pass. Needs numpy and safetensors.
"""
import os
import sys
import zipfile

import numpy
from safetensors import safe_open

F32 = numpy.float32
# What tests/unit/format/test_safetensors.c and test_npz.c write.
WRITTEN = {
    "written.safetensors": {
        "w": numpy.array([[1.5, -2.0, 0.0], [1e-40, 3e38, -0.0]], dtype=F32),
        'größe "x"': numpy.array([0x3C00, 0x0001, 0x7C00], dtype=numpy.uint16).view(numpy.float16),
        "none": numpy.zeros((0, 4), dtype=numpy.int64),
    },
    "written.npz": {
        "mom2.constructor": numpy.array("util.runningstats.SecondMoment()"),
        "mom2.mom2": numpy.array([[1.5, -2.0, 0.0], [1e-40, 3e38, numpy.inf]], dtype=F32),
        "doubles": numpy.array([1 / 3, -1e300]),
        "sample_size": numpy.array(100000),
        "none": numpy.zeros((2, 0, 5)),
        "blank": numpy.array(""),
    },
}
METADATA = {"written.safetensors": {"format": "pt", "note": 'ä\n"'}}


def load_safetensors(path):
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


def load_npz(path):
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
        if damaged:
            raise ValueError(f"the checksum of '{damaged}' is wrong")
    with numpy.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}, None


def same(a, b):
    """Type, shape and bits."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def check(path):
    load = load_safetensors if path.endswith(".safetensors") else load_npz
    arrays, metadata = load(path)
    name = os.path.basename(path)
    expected = WRITTEN.get(name)
    if expected is not None:
        if set(arrays) != set(expected):
            raise ValueError(f"holds {sorted(arrays)}, expected {sorted(expected)}")
        for key, value in expected.items():
            # A '<U0' text is written by numpy itself as '<U1'.
            if not same(arrays[key], value.astype("<U1") if value.dtype == "<U0" else value):
                raise ValueError(f"'{key}' is {arrays[key]!r}, expected {value!r}")
    if name in METADATA and metadata != METADATA[name]:
        raise ValueError(f"metadata is {metadata}, expected {METADATA[name]}")
    return f"{len(arrays)} arrays, {sum(a.nbytes for a in arrays.values())} bytes" + (
        ", values as expected" if expected is not None else "")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    failed = 0
    for path in sys.argv[1:]:
        try:
            print(f"{path}: {check(path)}")
        except Exception as error:  # whatever a library says of a bad file is a failure of that file
            failed += 1
            print(f"{path}: FAILED: {error}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
