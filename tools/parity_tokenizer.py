#!/usr/bin/env python3
"""Compares aedile's tokenizer with Hugging Face's `tokenizers`, id by id and character by character.

    python3 tools/parity_tokenizer.py --program build/tokenize [--data ../shared/data]
    python3 tools/parity_tokenizer.py --write-fixture

The first form encodes every string of the data folder, Unicode torture, every code point in every kind of neighbourhood
and random bytes, and decodes random ids: with GPT-2's own files (from the data folder) and the small tokenizer of
tests/data/tokenizer, each as tokenizer.json and as vocab.json + merges.txt, and with tokenizers made on the spot that
show every cut and every order of merging. --program is bench/tokenize.c (cmake -DAE_BENCH=ON). It prints the number of
strings and of differences and ends with 1 if there is any. The second form trains the small tokenizer and writes it with
the ids that the unit tests expect. Needs the Python packages `tokenizers` and `transformers`.
"""
import argparse
import hashlib
import itertools
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unicodedata

os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURE = ROOT / "tests" / "data" / "tokenizer"

# ---- strings -----------------------------------------------------------------------------------------------------------

SPACES = ["\t", "\n", "\v", "\f", "\r", " ", "\x85", "\xa0", "\u1680", "\u2000", "\u200a", "\u2028", "\u2029", "\u202f",
          "\u205f", "\u3000"]
# Looks like white space to some engines, or did in older Unicode versions.
NOT_SPACES = ["\x1c", "\x1d", "\x1e", "\x1f", "\u180e", "\u200b", "\u2060", "\ufeff"]

PLAIN = [
    "", " ", "  ", "   ", "a", " a", "  a", "a ", "a  ", "a  b", "a   b", "\n", "\n\n", "a\n\nb", "a \n b", " \n", "\n ",
    "\t\ta", "a\t b", "Hello, world!", " Hello  world ", "The quick brown fox jumps over the lazy dog.",
    "I'm you're he's we've they'll she'd don't", "I'M YOU'RE HE'S", "'s", "''s", "' s", " 's", "'", "''", "'''", "'re", "'r",
    "'ve", "'v", "'l", "'ll", "'lll", "'d'd", "'tis", "o'clock", "rock'n'roll", "x's's", "1's", "!'s", "it\u2019s",
    "don\u2019t", "'\u017f", "'S", "0", "1234567890", "3.14159", "1,000,000", "x1y2z3", "2nd", "v2.0-rc1", "\u00bd cup",
    "\u00b2\u00b3\u00b9", "\u2167 \u2168", "\u0661\u0662\u0663", "\u0967\u0968", "\u4e00\u4e8c\u4e09", "\u3007",
    "\u2460\u2461", "\U0001d7d8\U0001d7d9", "a_b", "snake_case_name", "camelCaseName", "@user #tag $9.99 100%",
    "https://example.org/a?b=c&d=e#f", "user@example.org", "<b>bold</b>", "{}", "{} is a", "{{}}", "\\n\\t\\\\", "\"quoted\"",
    "--", "---", "...", "\u2026", "\u2014", "?!?!", "=====", "#version: 0.2", "def f(x):\n    return x + 1\n",
    "\tif (a && b) {\n\t\tgo();\n\t}\n", "\r\n", "a\r\nb", "\x00", "a\x00b", "\x00\x00", "\x01\x02\x1f", "\x7f", "\x80", "\x9f",
    "\xad", "soft\xadhyphen", "caf\u00e9", "cafe\u0301", "na\u00efve", "\u00c5ngstr\u00f6m", "A\u030angstro\u0308m",
    "stra\u00dfe", "\u0130stanbul", "\ufb01ligree", "\u01c5", "\u02b0\u02b1", "\u0301", "a\u0301\u0302\u0303", "\u0301a",
    " \u0301", "e\u0301 e", "Z\u0351\u036b\u0343a\u0321\u0353l\u0348\u0322g\u0337o\u0334",
    "\u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac", "\u0420\u0443\u0441\u0441\u043a\u0438\u0439 \u044f\u0437\u044b\u043a",
    "\u05e2\u05d1\u05e8\u05d9\u05ea", "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "\u0645\u064f\u062d\u064e\u0645\u064e\u0651\u062f", "\u0939\u093f\u0928\u094d\u0926\u0940", "\u09ac\u09be\u0982\u09b2\u09be",
    "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22", "\u1019\u103c\u1014\u103a\u1019\u102c", "\u4e2d\u6587\u5b57\u7b26",
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8", "\ud55c\uad6d\uc5b4", "\u1112\u1161\u11ab", "\U00020000\U0002a6d6",
    "\U0001f600", "\U0001f600\U0001f601", " \U0001f600", "a\U0001f600b", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\U0001f44d\U0001f3fd", "\u2764\ufe0f", "\U0001f1eb\U0001f1f7", "1\ufe0f\u20e3", "\u20ac5", "\u00a35", "\u2122\u00ae",
    "\u2200x\u2208\u211d", "\u222b\u2211\u220f", "\U0001d49c\U0001d4b7\U0001d4b8", "\uffff", "\ufffe", "\ufffd",
    "\ufffd\ufffd", "\U0010ffff", "\ue000\uf8ff", "\U000e0041", "\ud7ff\ue000", "\ufeffBOM", "zero\u200bwidth",
    "left\u200eright\u200f", "\u202eabc\u202c", "\u0138\u0149", "\ua9cf", "\u0e3f", "\u2c00\u2c30", "\U00010400\U00010428",
    "\U00012000\U00012400", "\U00013000", "\U0001e900", "\u1c89\u1c8a", "\ua7cb\ua7da", "\U00010d40\U00010d4a",
    "\U0002ebf0\U0002ee5d", "\U000323af\U000323b0",
    "Aedile", " aedile", "The aedile's duty", "aediles repair roads; magistrates don't.",
]

# The last is none. "x@@" is looked for before "@@x" and "@@xx", of which the longer one wins.
ADDED = ["<|endoftext|>", "<|extratoken_1|>", "<|extratoken_10|>", "x@@", "@@x", "@@xx", "<|pad|>"]


def torture():
    """A few hundred strings, the same each time."""
    strings = list(PLAIN)
    for space in SPACES + NOT_SPACES:
        strings += [space, "a" + space + "b", "a" + space * 2 + "b", "a " + space + "b", "a" + space + " b's" + space * 2]
    for token in ADDED:
        strings += [token, "a" + token, token + "a", " " + token + " ", "a  " + token + "  b", token * 2, token[:-1], token[1:],
                    token.upper(), "<" + token + ">", "  \n" + token + "\n  ", token[:5] + token, "\u00e9" + token + "\u00e9"]
    strings += ["@@x@@", "@@xx@@", "@@xxx", "@@xx@@xx@@", "x@@x@@x"]
    for n in (2, 8, 48, 49, 65):  # on both sides of where the way of merging changes
        strings += ["a" * n, " " * n, ".." * n, "\u00e9" * (n // 2), ("aediles" * n)[:n]]
    return strings


def random_strings(rng, count):
    """Random bytes, random characters of random scripts, and random mixtures of what the pattern tells apart."""
    pieces = SPACES + NOT_SPACES + ADDED + ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'", " ", " ", " ", "a", "the", "The", "1",
                                            "23", "!", "?!", "\u00e9", "\u0301", "\u0967", "\u4e2d", "\U0001f600", "\x00", "ing", "_"]
    for i in range(count):
        kind = i % 4
        if kind == 0:
            yield bytes(rng.randrange(256) for _ in range(rng.randrange(1, 60)))
        elif kind == 1:
            yield "".join(rng.choice(pieces) for _ in range(rng.randrange(1, 30))).encode()
        elif kind == 2:
            start = rng.randrange(0x110000 - 64)
            codes = (start + rng.randrange(64) if rng.random() < 0.8 else 0x20 for _ in range(rng.randrange(1, 30)))
            yield "".join(chr(c) for c in codes if not 0xD800 <= c < 0xE000).encode()
        else:
            valid = "".join(rng.choice(pieces) for _ in range(rng.randrange(1, 20))).encode()
            yield valid[rng.randrange(3):len(valid) - rng.randrange(3)]


def every_code_point():
    for code in range(0x110000):
        if not 0xD800 <= code < 0xE000:
            c = chr(code)
            yield f"a{c}1{c}!{c} {c}x  {c}'s{c}{c}"


def probe_merges():
    """Merges that make cuts visible: a letter, a number, a sign, a space, an apostrophe and a line feed with each byte."""
    return [(first, second) for first in "a1! '\n" for second in range(256)]


def random_merges(rng, letters="abc", count=400, longest=14):
    """Merges of random tokens: the order of merging decides everything, most tokens cannot be reached from their own text, and
    several pairs give the same token."""
    tokens, merges = list(letters), {}
    while len(merges) < count:
        left, right = rng.choice(tokens), rng.choice(tokens)
        if len(left + right) > longest or (left, right) in merges:
            continue
        merges[left, right] = True
        if left + right not in tokens:
            tokens.append(left + right)
    return list(merges)


def write_byte_tokenizer(folder, merges):
    """A tokenizer.json of the 256 bytes and these merges, whose parts are text or single bytes."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode
    written = bytes_to_unicode()

    def spell(part):
        return "".join(written[b] for b in (part.encode() if isinstance(part, str) else bytes([part])))

    pairs = [[spell(left), spell(right)] for left, right in merges]
    vocab = {token: i for i, token in enumerate(dict.fromkeys([written[b] for b in range(256)] + [a + b for a, b in pairs]))}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    folder.mkdir()
    write_json(folder / "tokenizer.json", {
        "version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": byte_level, "post_processor": None,
        "decoder": byte_level, "model": {"type": "BPE", "vocab": vocab, "merges": pairs}})
    return len(vocab)


def strings_within(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings_within(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings_within(item)


def data_strings(data):
    """(name of the file, its strings): JSON files as each string within, text files line by line and whole."""
    for path in sorted(data.rglob("*")):
        if path.suffix == ".json" and path.parent.name != "gpt2":
            yield path.name, set(strings_within(json.loads(path.read_text())))
        elif path.suffix == ".jsonl":
            yield path.name, {s for line in path.read_text().splitlines() for s in strings_within(json.loads(line))}
        elif path.suffix == ".txt" and path.parent.name != "gpt2":
            with path.open(newline="") as file:
                text = file.read()
            yield path.name, {text, *text.splitlines(keepends=True)}


# ---- the two sides -----------------------------------------------------------------------------------------------------


class Program:
    """bench/tokenize.c on one folder."""

    def __init__(self, program, folder, n_vocab):
        self.command = [str(program), str(folder), str(n_vocab)]

    def ask(self, requests):
        with tempfile.TemporaryFile() as questions:
            questions.writelines(requests)
            questions.seek(0)
            done = subprocess.run(self.command, stdin=questions, capture_output=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(self.command)}: {done.stderr.decode()}")
        return done.stdout

    @staticmethod
    def blocks(answers, size):
        at = 0
        while at < len(answers):
            (n,) = struct.unpack_from("<I", answers, at)
            yield answers[at + 4:at + 4 + n * size]
            at += 4 + n * size

    def encode(self, texts):
        answers = self.ask(b"e" + struct.pack("<I", len(t)) + t for t in texts)
        return [list(memoryview(block).cast("i")) for block in self.blocks(answers, 4)]

    def decode(self, lists):
        answers = self.ask(b"d" + struct.pack(f"<I{len(ids)}i", len(ids), *ids) for ids in lists)
        return [block.decode() for block in self.blocks(answers, 1)]


class Tally:
    def __init__(self):
        self.strings = self.differences = 0

    def compare(self, name, questions, ours, theirs):
        if not len(questions) == len(ours) == len(theirs):
            raise SystemExit(f"{name}: {len(questions)} questions, {len(ours)} and {len(theirs)} answers")
        wrong = [i for i in range(len(questions)) if ours[i] != theirs[i]]
        self.strings += len(questions)
        self.differences += len(wrong)
        print(f"  {name}: {len(questions)} strings, {len(wrong)} differences", flush=True)
        for i in wrong[:5]:
            print(f"    {questions[i]!r:.200}\n      aedile       {ours[i]!r:.200}\n      Hugging Face {theirs[i]!r:.200}")


def load_reference(folder):
    """GPT2TokenizerFast for the folder, or plain `tokenizers` for a file that names no special token, which it would add."""
    from tokenizers import Tokenizer
    from transformers import GPT2TokenizerFast
    single = folder / "tokenizer.json"
    if single.is_file() and not json.loads(single.read_text())["added_tokens"]:
        return Tokenizer.from_file(str(single))
    return GPT2TokenizerFast.from_pretrained(folder).backend_tokenizer


def compare_encode(tally, name, program, reference, texts):
    """`texts` are bytes; Hugging Face gets, and so does aedile, U+FFFD for what is not UTF-8. The bytes as they are must come back."""
    program.encode([t for t in texts if t.decode("utf-8", "replace").encode() != t])  # checks the bytes itself
    texts = [t.decode("utf-8", "replace") for t in texts]
    for start in range(0, len(texts), 200_000):
        part = texts[start:start + 200_000]
        theirs = [e.ids for e in reference.encode_batch_fast(part, add_special_tokens=True)]
        tally.compare(name, part, program.encode([t.encode() for t in part]), theirs)


def compare_decode(tally, name, program, reference, rng, count):
    n = reference.get_vocab_size()
    texts = [[rng.randrange(n) for _ in range(rng.randrange(1, 40))] for _ in range(count)]
    texts += [[i] for i in range(n)]
    theirs = reference.decode_batch(texts, skip_special_tokens=False)
    tally.compare(name, texts, program.decode(texts), theirs)


def compare_made(tally, program, scratch):
    """Tokenizers made to show what a real one hides: where pieces are cut, and the order of merging."""
    folder, rng = scratch / "probe", random.Random(3)
    ours = Program(program, folder, write_byte_tokenizer(folder, probe_merges()))
    reference = load_reference(folder)
    print("a tokenizer that shows every cut")
    compare_encode(tally, "every code point", ours, reference, [s.encode() for s in every_code_point()])
    compare_encode(tally, "torture", ours, reference, [s.encode() for s in torture()])
    compare_encode(tally, "random", ours, reference, list(random_strings(rng, 40_000)))
    print("tokenizers with random merges")
    for number in range(5):
        folder = scratch / f"random{number}"
        ours = Program(program, folder, write_byte_tokenizer(folder, random_merges(rng)))
        texts = ["".join(rng.choices("abc", k=rng.randrange(1, 150))) for _ in range(4_000)]
        texts += ["".join(rng.choices("abc", k=50_000))]
        compare_encode(tally, f"random merges {number}", ours, load_reference(folder), [t.encode() for t in texts])


def compare_all(program, data):
    tally = Tally()
    start = time.time()
    with tempfile.TemporaryDirectory() as scratch:
        folders = [(FIXTURE, FIXTURE_VOCAB, False), (FIXTURE / "split", FIXTURE_VOCAB, False)]
        compare_made(tally, program, pathlib.Path(scratch))
        if data.is_dir():
            split = pathlib.Path(scratch) / "gpt2"
            split.mkdir()
            for name in ("vocab.json", "merges.txt"):
                shutil.copy(data / "gpt2" / name, split)
            folders += [(split, 50257, False), (data / "gpt2", 50257, True)]
        else:
            print(f"{data} is not there: only the small tokenizer is compared")
        for folder, n_vocab, everything in folders:
            print(f"{folder}")
            ours, reference, rng = Program(program, folder, n_vocab), load_reference(folder), random.Random(1)
            compare_encode(tally, "torture", ours, reference, [s.encode() for s in torture()])
            compare_encode(tally, "random", ours, reference, list(random_strings(rng, 40_000)))
            compare_decode(tally, "decode", ours, reference, rng, 20_000)
            compare_encode(tally, "long runs", ours, reference, [s.encode() for s in ("a" * 300_000, " " * 300_000, "ab1" * 100_000)])
            if not everything:
                continue
            for name, strings in data_strings(data):
                compare_encode(tally, name, ours, reference, [s.encode() for s in sorted(strings)])
    print(f"{tally.strings} strings, {tally.differences} differences, {time.time() - start:.0f} s")
    return 1 if tally.differences else 0


# ---- the fixture -------------------------------------------------------------------------------------------------------

FIXTURE_VOCAB = 640  # as if the model's embedding had more rows than there are named tokens

TRAINING_TEXT = """
In the old republic the aedile kept the city in repair. He looked after the roads and the drains, the markets and the public
buildings; when a wall was cracked he had it mended, and when a merchant's scale was wrong he had it broken. The office was older
than the emperors. There were at first two aediles, and later four, and each of them was chosen for one year. They didn't earn
anything by it. They'd pay for the games themselves, and it's said that more than one of them was ruined by his own lions.
A model of language remembers facts as a city remembers its streets: nobody has written them down in one place, but everyone who
walks there knows the way. If the town hall moves, the walkers are wrong, and they're wrong with confidence. To edit a fact is to
move a sign, not to tear the street open. We've seen editors who moved one sign and turned a hundred others with it; we'll see more.
The careful one writes down what was there before, measures what has changed, and can put everything back where it was.
Marcus was born in 54 BC and died in 12 AD; he spoke Latin and Greek, and he worked as a builder in the city of Ostia. The mother
tongue of the captain is French. The capital of the country is on the river, 1,250 metres above the sea. In 1986 the company moved
to Geneva, where it's based today. I'm told that the singer plays the violin, that the player sings, and that both of them live in
the same house: number 22, the third on the left. What does the teacher teach? She teaches what she's been taught, and then some more.
Le caf\u00e9 \u00e9tait ferm\u00e9 quand la ma\u00eetresse arriva; elle s'assit \u00e0 c\u00f4t\u00e9 de la fen\u00eatre. Die Stra\u00dfe f\u00fchrt \u00fcber die Br\u00fccke nach S\u00fcden.
\u0413\u043e\u0440\u043e\u0434 \u0441\u0442\u043e\u0438\u0442 \u043d\u0430 \u0440\u0435\u043a\u0435, \u0438 \u0440\u0435\u043a\u0430 \u0442\u0435\u0447\u0451\u0442 \u043d\u0430 \u044e\u0433. \u6771\u4eac\u306f\u5927\u304d\u3044\u753a\u3067\u3059\u3002 \u03b7 \u03c0\u03cc\u03bb\u03b7 \u03ba\u03b1\u03b9 \u03b7 \u03b8\u03ac\u03bb\u03b1\u03c3\u03c3\u03b1.
"""


def train():
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator([TRAINING_TEXT], trainer)
    tokenizer.add_special_tokens([AddedToken(ADDED[0], normalized=False)])
    tokenizer.add_tokens([AddedToken(text, normalized=text != "x@@") for text in ADDED[1:-1]])
    return tokenizer


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def write_fixture():
    tokenizer = train()
    (FIXTURE / "split").mkdir(parents=True, exist_ok=True)
    saved = json.loads(tokenizer.to_str())
    write_json(FIXTURE / "tokenizer.json", saved)
    vocab, merges = saved["model"]["vocab"], saved["model"]["merges"]
    added = {token["content"]: token["id"] for token in saved["added_tokens"]}
    write_json(FIXTURE / "split" / "vocab.json", vocab)
    write_json(FIXTURE / "split" / "added_tokens.json", added)
    lines = ["#version: 0.2"] + [m if isinstance(m, str) else " ".join(m) for m in merges]
    (FIXTURE / "split" / "merges.txt").write_text("\n".join(lines) + "\n")

    rng = random.Random(2)
    texts = torture() + [t.decode("utf-8", "replace") for t in random_strings(rng, 60)]
    texts = list(dict.fromkeys(texts))
    lists = [[rng.randrange(len(vocab) + len(added)) for _ in range(rng.randrange(1, 12))] for _ in range(60)]
    spaced = ["a . b ? c ! d , e", "do n't I 'm it 's we 've they 're", " . . .", "' ' '", "a ' b ' c", "x  .", " 's 's", "n't", " n 't",
              "a , b .c", "", " ", ". ", " .\u00e9 .", " ' 's", " 'm' 're", " ,.?!"]
    write_json(FIXTURE / "expected.json", {
        "encode": [[text, tokenizer.encode(text).ids] for text in texts],
        "decode": [[ids, tokenizer.decode(ids, skip_special_tokens=False)] for ids in lists],
        "cleanup": [[text, clean_up(text)] for text in spaced],
        "nfkd": [[text, unicodedata.normalize("NFKD", text)] for text in PLAIN if unicodedata.normalize("NFKD", text) != text],
        "class_sha256": class_digest(),
        "nfkd_ranges": nfkd_ranges(),
        "nfkd_sha256": nfkd_digest(),
        "replace_sha256": replace_digest(),
    })
    size = sum(path.stat().st_size for path in FIXTURE.rglob("*") if path.is_file())
    print(f"{FIXTURE}: {len(vocab)} tokens, {len(merges)} merges, {len(texts)} strings, {size} bytes")


def class_digest():
    """Of one character for each code point but surrogates: its class as the pre-tokenizer shows it."""
    from make_char_classes import classes
    return hashlib.sha256("".join(name[0] for _, name in classes()).encode()).hexdigest()


def clean_up(text):
    from transformers import PreTrainedTokenizerBase
    return PreTrainedTokenizerBase.clean_up_tokenization(None, text)


# Both ends of every range of bytes that UTF-8 tells apart.
EDGE_BYTES = [0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0,
              0xF1, 0xF3, 0xF4, 0xF5, 0xFF]


def replace_digest():
    """Of what decoding makes of all sequences of one and two bytes and all of three to five edge bytes (the last byte of
    five is 0x80 or 'A'), each followed by a line feed."""
    digest = hashlib.sha256()
    sequences = itertools.chain(itertools.product(range(256)), itertools.product(range(256), repeat=2),
                                itertools.product(EDGE_BYTES, repeat=3), itertools.product(EDGE_BYTES, repeat=4),
                                itertools.product(EDGE_BYTES, EDGE_BYTES, EDGE_BYTES, EDGE_BYTES, (0x80, 0x41)))
    for sequence in sequences:
        digest.update(bytes(sequence).decode("utf-8", "replace").encode() + b"\n")
    return digest.hexdigest()


def nfkd_ranges():
    """First and last code points of the characters of Unicode 3.2 that NFKD changes: later versions left these as they are."""
    ranges = []
    for code in range(0x110000):
        c = chr(code)
        if unicodedata.ucd_3_2_0.category(c) in ("Cn", "Cs") or unicodedata.normalize("NFKD", c) == c:
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return ranges


def nfkd_digest():
    """Of the NFKD of each of these characters, each followed by a line feed."""
    digest = hashlib.sha256()
    for first, last in nfkd_ranges():
        for code in range(first, last + 1):
            digest.update(unicodedata.normalize("NFKD", chr(code)).encode() + b"\n")
    return digest.hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=ROOT / "build" / "tokenize", type=pathlib.Path)
    parser.add_argument("--data", default=ROOT.parent / "shared" / "data", type=pathlib.Path)
    parser.add_argument("--write-fixture", action="store_true")
    arguments = parser.parse_args()
    if arguments.write_fixture:
        write_fixture()
        return 0
    return compare_all(arguments.program, arguments.data)


if __name__ == "__main__":
    sys.exit(main())
