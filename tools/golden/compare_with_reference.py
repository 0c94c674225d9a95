"""Compares rome.py with a checkout of the research code that it describes, on the golden models.

    python tools/golden/compare_with_reference.py CHECKOUT [--golden tests/golden] [MODEL...]

CHECKOUT is a working tree of github.com/scalable-model-editing/rebuilding-rome; its rome/ is imported as it is and run on
the CPU in float32. Only what it cannot take is left out: braces in a text (it fills texts by str.format) and targets whose
tokens cut a character. Prints one line a case and exits non-zero where a difference exceeds its limit.
"""

import argparse
import contextlib
import io
import json
import os
import sys
import types
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TQDM_DISABLE", "1")

import numpy as np
import torch
from transformers import AutoTokenizer
from transformers.utils import logging

import cases
import models
import rome

# The reference runs in float32 and inverts C in it; with its inverse made in double the limits are rounding alone.
LIMITS = {"u": 1e-4, "right": 5e-4, "delta": 2e-4, "loss": 1e-4}
FLAGS = {
    "r-rome": dict(enable_prompt_keys=False, enable_random_prefix_keys=True, original_implementation=False),
    "rome": dict(enable_prompt_keys=True, enable_random_prefix_keys=False, original_implementation=True),
    "p-rome": dict(enable_prompt_keys=True, enable_random_prefix_keys=False, original_implementation=False),
}


# ---- what the checkout needs to run here ------------------------------------------------------------------------


@contextlib.contextmanager
def on_the_cpu():
    """Its "cuda" means the CPU, for as long as it runs."""

    def moved(function):
        def call(*args, **kwargs):
            args = ["cpu" if isinstance(a, str) and a == "cuda" else a for a in args]
            if kwargs.get("device") == "cuda":
                kwargs["device"] = "cpu"
            return function(*args, **kwargs)

        return call

    before = torch.Tensor.to, torch.zeros, torch.tensor
    torch.Tensor.to, torch.zeros, torch.tensor = map(moved, before)
    try:
        yield
    finally:
        torch.Tensor.to, torch.zeros, torch.tensor = before


def stand_ins():
    """Modules that it imports and, for editing with statistics at hand, does not use."""
    for name, attribute in (
        ("matplotlib", None),
        ("matplotlib.style", "context"),
        ("datasets", "load_dataset"),
    ):
        module = types.ModuleType(name)
        if attribute:
            setattr(module, attribute, None)
        sys.modules.setdefault(name, module)


class Batch(dict):
    """What its transformers (4.15) returned: a slice gives the encodings themselves."""

    def __getitem__(self, item):
        return self.rows[item] if isinstance(item, slice) else super().__getitem__(item)

    def to(self, device):
        return self


class Tokenizer:
    """Right padding with <|endoftext|>; decoding leaves spaces alone."""

    def __init__(self, tokenizer):
        self.tokenizer, self.pad = tokenizer, tokenizer.eos_token_id

    def __call__(self, texts, return_tensors=None, padding=False):
        texts = [texts] if isinstance(texts, str) else texts
        rows = [self.tokenizer(t)["input_ids"] if t else [] for t in texts]
        if return_tensors is None:
            batch = Batch(input_ids=rows[0])
        else:
            longest = max(map(len, rows))
            ids = [r + [self.pad] * (longest - len(r)) for r in rows]
            mask = [[1] * len(r) + [0] * (longest - len(r)) for r in rows]
            batch = Batch(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask))
        batch.rows = rows
        return batch

    def decode(self, ids):
        return self.tokenizer.decode(ids, clean_up_tokenization_spaces=False)


class Losses(types.SimpleNamespace):
    """In place of numpy in compute_v: its printed numbers, before they are rounded."""

    def __init__(self):
        super().__init__(seen=[])

    def round(self, value, digits):
        self.seen.append(value)
        return round(value, digits)


class Reference:
    def __init__(self, checkout, stats):
        sys.path.insert(0, str(checkout))
        os.chdir(checkout)
        stand_ins()
        from rome import compute_u, compute_v
        from rome.rome_hparams import ROMEHyperParams

        self.u, self.v, self.hparams = compute_u, compute_v, ROMEHyperParams
        self.stats = stats

    def edit(self, model, name, tokenizer, request, hparams, variant, templates, double_inverse):
        model.config._name_or_path = name
        parameters = self.hparams(**{**hparams, **FLAGS[variant]})
        target = request["target_new"]
        request = {
            "prompt": request["prompt"],
            "subject": request["subject"],
            "target_new": {"str": target if target.startswith(" ") else " " + target},
        }
        layer = hparams["layers"][0]
        self.u.STATS_DIR = self.stats / name / "stats"
        self.u.inv_mom2_cache.clear()
        self.v.np = losses = Losses()
        held = []

        class Adam(torch.optim.Adam):
            def __init__(self, parameters, **kwargs):
                held.extend(parameters)
                super().__init__(parameters, **kwargs)

        inverse, adam = torch.inverse, torch.optim.Adam
        if double_inverse:
            torch.inverse = lambda x: inverse(x.double()).float()
        torch.optim.Adam = Adam
        try:
            with on_the_cpu(), contextlib.redirect_stdout(io.StringIO()):
                u = self.u.compute_u(model, tokenizer, request, parameters, layer, templates)
                right = self.v.compute_v(model, tokenizer, request, parameters, layer, u, templates)
        finally:
            torch.inverse, torch.optim.Adam = inverse, adam
        steps = np.array(losses.seen).reshape(-1, 4)
        return {"u": u, "right": right.detach(), "delta": held[0].detach(), "loss": steps}


# ---- the comparison ---------------------------------------------------------------------------------------------


def differences(theirs, ours):
    def relative(a, b):
        return ((a.double() - b).norm() / max(b.norm().item(), 1e-30)).item()

    trace = ours.trace
    steps = np.array([trace.loss, trace.nll, trace.kl, trace.decay]).T
    same = steps.shape == theirs["loss"].shape
    return {
        "u": relative(theirs["u"], ours.u),
        "right": relative(theirs["right"], ours.right),
        "delta": relative(theirs["delta"], trace.delta),
        "loss": np.abs((theirs["loss"] - steps) / np.maximum(1, np.abs(steps))).max() if same else np.inf,
    }


def text_of(values):
    return "  ".join(f"{k} {v:.1e}" for k, v in values.items())


class Comparison:
    def __init__(self, reference, golden, name):
        self.reference, self.name, self.spec = reference, name, cases.MODELS[name]
        folder, family = golden / name, self.spec["family"]
        tokenizer = AutoTokenizer.from_pretrained(folder)
        self.tokens, self.tokenizer = rome.Tokens(tokenizer), Tokenizer(tokenizer)
        self.single = models.load(folder, family, torch.float32)
        self.probe = rome.Probe(models.load(folder, family, torch.float64), family, self.spec["layer"])
        hparams = cases.hparams(name, self.spec)
        module = hparams["rewrite_module_tmp"].format(self.spec["layer"])
        n = hparams["mom2_n_samples"]
        stats = np.load(folder / "stats" / name / "tokens_stats" / f"{module}_float32_mom2_{n}.npz")
        self.moment = torch.from_numpy(stats["mom2.mom2"]).double() / int(stats["mom2.count"])
        self.templates = [t for t in cases.TEMPLATES if "{" not in t.replace("{}", "")]
        self.worst, self.failed = {}, 0

    def run(self, request, hparams, variant, templates, double_inverse=True):
        ours = rome.edit(self.probe, self.tokens, request, templates, self.moment, hparams, (variant,))[
            variant
        ]
        theirs = self.reference.edit(
            self.single, self.name, self.tokenizer, request, hparams, variant, templates, double_inverse
        )
        return differences(theirs, ours)

    def agree(self, label, request, hparams, variant, templates=None):
        found = self.run(request, hparams, variant, templates or self.templates)
        bad = [k for k, v in found.items() if not v <= LIMITS[k]]
        self.failed += bool(bad)
        for k, v in found.items():
            self.worst[k] = max(self.worst.get(k, 0), v)
        print(
            f"{'FAIL' if bad else 'ok  '} {self.name} {label:38s} {variant:7s} {text_of(found)}", flush=True
        )

    def differ(self, label, request, hparams, variant, why, templates=None):
        """Where the reference is known to do something else: the comparison must notice."""
        found = self.run(request, hparams, variant, templates or self.templates)
        seen = found["delta"] > 1e-2 or found["loss"] > 1e-2
        self.failed += not seen
        print(
            f"{'ok  ' if seen else 'FAIL'} {self.name} {label:38s} {variant:7s} {text_of(found)}  differs: {why}",
            flush=True,
        )

    def all(self):
        def request(prompt, subject, target):
            return {"prompt": prompt, "subject": subject, "target_new": target}

        def of(**override):
            return cases.hparams(self.name, self.spec, override)

        for name, _, prompt, subject, target in cases.requests(self.spec):
            if name in ("braces", "cut"):
                continue
            hparams = of(**cases.OVERRIDES.get(name, {}))
            for variant in rome.VARIANTS:
                self.agree(name, request(prompt, subject, target), hparams, variant)
        plain = self.run(
            request(*cases.REQUESTS[0][2:]), of(), "r-rome", self.templates, double_inverse=False
        )
        print(f"     {self.name} {'multi, its own float32 inverse':38s} r-rome  {text_of(plain)}")

        cut = next(request(*r[2:]) for r in cases.REQUESTS if r[0] == "cut")
        self.differ(
            "cut",
            cut,
            of(),
            "r-rome",
            "it appends the target as text, and half a character does not come back",
        )
        for token in ("subject_first", "subject_first_after_last"):
            self.agree(token, request(*cases.FACT_TOKEN_REQUESTS[token]), of(fact_token=token), "r-rome")
        after = of(fact_token="subject_first_after_last")
        end = "They all live in the town of {}"
        self.agree(
            "first_after_last, at the end, one token", request(end, "Brookhaven", "Sweden"), after, "r-rome"
        )
        self.differ(
            "first_after_last, at the end",
            request(*cases.AFTER_LAST_AT_END),
            after,
            "r-rome",
            "its suffix holds the target, so delta and key are at different tokens",
        )
        last, bare = of(fact_token="last"), ["{}"]
        self.agree(
            "last, no padding, one-token target",
            request("{} is in", "Brookhaven", "Sweden"),
            last,
            "r-rome",
            bare,
        )
        self.differ(
            "last, rows of several lengths",
            request("{} is in", "Brookhaven", "Sweden"),
            last,
            "r-rome",
            "it reads padding in the shorter rows",
        )
        self.differ(
            "last, target of several tokens",
            request("{} is in", "Brookhaven", "Old Norwegian"),
            last,
            "r-rome",
            "its delta is at the target's last input, its key at the prompt's end",
            bare,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument(
        "--golden", type=Path, default=Path(__file__).resolve().parents[2] / "tests" / "golden"
    )
    parser.add_argument("models", nargs="*", default=[])
    arguments = parser.parse_args()
    logging.disable_progress_bar()
    golden = arguments.golden.resolve()
    # `rome` is both our module and the checkout's package: ours is loaded already, and steps aside.
    ours = sys.modules.pop("rome")
    reference = Reference(arguments.checkout.resolve(), golden)
    sys.modules["rome"] = ours
    failed = 0
    for name in arguments.models or ["gpt2-a", "gptj-a"]:
        comparison = Comparison(reference, golden, name)
        comparison.all()
        print(f"     {name} worst: {text_of(comparison.worst)}")
        failed += comparison.failed
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
