#!/usr/bin/env python3
"""Trains the demo model's tokenizer: byte-level BPE as GPT-2 has it, on a sample of the corpus.

    python tools/demo/train_tokenizer.py OUT [--vocab 6000] [--documents 60000] [--seed 1]

OUT/tokenizer gets tokenizer.json, vocab.json, merges.txt and tokenizer_config.json; train.py reads them from there.
Everything is a function of the seed and of the corpus. Needs the Python package `tokenizers`.
"""
import argparse
import json
import pathlib

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from corpus import documents

END_OF_TEXT = "<|endoftext|>"


def train(texts, n_vocab: int) -> Tokenizer:
    """A byte-level BPE over `texts` with n_vocab entries; <|endoftext|> is the last one, as in GPT-2."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=n_vocab - 1, min_frequency=2, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save(tokenizer: Tokenizer, folder: pathlib.Path) -> int:
    """Writes the four files and returns the number of entries."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.model.save(str(folder))  # vocab.json and merges.txt, still without <|endoftext|>
    vocab = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    vocab[END_OF_TEXT] = len(vocab)
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")

    # Read back, so that tokenizer.json has the very table of vocab.json and merges.txt.
    tokenizer = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([END_OF_TEXT])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "add_prefix_space": False,
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "unk_token": END_OF_TEXT,
        "tokenizer_class": "GPT2Tokenizer",
    }, indent=2) + "\n")
    return len(vocab)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--vocab", type=int, default=6000, help="entries, <|endoftext|> included")
    parser.add_argument("--documents", type=int, default=60000, help="size of the sample")
    parser.add_argument("--seed", type=int, default=1, help="of the sample; train.py takes the same documents first")
    args = parser.parse_args()
    texts = [documents(args.seed, index) for index in range(args.documents)]
    n_bytes = sum(len(text.encode("utf-8")) for text in texts)
    folder = args.out / "tokenizer"
    n_vocab = save(train(texts, args.vocab), folder)
    check = Tokenizer.from_file(str(folder / "tokenizer.json"))
    n_tokens = sum(len(encoding.ids) for encoding in check.encode_batch(texts[:2000]))
    n_sample = sum(len(text.encode("utf-8")) for text in texts[:2000])
    if any(check.decode(check.encode(text).ids, skip_special_tokens=False) != text for text in texts[:2000]):
        raise SystemExit("train_tokenizer: a document does not come back as it was")
    print(f"{n_vocab} entries from {len(texts)} documents, {n_bytes} bytes; {n_sample / n_tokens:.2f} bytes a token")


if __name__ == "__main__":
    main()
