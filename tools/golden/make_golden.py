"""Makes the golden data: models with random weights, and what editing them must give (README.md beside this file).

    python tools/golden/make_golden.py --output tests/golden [MODEL...]

The vectors are computed in float64 from the weights as stored, the logits by transformers in float32.
"""

import argparse
import json
import os
import re
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import AutoTokenizer
from transformers.utils import logging

import cases
import models
import rome

# What float32 may lose against float64 in any vector, relative. A case above it is badly conditioned (an optimisation
# that hovers where gradients vanish) and would test luck, not code: change the case.
FLOAT32_LIMIT = 2e-4


def relative(a, b):
    scale = b.double().norm().item()
    return (a.double() - b.double()).norm().item() / scale if scale > 0 else a.double().norm().item()


def write_json(path, value):
    """Indented, lists of numbers on one line."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    text = re.sub(
        r"\[[-+0-9.eE,\s]+\]",
        lambda m: "[" + ", ".join(m.group(0)[1:-1].replace(",", " ").split()) + "]",
        text,
    )
    path.write_text(text + "\n", encoding="utf-8")


class Golden:
    """One model folder in the making."""

    def __init__(self, name, folder):
        self.name, self.folder, self.spec = name, folder, cases.MODELS[name]
        self.family, self.layer = self.spec["family"], self.spec["layer"]
        self.tensors = {}
        self.worst = {}  # quantity -> worst float32 deviation
        models.write(name, self.spec, folder)
        self.tokens = rome.Tokens(AutoTokenizer.from_pretrained(folder))
        self.n_named = len(self.tokens.tokenizer)
        self.models = {d: models.load(folder, self.family, d) for d in (torch.float64, torch.float32)}
        self.config = self.models[torch.float64].config
        self.templates = cases.TEMPLATES + cases.MORE_TEMPLATES.get(name, [])
        write_json(folder / "templates.json", self.templates)
        self.moments = {}

    def probe(self, layer, dtype=torch.float64):
        return rome.Probe(self.models[dtype], self.family, layer)

    def keep(self, name, value, dtype=np.float32):
        array = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        self.tensors[name] = np.ascontiguousarray(array, dtype=dtype)

    # -- second moments, in the reference's file

    def moment(self, layer):
        if layer not in self.moments:
            probe, n = self.probe(layer), self.spec["documents"]
            length = self.config.n_positions * 3 // 4
            ids = np.random.RandomState(self.spec["seed"] + 100).randint(0, self.n_named, (n, length))
            keys = torch.cat([probe.all_keys(ids[i : i + 8].tolist()) for i in range(0, n, 8)])
            total = (keys.T @ keys).float().numpy()
            hparams = cases.hparams(self.name, self.spec)
            module = hparams["rewrite_module_tmp"].format(layer)
            path = self.folder / "stats" / self.name / "tokens_stats" / f"{module}_float32_mom2_{n}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            arrays = {
                "mom2.constructor": "util.runningstats.SecondMoment()",
                "mom2.count": len(keys),
                "mom2.mom2": total,
                "sample_size": n,
            }
            np.savez(path, **arrays)
            moment = torch.from_numpy(total).double() / len(keys)
            spread = torch.linalg.eigvalsh(moment)
            print(
                f"  C of layer {layer}: {len(keys)} tokens, {len(moment)} dimensions, condition {spread[-1] / spread[0]:.0f}"
            )
            self.moments[layer] = moment
        return self.moments[layer]

    # -- one request

    def edit(self, layer, request, hparams, variants):
        """In float64, and once more in float32 to see that the case is fit to be a test."""
        moment = self.moment(layer) if hparams["mom2_adjustment"] else None
        edits, single = (
            rome.edit(self.probe(layer, d), self.tokens, request, self.templates, moment, hparams, variants)
            for d in (torch.float64, torch.float32)
        )
        for variant in variants:
            a, b = single[variant], edits[variant]
            assert len(a.trace.loss) == len(b.trace.loss), f"{request}: float32 stops elsewhere"
            errors = {q: relative(getattr(a, q), getattr(b, q)) for q in ("u", "key", "value", "right")}
            errors["delta"] = relative(a.trace.delta, b.trace.delta)
            errors["loss"] = max(abs(x - y) / max(1.0, abs(y)) for x, y in zip(a.trace.loss, b.trace.loss))
            for quantity, error in errors.items():
                assert error < FLOAT32_LIMIT, f"{self.name} {request} {variant}: {quantity} {error:.1e}"
                self.worst[quantity] = max(self.worst.get(quantity, 0.0), error)
        return edits

    def keep_edit(self, prefix, e, layer):
        """Stores an edit's tensors; returns its scalars."""
        for name in ("key_u", "u", "key", "value", "target_init", "right"):
            self.keep(f"{prefix}/{name}", getattr(e, name))
        self.keep(f"{prefix}/delta", e.trace.delta)
        for name in ("loss", "nll", "kl", "decay"):
            self.keep(f"{prefix}/{name}", getattr(e.trace, name), np.float64)
        update = self.probe(layer).update(e.right, e.u)
        return {
            "layer": layer,
            "k_dot_u": e.k_dot_u,
            "update_norm": update.norm().item(),
            "delta_norm": e.trace.delta.norm().item(),
            "target_init_norm": e.target_init.norm().item(),
            "n_steps": len(e.trace.loss),
            "n_clamped": e.trace.clamped,
        }

    def texts(self, e, request):
        """The request as tokens, and whether text and target tokenised as a whole give the same."""
        joint = all(
            self.tokens(t.text + self.tokens.decode(e.target[:-1])) == t.ids + e.target[:-1] for t in e.texts
        )
        return {
            "target_ids": e.target,
            "texts": [{"text": t.text, "ids": t.ids, "lookup": t.lookup} for t in e.texts],
            "kl_text": {"text": e.kl_text.text, "ids": e.kl_text.ids, "lookup": e.kl_text.lookup},
            "straddles": any(t.straddles for t in e.texts),
            "joint_agrees": joint,
        }

    def nll(self, request):
        text = request["prompt"].replace("{}", request["subject"], 1)
        return rome.score(self.probe(self.layer), self.tokens, text, request["target_new"].strip())

    def case(self, index, name, why, request, file, hparams, variants):
        layer = hparams["layers"][0]
        probe = self.probe(layer)
        edits = self.edit(layer, request, hparams, variants)
        out = {
            "index": index,
            "name": name,
            "why": why,
            **request,
            "hparams": file,
            "fact_token": hparams["fact_token"],
        }
        out |= self.texts(edits[variants[0]], request)
        out["nll_before"] = self.nll(request)
        out["results"] = {}
        for variant, e in edits.items():
            scalars = self.keep_edit(f"{variant}/{index}", e, layer)
            update = probe.update(e.right, e.u)
            if name == "multi" and variant == "r-rome":
                self.keep(f"{variant}/{index}/dw", update)
            weight = probe.proj.weight
            before = weight.clone()
            weight += update
            scalars["nll_after"] = self.nll(request)
            weight.copy_(before)
            out["results"][variant] = scalars
        trace = edits[variants[0]].trace
        print(
            f"  {index:2d} {name:25s} {len(trace.loss):2d} steps, loss {trace.loss[0]:6.3f} -> {trace.loss[-1]:6.3f}, clamped "
            f"{trace.clamped:2d}, k.u " + " ".join(f"{e.k_dot_u:.3f}" for e in edits.values())
        )
        assert all(
            abs(loss - 0.05) > 5e-4 for loss in trace.loss
        ), "a loss so near the threshold is a toss-up"
        if name == "early":
            assert trace.loss[-1] < 0.05 and 1 < len(trace.loss) < hparams["v_num_grad_steps"]
        if name == "clamp":
            assert trace.clamped > 1
        if name == "done":
            assert len(trace.loss) == 1 and trace.delta.norm() == 0
        if name == "straddle":
            assert out["straddles"]
        return out

    def all_cases(self):
        out = []
        for name, why, prompt, subject, target in cases.requests(self.spec):
            override = cases.OVERRIDES.get(name)
            file = f"hparams_{name}.json" if override else "hparams.json"
            hparams = cases.hparams(self.name, self.spec, override)
            write_json(self.folder / file, hparams)
            request = {"prompt": prompt, "subject": subject, "target_new": target}
            out.append(self.case(len(out), name, why, request, file, hparams, rome.VARIANTS))
        for token in cases.FACT_TOKEN_MODELS.get(self.name, []):
            file = f"hparams_{token}.json"
            hparams = cases.hparams(self.name, self.spec, {"fact_token": token})
            write_json(self.folder / file, hparams)
            prompt, subject, target = cases.FACT_TOKEN_REQUESTS[token]
            request = {"prompt": prompt, "subject": subject, "target_new": target}
            out.append(self.case(len(out), token, "another fact token", request, file, hparams, ("r-rome",)))
            if token == "subject_first_after_last":
                prompt, subject, target = cases.AFTER_LAST_AT_END
                request = {"prompt": prompt, "subject": subject, "target_new": target}
                why = "nothing follows the subject: its own last token"
                out.append(self.case(len(out), "after_last_at_end", why, request, file, hparams, ("r-rome",)))
        write_json(
            self.folder / "requests.json",
            [
                {
                    "case_id": c["index"],
                    "prompt": c["prompt"],
                    "subject": c["subject"],
                    "target_new": c["target_new"],
                }
                for c in out
                if c["hparams"] == "hparams.json"
            ],
        )
        return out

    # -- several edits, several layers

    def request_named(self, name):
        prompt, subject, target = next(r[2:] for r in cases.REQUESTS if r[0] == name)
        return {"prompt": prompt, "subject": subject, "target_new": target}

    def sequence(self):
        """r-rome, one edit after another: keys and values from the model as it is, templates and C as they were."""
        if self.name not in cases.SEQUENCE_MODELS:
            return None
        hparams = cases.hparams(self.name, self.spec)
        before = {d: self.probe(self.layer, d).proj.weight.clone() for d in self.models}
        out = []
        for i, name in enumerate(cases.SEQUENCE):
            request = self.request_named(name)
            e = self.edit(self.layer, request, hparams, ("r-rome",))["r-rome"]
            out.append({**request, **self.keep_edit(f"sequence/{i}", e, self.layer)})
            for dtype in self.models:
                probe = self.probe(self.layer, dtype)
                probe.proj.weight += probe.update(e.right, e.u).to(dtype)
        self.keep("sequence/w", self.probe(self.layer).proj.weight)
        for dtype, weight in before.items():
            self.probe(self.layer, dtype).proj.weight.copy_(weight)
        return {"hparams": "hparams.json", "variant": "r-rome", "edits": out, "w": "sequence/w"}

    def two_layers(self):
        """r-rome at two layers, the second on the model that holds the first's edit."""
        layers = cases.TWO_LAYER_MODELS.get(self.name)
        if layers is None:
            return None
        hparams = cases.hparams(self.name, self.spec, {"layers": layers})
        write_json(self.folder / "hparams_layers.json", hparams)
        request = self.request_named(cases.TWO_LAYER_REQUEST)
        for layer in layers:
            self.moment(layer)  # of the unedited model
        before = {
            (layer, d): self.probe(layer, d).proj.weight.clone() for layer in layers for d in self.models
        }
        out = []
        for layer in layers:
            e = self.edit(layer, request, hparams, ("r-rome",))["r-rome"]
            out.append(self.keep_edit(f"layers/{layer}", e, layer))
            for dtype in self.models:
                probe = self.probe(layer, dtype)
                probe.proj.weight += probe.update(e.right, e.u).to(dtype)
        for (layer, dtype), weight in before.items():
            self.probe(layer, dtype).proj.weight.copy_(weight)
        return {"hparams": "hparams_layers.json", "variant": "r-rome", **request, "edits": out}

    # -- lookup indices for every fact token

    def lookups(self):
        out = []
        for token in ("subject_last", *cases.FACT_TOKENS):
            for _, _, prompt, subject, _ in cases.requests(self.spec):
                texts = [rome.build_text(self.tokens, t, prompt, subject, token) for t in self.templates]
                kl = rome.build_text(self.tokens, "{}", rome.KL_PROMPT, subject, token)
                entry = {"fact_token": token, "prompt": prompt, "subject": subject}
                entry |= {"lookup": [t.lookup for t in texts], "kl_lookup": kl.lookup}
                if entry not in out:
                    out.append(entry)
        return out

    # -- the model itself

    def logits(self):
        """transformers in float32: 64 columns and the log-sum-exp of every position."""
        vocab = self.config.vocab_size
        columns = np.unique(
            np.r_[np.linspace(0, self.n_named - 1, 32), np.linspace(self.n_named, vocab - 1, 32)].astype(int)
        )
        self.keep("logits/columns", columns, np.int32)
        model, out = self.models[torch.float32], []
        for i, text in enumerate(cases.LOGIT_TEXTS):
            ids = self.tokens(text)[: self.config.n_positions]
            with torch.no_grad():
                logits = model(torch.tensor([ids])).logits[0]
            self.keep(f"logits/{i}", logits[:, columns])
            self.keep(f"logits/{i}/logsumexp", torch.logsumexp(logits.double(), -1), np.float64)
            out.append({"text": text, "ids": ids})
        return out

    def generate(self):
        out, probe = [], self.probe(self.layer)
        for prompt in cases.GENERATE:
            ids, margin = rome.greedy(probe, self.tokens, prompt, 20)
            entry = {"prompt": prompt, "ids": ids, "text": self.tokens.decode(ids), "margin": margin}
            assert margin > 1e-3, f"{self.name}: {prompt!r} is too close a call ({margin:.1e})"
            assert self.n_named - 1 not in ids, "the text ends early"
            out.append(entry)
        return out

    def scores(self):
        probe = self.probe(self.layer)
        return [
            {"prompt": p, "targets": ts, "nll": [rome.score(probe, self.tokens, p, t) for t in ts]}
            for p, ts in cases.SCORES
        ]

    def make(self):
        hparams = cases.hparams(self.name, self.spec)
        probe = self.probe(self.layer)
        d_mlp, d_model = probe.proj.weight.shape if self.family == "gpt2" else probe.proj.weight.shape[::-1]
        out = {
            "model": {
                "name": self.name,
                "family": self.family,
                "dtype": self.spec["dtype"],
                "n_layer": self.config.n_layer,
                "n_head": self.config.n_head,
                "d_model": d_model,
                "d_mlp": d_mlp,
                "n_ctx": self.config.n_positions,
                "n_vocab": self.config.vocab_size,
                "n_tokens": self.n_named,
                "layer": self.layer,
                "module": hparams["rewrite_module_tmp"].format(self.layer),
            },
            "tensors": "golden.safetensors",
            "templates": "templates.json",
            "stats": "stats",
            "cases": self.all_cases(),
            "sequence": self.sequence(),
            "layers": self.two_layers(),
            "lookups": self.lookups(),
            "logits": self.logits(),
            "generate": self.generate(),
            "score": self.scores(),
        }
        write_json(self.folder / "golden.json", out)
        save_file(self.tensors, self.folder / "golden.safetensors")
        for path in self.folder.rglob("*"):
            if path.is_file():
                path.chmod(0o644)
        print("  worst float32 against float64: " + ", ".join(f"{k} {v:.1e}" for k, v in self.worst.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="the folder that gets one folder a model")
    parser.add_argument("models", nargs="*", help="which; default: all")
    arguments = parser.parse_args()
    unknown = set(arguments.models) - set(cases.MODELS)
    if unknown:
        sys.exit(f"no such model: {', '.join(sorted(unknown))}; there are {', '.join(cases.MODELS)}")
    logging.disable_progress_bar()
    for name in arguments.models or cases.MODELS:
        print(name, flush=True)
        Golden(name, arguments.output / name).make()


if __name__ == "__main__":
    main()
