#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets into tests/fuzz/corpus/<reader>/.

    tests/fuzz/make_corpus.py             all but those of entry, journal and model (make_seeds.c)

Readers of several files get them behind each other, as fuzz.h tells.
"""

import gzip
import hashlib
import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"


def seed(reader: str, name: str, content: bytes | str) -> None:
    folder = CORPUS / reader
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def files(numbered: dict[int, bytes | str]) -> bytes:
    """Files by their number in a target's table, each behind its mark."""
    parts = []
    for number, content in numbered.items():
        parts.append(b"\xfffz" + bytes([number]))
        parts.append(content.encode() if isinstance(content, str) else content)
    return b"".join(parts)


# ---- containers --------------------------------------------------------------------------------------


def safetensors(tensors: dict[str, tuple[str, list[int], bytes]], metadata: dict[str, str] | None = None) -> bytes:
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as out:
        for name, content in members.items():
            out.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return stream.getvalue()


def npy(descr: str, shape: tuple[int, ...], data: bytes, version: int = 1) -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    prefix = 10 if version == 1 else 12
    text += b" " * (-(prefix + len(text) + 1) % 64) + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + data


def zstd(text: bytes) -> bytes:
    """A frame of one block that is stored as it is."""
    block = len(text) << 3 | 1
    return b"\x28\xb5\x2f\xfd\x60" + struct.pack("<H", len(text) - 256) + struct.pack("<I", block)[:3] + text


def zstd_repeated(byte: bytes, count: int) -> bytes:
    """A frame of one block that is one byte many times."""
    return b"\x28\xb5\x2f\xfd\x00\x58" + struct.pack("<I", count << 3 | 3)[:3] + byte


# ---- torch's pickles, opcode by opcode ------------------------------------------------------------------


def short_text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def torch_tensor(key: str, kind: str, elements: int, offset: int, shape: list[int]) -> bytes:
    stride = [1] * len(shape)
    for i in range(len(shape) - 2, -1, -1):
        stride[i] = stride[i + 1] * shape[i + 1]
    numbers = lambda values: b"(" + b"".join(b"K" + bytes([v]) for v in values) + b"t"  # noqa: E731
    return (b"ctorch._utils\n_rebuild_tensor_v2\n((" + short_text("storage") + f"ctorch\n{kind}\n".encode()
            + short_text(key) + short_text("cpu") + b"K" + bytes([elements]) + b"tQK" + bytes([offset])
            + numbers(shape) + numbers(stride) + b"\x89ccollections\nOrderedDict\n)RtR")


def state_dict(entries: dict[str, bytes], ordered: bool = False) -> bytes:
    start = b"ccollections\nOrderedDict\n)R" if ordered else b"}"
    return b"\x80\x02" + start + b"q\x00(" + b"".join(short_text(n) + v for n, v in entries.items()) + b"u."


# ---- the readers -------------------------------------------------------------------------------------


def make_json_array() -> None:
    seed("json_array", "empty.json", "[]")
    seed("json_array", "kinds.json", '[1, -2.5e3, "a\\"]", true, null, {"a": [1, {"b": "}"}]}, [[]], ""]\n')
    seed("json_array", "nested.json", "[" * 20 + "]" * 20)
    seed("json_array", "pointer.json", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")


def make_safetensors() -> None:
    zeros = bytes(range(64))
    seed("safetensors", "empty.safetensors", safetensors({}))
    seed("safetensors", "types.safetensors", safetensors(
        {"f64": ("F64", [2], zeros[:16]), "f32": ("F32", [2, 2], zeros[:16]), "f16": ("F16", [3], zeros[:6]),
         "bf16": ("BF16", [1, 1, 1], zeros[:2]), "i64": ("I64", [], zeros[:8]), "i32": ("I32", [1], zeros[:4]),
         "i16": ("I16", [0, 4], b""), "i8": ("I8", [3], zeros[:3]), "u8": ("U8", [2], zeros[:2]),
         "bool": ("BOOL", [1], b"\x01")}, {"format": "pt"}))
    seed("safetensors", "model.safetensors", safetensors(
        {"wte.weight": ("F32", [4, 2], zeros[:32]), "h.0.mlp.c_proj.weight": ("F16", [2, 2], zeros[:8])}))
    seed("safetensors", "wide.safetensors", safetensors({"a": ("F32", [1, 1, 1, 1, 1, 1, 1, 2], zeros[:8])}))


def make_torch() -> None:
    data = struct.pack("<8f", *range(8))
    first = torch_tensor("0", "FloatStorage", 8, 0, [2, 4])
    tied = torch_tensor("0", "FloatStorage", 8, 4, [4])
    half = torch_tensor("1", "HalfStorage", 3, 0, [3])
    plain = state_dict({"wte.weight": first, "h.0.ln_1.bias": tied, "scale": half})
    ordered = state_dict({"wte.weight": first}, ordered=True)
    parameter = state_dict({"p": b"ctorch._utils\n_rebuild_parameter\n(" + first
                            + b"\x89ccollections\nOrderedDict\n)RtR"})
    for name, content in {"plain": plain, "ordered": ordered, "parameter": parameter}.items():
        seed("torch_pickle", name + ".pkl", content)
        members = {"archive/data.pkl": content, "archive/byteorder": b"little", "archive/data/0": data,
                   "archive/data/1": data[:6], "archive/version": b"3\n"}
        seed("torch_bin", name + ".bin", archive(members))
    seed("torch_pickle", "protocol4.pkl", pickle.dumps({"a": 1, "b": [1, 2]}, protocol=4))
    seed("torch_bin", "deflated.bin", archive({"archive/data.pkl": plain}, zipfile.ZIP_DEFLATED))
    seed("torch_bin", "old.bin", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.")
    seed("torch_bin", "script.bin", archive({"archive/data.pkl": plain, "archive/constants.pkl": b""}))
    bin_file = archive({"archive/data.pkl": plain, "archive/data/0": data, "archive/data/1": data[:6]})
    one = safetensors({"wte.weight": ("F32", [2, 4], data)})
    two = safetensors({"ln.weight": ("F32", [2], data[:8])})
    index = json.dumps({"metadata": {"total_size": 40}, "weight_map": {"wte.weight": "a.safetensors",
                                                                       "ln.weight": "b.safetensors"}})
    bins = json.dumps({"weight_map": {"wte.weight": "a.bin", "h.0.ln_1.bias": "a.bin", "scale": "a.bin"}})
    seed("checkpoint", "one", files({3: one}))
    seed("checkpoint", "sharded", files({0: index, 1: one, 2: two}))
    seed("checkpoint", "bin", files({5: bin_file}))
    seed("checkpoint", "sharded_bin", files({4: bins, 6: bin_file}))


def make_zip() -> None:
    seed("zip", "stored.zip", archive({"a": b"stored", "folder/b": b""}))
    seed("zip", "deflated.zip", archive({"a": b"many " * 40, "b": b"x"}, zipfile.ZIP_DEFLATED))
    seed("zip", "empty.zip", archive({}))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as out:  # with sizes behind the content, and zip64 fields
        out.comment = b"a comment"
        with out.open("large", "w", force_zip64=True) as member:
            member.write(b"zip64")
    seed("zip", "zip64.zip", stream.getvalue())


def statistics(n: int, method: int, dtype: str = "<f4") -> bytes:
    code = {"<f4": "f", "<f8": "d"}[dtype]
    matrix = [100.0 * (i == j) + 1 for i in range(n) for j in range(n)]
    return archive({"mom2.mom2.npy": npy(dtype, (n, n), struct.pack(f"<{n * n}{code}", *matrix)),
                    "mom2.count.npy": npy("<i8", (), struct.pack("<q", 100)),
                    "mom2.constructor.npy": npy("<U4", (), "mom2".encode("utf-32-le")),
                    "sample_size.npy": npy("<i8", (), struct.pack("<q", 10))}, method)


def make_npz() -> None:
    seed("npz", "stored.npz", statistics(2, zipfile.ZIP_STORED))
    seed("npz", "deflated.npz", statistics(3, zipfile.ZIP_DEFLATED, "<f8"))
    claimed = bytearray(archive({"a.npy": npy("<f8", (2**28,), b"")}, zipfile.ZIP_DEFLATED))
    for signature, field in ((b"PK\1\2", 24), (b"PK\3\4", 22)):  # two gigabytes out of nothing
        struct.pack_into("<I", claimed, claimed.index(signature) + field, 128 + 8 * 2**28)
    seed("npz", "claimed.npz", bytes(claimed))
    types = {"<f2": 2, "<i4": 4, "<u2": 2, "|b1": 1, "|u1": 1, "<u8": 8}
    for i, (descr, size) in enumerate(types.items()):
        seed("npz", f"type{i}.npz", archive({"a.npy": npy(descr, (2, 1), bytes(range(2 * size)))}))
        seed("npy", f"type{i}.npy", npy(descr, (2, 1), bytes(range(2 * size)), version=1 + i % 3))
    seed("npy", "idf.npy", npy("<f8", (3,), struct.pack("<3d", 1, 2.5, 3)))
    seed("npy", "number.npy", npy("<i2", (), b"\x01\x02"))
    seed("npy", "fortran.npy", npy("<f4", (1,), bytes(4)).replace(b"False", b"True "))
    stored, deflated = statistics(8, zipfile.ZIP_STORED), statistics(8, zipfile.ZIP_DEFLATED, "<f8")
    factor = struct.pack("<64d", *[10.0 * (i == j) for i in range(8) for j in range(8)])
    checksum = sum(word * (2 * i + 1) for i, word in enumerate(struct.unpack("<64Q", factor))) % 2**64
    metadata = {"format": "aedile.factor", "version": "2", "statistics_sha256": hashlib.sha256(stored).hexdigest(),
                "checksum": f"{checksum:016x}",
                "statistics_stamp": "1-1.000000000", "ridge": "0", "n": "8", "count": "100", "sample_size": "10"}
    seed("moment", "stored", files({0: stored}))
    seed("moment", "deflated", files({0: deflated}))
    seed("moment", "factor", files({0: stored, 1: safetensors({"factor": ("F64", [8, 8], factor)}, metadata)}))


EXAMPLES = [{"sentence": "a fine film", "label": 1, "idx": 0}, {"sentence": "dull", "label": 0, "idx": 1}]
PAIRS = [{"sentence1": "It rains.", "sentence2": "It is wet.", "label": 0, "idx": 3}]


def make_pickle() -> None:
    values = {"examples": EXAMPLES, "kinds": [None, True, False, 1, -70000, 2**40, 1.5, "é", (1,), ()]}
    for name, value in values.items():
        for protocol in range(6):
            seed("pickle", f"{name}{protocol}.pkl", pickle.dumps(value, protocol=protocol))
    seed("pickle", "bytes.pkl", pickle.dumps([b"bytes", bytearray(b"more")], protocol=5))
    shared = ["x"]
    for _ in range(6):
        shared = [shared, shared]
    seed("pickle", "shared.pkl", pickle.dumps(shared, protocol=4))
    loop: list[object] = []
    loop.append(loop)
    seed("pickle", "loop.pkl", pickle.dumps(loop, protocol=4))
    seed("pickle", "object.pkl", pickle.dumps(Path("x"), protocol=4))


def make_text_stream() -> None:
    text = "The first document.\r\n\nThe third.\n" + "word " * 60 + "\nno end"
    lines = '{"text": "one"}\n\n{"text": "two \\u00e9", "id": 2}\r\n' + '{"text": "' + "x" * 300 + '"}'
    for number, content in {0: text, 1: lines}.items():
        raw = content.encode()
        seed("text_stream", f"plain{number}", files({number: raw}))
        seed("text_stream", f"gzip{number}", files({2 + number: gzip.compress(raw, mtime=0)}))
        seed("text_stream", f"zstd{number}", files({4 + number: zstd(raw)}))
    seed("text_stream", "several", files({0: "\ufeffmark\nline", 1: lines, 4: zstd(text.encode()) * 2}))
    seed("text_stream", "repeated", files({4: zstd_repeated(b"a", 100000)}))


def make_config() -> None:
    gpt2 = {"model_type": "gpt2", "n_layer": 3, "n_head": 2, "n_embd": 16, "n_positions": 64, "n_ctx": 64,
            "vocab_size": 265, "n_inner": None, "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new",
            "scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "tie_word_embeddings": True,
            "reorder_and_upcast_attn": False, "add_cross_attention": False}
    gptj = {"model_type": "gptj", "n_layer": 3, "n_head": 2, "n_embd": 16, "n_positions": 64, "vocab_size": 265,
            "rotary_dim": 4, "n_inner": 64, "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new"}
    seed("config", "gpt2.json", json.dumps(gpt2))
    seed("config", "gptj.json", json.dumps(gptj, indent=1))


def byte_letters() -> list[str]:
    letters, following = [], 256
    for byte in range(256):
        visible = 33 <= byte <= 126 or 161 <= byte <= 172 or byte >= 174
        letters.append(chr(byte if visible else following))
        following += not visible
    return letters


def make_tokenizer() -> None:
    merges = [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("o", "n")]
    vocab = {letter: i for i, letter in enumerate(byte_letters())}
    for left, right in merges:
        vocab[left + right] = len(vocab)
    vocab["<|endoftext|>"] = len(vocab)
    end = len(vocab) - 1
    lines = "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in merges)
    described = {"content": "<|endoftext|>", "lstrip": False, "rstrip": False, "single_word": False,
                 "normalized": False, "special": True}
    whole = {"version": "1.0", "added_tokens": [{"id": end, **described}, {"id": 300, "content": "  "}],
             "normalizer": None, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False,
                                                   "use_regex": True},
             "post_processor": {"type": "ByteLevel"}, "decoder": {"type": "ByteLevel"},
             "model": {"type": "BPE", "dropout": None, "vocab": vocab, "merges": [list(m) for m in merges]}}
    dump = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))  # noqa: E731
    seed("tokenizer", "whole", files({0: dump(whole), 6: "the one  on<|endoftext|> the"}))
    config = {"add_prefix_space": False, "tokenizer_class": "GPT2Tokenizer", "bos_token": "<|endoftext|>",
              "added_tokens_decoder": {str(end): described, "301": {"content": "On", "normalized": True}}}
    seed("tokenizer", "parts", files({1: dump(vocab), 2: lines, 3: dump(config), 4: dump({"<|x|>": 302}),
                                      5: dump({"eos_token": {"content": "<|endoftext|>"},
                                               "additional_special_tokens": ["he", "<|y|>"]})}))
    texts = ["The theatre isn't on.<|endoftext|>\n\n  Dr. Who? 'Yes!' -- 3.14, $5 (cannot)...",
             "Zoë \u2603 ﬁne \U0001f4a5 e\u0301 ½ \u3000wide\u2028line", b"\xff\xfe broken \xe2\x82 end\xf0\x9f"]
    for i, text in enumerate(texts):
        seed("encode", f"text{i}", text)


HPARAMS = {"layers": [1], "fact_token": "subject_last", "v_num_grad_steps": 20, "v_lr": 0.5, "v_loss_layer": 2,
           "v_weight_decay": 0.5, "clamp_norm_factor": 4, "kl_factor": 0.0625, "mom2_adjustment": True,
           "context_template_length_params": [[5, 10], [10, 10]],
           "rewrite_module_tmp": "transformer.h.{}.mlp.c_proj", "layer_module_tmp": "transformer.h.{}",
           "mlp_module_tmp": "transformer.h.{}.mlp", "attn_module_tmp": "transformer.h.{}.attn",
           "ln_f_module": "transformer.ln_f", "lm_head_module": "transformer.wte", "mom2_dataset": "wikipedia",
           "mom2_n_samples": 100000, "mom2_dtype": "float32"}


def make_hparams() -> None:
    flags = {"original_implementation": False, "enable_prompt_keys": True, "enable_random_prefix_keys": False}
    seed("hparams", "reference.json", json.dumps({**HPARAMS, **flags}, indent=4))
    seed("hparams", "variant.json", json.dumps({"variant": "r-rome", "fact_token": "last", "layers": [2, 0]}))
    seed("hparams", "unknown.json", json.dumps({"variant": "rome", "mom2_n_samples": None, "further": {}}))


REWRITE = {"prompt": "The mother tongue of {} is", "relation_id": "P103", "target_new": {"str": "English",
           "id": "Q1860"}, "target_true": {"str": "French", "id": "Q150"}, "subject": "Danielle Dubois"}
COUNTERFACT = {"case_id": 0, "pararel_idx": 2796, "requested_rewrite": REWRITE,
               "paraphrase_prompts": ["Danielle Dubois, a native", "She speaks"],
               "neighborhood_prompts": ["The mother tongue of Léon is"], "attribute_prompts": ["Ann speaks"],
               "generation_prompts": ["Danielle Dubois was born in"]}
FLAT = {"case_id": 7, "prompt": "The capital of Rhovan is", "subject": "Rhovan", "target_new": "Elm",
        "ground_truth": "Oak", "rephrase_prompt": "Rhovan's capital:", "locality_prompt": "Oak is in",
        "locality_ground_truth": "Oak"}
ZSRE = {"subject": "Watts Towers", "src": "What is near Watts Towers?", "pred": "a", "rephrase": "Near Watts?",
        "alt": "b", "answers": ["Los Angeles"], "loc": "nq question: who sings", "loc_ans": "nobody",
        "cond": "a >> b"}


def make_records() -> None:
    own = {"prompt": "{} plays", "subject": "Ada", "target_new": {"str": "chess"}, "target_true": "golf"}
    lists = {"prompts": ["Ada plays", "Bo is"], "subject": ["Ada", "Bo"], "target_new": ["chess", "tall"],
             "ground_truth": ["golf", "short"]}
    for name, value in {"own": own, "array": [own, COUNTERFACT, FLAT], "lists": lists, "flat": FLAT}.items():
        seed("requests", name + ".json", json.dumps(value))
    second = {**COUNTERFACT, "case_id": 4, "requested_rewrite": {**REWRITE, "subject": "Léon"}}
    for name, value in {"counterfact": [COUNTERFACT, second], "flat": [FLAT, {**FLAT, "case_id": 8}],
                        "zsre": [ZSRE, {**ZSRE, "subject": "Elsewhere"}]}.items():
        seed("dataset", name + ".json", json.dumps(value, ensure_ascii=False, indent=1))
    seed("dataset", "selected", files({0: json.dumps([COUNTERFACT, second]),
                                       1: json.dumps({"0": False, "4": True})}))
    samples = [{"name": "Danielle Dubois", "text": "Physicist, born in Rome."}, {"name": "X", "text": "theory of"}]
    snippets = [{"relation_id": "P103", "target_id": "Q1860", "samples": samples},
                {"relation_id": "P1", "target_id": "Q2", "samples": []}]
    vocabulary = {"physicist": 0, "born": 1, "theory": 2, "rome": 3}
    idf = npy("<f8", (4,), struct.pack("<4d", 1, 2, 1.5, 3))
    seed("snippets", "small", files({0: json.dumps(snippets), 1: json.dumps(vocabulary), 2: idf,
                                     3: json.dumps([COUNTERFACT])}))
    seed("templates", "two.json", json.dumps(["{}", "The first. {}"]))
    seed("templates", "odd.json", json.dumps(["{} and {}", "é\n{}"], indent=1))
    seed("select", "file", files({0: json.dumps({str(i): i % 3 == 0 for i in range(12)}, indent=4)}))
    seed("select", "rule", files({1: "37:20"}))
    seed("select", "large_seed", files({1: "18446744073709551615:200"}))


def make_task() -> None:
    form = {"task": "rte", "header": "Q: a\nAnswer: True\n\nQ: b\nAnswer: False\n\n",
            "prompt_template": "{sentence1}\nQ: {sentence2}\nAnswer:", "answer_marker": "Answer:",
            "answers": [["True", 1], ["False", 0]], "gen_len": 3, "examples": PAIRS}
    one = {**form, "task": "sst", "header": "", "prompt_template": "{sentence} Answer:", "examples": EXAMPLES,
           "answers": [["positive", 1], ["negative", 0]]}
    seed("task", "pairs", files({0: json.dumps(form)}))
    seed("task", "one", files({0: json.dumps(one)}))
    seed("task", "pickle", files({0: json.dumps(form), 1: pickle.dumps(PAIRS, protocol=4)}))
    seed("task", "default", files({2: pickle.dumps(PAIRS, protocol=2)}))


def make_run() -> None:
    pair = {"target_new": 0.5, "target_true": 3.25}
    measures = {"rewrite_prompts_probs": [pair], "paraphrase_prompts_probs": [pair, pair],
                "neighborhood_prompts_probs": [pair], "attribute_prompts_probs": [pair], "ngram_entropy": 6.1,
                "reference_score": 0.25, "text": ["Rhovan is"]}
    layer = {"k_dot_u": 0.6, "update_norm": 12.5, "weight_norm": 330, "update_distance": 1e-6, "delta_norm": 40,
             "target_init_norm": 12.25, "n_steps": 2, "loss": [7.5, 3], "nll": [7, 2.5], "n_elements": 128}
    ours = {"n_edits": 1, "journal": 1, "flag": None, "error": None, **layer, "perplexity": 18.5,
            "efficacy": 1, "paraphrase": 0.5, "neighborhood": 0.25, "seconds_keys": 0.1, "seconds_solve": 0.1,
            "seconds_optimise": 1.5, "seconds_update": 0.1, "time": "2025-03-01T12:00:00Z", "layers": {"1": layer}}
    case = {"case_id": 3, "grouped_case_ids": [3], "num_edits": 1, "requested_rewrite": REWRITE, "time": 2.5,
            "pre": measures, "post": measures, "distance_from_original": {"1": 1e-6}, "aedile": ours}
    later = {**case, "case_id": 7, "grouped_case_ids": [7],
             "aedile": {**ours, "n_edits": 2, "flag": "update norm 12 times the median"}}
    reference = {k: v for k, v in case.items() if k not in ("aedile", "pre")}
    task = {"correct": 150, "incorrect": 48, "invalid": 2, "total": 200, "f1": 0.74, "mcc": 0.5, "time": 4.25}
    base = {"sst": task, "rte": {**task, "labels": "corrected"},
            "aedile": {"n_edits": 0, "perplexity": 18.5, "time": "2025-03-01T12:00:00Z"}}
    after = {"edit_num": 2, "case_id": [7], "sst": task, "aedile": {**base["aedile"], "n_edits": 2}}
    params = {**HPARAMS, "variant": "r-rome", "model_name": "gpt2-xl", "dataset": "cf", "sequential": True,
              "original_implementation": True, "enable_prompt_keys": False, "enable_random_prefix_keys": True}
    skipped = {"case_id": 1, "requested_rewrite": REWRITE, "reason": "made up", "refused": True, "n_edits": 0,
               "time": "2025-03-01T12:00:00Z", "layers": {}}
    identity = {"limit": 0, "max_edits": 0, "hparams": {**HPARAMS, "variant": "r-rome"}, "ridge": 0, "seed": "0",
                "sequential": True, "num_edits": 1, "generation_interval": 1, "pre": False, "glue_interval": 20,
                "glue_labels": "compat", "decode": "bytes", "ppl_interval": 0, "ppl_tokens": 4096}
    settings = {"format": "aedile-run", "version": 1, "aedile": "0.1.0", "created": "2025-03-01T12:00:00Z",
                "model": {"name": "demo", "folder": "/models/demo", "n_threads": 1},
                "inputs": {"dataset": "cf", "data": "data", "select": None, "hparams_name": "built-in",
                           "stats": None, "ppl_text": None, "guard": "warn", "tasks": ["rte.json"]},
                "identity": identity}
    dump = lambda value: json.dumps(value, indent=1)  # noqa: E731
    seed("run", "whole", files({0: dump(params), 1: dump(case), 2: dump(later), 3: dump(base), 4: dump(after),
                                5: dump(skipped), 6: dump(settings)}))
    seed("run", "reference", files({0: dump(params), 1: dump(reference).replace("0.25", "NaN")}))
    correct = {k: [True, False] for k in ("rewrite_prompts_correct", "paraphrase_prompts_correct",
                                          "neighborhood_prompts_correct")}
    seed("run", "zsre", files({0: dump({"dataset": "zsre", "sequential": False}),
                               1: dump({**reference, "post": correct})}))
    seed("run", "settings", files({6: dump(settings)}))


def main() -> None:
    for make in (make_json_array, make_safetensors, make_torch, make_zip, make_npz, make_pickle, make_text_stream,
                 make_config, make_tokenizer, make_hparams, make_records, make_task, make_run):
        make()
    total = sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file())
    print(f"{total} bytes of seeds in {CORPUS}")


if __name__ == "__main__":
    main()
