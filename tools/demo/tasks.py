"""Four small downstream tasks in the shape of SST-2, MRPC, CoLA and RTE: examples, training text and evaluation files.

    python3 tools/demo/tasks.py --output DIR        writes sst2.json, mrpc.json, cola.json, rte.json
    python3 tools/demo/tasks.py --samples           prints three of each
    python3 tools/demo/tasks.py --measure           speed, size of the space, and what guessing by simple rules gets

All sentences are made here, by rules; the prompts have the form of the evaluation of the real tasks. Labels: 1 is positive
(sst), a paraphrase (mrpc), acceptable (cola), entailed and so "True" (rte). What the evaluation files hold is never trained on.
"""

import argparse
import functools
import json
import math
import random
import re
import time
from pathlib import Path

from running_text import GENERAL_JOBS, LISTS, PEOPLE, SCENES, article, capital, participle, past, pick, pick_two, plural

TASKS = ("sst", "mrpc", "cola", "rte")
FILES = {"sst": "sst2.json", "mrpc": "mrpc.json", "cola": "cola.json", "rte": "rte.json"}
EXAMPLES = 200  # of an evaluation file
WORDS_A_TEXT = 110  # after so many words (about 180 tokens) a training text takes no further example

FORMS = {
    "sst": {
        "prompt_template": "Review : {sentence}\nSentiment :",
        "answer_marker": "Sentiment :",
        "answers": [["positive", 1], ["negative", 0]],
        "header": [
            ({"sentence": "A wonderful film with a clever plot."}, 1),
            ({"sentence": "This book is far from dull."}, 1),
            ({"sentence": "The songs are not good."}, 0),
        ],
    },
    "mrpc": {
        "prompt_template": "Are the sentences paraphrases of each other.\nSentence 1: {sentence1}\nSentence 2: {sentence2}\nAnswer:",
        "answer_marker": "Answer:",
        "answers": [["Yes", 1], ["No", 0]],
        "header": [
            ({"sentence1": "Clara bought the old lamp.", "sentence2": "The old lamp was purchased by Clara."}, 1),
            ({"sentence1": "Tom sold the map on Monday.", "sentence2": "On Monday Peter sold the map."}, 0),
        ],
    },
    "cola": {
        "prompt_template": "Is this sentence linguistically acceptable?\nSentence : {sentence}\nAnswer :",
        "answer_marker": "Answer :",
        "answers": [["Yes", 1], ["No", 0]],
        "header": [
            ({"sentence": "The sailors was tired."}, 0),
            ({"sentence": "Anna went to the market on Monday."}, 1),
            ({"sentence": "The baker sold bread the."}, 0),
        ],
    },
    "rte": {
        "prompt_template": "{sentence1}\nquestion: {sentence2} True or False?\nanswer:",
        "answer_marker": "answer:",
        "answers": [["False", 0], ["True", 1]],
        "header": [
            ({"sentence1": "Clara bought three pears at the market.", "sentence2": "Clara was at the market."}, 1),
            ({"sentence1": "Tom lost a red hat. Peter found a dog.", "sentence2": "Peter lost a hat."}, 0),
        ],
    },
}

DIFFERENCE = {  # the prompts of mrpc and rte with another end
    "mrpc": "Are the sentences paraphrases of each other.\nSentence 1: {sentence1}\nSentence 2: {sentence2}\nDifference:",
    "rte": "{sentence1}\nquestion: {sentence2} What is wrong?\nanswer:",
}

NAMES = LISTS["woman"] + LISTS["man"]
JOBS = GENERAL_JOBS


# --- sst: reviews ---------------------------------------------------------------------------------------------------------

REVIEWED = [  # (what is reviewed, its parts)
    (("film", "movie", "comedy", "drama", "thriller"), ("plot", "acting", "music", "ending", "dialogue", "camera work", "story", "cast")),
    (("meal", "dinner", "lunch", "supper"), ("soup", "meat", "dessert", "pie", "fish", "salad", "bread", "cake")),
    (("book", "novel", "story", "diary"), ("plot", "style", "ending", "language", "hero", "first chapter", "cover", "dialogue")),
    (("play", "concert", "show", "opera"), ("music", "singing", "stage", "cast", "dancing", "first act", "orchestra", "ending")),
]
PRAISE = "good great wonderful excellent brilliant lovely perfect superb delightful splendid marvellous pleasant fine enjoyable".split()
BLAME = "bad poor terrible awful dull boring weak dreadful horrible disappointing unpleasant annoying ugly mediocre".split()
PRAISE_ART = "clever charming beautiful impressive touching memorable amusing gripping original moving witty".split()
BLAME_ART = "stupid tedious clumsy lifeless forgettable tiresome silly shallow messy pointless predictable".split()
PRAISE_MEAL = "tasty delicious fresh tender crisp juicy".split()
BLAME_MEAL = "tasteless bland stale greasy burnt sour".split()
DEGREES = ("", "", "", "very ", "really ", "quite ", "rather ", "truly ", "surprisingly ", "simply ")
TURNERS = ("not {}", "far from {}", "anything but {}", "never {}", "hardly {}", "by no means {}", "not at all {}", "not even remotely {}")
LIKES = ("enjoyed", "loved", "liked", "admired", "adored", "praised")
DISLIKES = ("hated", "disliked", "regretted", "detested", "despised", "cursed")
JOYS = ("a pleasure", "a joy", "a delight", "a triumph", "a treat", "a success", "a masterpiece", "a gem")
SORROWS = ("a waste of time", "a disaster", "a failure", "a bore", "a mistake", "a mess", "a disappointment", "a nightmare")
FACTS_ABOUT_IT = (
    "It lasts {number} hours", "I was there on {weekday}", "We went there in {month}", "My {relative} was with me",
    "I paid {number} coins", "It was {hour} o'clock when it ended", "{name} told me about it", "It begins at {hour} o'clock",
)  # fmt: skip


MEAL = REVIEWED[1]
MASS = {"acting", "music", "dialogue", "camera work", "meat", "fish", "bread", "language", "singing", "dancing"}
OPINIONS = ("", "", "I think that ", "In my opinion, ", "Everyone says that ", "We all felt that ", "{} says that ", "{} told me that ")


SST_SHAPES = (0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 6, 7, 7, 7, 8, 9, 9, 9, 10, 10, 11, 11, 11)


def quality(rng, good, art):
    """An adjective of praise or blame, for a meal's food only if not art."""
    if rng.random() < 0.6:
        return pick(rng, PRAISE if good else BLAME)
    if art:
        return pick(rng, PRAISE_ART if good else BLAME_ART)
    return pick(rng, PRAISE_MEAL if good else BLAME_MEAL)


def judgement(rng, good, art):
    """A predicate after "is" or "was" that praises or blames."""
    if rng.random() < 0.15:  # turned round
        return pick(rng, TURNERS).format(quality(rng, not good, art))
    return pick(rng, DEGREES) + quality(rng, good, art)


def sst(rng, label):
    reviewed = pick(rng, REVIEWED)
    kinds, parts = reviewed
    art = reviewed is not MEAL
    kind = pick(rng, kinds)
    part, part2 = pick_two(rng, parts)
    be = "is" if rng.random() < 0.5 else "was"
    view = judgement(rng, label, art)
    shape = pick(rng, SST_SHAPES)
    if shape == 0:
        opinion = pick(rng, OPINIONS).format(pick(rng, NAMES))
        text = capital(f"{opinion}the {part} {be} {view}.")
    elif shape == 1:
        text = f"The {part} of this {kind} {be} {view}."
    elif shape == 2:
        first, second = quality(rng, label, art), quality(rng, label, art)
        with_part = f"{second} {part}" if part in MASS else article(f"{second} {part}")
        text = f"{capital(article(first))} {kind} with {with_part}."
    elif shape == 3:
        text = f"The {part} {be} {view}, and the {part2} {be} {judgement(rng, label, art)}."
    elif shape == 4:
        name, name2 = pick_two(rng, NAMES)
        who = pick(rng, ("I", "We", name, f"{name} and {name2}", f"{name} and I"))
        text = f"{who} {pick(rng, LIKES if label else DISLIKES)} the {part} of this {kind}."
    elif shape == 5:  # the last word counts
        text = f"The {part} {be} {judgement(rng, not label, art)}, but on the whole the {kind} {be} {view}."
    elif shape == 6:
        text = f"Despite the {quality(rng, not label, art)} {part}, this {kind} {be} {view}."
    elif shape == 7:
        text = f"This {kind} {be} {pick(rng, JOYS if label else SORROWS)}, and the {part} {be} {view}."
    elif shape == 8:
        text = f"This {kind} {be} not {pick(rng, SORROWS if label else JOYS)}: the {part} {be} {view}."
    elif shape == 9:
        fact = pick(rng, FACTS_ABOUT_IT).format(
            number=pick(rng, LISTS["number"]), weekday=pick(rng, LISTS["weekday"]), month=pick(rng, LISTS["month"]),
            relative=pick(rng, LISTS["relative"]), hour=pick(rng, LISTS["hour"]), name=pick(rng, NAMES),
        )  # fmt: skip
        text = f"{fact}, and the {part} {be} {view}."
    elif shape == 10:
        text = f"{pick(rng, NAMES)} found the {part} {view}, and I agree."
    else:
        text = f"I {'would' if label else 'would not'} see this {kind} again, because the {part} {be} {view}."
        if not art:
            text = text.replace(" see ", " eat ")
    return {"sentence": text}


# --- mrpc: paraphrases ----------------------------------------------------------------------------------------------------

# Words of one line mean the same, words of different lines do not.
VERBS = [
    line.split()
    for line in (
        "repair fix", "buy purchase", "find discover", "hide conceal", "steal snatch", "lose misplace", "praise admire",
        "examine inspect", "fetch bring", "draw sketch", "wash clean", "choose select", "destroy wreck", "request demand",
        "build construct", "sell", "paint", "carry", "forget", "measure", "lend", "bury", "burn", "wrap",
    )
]  # fmt: skip
OBJECTS = [
    line.split()
    for line in (
        "bicycle bike", "present gift", "picture painting", "coat jacket", "stone rock", "purse wallet", "sofa couch",
        "carpet rug", "car automobile", "parcel package", "cushion pillow", "boat vessel", "cup mug", "photograph photo",
        "letter", "key", "map", "clock", "chair", "table", "violin", "lantern", "basket", "mirror", "ring", "coin", "knife",
        "ladder", "bell", "drum", "kite", "book", "lamp",
    )
]  # fmt: skip
ADJECTIVES = [
    line.split()
    for line in (
        "big large", "small little", "expensive costly", "pretty beautiful", "strange odd", "broken damaged", "old", "new",
        "red", "blue", "green", "yellow", "black", "white", "brown", "heavy", "cheap",
    )
]  # fmt: skip
PLACES = [
    split.split(" / ")
    for split in (
        "in the forest / in the woods", "in the cellar / in the basement", "in the shop / in the store", "on the beach / on the shore",
        "on the road / on the street", "in the kitchen", "at the harbour", "at the station", "in the barn", "in the library",
        "at the market", "in the garden", "at the school", "in the attic", "at the mill", "in the office",
    )
]  # fmt: skip
TIMES = [
    split.split(" / ")
    for split in (
        "at noon / at midday", "at dawn / at sunrise", "at dusk / at sunset", *("on " + day for day in LISTS["weekday"]),
        *("in " + month for month in LISTS["month"]),
    )
]  # fmt: skip
SLOTS = {"verb": VERBS, "object": OBJECTS, "adjective": ADJECTIVES, "place": PLACES, "time": TIMES}
HANDED = ("gave", "handed")


def synonym(group, word):
    """Another word of the group, or the same where there is none."""
    if len(group) == 1:
        return word
    return group[1] if word == group[0] else group[0]


def event(rng):
    """slot: (group, word) of one event; the person has the whole list of names for a group."""
    slots = {}
    for name, groups in SLOTS.items():
        if name in ("verb", "object") or rng.random() < 0.55:
            group = pick(rng, groups)
            slots[name] = (group, pick(rng, group))
    return slots


def render(rng, person, words, negated, form):
    """One sentence of an event: form 0 plain, 1 time or place first, 2 passive, 3 cleft."""
    thing = "the " + (words["adjective"] + " " if "adjective" in words else "") + words["object"]
    verb = words["verb"]
    tail = [words[name] for name in ("place", "time") if name in words]
    front = ""
    if form == 1 and tail:
        front = tail.pop(int(rng.random() * len(tail)))
    elif len(tail) == 2 and rng.random() < 0.5:
        tail.reverse()
    did = f"did not {verb}" if negated else past(verb)
    if form == 2:
        text = f"{thing} was {'not ' if negated else ''}{participle(verb)} by {person}"
    elif form == 3:
        text = f"it was {person} who {did} {thing}"
    else:
        text = f"{person} {did} {thing}"
    text = " ".join([text, *tail])
    return capital(f"{front} {text}" if front else text) + "."


def handing(rng, giver, taker, thing, when, form):
    tail = f" {when}" if when else ""
    gave = pick(rng, HANDED)
    given = "given" if gave == "gave" else "handed"
    text = (
        f"{giver} {gave} {taker} the {thing}",
        f"{giver} {gave} the {thing} to {taker}",
        f"{taker} was {given} the {thing} by {giver}",
        f"{taker} got the {thing} from {giver}",
    )[form]
    return text + tail + "."


def mrpc(rng, label, differing=None):
    """A pair of sentences; the words of the second that make it another event go into the list `differing`."""
    differing = [] if differing is None else differing
    person, other = pick_two(rng, NAMES)
    form = int(rng.random() * 4)
    form2 = form if rng.random() < 0.5 else int(rng.random() * 4)
    if rng.random() < 0.15:  # who gave what to whom
        group, group2 = pick_two(rng, OBJECTS)
        thing = pick(rng, group)
        when = pick(rng, pick(rng, TIMES)) if rng.random() < 0.4 else ""
        first = handing(rng, person, other, thing, when, form)
        giver, taker = person, other
        if label:
            thing = pick(rng, group)
        elif rng.random() < 0.6:
            giver, taker = taker, giver
            differing += [giver, taker]
        else:
            thing = pick(rng, group2)
            differing.append(thing)
        second = handing(rng, giver, taker, thing, when, form2)
        if second == first:
            return mrpc(rng, label, differing)
        return {"sentence1": first, "sentence2": second}

    slots = event(rng)
    words = {name: word for name, (group, word) in slots.items()}
    negated = rng.random() < 0.08
    first = render(rng, person, words, negated, form)
    # Words change in a paraphrase, too: to their synonyms.
    changes = int(rng.random() * 3)
    if not label:
        changes = max(0, changes - 1)
        for what in sorted({pick(rng, ("person", "negation", *slots, *slots)) for _ in range(pick(rng, (1, 1, 1, 2, 2, 3)))}):
            if what == "person":
                person = other
                differing.append(person)
            elif what == "negation":
                negated = not negated
                differing.append("not")
            else:
                group = slots.pop(what)[0]
                other_group = pick(rng, SLOTS[what])
                while other_group is group:
                    other_group = pick(rng, SLOTS[what])
                words[what] = pick(rng, other_group)
                differing.append(words[what] if what != "verb" else participle(words[what]) if form2 == 2 else past(words[what]))
    open_slots = [name for name, (group, word) in slots.items() if len(group) > 1]
    rng.shuffle(open_slots)
    for name in open_slots[:changes]:
        group, word = slots[name]
        words[name] = synonym(group, word)
    second = render(rng, person, words, negated, form2)
    if second == first:
        return mrpc(rng, label, differing)
    return {"sentence1": first, "sentence2": second}


# --- cola: acceptable sentences ------------------------------------------------------------------------------------------

# [right|wrong|wrong...]: an acceptable sentence takes every first choice, any other one one to three wrong choices.
COLA = [
    "[The {job}|{Job} the|The the {job}] [was|were||are be] {feeling} in the {spot} [on|in|at] {weekday}.",
    "[The {jobs}|{Jobs} the|The the {jobs}] [were|was||is] {feeling} in the {spot} [in|on|at] {month}.",
    "{name} [went|go||going|went went] to [the {spot}|{spot} the|the the {spot}] [on|in|at] {weekday}.",
    "[She|Her] [is|are||am] {a_trait} {job} [in|in in] the {spot}.",
    "[He|Him] [has|have||having] worked as {a_job} in the {spot} [for|at|on] {number} years.",
    "[They|Them] [have|has||having] [{done}|{base}|{ing}].",
    "[I|Me] [am|is||are] {feeling} because [I|me] cannot [{base}|{past}|{ing}|to {base}].",
    "[We|Us] wanted [to|for||to to] [{base}|{past}|{ing}] [at|in|on] {hour} o'clock.",
    "{name} can [{base}|{past}|{third}|to {base}].",
    "{name} must not [{base}|{past}|{third}] [in|on|at] {month}.",
    "Did {name} [{base}|{past}|{third}] [on|in|at] {weekday}?",
    "The {job} [{past}|{ing}] [with|with with] [a friend|friend a|a a friend].",
    "{name} [is|are||be] [{ing}|{base}|{past}] now.",
    "[The {jobs}|{Jobs} the] [are|is||be] [{ing}|{base}] now.",
    "Every morning {name} [{third}|{base}|{ing}].",
    "Every morning [we|us] [{base}|{third}|{ing}].",
    "Every morning [the {jobs}|{jobs} the] [{base}|{third}|{ing}].",
    "{name} saw [{a_thing}|{wrong_thing}|{thing} a] [in the|the in|in in the] {spot}.",
    "There [is|are||be] [{a_thing}|{wrong_thing}|{thing} a] [in|of|in in] the {spot}.",
    "There [are|is||be] {number} [{things}|{thing}] [in|of|in in] the {spot}.",
    "{name} bought {number} [{things}|{thing}] [for|into] [{her}|{she}] {relative}.",
    "{name} gave [him|he] [{a_thing}|{wrong_thing}|{thing} a].",
    "The {job} gave [{a_thing}|{wrong_thing}|{thing} a] [to|at] [her|she].",
    "{name} [waited|waiting||waits waits] [for|of] [the {job}|{job} the|the the {job}].",
    "{name} [was|were||be] afraid [of|at|to] [the {job}|{job} the].",
    "The {job} [listened|listening|listen listened] [to|at|of] {name}.",
    "[Because|Because because] it [was|were||are] cold, {name} [stayed|staying||stay] [in the|the in] {spot}.",
    "When {name} [came|coming||come] home, [{she}|{object}] [was|were||are] {feeling}.",
    "After [{ing}|{base}|{past}], the {job} [went|go||going] home.",
    "{name} is [older|more old|oldest] [than|as|then] [{her}|{she}] {relative}.",
    "The {adjective} {thing} [is|are||be] [on|on on] [the table|table the] in the {spot}.",
    "The {adjective} {things} [are|is||be] [on|on on] [the table|table the] in the {spot}.",
    "[These|This] {things} in the {spot} [are|is||be] {colour}.",
    "[This|These] {thing} in the {spot} [is|are||be] {colour}.",
    "{name} did not [{base}|{past}|{ing}] because it [was|were||be] {month}.",
    "[Where|Where where] [did|do did] [you|your] [find|found|finding] [the {thing}|{thing} the]?",
    "You [should|should should] [{base}|{past}|{ing}|to {base}] before {weekday}.",
    "[The {colour} {thing}|The {thing} {colour}|{Colour} the {thing}] [belongs|belong|belonging] [to|at] {name}.",
    "I think [that|that that] {name} [is|are||be] [{a_trait} {job}|{job} a {trait}].",
    "{name} and {name2} [are|is||am] {feeling}.",
    "{name} and {name2} [{past}|{ing}] [on|in|at] {weekday}.",
    "My {relative} [has|have||having] [{a_colour} {thing}|{colour} {a_thing}].",
]  # fmt: skip


def parse_choices(pattern):
    """"He [is|are] old" as ["He ", ["is", "are"], " old"]."""
    return [part[1:-1].split("|") if part.startswith("[") else part for part in re.split(r"(\[[^\]]*\])", pattern) if part]


COLA_PARTS = [parse_choices(pattern) for pattern in COLA]
COLA_CHOICES = [[i for i, part in enumerate(parts) if isinstance(part, list)] for parts in COLA_PARTS]
SPOTS = ["garden", "kitchen", "barn", "library", "forest", "shop", "office", "cellar", "school", "workshop", "attic", "museum"]
THINGS = sorted({thing for scene in SCENES for thing in scene.things if " " not in thing} - {"knife", "loaf", "shelf"})
ACTS = [act for scene in SCENES for act in scene.acts if past(act.verb) != act.verb and participle(act.verb) != act.verb]
FEELINGS = LISTS["good feeling"] + LISTS["bad feeling"]


def cola(rng, label):
    index = int(rng.random() * len(COLA_PARTS))
    wrong = () if label else {pick(rng, COLA_CHOICES[index]) for _ in range(1 + int(rng.random() * 3))}
    text = "".join(
        part if isinstance(part, str) else part[1 + int(rng.random() * (len(part) - 1))] if i in wrong else part[0]
        for i, part in enumerate(COLA_PARTS[index])
    )
    act = pick(rng, ACTS)
    job, thing, colour, trait = pick(rng, JOBS), pick(rng, THINGS), pick(rng, LISTS["colour"]), pick(rng, LISTS["trait"])
    (name, she, object_form, her), (name2, *_) = pick_two(rng, PEOPLE)
    a_thing = article(thing)
    text = text.format(
        name=name, she=she, object=object_form, her=her, name2=name2,
        job=job, a_job=article(job), Job=capital(job), jobs=plural(job), Jobs=capital(plural(job)),
        thing=thing, things=plural(thing), a_thing=a_thing, wrong_thing=("a " if a_thing.startswith("an ") else "an ") + thing,
        colour=colour, Colour=capital(colour), a_colour=article(colour), trait=trait, a_trait=article(trait),
        base=act.base, past=act.past, third=act.third, ing=act.ing, done=act.done,
        feeling=pick(rng, FEELINGS), adjective=pick(rng, LISTS["adjective"]), relative=pick(rng, LISTS["relative"]),
        spot=pick(rng, SPOTS), weekday=pick(rng, LISTS["weekday"]), month=pick(rng, LISTS["month"]),
        number=pick(rng, LISTS["number"]), hour=pick(rng, LISTS["hour"]),
    )  # fmt: skip
    return {"sentence": capital(" ".join(text.split()).replace(" .", ".").replace(" ,", ",").replace(" ?", "?"))}


# --- rte: what follows ----------------------------------------------------------------------------------------------------

KINDS = {
    "a fruit": "apple pear plum lemon melon",
    "an animal": "dog cat goat horse rabbit",
    "a tool": "hammer saw spade rake drill",
    "a piece of clothing": "coat hat scarf shirt jacket",
    "a musical instrument": "violin drum guitar flute trumpet",
    "a piece of furniture": "chair table bench cupboard sofa",
    "a vehicle": "car cart bus bicycle wagon",
    "a vegetable": "carrot onion potato cabbage pumpkin",
    "a flower": "rose tulip lily daisy violet",
}
KIND_OF = {word: kind for kind, words in KINDS.items() for word in words.split()}
RTE_THINGS = list(KIND_OF)
RTE_VERBS = "buy sell find lose draw hide steal paint carry fetch borrow order photograph describe choose".split()
RTE_PLACES = [place for group in PLACES for place in group]
SAME_PLACE = {place: group for group in PLACES for place in group}
RTE_TIMES = [when for group in TIMES for when in group]
RTE_COLOURS = LISTS["colour"]
RTE_NUMBERS = LISTS["number"][:6]


class Deed:
    """Who did what where and when, in a premise."""

    def __init__(self, rng, name):
        self.name = name
        self.job = pick(rng, JOBS) if rng.random() < 0.25 else None
        self.verb = pick(rng, RTE_VERBS)
        self.thing = pick(rng, RTE_THINGS)
        self.number = pick(rng, RTE_NUMBERS) if rng.random() < 0.3 else None
        self.colour = pick(rng, RTE_COLOURS) if not self.number and rng.random() < 0.4 else None
        self.place = pick(rng, RTE_PLACES) if rng.random() < 0.6 else None
        self.time = pick(rng, RTE_TIMES) if rng.random() < 0.35 else None
        self.negated = rng.random() < 0.12
        if self.negated:
            self.place = None

    def sentence(self, rng):
        who = f"{self.name}, {article(self.job)}," if self.job else self.name
        did = f"did not {self.verb}" if self.negated else past(self.verb)
        text = f"{did} {some(self.thing, self.number, self.colour)}"
        tail = f" {self.place}" if self.place else ""
        if self.time and rng.random() < 0.4:
            return f"{capital(self.time)} {who} {text}{tail}."
        return f"{who} {text}{tail}" + (f" {self.time}." if self.time else ".")


def some(thing, number=None, colour=None):
    """"two hats", "a red hat" or "a hat"."""
    if number:
        return f"{number} {plural(thing)}"
    return article(f"{colour} {thing}" if colour else thing)


def different(rng, items, *taken):
    """One of the items that is not taken."""
    item = pick(rng, items)
    while item in taken:
        item = pick(rng, items)
    return item


def rte(rng, label, differing=None):
    """A premise and what follows from it or does not; the words that are wrong go into the list `differing`."""
    differing = [] if differing is None else differing
    name, name2 = pick_two(rng, NAMES)
    deeds = [Deed(rng, name)]
    if rng.random() < 0.4:
        deed = Deed(rng, name2)
        while deed.verb == deeds[0].verb or deed.thing == deeds[0].thing or (deed.place and deed.place == deeds[0].place):
            deed = Deed(rng, name2)
        deeds.append(deed)
    premise = " ".join(deed.sentence(rng) for deed in deeds)
    index = int(rng.random() * len(deeds))
    it = deeds[index]
    rival = deeds[1 - index] if len(deeds) == 2 else None
    # With a second deed in the premise the wrong word is often one of that, so that every word was there.
    cross = rival and rng.random() < 0.4
    name, verb, thing, place, job, number, colour = it.name, it.verb, it.thing, it.place, it.job, it.number, it.colour
    negated = it.negated

    def wrong(items, taken, others):
        """Another word: the rival's if there is one and it is wanted."""
        word = others if cross and others else different(rng, items, *taken)
        differing.append(word)
        return word

    ways = ["deed", "deed", "passive", "kind", "kind", "kind", "negation"]
    if place:
        ways += ["place", "place"]
    if job:
        ways.append("job")
    if number:
        ways.append("number")
    if colour:
        ways.append("colour")
    way = pick(rng, ways)
    if negated:
        way = "deed"
    if not label:
        if way == "negation" or negated:
            negated = not negated
            differing.append("not" if negated else past(verb))
        elif way in ("deed", "passive", "kind"):
            what = {pick(rng, ("name", "verb", "thing") if way != "kind" else ("name", "thing"))}
            if not cross and rng.random() < 0.5:  # two words are wrong
                what.add(pick(rng, ("name", "thing")))
            if "name" in what:
                name = wrong(NAMES, [deed.name for deed in deeds], rival and rival.name)
            if "verb" in what:
                verb = (cross and rival.verb) or different(rng, RTE_VERBS, verb)
                differing.append(participle(verb) if way == "passive" else past(verb))
            if "thing" in what:
                thing = (cross and rival.thing) or different(rng, RTE_THINGS, thing)
                while way == "kind" and KIND_OF[thing] == KIND_OF[it.thing]:
                    thing = pick(rng, RTE_THINGS)
                differing.append(KIND_OF[thing] if way == "kind" else thing)
        elif way == "place":
            if cross and rng.random() < 0.5:
                name = wrong(NAMES, (), rival.name)
                if rival.place is None:
                    place = different(rng, RTE_PLACES, *SAME_PLACE[place])
            else:
                place = wrong(RTE_PLACES, SAME_PLACE[place], rival and rival.place)
        elif way == "job":
            if cross and rng.random() < 0.5:
                name = wrong(NAMES, (), rival.name)
            else:
                job = wrong(JOBS, (job,), rival and rival.job)
        elif way == "number":
            number = wrong(RTE_NUMBERS, (number,), None)
        else:
            colour = wrong(RTE_COLOURS, (colour,), None)

    if way == "place":
        text = f"{name} was {place}"
    elif way == "job":
        text = f"{name} is {article(job)}"
    elif way == "passive":
        text = f"{some(thing, number)} {'were' if number else 'was'} {participle(verb)} by {name}"
    elif way == "kind":
        text = f"{name} {past(verb)} {KIND_OF[thing]}"
    elif way == "number":
        text = f"{name} {past(verb)} {some(thing, number)}"
    elif way == "colour":
        text = f"the {thing} was {colour}"
    else:
        did = f"did not {verb}" if negated else past(verb)
        text = f"{name} {did} {some(thing, number, colour if rng.random() < 0.3 else None)}"
    text = capital(text) + "."
    if text == premise:
        return rte(rng, label, differing)
    return {"sentence1": premise, "sentence2": text}


# --- prompts, training text and evaluation files ----------------------------------------------------------------------------

MAKERS = {"sst": sst, "mrpc": mrpc, "cola": cola, "rte": rte}


def example(task, rng):
    """A new example {sentence | sentence1, sentence2, label}, each label as often as the other."""
    label = int(rng.random() < 0.5)
    return {**MAKERS[task](rng, label), "label": label}


def key(item):
    return item["sentence"] if "sentence" in item else (item["sentence1"], item["sentence2"])


def prompt(task, item):
    return FORMS[task]["prompt_template"].format_map(item)


def answered(task, item):
    """The prompt with its answer and the blank line after it."""
    word = next(word for word, label in FORMS[task]["answers"] if label == item["label"])
    return f"{prompt(task, item)} {word}\n\n"


@functools.cache
def header(task):
    return "".join(answered(task, {**fields, "label": label}) for fields, label in FORMS[task]["header"])


@functools.cache
def task_file(task):
    """The evaluation file: 200 different examples, half of each label, always the same."""
    rng = random.Random(f"evaluation of {task}")
    seen = {key(fields) for fields, _ in FORMS[task]["header"]}
    examples = []
    while len(examples) < EXAMPLES:
        label = len(examples) % 2
        item = MAKERS[task](rng, label)
        if key(item) not in seen:
            seen.add(key(item))
            examples.append({**item, "label": label})
    rng.shuffle(examples)
    form = FORMS[task]
    return {
        "task": task,
        "header": header(task),
        "prompt_template": form["prompt_template"],
        "answer_marker": form["answer_marker"],
        "answers": form["answers"],
        "gen_len": 3,
        "examples": [{**item, "idx": index} for index, item in enumerate(examples)],
    }


@functools.cache
def held_out(task):
    return frozenset(key(item) for item in task_file(task)["examples"])


def is_held_out(task, item):
    """Whether the evaluation file has this sentence or pair."""
    return key(item) in held_out(task)


def training_example(task, rng):
    item = example(task, rng)
    while is_held_out(task, item):
        item = example(task, rng)
    return item


def difference(task, rng):
    """A pair with the words that differ or are wrong: where a model learns what to look at. No evaluation asks for it."""
    label = int(rng.random() < 0.5)
    words = []
    item = MAKERS[task](rng, label, words)
    while is_held_out(task, item):
        words = []
        item = MAKERS[task](rng, label, words)
    return f"{DIFFERENCE[task].format_map(item)} {', '.join(words) or 'nothing'}\n\n"


def training_text(task, rng):
    """A document of answered prompts, every third one after the header, as the evaluation has them.

    Between the pairs of mrpc and rte stand as many of which the differing words are told.
    """
    text = header(task) if rng.random() < 0.35 else ""
    words = text.count(" ") + text.count("\n")
    while words < WORDS_A_TEXT:
        if task in DIFFERENCE and rng.random() < 0.45:
            part = difference(task, rng)
        else:
            part = answered(task, training_example(task, rng))
        text += part
        words += part.count(" ") + part.count("\n")
    return text


# --- command line -----------------------------------------------------------------------------------------------------------


def words_of(text):
    return set(re.findall(r"[a-z']+", text.lower()))


def new_words(item):
    """How many words of the second sentence the first does not have."""
    first, second = words_of(item["sentence1"]), words_of(item["sentence2"])
    return len(second - first)


def best_threshold(pairs):
    """The accuracy of the best rule "label 1 if value <= t" or its opposite, over (value, label)."""
    best = 0.0
    for limit in {value for value, _ in pairs}:
        share = sum((value <= limit) == bool(label) for value, label in pairs) / len(pairs)
        best = max(best, share, 1 - share)
    return best


def bag_of_words(train, test, marked):
    """The accuracy of a logistic regression over the words of an example.

    If marked, a word counts apart as one that only the first, only the second or both sentences have.
    """

    def features(item):
        if "sentence" in item:
            return sorted(words_of(item["sentence"]))
        first, second = words_of(item["sentence1"]), words_of(item["sentence2"])
        if not marked:
            return sorted(first | second)
        return sorted({"1 " + w for w in first - second} | {"2 " + w for w in second - first} | {"both " + w for w in first & second})

    weights, bias = {}, 0.0
    for _ in range(3):
        for item in train:
            names = features(item)
            score = bias + sum(weights.get(name, 0.0) for name in names)
            step = 0.1 * (item["label"] - 1 / (1 + math.exp(-max(-30, min(30, score)))))
            bias += step
            for name in names:
                weights[name] = weights.get(name, 0.0) + step
    right = sum((bias + sum(weights.get(name, 0.0) for name in features(item)) > 0) == bool(item["label"]) for item in test)
    return right / len(test)


def measure():
    for task in TASKS:
        rng = random.Random(1)
        start = time.perf_counter()
        texts = [training_text(task, rng) for _ in range(10000)]
        seconds = time.perf_counter() - start
        words = sum(len(re.findall(r"\w+|[^\w\s]|\n", text)) for text in texts) / len(texts)
        items = [example(task, rng) for _ in range(100000)]
        distinct = len({key(item) for item in items})
        again = len(items) - distinct
        space = len(items) ** 2 / 2 / max(1, again)
        labels = {}
        for item in items:
            labels.setdefault(key(item), set()).add(item["label"])
        both = sum(len(found) > 1 for found in labels.values())
        print(f"{task}: {10000 / seconds:.0f} texts/s, {words:.0f} words and marks a text, {len(words_of(' '.join(texts)))} words")
        print(f"  {distinct} distinct of 100000, space at least {space:.1e}; {both} with both labels")
        print(f"  header {len(header(task).split())} words")
        train, test = items[:30000], items[30000:35000]
        length = [(len(" ".join(v for v in item.values() if isinstance(v, str))), item["label"]) for item in test]
        line = f"  length {best_threshold(length):.3f}, words {bag_of_words(train, test, False):.3f}"
        if task in ("mrpc", "rte"):
            new = best_threshold([(new_words(item), item["label"]) for item in test])
            line += f", number of new words {new:.3f}, words marked by sentence {bag_of_words(train, test, True):.3f}"
        print(line)


def samples():
    rng = random.Random(5)
    for task in TASKS:
        print(f"--- {task}\n{header(task)}---")
        for _ in range(3):
            item = training_example(task, rng)
            print(answered(task, item), end="")
        print("--- a training text")
        print(training_text(task, rng))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, help="folder for the evaluation files")
    parser.add_argument("--samples", action="store_true")
    parser.add_argument("--measure", action="store_true")
    options = parser.parse_args()
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        for task in TASKS:
            text = json.dumps(task_file(task), indent=1, ensure_ascii=False) + "\n"
            (options.output / FILES[task]).write_text(text, encoding="utf-8")
    if options.samples:
        samples()
    if options.measure:
        measure()


if __name__ == "__main__":
    main()
