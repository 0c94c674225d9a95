"""Writes the demo data set: edits in CounterFact's schema over the facts of world.py, and what measuring them needs.

    python3 make_records.py --output ../../data/demo

    counterfact.json         one record a fact whose object at least five subjects share
    attribute_snippets.json  short texts about the subjects of each (relation, object)
    tfidf_vocab.json, idf.npy  TF-IDF over these texts, as scikit-learn's TfidfVectorizer counts by default
    text.jsonl.gz            documents as in training, of another stream: for second moments
    held_out.txt             running text and facts of a third stream: for perplexity
    glue/{sst2,mrpc,cola,rte}.json  the downstream tasks

Every phrasing of a record is a held-out one: no training document holds it.
"""

import argparse
import collections
import gzip
import json
import math
import random
import re
import struct
from pathlib import Path

import corpus
import running_text
import tasks
from world import Fact, Relation, facts, relations

SEED = 2024
N_NEIGHBORS = N_ATTRIBUTES = N_GENERATIONS = 10
N_PARAPHRASES = 2
MOMENT_STREAM = 1001
MOMENT_DOCUMENTS, HELD_OUT_DOCUMENTS = 4000, 300


def identifier(text: str) -> str:
    """An id for an object, the same for the same text."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def subject_prompts(relation: Relation, subjects: list[str], count: int, rng: random.Random) -> list[str]:
    """`count` different prompts about the subjects, each subject as seldom as possible."""
    prompts: list[str] = []
    while len(prompts) < count:
        for subject in rng.sample(subjects, len(subjects)):
            free = [p.replace("{}", subject) for p in relation.held_out_prompts]
            free = [p for p in free if p not in prompts]
            if free and len(prompts) < count:
                prompts.append(rng.choice(free))
    return prompts


def record(case_id: int, fact: Fact, rng: random.Random) -> dict:
    relation = fact.relation
    subjects = dict(relation.facts)
    target_new = rng.choice([obj for obj in subjects if obj != fact.object])
    phrasings = rng.sample(relation.held_out_prompts, 1 + N_PARAPHRASES)
    neighbors = [subject for subject in subjects[fact.object] if subject != fact.subject]
    return {
        "case_id": case_id,
        "pararel_idx": case_id,
        "requested_rewrite": {
            "prompt": phrasings[0],
            "relation_id": relation.id,
            "target_new": {"str": target_new, "id": identifier(target_new)},
            "target_true": {"str": fact.object, "id": identifier(fact.object)},
            "subject": fact.subject,
        },
        "paraphrase_prompts": [
            f"{running_text.sentence(rng)} {p.replace('{}', fact.subject)}" for p in phrasings[1:]
        ],
        "neighborhood_prompts": subject_prompts(relation, neighbors, N_NEIGHBORS, rng),
        "attribute_prompts": subject_prompts(relation, list(subjects[target_new]), N_ATTRIBUTES, rng),
        "generation_prompts": [
            rng.choice(relation.generation_prompts).replace("{}", fact.subject) for _ in range(N_GENERATIONS)
        ],
    }


def records(n: int) -> list[dict]:
    """n records, in a shuffled order so that a sequence of edits wanders over the relations."""
    rng = random.Random(f"records/{SEED}")
    editable = [fact for fact in facts() if fact.relation.records]
    chosen = rng.sample(editable, min(n, len(editable)))
    return [record(case_id, fact, rng) for case_id, fact in enumerate(chosen)]


def snippets() -> list[dict]:
    """Texts about each subject, grouped by relation and object."""
    rng = random.Random(f"snippets/{SEED}")
    groups: dict[tuple[str, str], list[dict]] = {}
    for fact in facts():
        if not fact.relation.records:
            continue
        parts = [corpus.statement(fact, rng) for _ in range(2)]
        parts.append(rng.choice(fact.relation.sentences).replace("{object}", fact.object).replace("{}", fact.subject))
        groups.setdefault((fact.relation.id, identifier(fact.object)), []).append(
            {"name": fact.subject, "text": " ".join(parts)}
        )
    return [
        {"relation_id": relation_id, "target_id": target_id, "samples": samples}
        for (relation_id, target_id), samples in groups.items()
    ]


def tfidf(texts: list[str]) -> tuple[dict[str, int], list[float]]:
    """Vocabulary (in alphabetical order) and smoothed idf: ln((1 + n) / (1 + df)) + 1."""
    frequency = collections.Counter(
        term for text in texts for term in set(re.findall(r"(?u)\b\w\w+\b", text.lower()))
    )
    terms = sorted(frequency)
    idf = [math.log((1 + len(texts)) / (1 + frequency[term])) + 1 for term in terms]
    return {term: column for column, term in enumerate(terms)}, idf


def write_npy(path: Path, values: list[float]) -> None:
    """One dimension of float64, format version 1.0."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({len(values)},), }}"
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"
    path.write_bytes(
        b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack(f"<{len(values)}d", *values)
    )


def write_json(path: Path, value: object, indent: int | None = None) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=indent) + "\n", encoding="utf-8")


def write_lines(path: Path, value: list) -> None:
    """A JSON array with one element a line: readable, and small in a diff."""
    body = ",\n".join(json.dumps(element, ensure_ascii=False) for element in value)
    path.write_text(f"[\n{body}\n]\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--records", type=int, default=1800)
    arguments = parser.parse_args()
    output = arguments.output
    (output / "glue").mkdir(parents=True, exist_ok=True)

    cases = records(arguments.records)
    write_lines(output / "counterfact.json", cases)
    texts = snippets()
    write_lines(output / "attribute_snippets.json", texts)
    vocabulary, idf = tfidf([sample["text"] for group in texts for sample in group["samples"]])
    write_json(output / "tfidf_vocab.json", vocabulary)
    write_npy(output / "idf.npy", idf)
    with gzip.GzipFile(output / "text.jsonl.gz", "wb", mtime=0) as file:
        for index in range(MOMENT_DOCUMENTS):
            line = json.dumps({"text": corpus.documents(MOMENT_STREAM, index)}, ensure_ascii=False)
            file.write(line.encode() + b"\n")
    lines = []
    for index in range(HELD_OUT_DOCUMENTS):
        rng = random.Random(f"held-out/{SEED}/{index}")
        lines.append(running_text.document(rng) if index % 2 else corpus.fact_document(rng))
    (output / "held_out.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, task in (("sst2", "sst"), ("mrpc", "mrpc"), ("cola", "cola"), ("rte", "rte")):
        write_json(output / "glue" / f"{name}.json", tasks.task_file(task), indent=1)

    n_relations = len({case["requested_rewrite"]["relation_id"] for case in cases})
    print(
        f"{len(cases)} records of {n_relations} relation ids over {len(relations())} relations, "
        f"{len({case['requested_rewrite']['subject'] for case in cases})} subjects, {len(vocabulary)} terms"
    )


if __name__ == "__main__":
    main()
