#!/usr/bin/env python3
"""Compares aedile with PyTorch: `make parity`.

    python tools/parity.py [--build build] [--skip golden,tokenizer]

Makes the golden data afresh and compares it with the committed copy; compares logits, scores, generated text and edits of the
built program with transformers; loads what `aedile export` writes in transformers and peft; exchanges statistics with
numpy; runs the tokenizer's, the metrics' and the formats' own comparisons. Prints one line a check, with the worst figure
and its limit, and ends with 1 if one fails. Packages: tools/requirements.txt. Nothing outside a temporary folder is written.
"""

import argparse
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
sys.path.insert(0, str(ROOT / "tools" / "golden"))
sys.dont_write_bytecode = True

try:
    import numpy as np
    import peft
    import safetensors
    import tokenizers
    import torch
    import transformers
    from safetensors import safe_open
    from safetensors.torch import load_file
except ImportError as error:
    sys.exit(
        f"parity: {error}; install tools/requirements.txt, and name its interpreter: make parity PYTHON=..."
    )

import cases
import models
import rome

warnings.filterwarnings("ignore", category=FutureWarning)

LOGITS = 2e-4  # absolute, float32 on both sides
NLL = 1e-4  # relative to 1 or the value
VECTORS = 1e-3
LOSSES = 1e-4


# ---- reporting --------------------------------------------------------------------------------------------------


class Report:
    def __init__(self):
        self.done, self.failed, self.skipped = 0, 0, 0

    def line(self, good, name, text):
        self.done += 1
        self.failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {name}: {text}", flush=True)

    def within(self, name, value, limit, what):
        self.line(value <= limit, name, f"{what} {value:.1e} (limit {limit:.0e})")

    def true(self, name, good, text):
        self.line(bool(good), name, text)

    def skip(self, name, why):
        self.skipped += 1
        print(f"skip {name}: {why}", flush=True)


report = Report()


def relative(a, b):
    a, b = (torch.as_tensor(x).double().flatten() for x in (a, b))
    return ((a - b).norm() / b.norm().clamp_min(1e-30)).item() if b.norm() > 0 else a.norm().item()


def over_one(a, b):
    """The worst difference, relative where values are above 1."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return float(np.max(np.abs(a - b) / np.maximum(1, np.abs(b)))) if a.shape == b.shape else float("inf")


# ---- aedile -----------------------------------------------------------------------------------------------------


class Program:
    def __init__(self, build):
        self.path = build / "aedile"
        if not self.path.is_file():
            sys.exit(f"parity: {self.path} is not there: run make, or name the build folder with --build")

    def __call__(self, *arguments):
        """Runs a command with --json; its document."""
        command = [str(self.path), *map(str, arguments), "--json", "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def nll(self, model, prompt, targets, *more):
        found = self(
            "score", model, "--prompt", prompt, *(x for t in targets for x in ("--target", t)), *more
        )
        return [t["nll"] for t in found["targets"]]


class Library:
    """The public header through ctypes: logits have no command."""

    def __init__(self, build):
        found = sorted(build.glob("libaedile.so*"))
        self.lib = ctypes.CDLL(str(found[0])) if found else None
        if self.lib:
            self.lib.ae_last_error.restype = ctypes.c_char_p
            self.lib.ae_model_free.argtypes = [ctypes.c_void_p]
            self.lib.ae_logits.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_float)]

    def check(self, status):
        if status != 0:
            raise RuntimeError(self.lib.ae_last_error().decode())

    def logits(self, folder, texts, n_vocab):
        """Of every text's last token."""
        model = ctypes.c_void_p()
        self.check(self.lib.ae_model_open(str(folder).encode(), None, ctypes.byref(model)))
        try:
            out = np.empty((len(texts), n_vocab), dtype=np.float32)
            for row, text in zip(out, texts):
                self.check(
                    self.lib.ae_logits(
                        model, text.encode(), row.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
                    )
                )
            return torch.from_numpy(out)
        finally:
            self.lib.ae_model_free(model)


# ---- golden data made afresh ------------------------------------------------------------------------------------


def same_json(a, b, path=""):
    """Where two documents differ, numbers beyond 1e-5 of 1 or their size; None if they do not."""
    if isinstance(a, dict) and isinstance(b, dict):
        if a.keys() != b.keys():
            return f"{path}: keys {sorted(a.keys() ^ b.keys())}"
        pairs = [(f"{path}.{k}", a[k], b[k]) for k in a]
    elif isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return f"{path}: {len(a)} against {len(b)} entries"
        pairs = [(f"{path}[{i}]", x, y) for i, (x, y) in enumerate(zip(a, b))]
    elif isinstance(a, float) and isinstance(b, (int, float)):
        return None if abs(a - b) <= 1e-5 * max(1, abs(b)) else f"{path}: {a} against {b}"
    else:
        return None if a == b else f"{path}: {a!r} against {b!r}"
    return next((d for d in (same_json(x, y, p) for p, x, y in pairs) if d), None)


def arrays(path):
    if path.suffix == ".npz":
        return {k: torch.from_numpy(v) for k, v in np.load(path).items() if v.dtype.kind != "U"}
    if path.suffix == ".bin":
        return torch.load(path, weights_only=True)
    return load_file(path)


def files_in(folder):
    """Relative paths; a factor of the statistics is no golden data, but kept beside them by the program."""
    return {p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and ".factor" not in p.name}


def golden(folder):
    name = f"golden {folder.name}"
    with tempfile.TemporaryDirectory() as scratch:
        command = [
            sys.executable,
            ROOT / "tools" / "golden" / "make_golden.py",
            "--output",
            scratch,
            folder.name,
        ]
        # One thread: the matrices are small, and several models are made at once.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            return report.true(name, False, done.stderr.strip().split("\n")[-1])
        fresh = Path(scratch) / folder.name
        old, new = map(files_in, (folder, fresh))
        faults, worst, n = [f"{p} in one folder only" for p in sorted(old ^ new)], 0.0, 0
        for path in sorted(old & new):
            a, b = fresh / path, folder / path
            if path.suffix == ".json":
                fault = same_json(json.loads(a.read_text("utf-8")), json.loads(b.read_text("utf-8")))
                faults += [f"{path}{fault}"] if fault else []
            elif path.suffix in (".safetensors", ".bin", ".npz"):
                x, y = arrays(a), arrays(b)
                if x.keys() != y.keys():
                    faults.append(f"{path}: other arrays")
                    continue
                for key in x:
                    n += 1
                    if x[key].shape != y[key].shape or x[key].dtype != y[key].dtype:
                        faults.append(f"{path}: {key} has another shape or type")
                    elif "golden" not in path.name and path.suffix != ".npz":
                        faults += [] if torch.equal(x[key], y[key]) else [f"{path}: {key} differs"]
                    else:
                        worst = max(worst, relative(x[key], y[key]))
            elif a.read_bytes() != b.read_bytes():
                faults.append(f"{path} differs")
        text = (
            "; ".join(faults[:3])
            or f"weights and tokenizer equal, {n} arrays, worst relative difference {worst:.1e} (limit 1e-05)"
        )
        report.true(name, not faults and worst <= 1e-5, text)


# ---- one model --------------------------------------------------------------------------------------------------


class Model:
    """A golden model in transformers, float32, and in aedile."""

    def __init__(self, program, library, name, scratch):
        self.program, self.library, self.name = program, library, name
        self.spec, self.folder, self.scratch = cases.MODELS[name], GOLDEN / name, scratch / name
        self.scratch.mkdir()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(self.folder)
        self.tokens = rome.Tokens(self.tokenizer)
        self.golden = json.loads((self.folder / "golden.json").read_text("utf-8"))
        self.vectors = load_file(self.folder / "golden.safetensors")
        self.layer, self.module = self.golden["model"]["layer"], self.golden["model"]["module"]
        self.model = models.load(self.folder, self.spec["family"], torch.float32)
        # Beside statistics the program keeps their factor: not in the committed folder.
        self.stats = self.scratch / "stats"
        shutil.copytree(self.folder / "stats", self.stats)

    def probe(self, model=None):
        return rome.Probe(model or self.model, self.spec["family"], self.layer)

    def hf_logits(self, texts, model=None):
        out = []
        with torch.no_grad():
            for text in texts:
                out.append((model or self.model)(torch.tensor([self.tokens(text)])).logits[0, -1])
        return torch.stack(out)

    def hf_nll(self, model=None):
        probe = self.probe(model)
        return [rome.score(probe, self.tokens, p, t) for p, ts in cases.SCORES for t in ts]

    def nll(self, folder, *more):
        return [x for p, ts in cases.SCORES for x in self.program.nll(folder, p, ts, *more)]

    def texts(self):
        """Several lengths of every text that fits."""
        out = []
        for text in cases.LOGIT_TEXTS:
            words = text.split(" ")
            out += [t for t in (" ".join(words[:n]) for n in (1, 3, 7, len(words))) if t and t not in out]
        return [t for t in out if len(self.tokens(t)) <= self.golden["model"]["n_ctx"]]

    # -- reading

    def reading(self):
        if self.library.lib:
            texts = self.texts()
            ours = self.library.logits(self.folder, texts, self.golden["model"]["n_vocab"])
            error = (ours - self.hf_logits(texts)).abs().max().item()
            report.within(
                f"{self.name} logits",
                error,
                LOGITS,
                f"{len(texts)} texts, {ours.shape[1]} columns: worst difference",
            )
        else:
            report.skip(f"{self.name} logits", "no libaedile.so in the build folder")
        report.within(
            f"{self.name} score",
            over_one(self.nll(self.folder), self.hf_nll()),
            NLL,
            "worst difference of mean NLLs",
        )
        n, wrong = 0, []
        for prompt in cases.GENERATE:
            found = self.program(
                "generate", self.folder, "--prompt", prompt, "--max-tokens", 20, "--ignore-end"
            )
            ids, _ = rome.greedy(self.probe(), self.tokens, prompt, 20)
            n += 1
            if found["continuation"] != self.tokens.decode(ids):
                wrong.append(prompt)
        report.true(f"{self.name} generate", not wrong, f"{n - len(wrong)} of {n} greedy texts equal")

    # -- editing

    def edit(self, journal, case, variant):
        return self.program(
            "edit",
            self.folder,
            "--prompt",
            case["prompt"],
            "--subject",
            case["subject"],
            "--target",
            case["target_new"],
            "--hparams",
            self.folder / case["hparams"],
            "--templates",
            self.folder / "templates.json",
            "--stats",
            self.stats,
            "--variant",
            variant,
            "--journal",
            journal,
        )["edits"][0]

    def editing(self):
        """Each variant through the command; the journal's vectors against the golden ones."""
        worst = {"vectors": 0.0, "losses": 0.0, "k.u": 0.0}
        chosen = [c for c in self.golden["cases"] if c["name"] in ("multi", "braces", "early", "done")]
        n = 0
        for case in chosen:
            for variant, expected in case["results"].items():
                n += 1
                journal = self.scratch / f"one-{case['index']}-{variant}"
                layer = self.edit(journal, case, variant)["layers"][0]
                stored = load_file(journal / "0001.safetensors")
                for key in ("u", "right", "delta", "key", "value", "key_u", "target_init"):
                    found, wanted = (
                        stored[f"layer.{self.layer}.{key}"],
                        self.vectors[f"{variant}/{case['index']}/{key}"],
                    )
                    worst["vectors"] = max(worst["vectors"], relative(found, wanted))
                worst["losses"] = max(
                    worst["losses"], over_one(layer["loss"], self.vectors[f"{variant}/{case['index']}/loss"])
                )
                worst["k.u"] = max(
                    worst["k.u"], abs(layer["k_dot_u"] - expected["k_dot_u"]) / abs(expected["k_dot_u"])
                )
        for key, limit in (("vectors", VECTORS), ("losses", LOSSES), ("k.u", VECTORS)):
            report.within(f"{self.name} edit", worst[key], limit, f"{n} edits, {key}: worst difference")

    # -- exports

    def exports(self):
        journal = self.scratch / "journal"
        named = {c["name"]: c for c in self.golden["cases"]}
        edited = [named[n] for n in ("multi", "end", "token") if n in named] or [named["multi"]]
        for case in edited:
            self.edit(journal, case, "r-rome")
        updates = []
        for i in range(len(edited)):
            stored = load_file(journal / f"{i + 1:04}.safetensors")
            updates.append((stored[f"layer.{self.layer}.u"], stored[f"layer.{self.layer}.right"]))
        ours = self.nll(self.folder, "--journal", journal)

        # Base and all updates, in transformers.
        model = models.load(self.folder, self.spec["family"], torch.float32)
        probe = self.probe(model)
        base = probe.proj.weight.clone()
        with torch.no_grad():
            for u, right in updates:
                probe.proj.weight += probe.update(right, u)
        moved = np.abs(np.subtract(self.hf_nll(model), self.hf_nll())).max()
        report.within(
            f"{self.name} journal",
            over_one(ours, self.hf_nll(model)),
            NLL,
            f"NLLs with {len(edited)} edits, which move them by up to {moved:.1f}: worst difference",
        )

        self.export_folder(journal, model, probe.proj.weight, base)
        self.export_adapter(journal, model, ours, updates)

    def export_folder(self, journal, model, weight, base):
        output, name = self.scratch / "hf", f"{self.name} export hf"
        document = self.program(
            "export", self.folder, "--journal", journal, "--format", "hf", "--output", output
        )
        before, after = self.tensors(self.folder), self.tensors(output)
        changed = [k for k in before if k in after and not self.same_bits(before[k], after[k])]
        lost = sorted(before.keys() ^ after.keys())
        same = before.keys() == after.keys() and all(before[k].dtype == after[k].dtype for k in before)
        wanted = [f"{self.module}.weight"]
        report.true(
            name,
            changed == wanted and same,
            f"of {len(before)} tensors {', '.join(changed) or 'none'} differs"
            + (f"; not in both: {lost[:3]}" if lost else ""),
        )
        stored = after[wanted[0]].to(torch.float32)
        exact = weight.to(after[wanted[0]].dtype).to(torch.float32)
        step = (weight.abs() * torch.finfo(after[wanted[0]].dtype).eps).clamp_min(1e-7)
        off = ((stored - weight).abs() / step).max().item()
        report.within(
            name,
            off,
            1.0,
            f"edited matrix against base + updates, {(stored != exact).float().mean():.1%} of it otherwise"
            " rounded: worst difference in units of the last place",
        )
        rounding = (stored - weight).abs().max().item()
        report.within(
            name,
            abs(document["rounding_error"] - rounding) / max(rounding, 1e-6),
            0.1,
            f"reported rounding error {document['rounding_error']:.2e}, seen {rounding:.2e}: relative"
            " difference",
        )
        loaded, info = type(self.model).from_pretrained(
            output, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
        )
        unexpected = [
            k for k in info["unexpected_keys"] if not k.endswith((".attn.bias", ".attn.masked_bias"))
        ]
        report.true(
            name,
            not info["missing_keys"] and not unexpected,
            f"loads in transformers, {len(info['missing_keys'])} keys missing, {len(unexpected)} unexpected",
        )
        loaded.eval()
        report.within(
            name,
            over_one(self.nll(output), self.hf_nll(loaded)),
            NLL,
            "NLLs of the folder, aedile against transformers: worst difference",
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(output)
        report.true(
            name,
            all(tokenizer(t)["input_ids"] == self.tokens(t) for t in cases.LOGIT_TEXTS),
            "its tokenizer gives the same ids",
        )

    @staticmethod
    def same_bits(a, b):
        return torch.equal(*(t.reshape(-1).contiguous().view(torch.uint8) for t in (a, b)))

    def tensors(self, folder):
        out = {}
        for path in sorted([*folder.glob("model*.safetensors"), *folder.glob("pytorch_model*.bin")]):
            out |= arrays(path)
        return out

    def export_adapter(self, journal, model, ours, updates):
        output, name = self.scratch / "lora", f"{self.name} export lora"
        self.program("export", self.folder, "--journal", journal, "--format", "lora", "--output", output)
        config = json.loads((output / "adapter_config.json").read_text())
        base = models.load(self.folder, self.spec["family"], torch.float32)
        adapted = peft.PeftModel.from_pretrained(base, output).eval()
        right = config["fan_in_fan_out"] == (self.spec["family"] == "gpt2")
        report.true(
            name,
            right and config["r"] == len(updates),
            f"loads in peft, rank {config['r']}, fan_in_fan_out {config['fan_in_fan_out']}",
        )
        texts = self.texts()
        error = (self.hf_logits(texts, adapted) - self.hf_logits(texts, model)).abs().max().item()
        report.within(name, error, LOGITS, "logits against base + updates: worst difference")
        merged = adapted.merge_and_unload()
        report.within(
            name,
            over_one(self.hf_nll(merged), ours),
            NLL,
            "NLLs of the merged model against aedile's journal: worst difference",
        )
        stored = load_file(output / "adapter_model.safetensors")
        a, b = (next(v for k, v in stored.items() if f"lora_{x}" in k) for x in "AB")
        exact = all(
            torch.equal(a[i], u) and torch.equal(b[:, i], right) for i, (u, right) in enumerate(updates)
        )
        report.true(name, exact, "its matrices are the journal's u and right, bit for bit")

    # -- statistics

    def statistics(self):
        name = f"{self.name} stats"
        text = self.scratch / "text.txt"
        lines = [line for line in cases.PROSE.strip().split("\n")] * 4
        text.write_text("\n".join(lines) + "\n", encoding="utf-8")
        output = self.scratch / "collected"
        found = self.program(
            "stats",
            self.folder,
            "--layer",
            self.layer,
            "--text",
            text,
            "--output",
            output,
            "--dataset",
            "prose",
        )
        path = Path(found["files"][0]["path"])
        archive = np.load(path)
        probe, n = self.probe(), self.golden["model"]["n_ctx"]
        keys = torch.cat([probe.all_keys([self.tokens(line)[:n]]) for line in lines]).double()
        good = str(archive["mom2.constructor"]) == "util.runningstats.SecondMoment()" and int(
            archive["mom2.count"]
        ) == len(keys)
        shapes = archive["mom2.count"].shape == () and archive["mom2.mom2"].dtype == np.float32
        where = path.relative_to(output).as_posix()
        wanted = f"{self.name}/prose_stats/{self.module}_float32_mom2.npz"
        report.true(
            name,
            good and shapes and where == wanted,
            f"numpy reads {', '.join(archive.files)}; {int(archive['mom2.count'])} tokens; at {where}",
        )
        report.within(
            name,
            relative(archive["mom2.mom2"], keys.T @ keys),
            1e-5,
            "sum against transformers: relative difference",
        )

        # What numpy writes, read back: the same edit.
        case = next(c for c in self.golden["cases"] if c["name"] == "multi")
        again = self.scratch / "again.npz"
        source = next((self.folder / "stats").rglob(f"{self.module}_*.npz"))
        np.savez(again, **dict(np.load(source).items()))
        both = []
        for stats in (source.relative_to(self.folder / "stats"), None):
            self.stats, kept = (self.stats / stats if stats else again), self.stats
            both.append(self.edit(self.scratch / f"npz-{len(both)}", case, "r-rome")["layers"][0])
            self.stats = kept
        same = both[0]["k_dot_u"] == both[1]["k_dot_u"] and both[0]["update_norm"] == both[1]["update_norm"]
        report.true(
            name, same, f"a file rewritten by numpy gives the same edit, k.u {both[1]['k_dot_u']:.6f}"
        )

    def files(self):
        """Everything that was written, for the formats' own comparison; numpy has no bfloat16 (torch has read it above)."""
        found = [p for p in self.scratch.rglob("*") if p.suffix in (".safetensors", ".npz")]
        found = [p for p in found if self.stats not in p.parents]
        return [p for p in found if p.parent.name != "hf" or self.spec["dtype"] != "bfloat16"]


# ---- others' comparisons ----------------------------------------------------------------------------------------


def subprocess_check(name, script, arguments):
    done = subprocess.run([sys.executable, script, *map(str, arguments)], capture_output=True, text=True)
    lines = [line for line in (done.stdout + done.stderr).strip().split("\n") if line]
    if done.returncode != 0:
        print("\n".join("     " + line for line in lines[-10:]))
    report.true(name, done.returncode == 0, lines[-1] if lines else "no output")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="where the program was built")
    parser.add_argument("--models", default=",".join(cases.MODELS), help="golden models, parted by commas")
    parser.add_argument(
        "--skip", default="", help="golden, models, tokenizer, metrics, formats; parted by commas"
    )
    arguments = parser.parse_args()
    skip = set(filter(None, arguments.skip.split(",")))
    build = arguments.build.resolve()
    program, library = Program(build), Library(build)
    transformers.utils.logging.disable_progress_bar()
    version = subprocess.run([program.path, "--version"], capture_output=True, text=True).stdout.strip()
    packages = (torch, transformers, peft, tokenizers, safetensors, np)
    print(
        f"{version}; Python {sys.version.split()[0]}; "
        + ", ".join(f"{p.__name__} {p.__version__}" for p in packages)
    )
    chosen = arguments.models.split(",")

    if "golden" not in skip:
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            list(pool.map(lambda name: golden(GOLDEN / name), chosen))
    with tempfile.TemporaryDirectory() as scratch:
        files = []
        for name in chosen if "models" not in skip else []:
            model = Model(program, library, name, Path(scratch))
            for step in (model.reading, model.editing, model.exports, model.statistics):
                try:
                    step()
                except Exception as error:
                    report.true(f"{name} {step.__name__}", False, f"{type(error).__name__}: {error}")
            files += model.files()
        formats = ROOT / "tools" / "parity_format.py"
        if "formats" not in skip and formats.exists() and files:
            subprocess_check(f"formats of {len(files)} written files", formats, files)
    data = ROOT.parent / "shared" / "data"
    for name, asked in (("tokenizer", build / "tokenize"), ("metrics", build / "metrics")):
        script = ROOT / "tools" / f"parity_{name}.py"
        if name in skip or not script.exists():
            continue
        if not asked.is_file():
            report.skip(name, f"no {asked.name} in the build folder: run make bench first")
        elif not data.is_dir():
            report.skip(name, f"no {data}")
        else:
            subprocess_check(name, script, ["--program", asked, "--data", data])
    print(f"{report.done} checks, {report.failed} failed, {report.skipped} skipped")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
