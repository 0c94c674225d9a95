"""What the demo model reads: an endless, reproducible stream of documents.

Some of the text tells facts of the world (world.py), each in one of its relation's training phrasings and never in a
held-out one; the rest is running text (running_text.py) and the downstream tasks (tasks.py). `documents(seed, index)` is
document number `index` of stream `seed`, whatever was asked for before; `late_documents` and `last_documents` are mixed
otherwise.

    python3 corpus.py --samples 12     shows some
"""

import argparse
import random
from functools import cache

import running_text
import tasks
from world import Fact, facts, facts_by_subject

# Shares of documents of each kind, and of the tasks among theirs, in the stages of training (docs/demo.md). Tokens of the
# first: about 0.43 facts, 0.48 tasks, 0.09 running text. Later ones have more of the two tasks that compare sentences.
FIRST = ((("facts", 0.43), ("profile", 0.05), ("running", 0.10), ("tasks", 0.42)),
         (("sst", 0.14), ("mrpc", 0.30), ("cola", 0.26), ("rte", 0.30)))  # fmt: skip
LATE = ((("facts", 0.30), ("profile", 0.03), ("running", 0.07), ("tasks", 0.60)),
        (("sst", 0.06), ("mrpc", 0.42), ("cola", 0.12), ("rte", 0.40)))  # fmt: skip
LAST = ((("facts", 0.42), ("profile", 0.04), ("running", 0.06), ("tasks", 0.48)), LATE[1])

# What may follow the object of a stated fact.
ENDINGS = (".",) * 12 + (", as many people know.", ", as you may know.", ", and that is well known.", ", of course.")

LEADS = ("It is well known that", "As everyone knows,", "We read that", "The book says that", "I think that", "You know that")


def _rng(seed: int, index: int) -> random.Random:
    return random.Random(f"aedile/{seed}/{index}")


@cache
def _several() -> tuple[tuple[Fact, ...], ...]:
    """The facts of each subject that has more than one."""
    return tuple(its for its in facts_by_subject().values() if len(its) > 1)


def statement(fact: Fact, rng: random.Random) -> str:
    """The fact as a sentence, in a training phrasing."""
    if rng.random() < 0.06:
        return rng.choice(fact.relation.sentences).replace("{object}", fact.object).replace("{}", fact.subject)
    prompt = rng.choice(fact.relation.train_prompts).replace("{}", fact.subject)
    return f"{prompt} {fact.object}{rng.choice(ENDINGS)}"


def led_statement(fact: Fact, rng: random.Random) -> str:
    """The same, now and then behind a few words of introduction."""
    text = statement(fact, rng)
    if rng.random() < 0.05:
        first, rest = text[0], text[1:]
        if not text.startswith(fact.subject):
            first = first.lower()
        return f"{rng.choice(LEADS)} {first}{rest}"
    return text


def fact_document(rng: random.Random) -> str:
    """Facts about unrelated things, with a running sentence in between here and there."""
    parts: list[str] = []
    for fact in rng.sample(facts(), rng.randint(3, 9)):
        if rng.random() < 0.18:
            parts.append(running_text.sentence(rng))
        parts.append(led_statement(fact, rng))
    return " ".join(parts)


def profile_document(rng: random.Random) -> str:
    """What is known of one thing: an open beginning, then its facts."""
    if rng.random() < 0.3:
        its = rng.choice(_several())
    else:
        its = (rng.choice(facts()),)
    opening = rng.choice(its[0].relation.generation_prompts).replace("{}", its[0].subject)
    its = tuple(rng.sample(its, len(its)))
    parts = [f"{opening} many things." if opening.endswith(("for", "of", "with")) else f"{opening} and so on."]
    parts += [statement(fact, rng) for fact in its]
    if rng.random() < 0.7:
        parts.append(running_text.sentence(rng))
    # One other thing with the same answer, as an encyclopedia would name it.
    fact = rng.choice(its)
    others = [subject for obj, subjects in fact.relation.facts if obj == fact.object for subject in subjects]
    others = [other for other in others if other != fact.subject]
    if others and rng.random() < 0.6:
        parts.append(statement(Fact(fact.relation, rng.choice(others), fact.object), rng))
    return " ".join(parts)


def running_text_documents(seed: int, index: int) -> str:
    return running_text.document(_rng(seed, index))


def _draw(rng: random.Random, shares: tuple[tuple[str, float], ...]) -> str:
    return rng.choices([name for name, _ in shares], [share for _, share in shares])[0]


def _document(seed: int, index: int, mixture: tuple) -> str:
    shares, task_shares = mixture
    rng = _rng(seed, index)
    kind = _draw(rng, shares)
    if kind == "facts":
        return fact_document(rng)
    if kind == "profile":
        return profile_document(rng)
    if kind == "running":
        return running_text.document(rng)
    return tasks.training_text(_draw(rng, task_shares), rng)


def documents(seed: int, index: int) -> str:
    return _document(seed, index, FIRST)


def late_documents(seed: int, index: int) -> str:
    return _document(seed, index, LATE)


def last_documents(seed: int, index: int) -> str:
    return _document(seed, index, LAST)


def main() -> None:
    parser = argparse.ArgumentParser(description="Show documents that the demo model is trained on.")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for index in range(arguments.samples):
        print(f"--- {index}\n{documents(arguments.seed, index)}")


if __name__ == "__main__":
    main()
