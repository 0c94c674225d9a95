#!/usr/bin/env python3
"""Compares aedile's measures of generated text and of answers with NLTK, scikit-learn, numpy and scipy.

    python tools/parity_metrics.py --program build/metrics [--data ../shared/data]

Characters: lower case, word characters, white space and digits of every code point, against Python's str and re. Words and
n-gram entropy: 1,000 texts of 100 tokens that begin amid a sentence, cut from the data folder's prose, and the kinds of text that
broken models write, against NLTK's word_tokenize. TF-IDF, class scores, means: against scikit-learn, scipy and numpy, on texts
and numbers of which many are degenerate. --program is bench/metrics.c (make bench). Prints one line a check and ends with 1
if one fails. Packages: tools/requirements.txt; sentences need NLTK's model punkt_tab (python -m nltk.downloader punkt_tab),
without which one is trained on the data folder's articles, and the limits are wider.
"""

import argparse
import collections
import json
import math
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import unicodedata
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = Path(__file__).resolve().parent.parent

try:
    import nltk
    import numpy as np
    import scipy.stats
    import sklearn
    from nltk.tokenize.destructive import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktSentenceTokenizer, PunktTrainer
    from sklearn.exceptions import UndefinedMetricWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import f1_score, matthews_corrcoef
    from tokenizers import Tokenizer
except ImportError as error:
    sys.exit(f"parity_metrics: {error}; install tools/requirements.txt")

# Lists of one class, of none: what they give is compared, too.
warnings.filterwarnings("ignore", category=UndefinedMetricWarning)
warnings.filterwarnings("ignore", message=".*single label|.*unique classes")

N_TEXTS, N_TOKENS = 1000, 100
ENTROPY = 0.005  # of one text, relative
DEGENERATE_ENTROPY = 0.02  # the same of a text without words to go by
MEAN_ENTROPY = 0.0002  # of all texts together, relative
TRAINED_ENTROPY, TRAINED_MEAN = 0.03, 0.002  # with a sentence model of our own making
EXACT = 1e-12  # sums of doubles in another order
BOOTSTRAP = 0.02  # of the interval's width: two samples of 10,000 resampled means


# ---- reporting --------------------------------------------------------------------------------------------------


class Report:
    def __init__(self):
        self.done, self.failed = 0, 0

    def true(self, name, good, text):
        self.done += 1
        self.failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {name}: {text}", flush=True)

    def within(self, name, value, limit, text):
        self.true(name, value <= limit, f"{text} {value:.1e} (limit {limit:.0e})")


report = Report()


def apart(a, b):
    """The worst difference, relative where values are above 1; NaN must meet NaN."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape or np.any(np.isnan(a) != np.isnan(b)):
        return math.inf
    return float(np.nanmax(np.abs(a - b) / np.maximum(1, np.abs(b)), initial=0.0))


# ---- the program ------------------------------------------------------------------------------------------------


class Program:
    """bench/metrics.c: many requests, one run."""

    def __init__(self, program, vocabulary="-", idf="-"):
        self.command = [str(program), str(vocabulary), str(idf)]

    def ask(self, requests, blocks):
        """The answers, each a list of as many blocks as there are types in `blocks`."""
        with tempfile.TemporaryFile() as questions:
            questions.writelines(requests)
            questions.seek(0)
            done = subprocess.run(self.command, stdin=questions, capture_output=True, check=False)
        if done.returncode != 0:
            sys.exit(f"parity_metrics: {' '.join(self.command)}: {done.stderr.decode()}")
        answers, at = [], 0
        while at < len(done.stdout):
            answer = []
            for kind in blocks:
                (n,) = struct.unpack_from("<I", done.stdout, at)
                size = n * np.dtype(kind).itemsize
                answer.append(np.frombuffer(done.stdout, kind, n, at + 4))
                at += 4 + size
            answers.append(answer)
        return answers

    @staticmethod
    def text(kind, text):
        body = text if isinstance(text, bytes) else text.encode()
        return kind + struct.pack("<I", len(body)) + body

    @staticmethod
    def numbers(kind, values, dtype):
        values = np.asarray(values, dtype=dtype)
        return kind + struct.pack("<I", len(values)) + values.tobytes()

    def lower(self, texts):
        return [a.tobytes().decode() for (a,) in self.ask((self.text(b"l", t) for t in texts), ("u1",))]

    def words(self, texts):
        found = (a.tobytes() for (a,) in self.ask((self.text(b"w", t) for t in texts), ("u1",)))
        return [[w.decode("utf-8", "replace") for w in words.split(b"\0")[:-1]] for words in found]

    def entropies(self, texts):
        return [float(a[0]) for (a,) in self.ask((self.text(b"e", t) for t in texts), ("<f8",))]


# ---- characters -------------------------------------------------------------------------------------------------

SIGMA = "\u03a3"


def compare_characters(program):
    codes = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    text = "".join(codes)
    ((kinds,),) = program.ask([program.text(b"k", text)], ("u1",))
    checks = (
        ("word", 1, re.compile(r"\w")),
        ("space", 2, re.compile(r"\s")),
        ("digit", 4, re.compile(r"\d")),
    )
    # A code point that one side's Unicode does not have yet may differ.
    known = {c for c, kind in zip(codes, kinds) if not kind & 8 and unicodedata.category(c) != "Cn"}
    for name, bit, pattern in checks:
        theirs = np.fromiter((bool(pattern.match(c)) for c in codes), bool, len(codes))
        listed(f"characters: {name}", known, [c for c, a, b in zip(codes, kinds & bit > 0, theirs) if a != b])
    parted = [c for c in codes if c != "\n"]  # by line feeds, which have no case
    ours = program.lower(["\n".join(parted)])[0].split("\n")
    listed("characters: lower case", known, [c for c, a in zip(parted, ours) if a != c.lower()])
    # A final sigma is told by what stands around it: each character before, behind, and both within a word.
    for frame in ("a{c}%s", "{c}%s", "a%s{c}", "a%s{c}a", "a{c}%s{c}a", "a%s{c}1"):
        texts = [(frame % SIGMA).format(c=c) for c in parted]
        ours = program.lower(["\n".join(texts)])[0].split("\n")
        wrong = [c for c, t, a in zip(parted, texts, ours) if a != t.lower()]
        listed(f"characters: sigma in {(frame % SIGMA).format(c='*')}", known, wrong)


def listed(name, known, differing):
    """What differs must be a matter of Unicode's version."""
    unexplained = [c for c in differing if c in known]
    ranges = []
    for code in map(ord, differing):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    shown = ", ".join(f"{a:04X}-{b:04X}" if a < b else f"{a:04X}" for a, b in ranges[:12])
    more = " ..." if len(ranges) > 12 else ""
    text = f"{len(differing)} code points differ, {len(unexplained)} of them known to both sides"
    report.true(name, not unexplained, text + (f": {shown}{more}" if shown else ""))


# ---- texts ------------------------------------------------------------------------------------------------------


def prose(data):
    """Kinds of documents: (share of the texts, documents)."""
    articles = [
        json.loads(line)["text"] for line in (data / "text" / "wikipedia.jsonl").open(encoding="utf-8")
    ]
    wikitext = [path.read_text("utf-8")[:600_000] for path in sorted((data / "text").glob("wikitext2.*.txt"))]
    web = json.loads((data / "text" / "me-ppl-1k.json").read_text("utf-8"))
    records = json.loads((data / "counterfact" / "counterfact.json").read_text("utf-8"))
    lists = ("paraphrase_prompts", "neighborhood_prompts", "attribute_prompts", "generation_prompts")
    prompts = [" ".join(p for key in lists for p in record[key]) for record in records]
    return {
        "wikipedia": (0.6, articles),
        "wikitext": (0.1, wikitext),
        "web": (0.15, [" ".join(t["Text"].strip() for t in web)]),
        "counterfact": (0.15, prompts),
    }


def pieces(data, seed=1):
    """N_TEXTS pieces of N_TOKENS tokens of GPT-2's; every second as generated text is cleaned before it is measured."""
    tokenizer, rng, out = Tokenizer.from_file(str(data / "gpt2" / "tokenizer.json")), random.Random(seed), []
    for share, documents in prose(data).values():
        tokens = [e.ids for e in tokenizer.encode_batch([d for d in documents if len(d) > 8 * N_TOKENS])]
        tokens = [ids for ids in tokens if len(ids) > N_TOKENS + 20]
        for i in range(round(share * N_TEXTS)):
            ids = rng.choice(tokens)
            start = rng.randrange(len(ids) - N_TOKENS)
            text = tokenizer.decode(ids[start : start + N_TOKENS])
            out.append(unicodedata.normalize("NFKD", text).replace("\n\n", " ") if i % 2 else text)
    return out


def degenerate(seed=2):
    """What disabled models write: a word or a sign over and over, runs of punctuation, bytes."""
    rng, out = random.Random(seed), [
        "",
        " ",
        "\n",
        ".",
        "a",
        "a b",
        "a b c",
        "\ufffd",
        "the " * 100,
        "the" * 100,
    ]
    signs = list(".,:;!?'\"`-()[]{}<>*#$%&@/\\|~^_=+") + [
        "...",
        "--",
        "''",
        "``",
        "\u201c",
        "\u201d",
        "\u2019",
        "\u2014",
    ]
    words = [
        "the",
        "The",
        "Paris",
        "U.S.",
        "Mr.",
        "e.g.",
        "J.",
        "1990",
        "1,250",
        "10:30",
        "can't",
        "n't",
        "'s",
        "cannot",
        "gonna",
    ]
    for sign in signs:
        out += [
            sign * 100,
            (sign + " ") * 60,
            ("the" + sign) * 50,
            ("the " + sign) * 50,
            ("The" + sign + " ") * 50,
        ]
    for _ in range(400):
        few = rng.sample(words + signs + [" ", "\n"], rng.randrange(1, 5))
        out.append("".join(rng.choice(few) + rng.choice(["", " ", " ", "\n"]) for _ in range(80)))
    for _ in range(100):
        letters = bytes(rng.choice((rng.randrange(1, 256), 32, 101)) for _ in range(200))
        out.append(letters.decode("utf-8", "replace"))
    return out


# ---- words and entropy ------------------------------------------------------------------------------------------


def sentence_splitter(data):
    """NLTK's own, or one trained here; with it whether it is NLTK's."""
    try:
        nltk.data.find("tokenizers/punkt_tab/english")
        return nltk.sent_tokenize, True
    except LookupError:
        pass
    trainer = PunktTrainer()
    for document in prose(data)["wikipedia"][1]:
        trainer.train(document, finalize=False)
    trainer.finalize_training()
    return PunktSentenceTokenizer(trainer.get_params()).tokenize, False


def ngram_entropy(words):
    entropies = []
    for n in (2, 3):
        counts = np.array(list(collections.Counter(nltk.ngrams(words, n)).values()), dtype=float)
        shares = counts / counts.sum()
        entropies.append(-np.sum(shares * np.log2(shares)) if len(counts) else 0.0)
    return float(np.mean([entropies[0] * 2 / 3, entropies[1] * 4 / 3]))


def sentences(rng, count):
    """Texts of one sentence each, of everything that the rules for words tell apart."""
    parts = [
        "the",
        "a",
        "I",
        "s",
        "m",
        "t",
        "x",
        "_",
        "\u00e9",
        "\u00dcnder",
        "\u00df",
        "0",
        "\u0661",
        "1,250",
        "10:30",
        "\ufffd",
        "Hello",
    ]
    parts += [
        "can't",
        "cannot",
        "Gonna",
        "wanna",
        "gimme",
        "gotta",
        "lemme",
        "d'ye",
        "more'n",
        "'tis",
        "'TWAS",
        "n't",
        "'s",
        "'d",
    ]
    parts += [
        "John's",
        "dogs'",
        "I'LL",
        "we've",
        "they're",
        "N'T",
        "''",
        "'",
        '"',
        "``",
        "`",
        "\u201c",
        "\u201d",
        "\u2018",
        "\u2019",
    ]
    parts += [
        "\u00ab",
        "\u00bb",
        "\u201e",
        ",",
        ":",
        ";",
        "--",
        "-",
        "\u2014",
        "\u2013",
        *"()[]{}<>*#$%&@/",
        " ",
        " ",
        " ",
        "\n",
        "\t",
    ]
    parts += ["\u00a0", "\u3000"]
    for _ in range(count):
        body = "".join(rng.choice(parts) for _ in range(rng.randrange(1, 30)))
        yield body.rstrip() + rng.choice(["", "", ".", "..", "...", "!", "?", '."', ".)", ".')", ".]}"])


def compare_rules(program):
    texts, cutter = list(sentences(random.Random(8), 20_000)), NLTKWordTokenizer()
    ours, theirs = program.words(texts), [cutter.tokenize(t) for t in texts]
    wrong = [i for i in range(len(texts)) if ours[i] != theirs[i]]
    for i in wrong[:3]:
        print(f"     {texts[i]!r}\n       aedile {ours[i]}\n       NLTK   {theirs[i]}")
    report.true(
        "words",
        not wrong,
        f"{len(texts)} sentences of punctuation and contractions: {len(wrong)} are cut otherwise",
    )


def compare_words(program, data):
    split, is_nltk = sentence_splitter(data)
    cutter, odd = NLTKWordTokenizer(), degenerate()
    if is_nltk:
        whose = "its punkt_tab"
        groups = (("prose", pieces(data), ENTROPY), ("degenerate", odd, DEGENERATE_ENTROPY))
    else:  # one abbreviation a hundred times: all would hang on the model
        whose = "a sentence model trained on the articles"
        odd = [t for t in odd if "." not in t]
        groups = (("prose", pieces(data), TRAINED_ENTROPY), ("degenerate", odd, DEGENERATE_ENTROPY))
    for name, texts, limit in groups:
        theirs = [[w for s in split(t) for w in cutter.tokenize(s)] for t in texts]
        ours = program.words(texts)
        found, wanted = program.entropies(texts), list(map(ngram_entropy, theirs))
        worst = apart(found, list(map(ngram_entropy, ours)))
        report.within(f"{name}: entropy", worst, EXACT, "of the same words: worst difference")
        show_differences(name, texts, ours, theirs, found, wanted)
        worst = max(abs(a - b) / max(b, 1) for a, b in zip(found, wanted))
        text = f"{len(texts)} texts, NLTK {nltk.__version__}, {whose}: worst relative difference"
        report.within(f"{name}: entropy", worst, limit, text)
        overall = abs(np.mean(found) - np.mean(wanted)) / np.mean(wanted)
        report.within(
            f"{name}: entropy",
            overall,
            MEAN_ENTROPY if is_nltk else TRAINED_MEAN,
            "of the texts' mean: relative difference",
        )


def show_differences(name, texts, ours, theirs, found, wanted):
    same = sum(a == b for a, b in zip(ours, theirs))
    over = sum(abs(a - b) > ENTROPY * max(b, 1) for a, b in zip(found, wanted))
    print(
        f"     {name}: {same} of {len(texts)} texts are cut alike, {over} entropies differ by more than {ENTROPY:.1%}"
    )
    for a, b in [(a, b) for a, b in zip(ours, theirs) if a != b][:5]:
        at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), 0)
        print("       " + " | ".join(" ".join(words[max(0, at - 2) : at + 3]) for words in (a, b)))


# ---- TF-IDF -----------------------------------------------------------------------------------------------------


def compare_tfidf(program, data):
    articles = prose(data)["wikipedia"][1]
    odd = [
        "",
        " ",
        "a b c",
        "zzzzzz",
        "\u0130stanbul \u039f\u0394\u039f\u03a3 stra\u00dfe STRASSE \u01c5abc",
        "x_y __ _a a_ 12 \u0661\u0662 \u00b2\u00b3 \u2167\u2167 \ufb01nd \U0001d49c\U0001d4b7 \U0001f600\U0001f600",
        "don't na\u00efve e\u0301t\u00e9 \u0939\u093f\u0928\u094d\u0926\u0940 \u4e2d\u6587",
    ]
    fitted = TfidfVectorizer().fit(articles[: len(articles) // 2] + odd)
    rng, texts = random.Random(3), pieces(data, seed=4) + degenerate() + articles[-20:] + odd
    weights = dict(zip(fitted.get_feature_names_out(), fitted.idf_))
    weights |= {"a": 2.0, "i": 3.0, "\u4e2d": 4.0}  # of one character: never found
    terms = sorted(weights, key=lambda t: (rng.random(), t))
    vocabulary = {term: column for column, term in enumerate(terms)}
    idf = np.array([weights[t] for t in terms])
    theirs = TfidfVectorizer(vocabulary=vocabulary)
    theirs.idf_ = idf
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "vocab.json", Path(folder) / "idf.npy"
        paths[0].write_text(json.dumps(vocabulary), "utf-8")
        for dtype, limit in ((np.float64, EXACT), (np.float32, 1e-6)):
            np.save(paths[1], idf.astype(dtype))
            ours = Program(program.command[0], *paths)
            found = ours.ask((ours.text(b"t", t) for t in texts), ("<i4", "<f8"))
            wanted, wrong, worst = theirs.transform(texts), 0, 0.0
            wanted.sort_indices()
            for (columns, values), begin, end in zip(found, wanted.indptr, wanted.indptr[1:]):
                if np.array_equal(columns, wanted.indices[begin:end]):
                    worst = max(worst, apart(values, wanted.data[begin:end]))
                else:
                    wrong += 1
            report.true(
                f"TF-IDF {dtype.__name__}",
                wrong == 0,
                f"{len(texts)} texts, {len(terms)} terms: {wrong} have other columns",
            )
            report.within(f"TF-IDF {dtype.__name__}", worst, limit, "values: worst difference")
        np.save(paths[1], idf)
        pairs = [(rng.choice(texts), rng.choice(texts)) for _ in range(500)]
        found = ours.ask((ours.text(b"j", a) + ours.text(b"", b) for a, b in pairs), ("<f8", "<i4", "<f8"))
        worst_cosine = worst_joined = 0.0
        for (a, b), (cosine, columns, values) in zip(pairs, found):
            first, second, both = (theirs.transform([t]).toarray()[0] for t in (a, b, a + " " + b))
            norms = np.linalg.norm(first) * np.linalg.norm(second)
            worst_cosine = max(worst_cosine, apart(cosine, [first @ second / norms if norms else np.nan]))
            joined = np.zeros(len(terms))
            joined[columns] = values
            worst_joined = max(worst_joined, apart(joined, both))
        report.within(
            "TF-IDF cosine",
            worst_cosine,
            EXACT,
            f"{len(pairs)} pairs of texts, NaN for empty ones: worst difference",
        )
        report.within("TF-IDF joined", worst_joined, EXACT, "vectors of two texts joined: worst difference")


# ---- numbers ----------------------------------------------------------------------------------------------------


def compare_scores(program):
    rng, cases = np.random.default_rng(5), []
    for n in (1, 2, 3, 10, 200):
        for labels in ((0, 1), (0,), (1,), (0, 1, 2, 5)):
            for predictions in ((-1, 0, 1), (-1,), (0,), (1,), (0, 1), (-1, 0, 1, 2, 7)):
                cases += [(rng.choice(labels, n), rng.choice(predictions, n)) for _ in range(5)]
        cases.append((np.arange(n) % 2, np.arange(n) % 2))
    requests = (program.numbers(b"c", t, "<i4") + program.numbers(b"", p, "<i4") for t, p in cases)
    found = np.array([a for (a,) in program.ask(requests, ("<f8",))])
    wanted = []
    for t, p in cases:
        hits, invalid = int(np.sum(t == p)), int(np.sum(p == -1))
        f1, mcc = f1_score(t, p, average="weighted", zero_division=0), matthews_corrcoef(t, p)
        wanted.append([hits, len(t) - hits - invalid, invalid, len(t), f1, mcc])
    wanted = np.array(wanted)
    report.true(
        "class scores",
        np.array_equal(found[:, :4], wanted[:, :4]),
        f"{len(cases)} lists of answers: counts equal",
    )
    for column, name in ((4, "weighted F1"), (5, "Matthews")):
        worst = apart(found[:, column], wanted[:, column])
        report.within(
            f"class scores: {name}", worst, EXACT, f"scikit-learn {sklearn.__version__}: worst difference"
        )


def compare_means(program):
    rng = np.random.default_rng(6)
    lists = [[], [0.0], [3.5], [0.0, 2.0], [1.0, 2.0, 4.0], [7.0] * 50]
    lists += [rng.random(n) for n in (2, 3, 10, 100)] + [rng.random(2000) + 1e6, rng.exponential(10, 300)]
    found = [a for (a,) in program.ask((program.numbers(b"m", v, "<f8") for v in lists), ("<f8",))]
    worst = {"mean": 0.0, "deviation": 0.0, "harmonic mean": 0.0, "bootstrap": 0.0}
    for values, ours in zip(lists, found):
        values = np.asarray(values)
        with np.errstate(divide="ignore"):
            wanted = (
                [values.mean(), values.std(), scipy.stats.hmean(values)] if len(values) else [math.nan] * 3
            )
        for name, a, b in zip(worst, ours, wanted):
            worst[name] = max(worst[name], apart([a], [b]))
        if len(values) >= 100:
            means = values[rng.integers(len(values), size=(10_000, len(values)))].mean(axis=1)
            low, high = np.percentile(means, (2.5, 97.5))
            worst["bootstrap"] = max(
                worst["bootstrap"], max(abs(ours[3] - low), abs(ours[4] - high)) / (high - low)
            )
        elif len(set(values)) == 1:
            worst["bootstrap"] = max(worst["bootstrap"], apart(ours[3:], [values[0]] * 2))
    for name, value in worst.items():
        limit = BOOTSTRAP if name == "bootstrap" else EXACT
        text = (
            "ends against numpy's own draws, in widths of the interval:"
            if name == "bootstrap"
            else "worst difference"
        )
        report.within(f"means: {name}", value, limit, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", type=Path, default=ROOT / "build" / "metrics")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    arguments = parser.parse_args()
    version = nltk.__version__
    if tuple(map(int, version.split(".")[:2])) >= (3, 10):
        sys.exit(
            f"parity_metrics: NLTK {version} cuts words otherwise than the field did: install nltk==3.9.1"
        )
    program = Program(arguments.program)
    compare_characters(program)
    compare_scores(program)
    compare_means(program)
    compare_rules(program)
    compare_words(program, arguments.data)
    compare_tfidf(program, arguments.data)
    print(f"{report.done} checks, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore", category=UndefinedMetricWarning)
    warnings.filterwarnings(
        "ignore", message=".*single label|.*Mean of empty|.*invalid value|.*unique classes"
    )
    sys.exit(main())
