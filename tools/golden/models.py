"""Writes the golden models: random weights of a healthy scale, as transformers lays a checkpoint out.

The weights come from numpy's legacy generator, whose stream never changes, one stream a tensor: a folder made afresh
is equal to the committed one whatever the version of torch.
"""

import json
import re
import types
import zlib

import numpy as np
import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, GPTJConfig, GPTJForCausalLM

import tokenizer

EXTRA_TOKENS = ["<|extratoken_1|>", "<|extratoken_2|>"]


def random_tensor(name, shape, spec, n_named):
    """One parameter. Matrices are scaled by their fan-in, so that activations keep their size at any width."""
    init = spec["init"]
    stream = np.random.RandomState((spec["seed"] * 1000003 + zlib.crc32(name.encode())) % 2**32)
    x = stream.standard_normal(shape)
    gpt2 = spec["family"] == "gpt2"
    if name.endswith("wte.weight"):
        x *= init["wte"]
        x[n_named:] *= init["nameless"] if gpt2 else 1.0
    elif name.endswith("wpe.weight"):
        x *= init["wpe"]
    elif name == "lm_head.weight":
        x *= init["head"]
        x[n_named:] *= init["nameless"]
    elif name == "lm_head.bias":
        x *= 0.3
    elif re.search(r"ln_(1|2|f)\.weight$", name):
        x = (init["ln_f"] if "ln_f" in name else 1.0) * (1 + 0.2 * x)
    elif re.search(r"ln_(1|2|f)\.bias$", name):
        x *= init["ln_bias"]
    elif name.endswith("attn.c_attn.bias"):
        # Queries share a part, so that what an edited token offers as its key can draw attention.
        x *= 0.2
        x[: shape[0] // 3] *= init["q_bias"] / 0.2
    elif name.endswith(".bias"):
        x *= 0.2
    else:
        fan_in = shape[0] if gpt2 else shape[1]  # Conv1D keeps [in, out], Linear [out, in]
        gain = init["mlp"] if "mlp" in name else init["attn"]
        if gpt2 and name.endswith("c_attn.weight"):
            x[:, : 2 * shape[0]] *= init["qk"]
        elif re.search(r"attn\.[qk]_proj", name):
            x *= init["qk"]
        x *= gain / np.sqrt(fan_in)
    return torch.from_numpy(x)


def write(name, spec, folder):
    """Writes the model folder: config, weights, tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    n_positions = spec["config"]["n_positions"]
    extra = EXTRA_TOKENS if name == "gptj-b" else []
    n_named = tokenizer.write(folder, spec["tokenizer"], n_positions, extra)
    end = n_named - 1
    kind, head = {"gpt2": (GPT2Config, GPT2LMHeadModel), "gptj": (GPTJConfig, GPTJForCausalLM)}[
        spec["family"]
    ]
    config = kind(
        **spec["config"], bos_token_id=end, eos_token_id=end, tie_word_embeddings=spec["family"] == "gpt2"
    )
    model = head(config)
    dtype = getattr(torch, spec["dtype"])
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            parameter.copy_(random_tensor(key, tuple(parameter.shape), spec, n_named))
        if "always" in spec["init"]:
            # One token's embedding twice as long, and the last norm's bias along it: its logit is raised by `by`
            # everywhere, the others' by less than half of that.
            row = model.transformer.wte.weight[tokenizer.token_id(spec["init"]["always"])]
            row *= 2
            model.transformer.ln_f.bias += spec["init"]["by"] * row / row.norm() ** 2
    model.to(dtype)
    if spec["files"] == "torch":
        # The way older checkpoints were written, with the attention's buffers, as EleutherAI/gpt-j-6B has them.
        model.config.dtype = dtype
        model.config.architectures = [head.__name__]
        model.config.save_pretrained(folder)
        state = {key: value.detach().clone() for key, value in model.state_dict().items()}
        mask = torch.tril(torch.ones(n_positions, n_positions, dtype=torch.bool))[None, None]
        for layer in range(config.n_layer):
            state[f"transformer.h.{layer}.attn.bias"] = mask.clone()
            state[f"transformer.h.{layer}.attn.masked_bias"] = torch.tensor(-1e9)
        torch.save(state, folder / "pytorch_model.bin")
    else:
        model.save_pretrained(folder, max_shard_size="100KB" if "sharded" in spec["files"] else "1GB")
    (folder / "generation_config.json").unlink(missing_ok=True)
    # The version that wrote it is no part of the model, and would make a fresh copy differ.
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config.pop("transformers_version", None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load(folder, family, dtype):
    """The stored weights, converted exactly, in `dtype` throughout."""
    kind = {"gpt2": GPT2LMHeadModel, "gptj": GPTJForCausalLM}[family]
    model = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").to(dtype).eval()
    model.requires_grad_(False)
    if family == "gptj" and dtype == torch.float64:
        for block in model.transformer.h:
            block.attn._attn = types.MethodType(attention, block.attn)
    return model


def attention(self, query, key, value, attention_mask=None):
    """GPT-J's attention without transformers' cast of queries and keys to float32."""
    scores = query @ key.transpose(-1, -2) / self.scale_attn
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = nn.functional.softmax(scores, dim=-1)
    return weights @ value, weights
