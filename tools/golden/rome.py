"""Rank-one editing in plain PyTorch, as docs/model.md states it: the yardstick for the C engine.

Written for clarity: every step runs every text through every layer. Nothing here is shared with the C code, nor with
other implementations.
"""

from dataclasses import dataclass, field

import numpy as np
import torch

VARIANTS = ("r-rome", "rome", "p-rome")
KL_PROMPT = "{} is a"


# ---- texts --------------------------------------------------------------------------------------------------


@dataclass
class Text:
    text: str  # without the target
    ids: list
    lookup: int  # where the fact is looked up
    straddles: bool  # subject_last: the token at `lookup` does not end where the subject ends


class Tokens:
    """The tokenizer of a model folder, without anything added."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def __call__(self, text):
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []

    def decode(self, ids):
        """Bytes that are not UTF-8 as U+FFFD, and one U+FFFD for an id without a name (which transformers leaves out)."""
        out, run = [], []
        for i in [*ids, None]:
            if i is not None and i < len(self.tokenizer):
                run.append(i)
                continue
            out.append(self.tokenizer.decode(run, clean_up_tokenization_spaces=False))
            out.append("" if i is None else "\ufffd")
            run = []
        return "".join(out)

    def n_bytes(self, token):
        """In byte-level BPE a token's string has one character a byte."""
        return len(self.tokenizer.convert_ids_to_tokens(token))


def fill(template, prompt):
    """The prompt in place of the template's last "{}", whatever other braces there are."""
    left, right = template.rsplit("{}", 1)
    return left + prompt, right


def build_text(tokens, template, prompt, subject, fact_token):
    assert prompt.count("{}") == 1, prompt
    left, right = template.rsplit("{}", 1)
    before, after = prompt.split("{}")
    prefix, suffix = left + before, after + right
    text = prefix + subject + suffix
    ids = tokens(text)

    piece, word = prefix, subject
    if piece:
        assert piece[-1] == " ", f"no space before the subject: {prefix!r}"
        piece, word = piece[:-1], " " + subject.strip()
    start, end = len(tokens(piece)), len(tokens(piece)) + len(tokens(word))
    if fact_token == "subject_last":
        lookup = end - 1
    elif fact_token == "subject_first":
        lookup = start
    elif fact_token == "subject_first_after_last":
        lookup = end if suffix else end - 1
    elif fact_token == "last":
        lookup = len(ids) - 1
    else:
        raise ValueError(fact_token)
    assert 0 <= lookup < len(ids)
    straddles = False
    if fact_token == "subject_last":
        ends_at = sum(tokens.n_bytes(i) for i in ids[: lookup + 1])
        straddles = ends_at != len((prefix + subject).encode())
    return Text(text, ids, lookup, straddles)


def target_ids(tokens, target):
    return tokens(target if target.startswith(" ") else " " + target)


# ---- the model, seen through hooks --------------------------------------------------------------------------


class Probe:
    """Runs token sequences and reads or changes what passes through one layer's MLP."""

    def __init__(self, model, family, layer):
        self.model = model
        self.mlp = model.transformer.h[layer].mlp
        self.proj = self.mlp.c_proj if family == "gpt2" else self.mlp.fc_out
        self.transposed = family != "gpt2"  # Linear keeps [out, in], Conv1D [in, out]
        self.dtype = self.proj.weight.dtype

    def hidden(self, sequences, edit=None):
        """Final hidden states [n, longest, d_model]. Shorter rows are filled on the right, where nothing looks.
        edit: (lookup per row, delta), added to the MLP's output."""
        longest = max(map(len, sequences))
        ids = torch.tensor([list(s) + [0] * (longest - len(s)) for s in sequences])
        handle = None
        if edit is not None:
            lookups, delta = edit
            where = torch.zeros(ids.shape, dtype=self.dtype)
            where[torch.arange(len(sequences)), torch.tensor(lookups)] = 1

            def add(module, inputs, output):
                return output + where[:, :, None] * delta

            handle = self.mlp.register_forward_hook(add)
        try:
            return self.model.transformer(ids, use_cache=False).last_hidden_state
        finally:
            if handle:
                handle.remove()

    def logits(self, hidden):
        return self.model.lm_head(hidden)

    def key_value(self, texts):
        """Input and output (with its bias) of the second MLP matrix at each text's lookup index."""
        kept = {}

        def keep(module, inputs, output):
            kept["key"], kept["value"] = inputs[0].detach(), output.detach()

        handle = self.proj.register_forward_hook(keep)
        try:
            with torch.no_grad():
                self.hidden([t.ids for t in texts])
        finally:
            handle.remove()
        rows = torch.arange(len(texts)), torch.tensor([t.lookup for t in texts])
        return kept["key"][rows], kept["value"][rows]

    def all_keys(self, sequences):
        """Keys of every token, sequences of one length."""
        kept = {}
        handle = self.proj.register_forward_pre_hook(
            lambda module, inputs: kept.update(key=inputs[0].detach())
        )
        try:
            with torch.no_grad():
                self.hidden(sequences)
        finally:
            handle.remove()
        return kept["key"].flatten(0, 1)

    def update(self, right, u):
        """right uᵀ in the stored orientation."""
        return torch.outer(right, u) if self.transposed else torch.outer(u, right)


# ---- one edit -----------------------------------------------------------------------------------------------


@dataclass
class Trace:
    delta: torch.Tensor = None
    loss: list = field(default_factory=list)
    nll: list = field(default_factory=list)
    kl: list = field(default_factory=list)  # weighted, as it enters the loss
    decay: list = field(default_factory=list)  # weighted
    clamped: int = 0  # steps after which delta was put back onto the ball


def optimise(probe, texts, target, kl_text, target_init, hparams):
    """delta that makes the target likely at every text."""
    n = len(target)
    sequences = [t.ids + target[:-1] for t in texts] + [kl_text.ids]
    lookups = [t.lookup for t in texts] + [kl_text.lookup]
    rows = torch.arange(len(texts)).repeat_interleave(n)
    positions = torch.tensor([len(t.ids) - 1 + j for t in texts for j in range(n)])
    wanted = torch.tensor(target * len(texts))

    trace = Trace()
    delta = torch.zeros_like(target_init, requires_grad=True)
    adam = torch.optim.Adam([delta], lr=hparams["v_lr"], betas=(0.9, 0.999), eps=1e-8, weight_decay=0)
    radius = hparams["clamp_norm_factor"] * target_init.norm()
    initial = None
    for step in range(hparams["v_num_grad_steps"]):
        hidden = probe.hidden(sequences, (lookups, delta))
        log_p = torch.log_softmax(probe.logits(hidden[rows, positions]), dim=-1)
        nll = -log_p[torch.arange(len(wanted)), wanted].view(len(texts), n).mean(1).mean(0)
        log_now = torch.log_softmax(probe.logits(hidden[-1, kl_text.lookup]), dim=-1)
        if initial is None:
            initial = log_now.detach()
        kl = hparams["kl_factor"] * (log_now.exp() * (log_now - initial)).sum()
        decay = hparams["v_weight_decay"] * delta.norm() / target_init.norm() ** 2
        loss = nll + kl + decay
        for name, value in (("loss", loss), ("nll", nll), ("kl", kl), ("decay", decay)):
            getattr(trace, name).append(value.item())
        if loss < 0.05 or step == hparams["v_num_grad_steps"] - 1:
            break
        adam.zero_grad()
        loss.backward()
        adam.step()
        with torch.no_grad():
            if delta.norm() > radius:
                delta *= radius / delta.norm()
                trace.clamped += 1
    trace.delta = delta.detach().clone()
    return trace


def solve(moment, key, hparams):
    """u: C⁻¹ k of unit length, solved in double precision."""
    u = key
    if hparams["mom2_adjustment"]:
        factor = torch.linalg.cholesky(moment.double())
        u = torch.cholesky_solve(key.double()[:, None], factor)[:, 0].to(key.dtype)
    return u / u.norm()


@dataclass
class Edit:
    key_u: torch.Tensor
    u: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    target_init: torch.Tensor
    right: torch.Tensor
    k_dot_u: float
    trace: Trace
    texts: list
    kl_text: Text
    target: list


def edit(probe, tokens, request, templates, moment, hparams, variants=VARIANTS):
    """{variant: Edit} of one request at the probe's layer, on the model as it is. The weights are left alone."""
    prompt, subject, fact_token = request["prompt"], request["subject"], hparams["fact_token"]
    target = target_ids(tokens, request["target_new"])
    texts = [build_text(tokens, t, prompt, subject, fact_token) for t in templates]
    bare = build_text(tokens, "{}", prompt, subject, fact_token)
    kl_text = build_text(tokens, "{}", KL_PROMPT, subject, fact_token)

    keys, values = probe.key_value(texts)
    bare_key, bare_value = (x[0] for x in probe.key_value([bare]))
    target_init = bare_value  # the MLP's output is that of its second matrix: dropout is off
    trace = optimise(probe, texts, target, kl_text, target_init, hparams)

    out = {}
    for variant in variants:
        mean_key = keys.mean(0)
        key_u = bare_key if variant == "p-rome" else mean_key
        u = solve(moment, key_u, hparams)
        if variant == "r-rome":
            key, value = mean_key, values.mean(0)
            change = target_init + trace.delta - value
        else:
            key, value = bare_key, bare_value
            change = trace.delta
        k_dot_u = key @ u
        out[variant] = Edit(
            key_u, u, key, value, target_init, change / k_dot_u, k_dot_u.item(), trace, texts, kl_text, target
        )
    return out


# ---- measuring ----------------------------------------------------------------------------------------------


def score(probe, tokens, prompt, target):
    """Mean negative log-probability of " " + target after the prompt, read from the text tokenised as a whole."""
    ids, start, wanted = tokens(prompt + " " + target), len(tokens(prompt)), tokens(" " + target)
    with torch.no_grad():
        log_p = torch.log_softmax(probe.logits(probe.hidden([ids])[0]), dim=-1)
    positions = torch.arange(len(wanted)) + start - 1
    return -log_p[positions, torch.tensor(wanted)].mean().item()


def greedy(probe, tokens, prompt, n):
    """The n likeliest ids one after another, and the least margin by which one led."""
    ids, margin = tokens(prompt), np.inf
    for _ in range(n):
        with torch.no_grad():
            logits = probe.logits(probe.hidden([ids])[0, -1])
        best = logits.topk(2)
        margin = min(margin, (best.values[0] - best.values[1]).item())
        ids = ids + [best.indices[0].item()]
    return ids[-n:], margin
