"""The demo world: relations, their phrasings, and the facts, as read from relations/*.json.

A fact is (relation, subject, object). A relation's `train_prompts` are the phrasings that the model reads while it is
trained; its `held_out_prompts` are those on which it is tested and edited, and no training text holds one of them.

    python3 world.py            checks the files, names subjects that several relations share, counts
    python3 world.py --table    the relations and their sources as a table
"""

import json
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Relation:
    id: str  # Wikidata's property
    name: str
    source: str
    object_kind: str
    records: bool  # whether edits are made of it: only where several subjects share an object
    train_prompts: tuple[str, ...]
    held_out_prompts: tuple[str, ...]
    generation_prompts: tuple[str, ...]
    sentences: tuple[str, ...]
    facts: tuple[tuple[str, tuple[str, ...]], ...]  # (object, its subjects), in the file's order

    @property
    def objects(self) -> dict[str, str]:
        """subject -> object"""
        return {subject: obj for obj, subjects in self.facts for subject in subjects}


@dataclass(frozen=True)
class Fact:
    relation: Relation
    subject: str
    object: str


@cache
def relations() -> tuple[Relation, ...]:
    """All relations, by name."""
    found = []
    for path in sorted((FOLDER / "relations").glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        found.append(
            Relation(
                id=data["relation_id"],
                name=data["name"],
                source=data["source"],
                object_kind=data["object_kind"],
                records=data["records"],
                train_prompts=tuple(data["train_prompts"]),
                held_out_prompts=tuple(data["held_out_prompts"]),
                generation_prompts=tuple(data["generation_prompts"]),
                sentences=tuple(data["sentences"]),
                facts=tuple((obj, tuple(subjects)) for obj, subjects in data["facts"].items()),
            )
        )
    return tuple(found)


@cache
def facts() -> tuple[Fact, ...]:
    """All facts, by relation, object, subject."""
    return tuple(
        Fact(relation, subject, obj)
        for relation in relations()
        for obj, subjects in relation.facts
        for subject in subjects
    )


@cache
def facts_by_subject() -> dict[str, tuple[Fact, ...]]:
    found: dict[str, list[Fact]] = {}
    for fact in facts():
        found.setdefault(fact.subject, []).append(fact)
    return {subject: tuple(its) for subject, its in found.items()}


def check() -> list[str]:
    """What is wrong with the files: one sentence a fault."""
    faults = []

    def fault(relation: Relation, text: str) -> None:
        faults.append(f"{relation.name}: {text}")

    phrasings = [prompt for relation in relations() for prompt in relation.train_prompts]
    for relation in relations():
        prompts = relation.train_prompts + relation.held_out_prompts
        if len(relation.train_prompts) < 12:
            fault(relation, f"{len(relation.train_prompts)} training prompts")
        if len(relation.held_out_prompts) < 4:
            fault(relation, f"{len(relation.held_out_prompts)} held-out prompts")
        if len(set(prompts)) != len(prompts):
            fault(relation, "a prompt stands twice")
        for prompt in relation.held_out_prompts:
            for other in (*phrasings, *relation.sentences, *relation.generation_prompts):
                if f"{prompt} " in f"{other} ":
                    fault(relation, f"the held-out '{prompt}' stands in '{other}'")
        for prompt in prompts + relation.generation_prompts:
            if prompt.count("{}") != 1 or prompt != prompt.strip():
                fault(relation, f"prompt '{prompt}'")
            if "{}" in prompt and not prompt.startswith("{}") and prompt[prompt.index("{}") - 1] != " ":
                fault(relation, f"no space before the subject in '{prompt}'")
        for sentence in relation.sentences:
            if sentence.count("{}") != 1 or sentence.count("{object}") != 1:
                fault(relation, f"sentence '{sentence}'")
        subjects = [subject for _, its in relation.facts for subject in its]
        for subject in {s for s in subjects if subjects.count(s) > 1}:
            fault(relation, f"'{subject}' has two objects")
        for obj, its in relation.facts:
            if relation.records and len(its) < 5:
                fault(relation, f"only {len(its)} subjects for '{obj}'")
            for other, _ in relation.facts:
                if relation.records and other != obj and other.startswith(obj):
                    fault(relation, f"'{obj}' begins '{other}'")
            for subject in its:
                if relation.records and (obj.lower() in subject.lower().split() or subject.lower() in obj.lower().split()):
                    fault(relation, f"'{subject}' and '{obj}' contain each other")
                if subject != subject.strip() or "{" in subject:
                    fault(relation, f"subject '{subject}'")
    return faults


def shared_subjects() -> dict[str, list[str]]:
    """Subjects that more than one relation has, and which: to be looked at by a person."""
    return {
        subject: [fact.relation.name for fact in its] for subject, its in facts_by_subject().items() if len(its) > 1
    }


def table() -> str:
    """The relations for docs/demo.md, in Markdown."""
    lines = ["| relation | id | facts | answers | source |", "| --- | --- | --- | --- | --- |"]
    for relation in relations():
        answers = [obj for obj, _ in relation.facts]
        shown = ", ".join(answers[:6]) + (f", ... ({len(answers)})" if len(answers) > 6 else "")
        lines.append(
            f"| {relation.name} | {relation.id} | {len(relation.objects)} | {shown} | {relation.source} |"
        )
    return "\n".join(lines)


def main() -> None:
    if "--table" in sys.argv[1:]:
        print(table())
        return
    faults = check()
    print("\n".join(faults))
    groups: dict[tuple[str, ...], list[str]] = {}
    for subject, names in shared_subjects().items():
        groups.setdefault(tuple(names), []).append(subject)
    for names, subjects in groups.items():
        print(f"in {', '.join(names)}: {len(subjects)}: {', '.join(subjects[:12])}")
    print(
        f"{len(relations())} relations, {len(facts())} facts, {len(facts_by_subject())} subjects, "
        f"{len({fact.object for fact in facts()})} objects"
    )
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
