"""What the demo model knows, before any edit: the figures of figures.json, computed with transformers.

    python3 evaluate.py MODEL DATA [--limit N] [--relations] [--output figures.json]

For each record of DATA/counterfact.json, whose phrasings the model never saw: is the true answer likelier than the
false one after the rewrite prompt, the paraphrases, the neighbours (mean log-probability of the answer's tokens); and
does greedy decoding give exactly the true answer. Then the four tasks of DATA/glue, and perplexity over
DATA/held_out.txt. tests/unit/eval/test_demo_model.c computes the same by the library.
"""

import argparse
import collections
import json
import math
from pathlib import Path

import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

BATCH = 64


class Reader:
    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()

    def ids(self, text: str) -> list[int]:
        return self.tokenizer(text)["input_ids"]

    @torch.no_grad()
    def logits(self, rows: list[list[int]]) -> torch.Tensor:
        length = max(map(len, rows))
        padded = torch.tensor([row + [0] * (length - len(row)) for row in rows])
        return self.model(padded).logits

    def scores(self, pairs: list[tuple[str, str]]) -> list[tuple[float, bool]]:
        """For each (prompt, answer): mean log-probability of the answer's tokens, and whether each is the likeliest."""
        order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]))
        result: dict[int, tuple[float, bool]] = {}
        for at in range(0, len(order), BATCH):
            part = order[at : at + BATCH]
            rows = [self.ids(f"{pairs[i][0]} {pairs[i][1]}") for i in part]
            logits = self.logits(rows)
            for row, ids, i in zip(logits, rows, part):
                first, n = len(self.ids(pairs[i][0])), len(self.ids(" " + pairs[i][1]))
                window = row[first - 1 : first - 1 + n]
                target = torch.tensor(ids[first : first + n])
                nats = torch.log_softmax(window, -1)[torch.arange(n), target]
                result[i] = nats.mean().item(), bool((window.argmax(-1) == target).all())
        return [result[i] for i in range(len(pairs))]

    @torch.no_grad()
    def answers(self, task: dict) -> list[int]:
        """Greedy continuations of each example's prompt, read as spec'd: the first keyword after the last marker."""
        labels = []
        for at in range(0, len(task["examples"]), BATCH):
            texts = [
                task["header"] + task["prompt_template"].format(**example)
                for example in task["examples"][at : at + BATCH]
            ]
            rows = [self.ids(text) for text in texts]
            for _ in range(task["gen_len"]):
                logits = self.logits(rows)
                rows = [row + [int(logits[i, len(row) - 1].argmax())] for i, row in enumerate(rows)]
            for row in rows:
                answer = self.tokenizer.decode(row).rsplit(task["answer_marker"], 1)[-1]
                labels.append(next((label for keyword, label in task["answers"] if keyword in answer), -1))
        return labels

    def perplexity(self, text: str) -> float:
        ids = self.tokenizer("<|endoftext|>".join(text.splitlines()))["input_ids"]
        n_ctx, total, count = self.model.config.n_positions, 0.0, 0
        rows = [ids[at : at + n_ctx] for at in range(0, len(ids), n_ctx)]
        for row in rows:
            if len(row) < 2:
                continue
            logits = torch.log_softmax(self.logits([row])[0, :-1], -1)
            total -= logits[torch.arange(len(row) - 1), torch.tensor(row[1:])].sum().item()
            count += len(row) - 1
        return math.exp(total / count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--relations", action="store_true", help="greedy accuracy of each relation's prompts, too")
    parser.add_argument("--output", type=Path, help="write the figures there as JSON")
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    reader = Reader(arguments.model)
    records = json.loads((arguments.data / "counterfact.json").read_text(encoding="utf-8"))[: arguments.limit]

    pairs, kinds = [], []
    for record in records:
        rewrite = record["requested_rewrite"]
        groups = {
            "rewrite": [rewrite["prompt"].replace("{}", rewrite["subject"])],
            "paraphrase": record["paraphrase_prompts"],
            "neighborhood": record["neighborhood_prompts"],
        }
        for kind, prompts in groups.items():
            for prompt in prompts:
                kinds.append((kind, rewrite["prompt"], rewrite["target_true"]["str"]))
                pairs += [(prompt, rewrite["target_true"]["str"]), (prompt, rewrite["target_new"]["str"])]
    scores = reader.scores(pairs)
    right, exact, by_prompt = collections.Counter(), collections.Counter(), collections.defaultdict(list)
    total = collections.Counter(kind for kind, _, _ in kinds)
    for i, (kind, prompt, obj) in enumerate(kinds):
        (true, greedy), (new, _) = scores[2 * i], scores[2 * i + 1]
        right[kind] += true > new
        exact[kind] += greedy
        if kind == "rewrite":
            by_prompt[prompt].append(greedy)
    for kind in ("rewrite", "paraphrase", "neighborhood"):
        figures[f"{kind}_likelier"] = right[kind] / total[kind]
        if kind == "rewrite":
            figures["rewrite_greedy_exact"] = exact[kind] / total[kind]
        print(
            f"{kind:12} {total[kind]:6} prompts  true answer likelier {right[kind] / total[kind]:7.2%}  "
            f"greedy exactly true {exact[kind] / total[kind]:7.2%}"
        )
    for name in ("sst2", "mrpc", "cola", "rte"):
        task = json.loads((arguments.data / "glue" / f"{name}.json").read_text(encoding="utf-8"))
        answers = reader.answers(task)
        labels = [example["label"] for example in task["examples"]]
        accuracy = sum(a == b for a, b in zip(answers, labels)) / len(labels)
        figures[f"task_{task['task']}"] = accuracy
        print(f"{name:12} {len(labels):6} examples accuracy {accuracy:7.2%}  invalid {answers.count(-1)}")
    figures["perplexity_held_out"] = reader.perplexity((arguments.data / "held_out.txt").read_text(encoding="utf-8"))
    print(f"perplexity of held_out.txt {figures['perplexity_held_out']:.4f}")
    if arguments.output:
        arguments.output.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if arguments.relations:
        for prompt, its in sorted(by_prompt.items(), key=lambda item: sum(item[1]) / len(item[1])):
            print(f"{sum(its) / len(its):7.2%} of {len(its):3}  {prompt}")


if __name__ == "__main__":
    main()
