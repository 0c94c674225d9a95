#!/usr/bin/env python3
"""Trains the demo model: a small GPT-2 on the demo corpus, on the CPU. From nothing to the finished folder OUT/model:

    python tools/demo/train_tokenizer.py OUT
    python tools/demo/train.py prepare OUT
    python tools/demo/train.py train OUT
    python tools/demo/make_records.py --output DATA
    python tools/demo/evaluate.py OUT/model DATA

`prepare` writes the corpus as token ids once (OUT/train.bin and two held-out files, uint16); `train` maps them, trains,
exports and checks the export (with build/aedile too, where that is built). `train OUT --resume` goes on after an
interruption and ends with the same weights as a run without one; `export OUT` writes the folder again from the last
checkpoint. The log is OUT/training.log.

Documents are joined by <|endoftext|> and cut into rows of n_ctx tokens, without a start token and without a reset where
a document ends, as GPT-2 was trained; but every second row begins at the next document, because prompts stand at the
first positions, too. Answers of the downstream tasks count --answer-weight times in the loss (the logged `loss` is this
weighted sum over the number of tokens; the held-out losses are not weighted). The learning rate depends on the number of tokens alone, never on the clock.
Several threads work on one step, each on a few rows at a time with one core, because on a machine that others use
too, matrix products split over all cores wait for the slowest. Their gradients are added in the order of the rows, so
the number of threads changes nothing in the result.

Needs torch, safetensors, tokenizers, and transformers for the check of the export.
"""
import argparse
import concurrent.futures
import ctypes
import dataclasses
import json
import math
import os
import pathlib
import shutil
import subprocess
import time

import numpy
import torch
import torch.nn.functional as F

AEDILE = pathlib.Path(__file__).resolve().parents[2] / "build" / "aedile"  # checks the export too where it is built
END_OF_TEXT = "<|endoftext|>"
DOCUMENTS_AT_ONCE = 2000
HELD_OUT_SEED_OFFSET = 1_000_003
HELD_OUT_TOKENS = 200_000
TOKENS = 22_000_000


@dataclasses.dataclass
class Shape:
    """The model's sizes, under the names of the paper formulae and of aedile's own code."""
    n_vocab: int
    n_ctx: int = 256
    d_model: int = 256
    n_layer: int = 6
    n_head: int = 8


# --- The corpus as token ids -----------------------------------------------------------------------------------------

def encode_block(job):
    """Documents first .. first + DOCUMENTS_AT_ONCE - 1 as ids, each followed by <|endoftext|>. Runs in a worker."""
    import corpus
    from tokenizers import Tokenizer
    path, source, seed, first = job
    tokenizer = Tokenizer.from_file(path)
    end = tokenizer.token_to_id(END_OF_TEXT)
    texts = [getattr(corpus, source)(seed, index) for index in range(first, first + DOCUMENTS_AT_ONCE)]
    ids = [id for encoding in tokenizer.encode_batch(texts) for id in (*encoding.ids, end)]
    return numpy.array(ids, dtype=numpy.uint16)


def write_ids(pool, path: pathlib.Path, tokenizer: pathlib.Path, source: str, seed: int, n_tokens: int):
    """The first n_tokens ids of the stream `source`(seed, 0 ...), whatever the number of workers."""
    n_written = 0
    next_first = 0
    pending = []
    started = time.monotonic()
    partial = path.with_suffix(".part")
    with open(partial, "wb") as file:
        while n_written < n_tokens:
            while len(pending) < 8:
                pending.append(pool.submit(encode_block, (str(tokenizer), source, seed, next_first)))
                next_first += DOCUMENTS_AT_ONCE
            ids = pending.pop(0).result()[:n_tokens - n_written]
            ids.tofile(file)
            n_written += len(ids)
    for job in pending:
        job.cancel()
    os.replace(partial, path)
    print(f"{path.name}: {n_written} tokens from {source}, seed {seed}, {time.monotonic() - started:.0f} s", flush=True)


def prepare(args):
    import corpus
    tokenizer = args.out / "tokenizer" / "tokenizer.json"
    held_out = args.seed + HELD_OUT_SEED_OFFSET
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with concurrent.futures.ProcessPoolExecutor(args.workers) as pool:
        write_ids(pool, args.out / "held_out.bin", tokenizer, "documents", held_out, HELD_OUT_TOKENS)
        if hasattr(corpus, "running_text_documents"):
            write_ids(pool, args.out / "held_out_text.bin", tokenizer, "running_text_documents", held_out,
                      HELD_OUT_TOKENS)
        write_ids(pool, args.out / "train.bin", tokenizer, args.source, args.seed, args.tokens)


def rows(ids, n_ctx: int, end: int, first: int, count: int):
    """Rows first .. first + count - 1 of the stream: inputs and targets, each [count, n_ctx]. Past the end: again.

    Every second row begins where the stream is after so many rows, most often within a document; every other at the
    next document, so that beginnings of documents are seen at the first positions, too, where prompts stand.
    """
    n_rows = (len(ids) - 1) // n_ctx - 1
    parts = []
    for row in (i % n_rows for i in range(first, first + count)):
        start = row * n_ctx
        if row % 2:
            ends = numpy.flatnonzero(ids[start:start + n_ctx] == end)
            start += int(ends[0]) + 1 if len(ends) else 0
        parts.append(ids[start:start + n_ctx + 1])
    block = torch.from_numpy(numpy.stack(parts).astype(numpy.int64))
    return block[:, :-1], block[:, 1:]


# --- The model -------------------------------------------------------------------------------------------------------

def new_parameters(shape: Shape, seed: int) -> dict[str, torch.Tensor]:
    """Fresh weights under the names and in the layout ([in, out]) of Hugging Face's GPT-2."""
    generator = torch.Generator().manual_seed(seed)
    d = shape.d_model

    def normal(*size, std):
        return torch.randn(*size, generator=generator) * std

    p = {"wte.weight": normal(shape.n_vocab, d, std=0.02), "wpe.weight": normal(shape.n_ctx, d, std=0.01)}
    for layer in range(shape.n_layer):
        h = f"h.{layer}."
        p[h + "ln_1.weight"], p[h + "ln_1.bias"] = torch.ones(d), torch.zeros(d)
        p[h + "attn.c_attn.weight"], p[h + "attn.c_attn.bias"] = normal(d, 3 * d, std=0.02), torch.zeros(3 * d)
        p[h + "attn.c_proj.weight"] = normal(d, d, std=0.02 / math.sqrt(2 * shape.n_layer))
        p[h + "attn.c_proj.bias"] = torch.zeros(d)
        p[h + "ln_2.weight"], p[h + "ln_2.bias"] = torch.ones(d), torch.zeros(d)
        p[h + "mlp.c_fc.weight"], p[h + "mlp.c_fc.bias"] = normal(d, 4 * d, std=0.02), torch.zeros(4 * d)
        p[h + "mlp.c_proj.weight"] = normal(4 * d, d, std=0.02 / math.sqrt(2 * shape.n_layer))
        p[h + "mlp.c_proj.bias"] = torch.zeros(d)
    p["ln_f.weight"], p["ln_f.bias"] = torch.ones(d), torch.zeros(d)
    return p


def hidden(p: dict, shape: Shape, ids):
    """The residual stream after the last norm, [rows * n, d_model], in the type of p's matrices.

    The stream itself and the norms are fp32; what goes into a product has the type of the matrices.
    """
    n_rows, n = ids.shape
    d, n_head = shape.d_model, shape.n_head
    kind = p["h.0.attn.c_attn.weight"].dtype
    future = torch.full((n, n), -math.inf).triu(1)
    scale = 1 / math.sqrt(d // n_head)
    x = (F.embedding(ids, p["wte.weight"]).float() + p["wpe.weight"][:n].float()).view(n_rows * n, d)
    for layer in range(shape.n_layer):
        h = f"h.{layer}."
        y = F.layer_norm(x, (d,), p[h + "ln_1.weight"], p[h + "ln_1.bias"]).to(kind)
        y = torch.addmm(p[h + "attn.c_attn.bias"].to(kind), y, p[h + "attn.c_attn.weight"])
        q, k, v = y.view(n_rows, n, 3, n_head, d // n_head).permute(2, 0, 3, 1, 4).reshape(3, -1, n, d // n_head)
        scores = torch.bmm(q, k.transpose(1, 2)).float() * scale + future
        y = torch.bmm(torch.softmax(scores, -1).to(kind), v)
        y = y.view(n_rows, n_head, n, -1).transpose(1, 2).reshape(n_rows * n, d)
        x = x + torch.addmm(p[h + "attn.c_proj.bias"].to(kind), y, p[h + "attn.c_proj.weight"])
        y = F.layer_norm(x, (d,), p[h + "ln_2.weight"], p[h + "ln_2.bias"]).to(kind)
        y = torch.addmm(p[h + "mlp.c_fc.bias"].to(kind), y, p[h + "mlp.c_fc.weight"])
        y = F.gelu(y, approximate="tanh")
        x = x + torch.addmm(p[h + "mlp.c_proj.bias"].to(kind), y, p[h + "mlp.c_proj.weight"])
    return F.layer_norm(x, (d,), p["ln_f.weight"], p["ln_f.bias"]).to(kind)


def logit_gradient(logits, target, weight):
    """The weighted sum of -log P(target) over the rows, and its gradient by the logits. `target`, `weight`: [rows, 1]."""
    scores = logits.float()
    total = torch.logsumexp(scores, 1, keepdim=True)
    hit = torch.arange(logits.shape[1]) == target
    loss = (weight * (total - scores.gather(1, target))).sum()
    return loss, (weight * (torch.exp(scores - total) - hit.float())).to(logits.dtype)


class HeadLoss(torch.autograd.Function):
    """The sum of -log P(target) through the tied embedding, with its gradients taken at once, some rows at a time.

    The logits of all rows would be by far the largest tensor of the step; so they never exist.
    """
    CHUNK = 512

    @staticmethod
    def forward(context, states, embedding, targets, weights, logit_gradient):
        d_states = torch.empty_like(states)
        d_embedding = torch.zeros(embedding.shape)
        loss = torch.zeros(())
        for at in range(0, len(states), HeadLoss.CHUNK):
            part = states[at:at + HeadLoss.CHUNK]
            target = targets[at:at + HeadLoss.CHUNK, None]
            part_loss, gradient = logit_gradient(part @ embedding.t(), target, weights[target])
            loss += part_loss
            torch.mm(gradient, embedding, out=d_states[at:at + HeadLoss.CHUNK])
            d_embedding += gradient.t() @ part
        context.save_for_backward(d_states, d_embedding)
        return loss

    @staticmethod
    def backward(context, d_loss):
        d_states, d_embedding = context.saved_tensors
        return d_states, d_embedding, None, None, None  # the sum is the end of the graph: d_loss is 1


def working_copy(p: dict, kind: torch.dtype) -> dict:
    """The parameters as the products use them: matrices in `kind`, vectors in fp32."""
    return {name: w.to(kind if w.dim() == 2 else torch.float32).detach() for name, w in p.items()}


def as_leaves(p: dict, kind: torch.dtype) -> dict:
    return {name: w.requires_grad_() for name, w in working_copy(p, kind).items()}


@torch.no_grad()
def held_out_loss(p: dict, shape: Shape, ids, n_rows: int, pool, kind=torch.float32) -> float:
    """Mean loss a token over the first n_rows rows of a held-out stream."""
    q = working_copy(p, kind)
    n_rows = min(n_rows, (len(ids) - 1) // shape.n_ctx - 1)

    def part(first):
        with torch.no_grad():  # the mode belongs to a thread
            inputs, targets = rows(ids, shape.n_ctx, shape.n_vocab - 1, first, min(8, n_rows - first))
            states = hidden(q, shape, inputs)
            logits = (states @ q["wte.weight"].t()).float()
            return F.cross_entropy(logits, targets.reshape(-1), reduction="sum").item()

    return sum(pool.map(part, range(0, n_rows, 8))) / (n_rows * shape.n_ctx)


# --- The optimiser ---------------------------------------------------------------------------------------------------

def orthogonal(g: torch.Tensor) -> torch.Tensor:
    """The nearest (semi-)orthogonal matrix to g [rows, cols], rows <= cols, roughly: singular values 0.7 to 1.2.

    Newton-Schulz iteration with the quintic of K. Jordan, "Muon: an optimizer for hidden layers in neural networks"
    (2024), whose three coefficients are taken from there.
    """
    x = (g / (g.norm() + 1e-7)).bfloat16()
    for _ in range(5):
        a = x @ x.t()
        x = torch.addmm(x, torch.addmm(a, a, a, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x.float()


class Optimiser:
    """Muon (momentum, then orthogonalised) for the matrices of the layers, AdamW for everything else."""

    def __init__(self, p: dict, args):
        self.args = args
        self.muon = [name for name, w in p.items() if w.dim() == 2 and name.startswith("h.")] if args.muon else []
        self.adam = [name for name in p if name not in self.muon]
        self.state = {name: torch.zeros_like(p[name]) for name in p}
        self.square = {name: torch.zeros_like(p[name]) for name in self.adam}

    def step(self, p: dict, gradients: dict, number: int, factor: float, pool):
        """Step `number` (from 1); `factor` scales both learning rates."""
        norm = math.sqrt(sum(pool.map(lambda g: g.square().sum().item(), gradients.values())))
        clip = min(1.0, self.args.clip / (norm + 1e-6))
        jobs = [lambda name=name: self.adam_step(name, p[name], gradients[name] * clip, number, factor)
                for name in self.adam]
        jobs += [lambda name=name: self.muon_step(name, p[name], gradients[name], factor) for name in self.muon]
        list(pool.map(lambda job: job(), reversed(jobs)))  # the longest first

    @torch.no_grad()
    def adam_step(self, name, w, g, number, factor):
        beta1, beta2, lr = 0.9, 0.95, self.args.lr * factor
        mean, square = self.state[name].lerp_(g, 1 - beta1), self.square[name].lerp_(g * g, 1 - beta2)
        if w.dim() == 2:
            w.mul_(1 - lr * self.args.decay)
        scale = math.sqrt(1 - beta2 ** number)
        w.addcdiv_(mean, square.sqrt().div_(scale).add_(1e-8), value=-lr / (1 - beta1 ** number))

    @torch.no_grad()
    def muon_step(self, name, w, g, factor):
        lr, momentum = self.args.muon_lr * factor, 0.95
        g = g.lerp(self.state[name].lerp_(g, 1 - momentum), momentum)  # Nesterov's look ahead
        parts = g.chunk(3, 1) if "c_attn" in name else (g,)  # the matrices of q, k and v lie beside each other
        update = torch.cat([orthogonal(part) if len(part) <= part.shape[1] else orthogonal(part.t()).t()
                            for part in parts], 1)
        update *= math.sqrt(max(1, parts[0].shape[1] / len(g)))
        w.mul_(1 - lr * self.args.muon_decay).add_(update, alpha=-lr)


def rate_factor(done: float, warmup: float) -> float:
    """Of the learning rate, where `done` of the tokens are trained: up to 1, then linearly down to 0."""
    return min(done / warmup, (1 - done) / (1 - warmup))


# --- Training --------------------------------------------------------------------------------------------------------

class Log:
    """Lines to the screen and to a file, which a resumed run first cuts to where its checkpoint was."""

    def __init__(self, path: pathlib.Path, length: int):
        self.file = open(path, "a", encoding="utf-8")
        self.file.truncate(length)

    def __call__(self, line: str):
        print(line, flush=True)
        self.file.write(line + "\n")
        self.file.flush()

    def length(self) -> int:
        return os.fstat(self.file.fileno()).st_size


def save_checkpoint(path: pathlib.Path, content: dict):
    partial = path.with_suffix(".part")
    torch.save(content, partial)
    os.replace(partial, path)


def token_weights(args, n_vocab: int) -> torch.Tensor:
    """How much each token counts as a target, [n_vocab]: 1, but the answers of the downstream tasks more. They are one
    token in fifty of their documents and all that those are about."""
    from tasks import FORMS
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(args.out / "tokenizer" / "tokenizer.json"))
    weights = torch.ones(n_vocab)
    for form in FORMS.values():
        for word, _ in form["answers"]:
            ids = tokenizer.encode(" " + word).ids
            if len(ids) == 1:
                weights[ids[0]] = args.answer_weight
    return weights


def train(args):
    set_up_threads()
    train_ids = numpy.memmap(args.out / "train.bin", dtype=numpy.uint16, mode="r")
    held_out = {name: numpy.memmap(args.out / f"{file}.bin", dtype=numpy.uint16, mode="r")
                for name, file in (("held-out", "held_out"), ("text", "held_out_text"))
                if (args.out / f"{file}.bin").exists()}
    n_vocab = len(json.loads((args.out / "tokenizer" / "vocab.json").read_text(encoding="utf-8")))
    shape = Shape(n_vocab, args.n_ctx, args.d_model, args.n_layer, args.n_head)
    kind = torch.bfloat16 if args.bf16 else torch.float32
    weights = token_weights(args, n_vocab)
    p = new_parameters(shape, args.seed)
    optimiser = Optimiser(p, args)
    path = args.out / "checkpoint.pt"
    settings = {key: value for key, value in vars(args).items()
                if key not in ("out", "run", "command", "resume", "threads", "initial", "save_seconds", "stop_after", "compile")}
    step, elapsed, log_length, running = 0, 0.0, 0, []
    if args.resume:
        saved = torch.load(path, weights_only=True)
        if any(saved["settings"].get(key) != value for key, value in settings.items() if key != "every"):
            raise SystemExit("train: --resume needs the settings of the checkpoint: " + json.dumps(saved["settings"]))
        p, optimiser.state, optimiser.square = saved["parameters"], saved["state"], saved["square"]
        step, elapsed, log_length, running = saved["step"], saved["elapsed"], saved["log_length"], saved["running"]
    elif args.initial:
        p = torch.load(args.initial, weights_only=True)["parameters"]
    log = Log(args.out / "training.log", log_length)

    if args.rows % args.rows_at_once:
        raise SystemExit("train: --rows must be a multiple of --rows-at-once")
    step_tokens = args.rows * shape.n_ctx
    n_steps = args.tokens // step_tokens
    if not args.resume:
        log(f"# GPT-2, {sum(w.numel() for w in p.values())} parameters: " + json.dumps(dataclasses.asdict(shape)))
        log("# settings: " + json.dumps(settings))
        if args.initial:
            log(f"# begins with the weights of {args.initial.name}")
        log(f"# {n_steps} steps of {step_tokens} tokens; train.bin has {len(train_ids)}")
    parts = list(range(0, args.rows, args.rows_at_once))

    with concurrent.futures.ThreadPoolExecutor(args.threads, initializer=torch.set_num_threads,
                                               initargs=(1,)) as pool:
        forward, logits_backward = hidden, logit_gradient
        if args.compile:
            forward, logits_backward = (torch.compile(f, dynamic=False) for f in (hidden, logit_gradient))

        def work(job):
            q, first = job
            inputs, targets = rows(train_ids, shape.n_ctx, n_vocab - 1, first, args.rows_at_once)
            loss = HeadLoss.apply(forward(q, shape, inputs), q["wte.weight"], targets.reshape(-1), weights,
                                  logits_backward)
            return loss.item(), torch.autograd.grad(loss, list(q.values()))

        def total(gradients):
            out = gradients[0].float().clone()
            for g in gradients[1:]:
                out += g
            return out / step_tokens

        def checkpoint():
            save_checkpoint(path, {"parameters": p, "state": optimiser.state, "square": optimiser.square,
                                   "step": step, "elapsed": elapsed, "log_length": log.length(),
                                   "running": running, "settings": settings,
                                   "shape": dataclasses.asdict(shape)})

        work((as_leaves(p, kind), 0))  # in one thread, as several must not compile at once
        begun = time.monotonic() - elapsed
        saved_at, logged_at, logged_step = elapsed, elapsed, step
        while step < n_steps:
            q = as_leaves(p, kind)
            results = list(pool.map(work, [(q, step * args.rows + first) for first in parts]))
            gradients = dict(zip(q, pool.map(total, zip(*(g for _, g in results)))))
            factor = rate_factor((step + 0.5) / n_steps, args.warmup)
            optimiser.step(p, gradients, step + 1, factor, pool)
            running.append(sum(loss for loss, _ in results) / step_tokens)
            if not math.isfinite(running[-1]):
                raise SystemExit(f"train: the loss of step {step + 1} is {running[-1]}")
            step += 1
            elapsed = time.monotonic() - begun
            if step % args.every == 0 or step == n_steps:
                speed = (step - logged_step) * step_tokens / (elapsed - logged_at)
                losses = [("loss", sum(running) / len(running))]
                losses += [(name, held_out_loss(p, shape, ids, args.held_out_rows, pool, kind))
                           for name, ids in held_out.items()]
                log(f"step {step:5d}  tokens {step * step_tokens:9d}  "
                    + "  ".join(f"{name} {loss:.4f}" for name, loss in losses)
                    + f"  lr {args.muon_lr * factor:.5f}/{args.lr * factor:.5f}"
                    + f"  tokens/s {speed:5.0f}  elapsed {elapsed:.0f} s")
                running = []
                elapsed = time.monotonic() - begun
                logged_at, logged_step = elapsed, step
            if elapsed - saved_at > args.save_seconds or step == n_steps:
                checkpoint()
                saved_at = elapsed
            if step == args.stop_after:
                return
        for name, ids in held_out.items():
            loss = held_out_loss(p, shape, ids, 10 ** 9, pool)
            log(f"# {name}: loss {loss:.4f}, perplexity {math.exp(loss):.3f} a token, over {len(ids)} tokens, in fp32")
    export(args)


def set_up_threads():
    """One core a thread, and memory that is kept: a step's tensors are the last one's over again."""
    torch.set_num_threads(1)
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-4, 0)             # M_MMAP_MAX: large blocks too come from the heap
        libc.mallopt(-1, 2 ** 31 - 1)   # M_TRIM_THRESHOLD: which never shrinks
    except OSError:
        pass  # another C library: slower, nothing else


# --- The finished folder ---------------------------------------------------------------------------------------------

def export(args):
    """OUT/model: config.json, model.safetensors in fp16 and the tokenizer; then checked against transformers."""
    from safetensors.torch import save_file
    saved = torch.load(args.out / "checkpoint.pt", weights_only=True)
    shape = Shape(**saved["shape"])
    folder = args.out / "model"
    folder.mkdir(exist_ok=True)
    for file in sorted((args.out / "tokenizer").iterdir()):
        shutil.copyfile(file, folder / file.name)
    config = {
        "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "activation_function": "gelu_new",
        "n_ctx": shape.n_ctx, "n_positions": shape.n_ctx, "n_embd": shape.d_model, "n_layer": shape.n_layer,
        "n_head": shape.n_head, "n_inner": None, "vocab_size": shape.n_vocab, "layer_norm_epsilon": 1e-5,
        "initializer_range": 0.02, "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0,
        "scale_attn_weights": True, "tie_word_embeddings": True,
        "bos_token_id": shape.n_vocab - 1, "eos_token_id": shape.n_vocab - 1, "torch_dtype": "float16",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    weights = {"transformer." + name: w.half().contiguous() for name, w in saved["parameters"].items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    check_export(args, folder, saved["parameters"], shape)


@torch.no_grad()
def check_export(args, folder, p, shape):
    """The folder loads in transformers and its logits are the trained model's, but for the rounding to fp16."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from transformers import AutoTokenizer, GPT2LMHeadModel
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = torch.from_numpy(numpy.fromfile(args.out / "held_out.bin", dtype=numpy.uint16,
                                          count=8 * shape.n_ctx).astype(numpy.int64)).view(8, shape.n_ctx)
    document = ids.flatten().tolist()
    document = document[:document.index(shape.n_vocab - 1)]
    if tokenizer(tokenizer.decode(document))["input_ids"] != document:
        raise SystemExit("export: the tokenizer does not give the ids of the first held-out document")
    ours = hidden(p, shape, ids) @ p["wte.weight"].t()
    rounded = {name: w.half().float() for name, w in p.items()}
    same = hidden(rounded, shape, ids) @ rounded["wte.weight"].t()
    theirs = model(ids).logits.reshape(ours.shape)
    exact, near = (same - theirs).abs().max().item(), (ours - theirs).abs().max().item()
    kept = (ours.argmax(1) == theirs.argmax(1)).float().mean().item()
    largest = max(w.abs().max().item() for w in p.values())
    print(f"export: logits differ from transformers by {exact:.1e} with the same weights and by {near:.1e} for the "
          f"rounding to fp16; first choice kept in {kept:.2%}; largest weight {largest:.2f}, largest logit "
          f"{ours.abs().max():.1f}", flush=True)
    if exact > 1e-3 or near > 0.25 or kept < 0.98:
        raise SystemExit("export: the folder is not the trained model")
    if AEDILE.exists():
        prompt = tokenizer.decode(document[:6])
        subprocess.run([AEDILE, "inspect", folder, "--check"], check=True)
        subprocess.run([AEDILE, "generate", folder, "--prompt", prompt, "--max-tokens", "16"], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("prepare", help="write the corpus as token ids")
    command.set_defaults(run=prepare)
    command.add_argument("out", type=pathlib.Path)
    command.add_argument("--tokens", type=int, default=TOKENS + 1_000_000)
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--source", default="documents", help="the function of corpus.py: documents, late_documents, last_documents")
    command.add_argument("--workers", type=int, default=4)
    command = commands.add_parser("train", help="train, export and check")
    command.set_defaults(run=train)
    command.add_argument("out", type=pathlib.Path)
    command.add_argument("--resume", action="store_true", help="go on from OUT/checkpoint.pt")
    command.add_argument("--tokens", type=int, default=TOKENS)
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--n-ctx", type=int, default=256)
    command.add_argument("--d-model", type=int, default=256)
    command.add_argument("--n-layer", type=int, default=6)
    command.add_argument("--n-head", type=int, default=8)
    command.add_argument("--rows", type=int, default=32, help="a step")
    command.add_argument("--rows-at-once", type=int, default=4, help="in one thread")
    command.add_argument("--threads", type=int, default=4)
    command.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    command.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True,
                         help="a third faster; needs a C++ compiler")
    command.add_argument("--muon", action=argparse.BooleanOptionalAction, default=True)
    command.add_argument("--muon-lr", type=float, default=0.02)
    command.add_argument("--muon-decay", type=float, default=0.05)
    command.add_argument("--lr", type=float, default=0.003)
    command.add_argument("--decay", type=float, default=0.05)
    command.add_argument("--clip", type=float, default=1.0)
    command.add_argument("--warmup", type=float, default=0.02, help="share of the tokens")
    command.add_argument("--answer-weight", type=float, default=8.0, help="of the tasks' answers, in the loss")
    command.add_argument("--held-out-rows", type=int, default=64, help="at intervals; at the end, all")
    command.add_argument("--every", type=int, default=100, help="steps between lines of the log")
    command.add_argument("--save-seconds", type=float, default=180)
    command.add_argument("--initial", type=pathlib.Path, help="a checkpoint whose weights to begin with; a new schedule")
    command.add_argument("--stop-after", type=int, help="step to stop at, to try --resume")
    command = commands.add_parser("export", help="write OUT/model from the checkpoint")
    command.set_defaults(run=export)
    command.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
