"""Trains the small byte-level BPE tokenizer of the golden models and writes it in either of the usual forms."""

import json

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

import cases

END = "<|endoftext|>"
SIZE = 800  # tokens at most (merges run out before), <|endoftext|> the last of them


def train():
    """Returns (vocab, merges): GPT-2's pre-tokenizing, the 256 bytes, merges, and <|endoftext|> with the last id."""
    lines = cases.PROSE.strip().split("\n")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE - 1,
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
        special_tokens=[],
    )
    tokenizer.train_from_iterator(lines, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocab = dict(model["vocab"])
    vocab[END] = len(vocab)
    return vocab, [tuple(merge) for merge in model["merges"]]


def token_id(text):
    """The id of one token, a word with at most a leading space."""
    return train()[0][text.replace(" ", "Ġ")]


def write(folder, form, n_positions, extra=()):
    """form: "vocab.json" (with merges.txt) or "tokenizer.json". extra: added tokens after <|endoftext|>."""
    vocab, merges = train()
    if form == "vocab.json":
        (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
        text = "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges)
        (folder / "merges.txt").write_text(text, encoding="utf-8")
    else:
        tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens([AddedToken(END, special=True, normalized=True)])
        tokenizer.add_tokens([AddedToken(text, special=False, normalized=True) for text in extra])
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = {
        "add_prefix_space": False,
        "bos_token": END,
        "eos_token": END,
        "unk_token": END,
        "model_max_length": n_positions,
        "tokenizer_class": "GPT2Tokenizer",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return len(vocab)
