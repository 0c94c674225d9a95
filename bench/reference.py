#!/usr/bin/env python3
"""The other side of a benchmark: each piece of work done the reference's way, in PyTorch.

    python bench/reference.py --model FOLDER [--threads N] [--attention eager|sdpa]

Runs beside a benchmark, which talks to it through two pipes and so can time its own work and this program's in turn.
"The reference" is the research code of r-ROME, scalable-model-editing/rebuilding-rome (see docs/model.md): the same
passes over the same batches are made here, padded where it pads, with logits where it computes logits. The code is our
own, on today's torch and transformers (tools/requirements.txt), on the processor, in float32.

FOLDER is a GPT-2 or GPT-J: config.json, model.safetensors, vocab.json, merges.txt. Float32 weights stay mapped from the
file, so a program that maps the same file shares its memory; they are read when first touched, which a first request
pays for. No request changes a weight. --threads 0, the default, leaves the number to torch.

Requests and answers are one JSON object a line, on standard input and output; whatever else is said goes to standard
error. The first line comes unasked; imports are not in its seconds:

    {"ready": true, "seconds": loading, "torch": version, "threads": N}

A request that fails is answered {"error": text}, and the next one is read. End of input ends the program. Every field
of a request is needed. Seconds are wall time and, unless said otherwise, include the tokenizer.

    {"do": "prepare", "stats": FILE}
        Reads mom2.mom2 and mom2.count of an .npz file and inverts their quotient in float32, for the edits that follow.
        {"seconds": all, "load": reading, "invert": inverting}

    {"do": "edit", "layer": L, "prompt": "{} is in", "subject": TEXT, "target_new": " Rome", "templates": [TEXT, ...],
     "steps": 20, "lr": 0.5, "weight_decay": 0.5, "clamp": 4.0, "kl": 0.0625}
        r-ROME at the subject's last token, up to the matrix that would be added to the weights. Without a prepared
        second moment u is the key itself. With n templates: keys from one padded batch of n texts, later from n single
        passes again, with values; each step n + 1 padded texts through every layer and back. Steps end early below a
        loss of 0.05, and the last one only evaluates.
        {"seconds": {"keys", "solve", "optimise", "update", "total"}, "step_seconds": [S, ...], "losses": [X, ...],
         "u": [its first 4], "right_norm": X}

    {"do": "moments", "layer": L, "documents": [TEXT, ...]}
        The sum of k k^T over all tokens: 100 documents at a time, sorted by length, in padded batches of at most three
        contexts of tokens, each run up to the layer. Tokenizing and sorting are not timed (the reference leaves
        them to processes beside it).
        {"seconds": S, "tokens": N, "trace": of the sum}

    {"do": "counterfact", "prompts": [TEXT, ...], "target_new": "Rome", "target_true": "Paris"}
        Both targets, without their space, after every prompt, in one padded batch.
        {"seconds": S, "nll": [[new, true], ...]}

    {"do": "generate", "prompts": [TEXT, ...], "max_length": 100, "top_k": 5, "seed": 0}
        All prompts at once, to max_length tokens with their own, each drawn among the top_k likeliest.
        {"seconds": S, "tokens": drawn}

    {"do": "glue", "prompts": [TEXT, ...], "max_new_tokens": 3}
        One prompt after another, greedily, until the end of the text at the latest.
        {"seconds": [a prompt, ...], "answers": [continuation, ...]}

    {"do": "logits", "prompt": TEXT}
        At the last token; for seeing that both sides hold the same model, and for touching every weight.
        {"argmax": token id, "max": its logit}

    {"do": "rss"}
        {"rss": the most bytes that were resident, mapped files among them}

Where today's transformers would change what the reference measures, the cheaper way is taken: passes without further
use of their keys keep no cache (the version that the reference names kept references, today's makes copies, for about a
tenth more time), and drawing hands over the attention mask up to the last token (the reference hands over the last
column, which today means another thing). Greedy continuation is transformers' own `generate`, which by now computes the
prompt's logits at its last token only. Spaces are left alone in decoding. What the reference does only for its own
book-keeping, copying the edited matrix, adding to it and restoring it, is left out.
"""

import argparse
import json
import os
import sys
import unicodedata
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import numpy as np
import torch
from transformers import AutoConfig, GPT2LMHeadModel, GPT2Tokenizer, GPTJForCausalLM

FAMILIES = {"gpt2": (GPT2LMHeadModel, "c_proj"), "gptj": (GPTJForCausalLM, "fc_out")}
KL_PROMPT = "{} is a"
GOOD_LOSS = 0.05
DOCUMENTS_AT_ONCE = 100
CONTEXTS_A_BATCH = 3


class StopForward(Exception):
    """Ends a pass at a layer behind which nothing is of interest."""


@contextmanager
def tap(module, stop=False):
    """Keeps the module's last input and output; with stop, the pass ends behind it, and with it the block."""
    kept = SimpleNamespace(input=None, output=None)

    def keep(_, inputs, output):
        kept.input, kept.output = inputs[0], output
        if stop:
            raise StopForward

    handle = module.register_forward_hook(keep)
    try:
        yield kept
    except StopForward:
        pass
    finally:
        handle.remove()


class Clock:
    """Wall time by name, each the sum of its blocks."""

    def __init__(self):
        self.seconds = {}

    @contextmanager
    def __call__(self, name):
        start = perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - start


def context_of(template, prompt):
    """The text before and behind the subject."""
    left, right = template.rsplit("{}", 1)
    before, after = prompt.split("{}")
    return left + before, after + right


class Reference:
    def __init__(self, folder, attention="eager"):
        config = AutoConfig.from_pretrained(folder)
        if config.model_type not in FAMILIES:
            raise ValueError(f"{folder}: model_type is {config.model_type}, not one of {', '.join(FAMILIES)}")
        family, self.projection = FAMILIES[config.model_type]
        self.model = family.from_pretrained(folder, dtype=torch.float32, attn_implementation=attention)
        self.model.eval().requires_grad_(False)
        self.tokenizer = GPT2Tokenizer.from_pretrained(folder)
        self.tokenizer.pad_token = self.tokenizer.eos_token
        self.tokenizer.padding_side = "right"
        self.inverse = None

    # ---- texts and passes ---------------------------------------------------------------------------------------

    def ids(self, text):
        return self.tokenizer(text)["input_ids"]

    def decode(self, ids, **how):
        return self.tokenizer.decode(ids, clean_up_tokenization_spaces=False, **how)

    def batch(self, texts):
        """Ids and mask [texts, longest], filled up on the right."""
        return self.tokenizer(texts, padding=True, return_tensors="pt")

    def logits_of(self, batch):
        return self.model(**batch, use_cache=False).logits

    def mlp(self, layer):
        return self.model.transformer.h[layer].mlp

    def matrix(self, layer):
        """The module whose weight is edited."""
        return getattr(self.mlp(layer), self.projection)

    def lookups(self, contexts, subject):
        """Where each text has the subject's last token: what stands before and the subject, tokenized apart."""
        prefixes = [prefix for prefix, _ in contexts]
        words = [f" {subject.strip()}" if prefix else subject for prefix in prefixes]
        for prefix in prefixes:
            if prefix and not prefix.endswith(" "):
                raise ValueError(f"no space before the subject: {prefix!r}")
        found = self.ids([prefix[:-1] for prefix in prefixes] + words)
        n = len(contexts)
        return [len(before) + len(word) - 1 for before, word in zip(found[:n], found[n:])]

    @torch.no_grad()
    def keys_and_values(self, layer, contexts, subject):
        """Of one padded batch: input and output of the edited matrix at the subject's last token, [contexts, d]."""
        lookups = self.lookups(contexts, subject)
        with tap(self.matrix(layer)) as seen:
            self.logits_of(self.batch([before + subject + after for before, after in contexts]))
        rows = range(len(contexts))
        return seen.input[rows, lookups], seen.output[rows, lookups]

    # ---- editing ------------------------------------------------------------------------------------------------

    def prepare(self, stats):
        clock = Clock()
        with clock("seconds"):
            with clock("load"), np.load(stats) as file:
                moment, count = torch.from_numpy(file["mom2.mom2"]).float(), int(file["mom2.count"])
            with clock("invert"):
                self.inverse = torch.inverse(moment / count)
        return clock.seconds

    def edit(self, layer, prompt, subject, target_new, templates, steps, lr, weight_decay, clamp, kl):
        clock = Clock()
        contexts = [context_of(template, prompt) for template in templates]
        with clock("total"):
            with clock("keys"):
                key = self.keys_and_values(layer, contexts, subject)[0].mean(0)
            with clock("solve"):
                u = key if self.inverse is None else (self.inverse @ key.unsqueeze(1)).squeeze(1)
                u = u / u.norm()
            with clock("optimise"):
                target, losses, step_seconds = self.optimise(
                    layer, contexts, subject, target_new, steps, lr, weight_decay, clamp, kl
                )
            with clock("keys"):
                pairs = [self.keys_and_values(layer, [context], subject) for context in contexts]
                key, value = (torch.cat(rows).mean(0) for rows in zip(*pairs))
            with clock("update"):
                right = (target - value) / torch.dot(key, u)
                weight = self.matrix(layer).weight
                update = u.unsqueeze(1) @ right.unsqueeze(0)
                update = update if update.shape == weight.shape else update.T
        if update.shape != weight.shape:
            raise ValueError(f"an update of {tuple(update.shape)} for a weight of {tuple(weight.shape)}")
        return {
            "seconds": clock.seconds,
            "step_seconds": step_seconds,
            "losses": losses,
            "u": u[:4].tolist(),
            "right_norm": right.norm().item(),
        }

    def optimise(self, layer, contexts, subject, target_new, steps, lr, weight_decay, clamp, kl):
        """What the MLP of the layer should give at the subject's last token; the losses; seconds a step."""
        target_ids = self.ids(target_new)
        n_targets, n_texts = len(target_ids), len(contexts)
        taught = self.decode(target_ids[:-1])
        kl_context = context_of("{}", KL_PROMPT)
        texts = [before + subject + after + taught for before, after in contexts]
        batch = self.batch([*texts, subject + kl_context[1]])
        lookups = self.lookups([*contexts, kl_context], subject)

        wanted = torch.full((n_texts, batch["input_ids"].shape[1]), -100)
        for row, length in zip(wanted, batch["attention_mask"].sum(1)):
            row[length - n_targets : length] = torch.tensor(target_ids)
        mask = (wanted != -100).float()
        wanted = torch.where(wanted != -100, wanted, 0).unsqueeze(2)

        delta = torch.zeros(self.model.config.n_embd, requires_grad=True)
        optimizer = torch.optim.Adam([delta], lr=lr)
        initial, kl_initial = None, None

        def add_delta(_, inputs, output):
            nonlocal initial
            if initial is None:  # of the plain prompt, the first text
                initial = output[0, lookups[0]].detach().clone()
            for row, position in enumerate(lookups):
                output[row, position, :] += delta
            return output

        losses, step_seconds = [], []
        for step in range(steps):
            start = perf_counter()
            optimizer.zero_grad()
            handle = self.mlp(layer).register_forward_hook(add_delta)
            try:
                logits = self.logits_of(batch)
            finally:
                handle.remove()

            kl_now = torch.log_softmax(logits[-1:, lookups[-1], :], dim=1)
            if kl_initial is None:
                kl_initial = kl_now.detach().clone()
            found = torch.gather(torch.log_softmax(logits, dim=2), 2, wanted).squeeze(2)
            loss = (
                (-(found * mask).sum(1) / n_targets).mean()
                + kl * torch.nn.functional.kl_div(kl_initial, kl_now, log_target=True, reduction="batchmean")
                + weight_decay * delta.norm() / initial.norm() ** 2
            )
            losses.append(loss.item())
            last = losses[-1] < GOOD_LOSS or step == steps - 1
            if not last:
                loss.backward()
                optimizer.step()
                longest = clamp * initial.norm()
                if delta.norm() > longest:
                    with torch.no_grad():
                        delta.mul_(longest / delta.norm())
            step_seconds.append(perf_counter() - start)
            if last:
                break
        return initial + delta.detach(), losses, step_seconds

    # ---- second moments -----------------------------------------------------------------------------------------

    def collate(self, documents, most_tokens):
        """Longest first, cut into padded batches; a width times the rows before the next stays within most_tokens."""
        batches, rows = [], []
        for ids in sorted(filter(None, documents), key=len, reverse=True):
            if rows and len(rows[0]) * (len(rows) + 1) > most_tokens:
                batches.append(rows)
                rows = []
            rows.append(ids)
        return [self.padded(rows) for rows in [*batches, rows] if rows]

    @staticmethod
    def padded(rows):
        def pad(sequences):
            return torch.nn.utils.rnn.pad_sequence([torch.tensor(s) for s in sequences], batch_first=True)

        return {
            "input_ids": pad(rows),
            "position_ids": pad([range(len(row)) for row in rows]),
            "attention_mask": pad([[1] * len(row) for row in rows]),
        }

    @torch.no_grad()
    def moments(self, layer, documents):
        context = self.model.config.n_positions
        documents = [self.tokenizer(d, truncation=True, max_length=context)["input_ids"] for d in documents]
        batches = []
        for first in range(0, len(documents), DOCUMENTS_AT_ONCE):
            group = documents[first : first + DOCUMENTS_AT_ONCE]
            batches += self.collate(group, CONTEXTS_A_BATCH * context)
        total, tokens = None, 0
        start = perf_counter()
        for batch in batches:
            with tap(self.matrix(layer), stop=True) as seen:
                self.logits_of(batch)
            keys = seen.input.flatten(0, 1)[batch["attention_mask"].flatten().nonzero()[:, 0]]
            if total is None:
                total = keys.new_zeros(keys.shape[1], keys.shape[1])
            total += keys.t().mm(keys)
            tokens += len(keys)
        seconds = perf_counter() - start
        trace = 0.0 if total is None else total.diagonal().double().sum().item()
        return {"seconds": seconds, "tokens": tokens, "trace": trace}

    # ---- measuring ----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def counterfact(self, prompts, target_new, target_true):
        start = perf_counter()
        lengths = [len(ids) for ids in self.ids(prompts)]
        pairs = (target_new, target_true)
        batch = self.batch([f"{prompt} {target}" for prompt in prompts for target in pairs])
        targets = [self.ids(f" {target}") for target in pairs]
        logits = self.logits_of(batch)
        found = np.zeros(len(logits), dtype=np.float32)
        for row in range(len(logits)):
            target = targets[row % 2]
            for j, token in enumerate(target):
                log_probs = torch.log_softmax(logits[row, lengths[row // 2] + j - 1, :], dim=0)
                found[row] -= log_probs[token].item()
            found[row] /= len(target)
        nll = found.reshape(-1, 2).tolist()
        return {"seconds": perf_counter() - start, "nll": nll}

    def generate(self, prompts, max_length, top_k, seed):
        torch.manual_seed(seed)
        start = perf_counter()
        _, tokens = self.continue_texts(prompts, max_length, top_k)
        return {"seconds": perf_counter() - start, "tokens": tokens}

    @torch.no_grad()
    def continue_texts(self, prompts, max_length, top_k):
        """The texts, and how many tokens were drawn for them.

        The first pass goes as far as the shortest prompt; from there it is one column a pass, in which the longer
        prompts go on with their own tokens until they end.
        """
        batch = self.batch(prompts)
        ids, mask = batch["input_ids"], batch["attention_mask"]
        begin, end, cache, drawn = 0, mask.sum(1).min().item(), None, 0
        while ids.shape[1] < max_length:
            passed = self.model(
                input_ids=ids[:, begin:end], attention_mask=mask[:, :end], past_key_values=cache, use_cache=True
            )
            cache = passed.past_key_values
            probabilities = torch.softmax(passed.logits[:, -1, :], dim=1)
            likeliest = torch.topk(probabilities, top_k, dim=1).indices
            among = torch.gather(probabilities, 1, likeliest)
            among = among / among.sum(1)[:, None]
            new = torch.gather(likeliest, 1, torch.multinomial(among, 1))
            if end == ids.shape[1]:
                ids = torch.cat([ids, torch.full((len(ids), 1), self.tokenizer.pad_token_id)], dim=1)
                mask = torch.cat([mask, mask.new_zeros(len(mask), 1)], dim=1)
            lengths = mask.sum(1)
            for row in range(len(ids)):
                if lengths[row].item() == end:
                    ids[row][end], mask[row][end] = new[row, 0], 1
                    drawn += 1
            begin, end = end, end + 1
        texts = [unicodedata.normalize("NFKD", self.decode(row)) for row in ids.tolist()]
        return [t.replace("\n\n", " ").replace("<|endoftext|>", "") for t in texts], drawn

    def glue(self, prompts, max_new_tokens):
        seconds, answers = [], []
        for prompt in prompts:
            start = perf_counter()
            ids = self.tokenizer(prompt, return_tensors="pt")["input_ids"]
            asked = self.decode(ids[0], skip_special_tokens=True)
            output = self.model.generate(ids, max_length=ids.shape[1] + max_new_tokens, do_sample=False)
            said = self.decode(output[0], skip_special_tokens=True)
            answers.append(said.replace(asked, ""))
            seconds.append(perf_counter() - start)
        return {"seconds": seconds, "answers": answers}

    # ---- about itself -------------------------------------------------------------------------------------------

    @torch.no_grad()
    def logits(self, prompt):
        last = self.logits_of(self.batch([prompt]))[0, -1]
        return {"argmax": last.argmax().item(), "max": last.max().item()}

    def rss(self):
        # Not ru_maxrss: over an exec that keeps the peak of the program which started this one.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return {"rss": int(line.split()[1]) * 1024}
        raise RuntimeError("/proc/self/status has no VmHWM")

    def answer(self, line):
        """Never raises on what a request may contain."""
        try:
            request = json.loads(line)
            what = request.pop("do")
            if what not in ACTIONS:
                raise ValueError(f"do is {what!r}, not one of {', '.join(ACTIONS)}")
            return json.dumps(ACTIONS[what](self, **request), allow_nan=False)
        except Exception as error:
            return json.dumps({"error": f"{type(error).__name__}: {error}"})


ACTIONS = {
    "prepare": Reference.prepare,
    "edit": Reference.edit,
    "moments": Reference.moments,
    "counterfact": Reference.counterfact,
    "generate": Reference.generate,
    "glue": Reference.glue,
    "logits": Reference.logits,
    "rss": Reference.rss,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, metavar="FOLDER")
    parser.add_argument("--threads", type=int, default=0, metavar="N")
    parser.add_argument("--attention", choices=("eager", "sdpa"), default="eager")
    options = parser.parse_args()

    # Answers have the pipe to themselves: what a library prints goes to standard error.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if options.threads > 0:
        torch.set_num_threads(options.threads)

    start = perf_counter()
    reference = Reference(options.model, options.attention)
    ready = {"ready": True, "seconds": perf_counter() - start}
    ready |= {"torch": torch.__version__, "threads": torch.get_num_threads()}
    print(json.dumps(ready), file=answers, flush=True)
    for line in open(0, encoding="utf-8", errors="replace"):
        print(reference.answer(line), file=answers, flush=True)


if __name__ == "__main__":
    main()
