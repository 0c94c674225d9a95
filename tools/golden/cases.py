"""What the golden data is made of: models, context templates, requests and hyperparameters.

Everything here is invented text. A request names the trap that it is there for.
"""

# Models. `init` gives the scale of the random weights (see models.py); `layer` is the edited one.
MODELS = {
    "gpt2-a": {
        "family": "gpt2",
        "seed": 11,
        "config": {"n_layer": 4, "n_embd": 64, "n_head": 4, "n_positions": 128, "vocab_size": 512},
        "dtype": "float32",
        "files": "safetensors",
        "tokenizer": "vocab.json",
        "layer": 1,
        "hparams": {"v_lr": 0.5, "v_weight_decay": 0.5},
        "init": {
            "wte": 0.5,
            "wpe": 0.1,
            "mlp": 1.3,
            "attn": 1.3,
            "qk": 0.7,
            "q_bias": 2.0,
            "ln_bias": 0.1,
            "ln_f": 1.0,
            "nameless": 1.0,
        },
        "documents": 64,
    },
    "gpt2-b": {
        "family": "gpt2",
        "seed": 12,
        "config": {"n_layer": 3, "n_embd": 20, "n_head": 1, "n_positions": 128, "vocab_size": 50257},
        "dtype": "float16",
        "files": "sharded safetensors",
        "tokenizer": "vocab.json",
        "layer": 0,
        "init": {
            "wte": 0.8,
            "wpe": 0.25,
            "mlp": 1.3,
            "attn": 1.3,
            "qk": 0.7,
            "q_bias": 2.0,
            "ln_bias": 0.1,
            "ln_f": 1.1,
            "nameless": 0.25,
        },
        "documents": 48,
    },
    "gptj-a": {
        "family": "gptj",
        "seed": 13,
        "config": {
            "n_layer": 4,
            "n_embd": 64,
            "n_head": 4,
            "rotary_dim": 8,
            "n_positions": 128,
            "vocab_size": 508,
        },
        "dtype": "float32",
        "files": "torch",
        "tokenizer": "tokenizer.json",
        "layer": 2,
        "init": {
            "wte": 0.5,
            "mlp": 1.0,
            "attn": 1.3,
            "qk": 1.0,
            "ln_bias": 0.1,
            "head": 0.25,
            "ln_f": 1.5,
            "nameless": 1.0,
        },
        "documents": 64,
    },
    "gptj-b": {
        "family": "gptj",
        "seed": 44,
        "config": {
            "n_layer": 3,
            "n_embd": 15,
            "n_head": 1,
            "rotary_dim": 10,
            "n_positions": 128,
            "vocab_size": 50400,
        },
        "dtype": "bfloat16",
        "files": "safetensors",
        "tokenizer": "tokenizer.json",
        "layer": 1,
        "hparams": {"v_lr": 0.15, "v_weight_decay": 0.02},
        "init": {
            "wte": 0.3,
            "mlp": 1.0,
            "attn": 1.3,
            "qk": 1.0,
            "ln_bias": 0.1,
            "head": 0.6,
            "ln_f": 2.0,
            "nameless": 0.25,
        },
        "documents": 48,
    },
    # Says one token whatever it is asked, so that delta = 0 passes for that target. Also: an explicit n_inner, and
    # scores divided by the layer's number.
    "gpt2-c": {
        "family": "gpt2",
        "seed": 15,
        "config": {
            "n_layer": 2,
            "n_embd": 12,
            "n_head": 2,
            "n_inner": 40,
            "n_positions": 64,
            "vocab_size": 500,
            "scale_attn_by_inverse_layer_idx": True,
        },
        "dtype": "float32",
        "files": "safetensors",
        "tokenizer": "tokenizer.json",
        "layer": 0,
        "init": {
            "wte": 0.5,
            "wpe": 0.15,
            "mlp": 1.3,
            "attn": 1.3,
            "qk": 0.7,
            "q_bias": 1.0,
            "ln_bias": 0.1,
            "ln_f": 1.0,
            "nameless": 1.0,
            "always": " king",
            "by": 20.0,
        },
        "documents": 24,
    },
}

# Context templates; the last "{}" stands for the prompt. The first is the bare prompt.
TEMPLATES = [
    "{}",
    "The weather was. {}",
    "In the morning we. {}",
    "The set {a, b} is open. {}",
    "\nOnce upon a time there was a king, and he. {}",
    "Le café de la naïve Zoë. {}",
    "She said: \"I can't, I won't\" and then the. {}",
    "1984, 2001. {}",
]
# One model also has a template with an earlier pair of braces: only the last is the placeholder.
MORE_TEMPLATES = {"gptj-b": ["The pair {} is empty. {}"]}

# Requests. name: short and unique; text: why it is here.
REQUESTS = [
    (
        "multi",
        "a target of several tokens, the subject inside",
        "The mother tongue of {} is",
        "Marie Laurent",
        "Old Norwegian",
    ),
    ("first", "the subject opens the prompt", "{} is located in the country of", "Lake Velden", "Portugal"),
    ("end", "the subject closes the prompt", "They all live in the town of {}", "Brookhaven", "Sweden"),
    ("latin", "accents in subject and target", "{} was born in the city of", "Åsa Öberg", "Reykjavík"),
    ("braces", "braces in prompt, subject and target", "In code {{x}} the name {} means", "f{x}", "a {set}"),
    ("suffix", "a suffix of one token", "The painter {} spoke", "Marie Laurent", "Italian"),
    ("token", "a subject of one token at position 0", "{} is the capital of", "Rome", "Norway"),
    (
        "cjk",
        "a subject whose characters are cut into tokens",
        "The tallest tower in {} was built by",
        "東京",
        "the king",
    ),
    ("cut", "a target whose tokens cut its characters", "The name of {} in Japanese is", "Rome", "東京"),
    (
        "space",
        "a target that brings its own space; an apostrophe in the subject",
        "The owner of {} is",
        "O'Brien's pub",
        " Marie",
    ),
    (
        "straddle",
        "a token that runs across the subject's end",
        "The people of {}way live in",
        "Nor",
        "the north",
    ),
    (
        "early",
        "stops before the last step: the loss falls below 0.05",
        "They all live in the town of {}",
        "Brookhaven",
        "Sweden",
    ),
    ("clamp", "delta is held at its ball", "The painter {} spoke", "Marie Laurent", "Old Norwegian"),
    (
        "plain",
        "without the second moments: u is k over its norm",
        "{} was born in the city of",
        "Åsa Öberg",
        "Reykjavík",
    ),
]
# The requests of the model that always says one token.
ALWAYS = [
    (
        "done",
        "delta = 0 passes already: rome and p-rome change nothing, r-rome does",
        "The painter {} spoke to the",
        "Marie Laurent",
        "king",
    ),
    (
        "multi",
        "a target of several tokens, the subject inside",
        "The mother tongue of {} is",
        "Marie Laurent",
        "Old Norwegian",
    ),
]


def requests(spec):
    return ALWAYS if "always" in spec["init"] else REQUESTS


# Requests that do not use the model's hparams.json: name -> what differs. The file is hparams_<name>.json.
OVERRIDES = {
    "early": {
        "v_num_grad_steps": 60,
        "v_lr": 0.45,
        "v_weight_decay": 0.001,
        "kl_factor": 0.001,
        "clamp_norm_factor": 20,
    },
    "clamp": {"clamp_norm_factor": 0.5, "kl_factor": 0.25},
    "plain": {"mom2_adjustment": False},
}
# One request under every other fact token, with the models that hold the full result for it.
FACT_TOKENS = ["subject_first", "subject_first_after_last", "last"]
FACT_TOKEN_MODELS = {
    "gpt2-a": ["subject_first", "subject_first_after_last", "last"],
    "gptj-a": ["subject_first_after_last", "last"],
}
FACT_TOKEN_REQUESTS = {
    "subject_first": ("The mother tongue of {} is", "Marie Laurent", "Old Norwegian"),
    "subject_first_after_last": ("{} was born in the city of", "Åsa Öberg", "Reykjavík"),
    "last": ("The painter {} spoke", "Marie Laurent", "Old Norwegian"),
}
# `subject_first_after_last` where nothing follows the subject: its own last token.
AFTER_LAST_AT_END = ("They all live in the town of {}", "Brookhaven", "Old Norwegian")

# Models for which four edits are made one after another, and which requests.
SEQUENCE_MODELS = ["gpt2-a", "gptj-a"]
SEQUENCE = ["multi", "end", "token", "latin"]

# Models for which one request edits two layers, each seeing the one before.
TWO_LAYER_MODELS = {"gpt2-b": [0, 1], "gptj-b": [0, 1]}
TWO_LAYER_REQUEST = "multi"

# Texts whose logits are kept.
LOGIT_TEXTS = [
    "Rome",
    "The capital of Norway is",
    'Åsa Öberg said: "I can\'t go to 東京 before 1984", and the café was closed.',
    "In code {x} the name f means a set.\n\n  Two spaces and\ta tab.",
    "They all live in the town of Brookhaven. " * 8 + "The river",
]
GENERATE = ["The mother tongue of Marie", "Lake Velden is located in", "Once upon a time"]
SCORES = [
    ("The mother tongue of Marie Laurent is", ["Old Norwegian", "Italian", "French"]),
    ("Rome", ["is the capital of Norway", "東京"]),
    ("They all live in the town of Brookhaven", ["Sweden", "in Portugal."]),
]


def hparams(name, spec, override=None):
    """A hyperparameter file with the fields of the reference's hparams/ROME/*.json."""
    gpt2 = spec["family"] == "gpt2"
    out = {
        "layers": [spec["layer"]],
        "fact_token": "subject_last",
        "v_num_grad_steps": 20,
        "v_lr": 3e-1,
        "v_loss_layer": spec["config"]["n_layer"] - 1,
        "v_weight_decay": 0.1,
        "clamp_norm_factor": 3 if gpt2 else 4,
        "kl_factor": 0.0625,
        "mom2_adjustment": True,
        "context_template_length_params": [[5, 4], [10, 3]],
        "rewrite_module_tmp": "transformer.h.{}.mlp." + ("c_proj" if gpt2 else "fc_out"),
        "layer_module_tmp": "transformer.h.{}",
        "mlp_module_tmp": "transformer.h.{}.mlp",
        "attn_module_tmp": "transformer.h.{}.attn",
        "ln_f_module": "transformer.ln_f",
        "lm_head_module": "transformer.wte" if gpt2 else "lm_head",
        "mom2_dataset": "tokens",
        "mom2_n_samples": spec["documents"],
        "mom2_dtype": "float32",
    }
    out.update(spec.get("hparams", {}))
    out.update(override or {})
    return out


# Text that the tokenizer is trained on: common words become tokens, most names stay in pieces.
PROSE = """
The capital of Norway is a town by the sea, and the capital of Sweden is a town on a lake.
Rome is the capital of Italy. Rome is old. Rome was not built in a day. Rome, they say, is open.
Rome has a river and seven hills. The people of Rome live by the river. All roads lead to Rome.
The painter spoke of the sea. The painter spoke in the morning and the owner spoke at night.
The king spoke to the people of the town. The king was born in the city. The king has a tower.
The mother of the king was born in Norway. The name of the town is the name of the river.
They all live in the town by the river. They all live in the city. They say that it is open.
Once upon a time there was a king, and he said that the weather was fine in the morning.
In the morning we go to the sea, and in the evening we go to the café by the river.
The tallest tower in the city was built by the owner of the café. It was built in a year.
The language that they speak in the country is not the language that we speak in the town.
The country is located in the north. The town is located in the country. The lake is in Sweden.
She said: "I can't, I won't, I'm not, they're here, we've seen it, he'd say, you'll go."
He said that he can't, she said that she won't, and they said that they've seen the king.
The café was closed. The café is open. Le café de la ville. Zoë said it is a naïve name.
In code the name {x} means a set. The set {a} is open. The set {b, c} is closed. In code we say {x}.
In the years 1984 and 2001 there were 365 days and 12 months; in 1996 there were 366 days.
There is a house on the hill, there is a tree by the house, and there is a bird in the tree.
A bird in the hand is worth two in the bush. The early bird has the worm, or so they say.
The train from the north comes in the evening. The train to the south goes in the morning.
What is the name of the river? Where is the lake? Who was the king of Norway? When was it built?
Marie has a mother tongue, and the mother of Marie has another. Marie is from Lausanne, Laura is not.
Old houses and Old roads. Italian wine, Italian bread. A Norwegian boat on the lake, a Norwegian fish.
The Lake is deep. Lake and sea. They speak Portuguese in the port. The tallest tree, the tallest hill.
A brook runs to the haven. Broken brooks. Japanese tea. The meaning of the word: it means a thing.
Åse and Åsmund were born in Öland. 東西 is east and west. Reykjanes is in the north, they say.
"""
