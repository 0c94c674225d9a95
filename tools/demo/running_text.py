"""Running text of the demo world: short coherent documents in simple English, made by a grammar of our own.

    python3 tools/demo/running_text.py --samples 5 [--seed N] [--measure]

A document keeps its people, their pronouns, the place and the things that it began with. The words lie in words/: scenes
(who does what where, what goes wrong and how it is put right) and plain lists. Nothing here speaks of the real world.
"""

import argparse
import random
import re
import time
from pathlib import Path

WORDS = Path(__file__).parent / "words"

IRREGULAR = {  # base form: past, participle
    "bake": ("baked", "baked"), "begin": ("began", "begun"), "bend": ("bent", "bent"), "blow": ("blew", "blown"),
    "break": ("broke", "broken"), "bring": ("brought", "brought"), "build": ("built", "built"), "buy": ("bought", "bought"),
    "cast": ("cast", "cast"), "catch": ("caught", "caught"), "choose": ("chose", "chosen"), "cut": ("cut", "cut"),
    "dig": ("dug", "dug"),
    "draw": ("drew", "drawn"), "drive": ("drove", "driven"), "eat": ("ate", "eaten"), "feed": ("fed", "fed"), "find": ("found", "found"),
    "fly": ("flew", "flown"), "forget": ("forgot", "forgotten"), "get": ("got", "got"), "give": ("gave", "given"),
    "go": ("went", "gone"), "grind": ("ground", "ground"), "hang": ("hung", "hung"), "hide": ("hid", "hidden"),
    "hold": ("held", "held"), "keep": ("kept", "kept"), "knit": ("knitted", "knitted"), "know": ("knew", "known"),
    "lay": ("laid", "laid"), "lead": ("led", "led"), "learn": ("learned", "learned"), "lend": ("lent", "lent"),
    "let": ("let", "let"), "light": ("lit", "lit"), "lose": ("lost", "lost"), "make": ("made", "made"),
    "meet": ("met", "met"), "put": ("put", "put"), "read": ("read", "read"), "ride": ("rode", "ridden"),
    "see": ("saw", "seen"), "sell": ("sold", "sold"), "send": ("sent", "sent"), "set": ("set", "set"),
    "sew": ("sewed", "sewn"), "shoe": ("shod", "shod"), "sing": ("sang", "sung"), "sow": ("sowed", "sown"), "steal": ("stole", "stolen"),
    "sweep": ("swept", "swept"), "swim": ("swam", "swum"), "take": ("took", "taken"), "tell": ("told", "told"),
    "throw": ("threw", "thrown"),
    "wake": ("woke", "woken"), "write": ("wrote", "written"),
}  # fmt: skip
DOUBLED = {"chop", "cut", "dig", "get", "grab", "hug", "knit", "let", "pin", "plan", "put", "set", "stir", "stop", "swim", "trim", "wrap"}
VOWELS = "aeiou"


def past(verb):
    if verb in IRREGULAR:
        return IRREGULAR[verb][0]
    if verb in DOUBLED:
        return verb + verb[-1] + "ed"
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2] not in VOWELS:
        return verb[:-1] + "ied"
    return verb + "ed"


def participle(verb):
    return IRREGULAR[verb][1] if verb in IRREGULAR else past(verb)


def gerund(verb):
    if verb in DOUBLED:
        return verb + verb[-1] + "ing"
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe")):
        return verb[:-1] + "ing"
    return verb + "ing"


def plural(word):
    """Of a noun, and just so the third person of a verb."""
    if word.endswith(("s", "sh", "ch", "x", "z", "o")) and word not in ("piano", "radio"):
        return word + "es"
    if word.endswith("y") and word[-2] not in VOWELS:
        return word[:-1] + "ies"
    return word + "s"


def article(phrase):
    return ("an " if phrase[0] in VOWELS and not phrase.startswith(("uni", "use", "one")) else "a ") + phrase


def capital(text):
    return text[0].upper() + text[1:]


def pick(rng, items):
    return items[int(rng.random() * len(items))]


def pick_two(rng, items):
    """Two different ones."""
    n = len(items)
    i = int(rng.random() * n)
    j = int(rng.random() * (n - 1))
    return items[i], items[j + (j >= i)]


class Act:
    """A verb phrase in all its forms."""

    def __init__(self, phrase):
        verb, _, rest = phrase.partition(" ")
        rest = " " + rest if rest else ""
        self.verb = verb
        self.rest = rest.strip()
        self.base = phrase
        self.past = past(verb) + rest
        self.third = plural(verb) + rest
        self.ing = gerund(verb) + rest
        self.done = participle(verb) + rest


class Scene:
    """A place with its people, things, actions, sights, truths and troubles."""

    def __init__(self, name, fields):
        self.name = name
        self.places = fields["place"]
        self.people = fields["person"]
        self.things = fields["thing"]
        self.acts = [Act(phrase) for phrase in fields["act"]]
        self.sights = [text.rstrip(".") for text in fields["sight"]]
        self.notes = [text.rstrip(".") for text in fields["note"]]
        self.troubles = []
        for text in fields["trouble"]:
            cause, effect, remedy, result = (part.strip() for part in text.split("/"))
            self.troubles.append((cause, effect, Act(remedy), result))


def split(text):
    return [part.strip() for part in text.split("|")]


def read_lists(path=WORDS / "lists.txt"):
    lists = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, items = line.partition(":")
            lists[name.strip()] = split(items)
    return lists


def read_scenes(path=WORDS / "scenes.txt"):
    scenes = []
    for block in re.split(r"^\[", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
        name, _, body = block.partition("]")
        fields = {}
        for line in body.strip().splitlines():
            key, _, items = line.partition(":")
            fields[key] = split(items)
        scenes.append(Scene(name, fields))
    return scenes


LISTS = read_lists()
SCENES = read_scenes()
PEOPLE = [(name, "she", "her", "her") for name in LISTS["woman"]] + [(name, "he", "him", "his") for name in LISTS["man"]]
ONLY_MEN = {"fisherman", "headmaster", "postman", "waiter", "ferryman", "boatman", "stable boy", "miller's son", "coachman", "actor"}
ONLY_WOMEN = {"shop girl", "kitchen maid", "farmer's wife", "milkmaid", "landlady", "waitress", "washerwoman"}
GENERAL_JOBS = sorted({job for scene in SCENES for job in scene.people} - ONLY_MEN - ONLY_WOMEN)
MALE_RELATIVES = {"brother", "father", "uncle", "grandfather"}

OUTDOORS = {"harbour", "market", "farm", "railway", "garden", "mountain", "forest", "beach", "river", "construction", "camp"}
PREPOSITIONS = {  # of the places that do not take "in"
    "the harbour": "at", "the quay": "on", "the pier": "on", "the market": "at", "the farm": "on", "the station": "at",
    "the railway station": "at", "the platform": "on", "the school": "at", "the theatre": "at", "the stage": "on",
    "the mountain": "on", "the mountain hut": "at", "the beach": "on", "the shore": "on", "the mill": "at",
    "the water mill": "at", "the old windmill": "at", "the university": "at", "the river": "by", "the river bank": "on",
    "the ferry": "on", "the building site": "on", "the scaffold": "on", "the camp fire": "at", "the filling station": "at",
    "the bus depot": "at", "the riding school": "at", "the town hall": "at", "the post office": "at", "the inn": "at",
}  # fmt: skip

# The patterns. {n} the hero with {he}, {him}, {his}; {m} the other one with {mhe}, {mhim}, {mhis}; {job}, {a_job}; {place};
# {act}, {act2}, {act3} actions of the scene; {cause}, {effect}, {remedy}, {result} its trouble; the rest from the lists.

OPENINGS = [
    "{n} was {a_job} who worked {in_place}.",
    "{n} was {a_trait} {job}.",
    "On {weekday} {n} went to {place}.",
    "In {month} {n} began to work {in_place}.",
    "One {season} morning {n} came to {place} to {act.base}.",
    "{n} and {m} met {in_place} on {weekday}.",
    "Every day {n} walked to {place}.",
    "There was once {a_job} called {n}.",
    "{n} had worked as {a_job} for {number} years.",
    "At {hour} o'clock {n} opened the door and looked around.",
    "It was {weekday}, and {n} had to {act.base}.",
    "Nobody knew {place} better than {n}, the {job}.",
    "{n}, {a_trait} {job}, lived in {home}.",
    "The {job} was called {n}, and {he} loved {his} work.",
    "On the {ordinal} of {month} {n} got up before sunrise.",
    "Long ago, {a_job} named {n} lived in {home}.",
    "The day began badly for {n}.",
    "{weekday} was always a busy day for {n}.",
    "Last {season} {n} wanted to become {a_job}.",
    "{n} and {his} {relative} came to {place} {time}.",
    "When {n} was young, {he} worked {in_place} as {a_job}.",
    "In the {season} of that year {n} found work {in_place}.",
    "Early on {weekday} {n} heard a voice from {place}.",
    "The new {job} {in_place} was {n}.",
]
INTRODUCTIONS = [  # of the other one, before the first words that need it
    "{m}, {his} neighbour, was there, too.",
    "{His} {friend_adjective} friend {m} had come with {him}.",
    "{m} was already waiting for {him}.",
    "Soon {m} came, too.",
    "{He} was not alone: {m} was with {him}.",
    "After a while {he} met {m}.",
    "{m}, who was {a_trait3} {job2}, came as well.",
]
SETTINGS = [
    "{sight}.",
    "{sight}.",
    "{sight}.",
    "{weather}.",
    "{weather}, and there were few people {in_place}.",
    "{weather} when {n} arrived.",
    "{sight}, and {sight2_low}.",
    "{weather}, but {n} did not mind.",
    "{He} saw {a_thing} and {a_thing2}.",
    "There was {a_thing} near the door.",
    "It was {hour} o'clock, and {sight_low}.",
    "The place was {empty}.",
    "{in_place_cap} there was much to do.",
]
DEEDS = [
    "{n} {act.past}.",
    "First {he} {act.past}, then {he} {act2.past}.",
    "{He} {act.past} {long_time}.",
    "{n} wanted to {act.base}.",
    "{He} {act.past} {adverb}.",
    "{n} began to {act.base} while {m} {act2.past}.",
    "After {act.ing}, {n} {act2.past}.",
    "{He} had to {act.base} and {act2.base} before {hour} o'clock.",
    "Together they {act.past}.",
    "{n} asked {m} to {act.base}.",
    "{m} helped {him} to {act.base}.",
    "{He} took {a_thing} and began to {act.base}.",
    "Before {he} could {act.base}, {he} had to {act2.base}.",
    "{n} showed {m} how to {act.base}.",
    "{He} did not only {act.base} but also {act2.base}.",
    "{m}, {mhis} {relative} and {n} {act.past} {time}.",
    "{He} needed {a_thing} to {act.base}.",
    "As always, {he} {act.past} first.",
    "{n} gave {m} {a_thing}, and {m} thanked {him}.",
    "{He} put {the_thing} on the table and {act.past}.",
    "It took {him} {number} hours to {act.base}.",
    "At {hour} o'clock {he} stopped and drank a cup of {drink}.",
    "{m} brought {number} {things}, so that {n} could {act.base}.",
    "{n} hoped to {act.base} before {weekday}.",
]
TROUBLES = [
    "But then {cause}. Therefore {effect}.",
    "Suddenly {cause}, and {effect}.",
    "Because {cause}, {effect}.",
    "When {cause}, {effect}.",
    "However, {cause}. As a result {effect}.",
    "Then something happened: {cause}. Soon {effect}.",
    "After a while {cause}, so {effect}.",
    "But {cause}, and because of that {effect}.",
    "At {hour} o'clock {cause}. {n} saw that {effect}.",
    "{m} came running. \"{cause_cap}!\" {mhe} cried. And indeed, {effect}.",
    "Nobody noticed that {cause}. Only when {effect} did {n} look up.",
    "It was {m} who saw it first: {cause}. Before long {effect}.",
]
REMEDIES = [
    "{n} decided to {remedy.base}.",
    "Therefore {n} had to {remedy.base}.",
    "\"We must {remedy.base},\" said {n}.",
    "{m} said, \"You should {remedy.base}.\" {n} did so at once.",
    "{n} thought for a moment. \"I will {remedy.base},\" {he} said.",
    "So {n} and {m} {remedy.past}.",
    "{n} was {bad_feeling}, but {he} knew what to do: {he} had to {remedy.base}.",
    "\"Can you help me?\" asked {n}. \"Let us {remedy.base},\" said {m}.",
    "There was only one thing to do. {n} {remedy.past}.",
    "The {trait} {job} did not wait, but {remedy.past}.",
    "Without a word {n} {remedy.past}, and {m} helped {him}.",
    "{m} wanted to go home. {n}, however, {remedy.past}.",
]
RESULTS = [
    "In the end {result}.",
    "Soon {result}.",
    "{result_cap}.",
    "Thanks to {n}, {result}.",
    "It was hard work, but {result}.",
    "And so {result}.",
    "Not long after that {result}.",
    "To everyone's surprise {result}.",
    "\"Look!\" said {m}. {result_cap}.",
]
FEELINGS = [
    "{n} was {good_feeling}.",
    "{m} was {good_feeling}, too.",
    "{n} felt {good_feeling} and a little tired.",
    "{He} was {good_feeling} because {he} had {act.done}.",
    "\"I am {good_feeling},\" said {m}.",
    "At first {n} was {bad_feeling}, but now {he} was {good_feeling}.",
    "{n} smiled and gave {m} {mhis} hand.",
    "{m} laughed. \"You are a {trait2} {job},\" {mhe} said.",
    "Nobody was as {good_feeling} as {n}.",
    "{n} said nothing, but {his} eyes shone.",
]
TALK = [
    "\"What are you doing?\" asked {m}. \"I have to {act.base},\" said {n}.",
    "\"Good morning, {n},\" said {m}. \"Good morning,\" {n} answered.",
    "\"Do you need {a_thing}?\" asked {m}. \"Yes, please,\" said {n}.",
    "\"Where is {the_thing}?\" asked {n}. \"It is {hidden},\" said {m}.",
    "\"Why do you {act.base}?\" asked {m}. \"Because it must be done,\" said {n}.",
    "\"How long will it take?\" asked {m}. \"About {number} hours,\" said {n}.",
    "\"I cannot {act.base} today,\" said {n}. \"Then we will do it tomorrow,\" said {m}.",
    "\"Have you ever {act.done}?\" asked {n}. {m} shook {mhis} head.",
    "\"You are late,\" said {m}. \"I am sorry,\" said {n}. \"I had to {act2.base}.\"",
    "\"Would you like some {food}?\" asked {n}. \"No, thank you,\" said {m}. \"I have eaten.\"",
    "\"{note},\" said {m}. {n} nodded.",
    "\"Remember,\" said {n}, \"{note_low}.\"",
    "\"I will help you to {act.base},\" said {m}. \"You are very kind,\" said {n}.",
    "\"Who will {act.base}?\" asked {n}. \"I will,\" said {m}.",
    "\"It is too {cold_or_hot} to {act.base},\" said {m}.",
]
CLOSINGS = [
    "{time_cap} {n} went home.",
    "Then {n} and {m} ate {food} together.",
    "That evening {n} wrote everything in {his} diary.",
    "From then on {n} came to {place} every {weekday}.",
    "{n} never forgot that {weekday}.",
    "Since that day {n} and {m} have been friends.",
    "{note}.",
    "When {he} came home, {his} {relative} had made {food}.",
    "The next day {n} {act3.past} as if nothing had happened.",
    "{n} locked the door and walked home slowly.",
    "On the way home {he} sang a little song.",
    "\"Good night,\" said {m}. \"See you on {weekday2},\" said {n}.",
    "At {hour2} o'clock it was quiet {in_place}.",
    "And that is why {n} became {a_job}.",
    "It had been a long day, but a good one.",
    "{n} looked at {the_thing} once more and closed the door.",
    "Later {m} told the whole story to {mhis} {relative}.",
]

PORTRAIT_START = [
    "{n} is {a_job}.",
    "{n} lives in {home} and works as {a_job}.",
    "My {friend_adjective} friend {n} is {a_job}.",
    "The {job} of our village is called {n}.",
    "Do you know {n}, the {job}?",
    "{n} is {age} years old and {a_trait} {job}.",
]
PORTRAIT = [
    "{He} lives in {home}.",
    "Every morning {he} goes to {place}.",
    "There {he} {act.third} and {act2.third}.",
    "{He} usually starts at {hour} o'clock.",
    "Sometimes {he} has to {act3.base}, too.",
    "{His} {relative} helps {him} {time}.",
    "In {his} free time {he} {hobby}.",
    "{He} has {number} {animals}, and one of them is {coat}.",
    "On {weekday}s {he} never works.",
    "{He} is {trait2}, but {he} can also be {trait3}.",
    "{He} likes {food}, but {he} does not like {drink}.",
    "{His} favourite colour is {colour}.",
    "In {season} {he} {act3.third} more often than in {season2}.",
    "{He} always says: \"{note}.\"",
    "{His} best friend {m} is {a_trait4} {job2}.",
    "They often meet {time} and drink {drink}.",
    "{He} keeps {a_thing} {hidden}.",
    "{He} has worked {in_place} for {number} years.",
    "Because {he} is so {trait2}, everybody likes {him}.",
    "When {he} was a child, {he} wanted to become {a_job2}.",
    "{He} was born in {month}, on the {ordinal} day of the month.",
    "If someone asks {him} to {act.base}, {he} never says no.",
    "{He} gets up at {hour} o'clock and makes a cup of {drink}.",
    "{He} does not earn much money. However, {he} is {good_feeling}.",
]

PLACE_START = [
    "{place_cap} is near the river.",
    "{place_cap} lies at the end of a long street.",
    "There are few places as lively as {place}.",
    "You can find {place} behind the church.",
    "The way to {place} is short.",
    "I know {place} very well.",
]
PLACE = [
    "People come here to {act.base} or to {act2.base}.",
    "The {job} comes every day, except on {weekday}.",
    "In the middle there is {an_adjective} {thing}.",
    "{note}.",
    "In {season} it is full of people, but in {season2} it is empty.",
    "The {job} must {act.base} before {hour} o'clock.",
    "You can see {a_thing} and {a_thing2} there.",
    "The walls are {colour}, and the door is {colour2}.",
    "On {weekday}s the {jobs} {act.base} together.",
    "{number_cap} {jobs} work here.",
    "The oldest {job}, {n}, has been here for {number} years.",
    "{n} knows how to {act.base}, and {he} teaches it to the others.",
    "Children like to watch how the {jobs} {act.base}.",
    "Many people come and go. Therefore it is never quiet here.",
    "The {adjective} {thing} belongs to {n}, the {job}.",
    "Nobody may {act3.base} after {hour2} o'clock.",
    "When {bad_weather_now}, everyone goes inside.",
    "If you are hungry, you can get {food}.",
    "Strangers are welcome, but they must not touch {the_thing}.",
    "The best time to come is {time}.",
    "Once {cause}, but now everything is in order again.",
]

DIARY_START = [
    "I got up at {hour} o'clock.",
    "Today I went to {place}.",
    "On {weekday} I met {m} {in_place}.",
    "Yesterday was the {ordinal} of {month}.",
    "I am {a_job}, and I like my work.",
    "{weather}, so I was in no hurry.",
    "We are staying in {home}.",
    "My {relative} woke me at {hour} o'clock.",
]
DIARY = [
    "I wanted to {act.base}, but {bad_weather}.",
    "I {act.past} {long_time}.",
    "We {act.past} together, and then we {act2.past}.",
    "{sight}.",
    "{weather}.",
    "{m} told me that {mhe} wanted to {act3.base}.",
    "I asked {m} for {a_thing}.",
    "My {relative} gave me {number} {things}.",
    "I was {bad_feeling} because I could not {act.base}.",
    "I think that {note_low}.",
    "We ate {food} and drank {drink}.",
    "Because {good_weather}, we stayed outside until {hour2} o'clock.",
    "You know how much I like {act.ing}.",
    "I had never {act2.done} before.",
    "I forgot {the_thing}, so I had to go back.",
    "In the evening we were tired but {good_feeling}.",
    "Our neighbours {act2.past} as well.",
    "\"You should rest,\" said {m}, but I did not listen.",
    "We saw {a_wild} that {wild_act}.",
    "I counted {number} {things} and {number2} {things2}.",
    "The {jobs} wanted to help us. Therefore we gave them {food}.",
    "I have lost my {object}, and I do not know where to look.",
    "My {object} was {hidden}.",
    "{m} and I laughed a lot.",
    "I wonder whether {m} will come again.",
]
DIARY_END = [
    "Tomorrow I will {act3.base}.",
    "Now I am {good_feeling}.",
    "I went to bed at {hour2} o'clock.",
    "It was a good day.",
    "On {weekday2} we will go there again.",
    "I hope that {m} will visit us in {season}.",
    "Then I fell asleep.",
]

ADVICE_START = [
    "Do you want to {act.base}?",
    "If you want to {act.base}, you need {a_thing}.",
    "You do not have to be {a_job} to {act.base}.",
    "It is not hard to {act.base}.",
    "How do you {act.base}?",
    "You can {act.base} in a single day.",
]
ADVICE = [
    "You need {a_thing}, {a_thing2} and some time.",
    "First you should {act2.base}.",
    "Then you can {act3.base}.",
    "Never {act.base} when you are tired.",
    "{note}.",
    "Ask {a_job} if you are not sure.",
    "The best time is {time}.",
    "You should begin at {hour} o'clock, because it takes {number} hours.",
    "If you have no {thing}, you can borrow one.",
    "Do not forget {the_thing}.",
    "Once {cause}, and the {job} had to {remedy.base}.",
    "You never know what you will need. Therefore you should always have {a_thing} with you.",
    "You will make mistakes at first, but do not give up.",
    "Wait {number} minutes before you go on.",
    "Some {jobs} {act2.base} first, others {act3.base} first.",
    "{n}, who is {a_job}, does it every {weekday}.",
    "It is better to {act.base} in {season} than in {season2}.",
    "Your friends can help you.",
    "Be {trait}, and everything will be fine.",
]
ADVICE_END = [
    "Now you can {act.base} like {a_job}.",
    "At last, clean {the_thing} and put it away.",
    "Then you may rest.",
    "You will be {good_feeling} when it is done.",
    "If it does not work, try again {time}.",
    "Good luck!",
]

SPEECH = [
    ("\"Good morning,\" said {n}.", "\"Good morning, {n}. How are you?\" asked {m}."),
    ("\"What did you do on {weekday}?\" asked {m}.", "\"I {act.past},\" said {n}."),
    ("\"Were you alone?\" asked {m}.", "\"No, my {relative} was with me,\" answered {n}."),
    ("\"Can you {act2.base}?\" asked {n}.", "\"Of course I can,\" said {m}. \"I am {a_job}.\""),
    (
        "\"I have bought {a_thing2},\" said {n}.",
        "\"How much did it cost?\" asked {m}.",
        "\"It cost {number} coins,\" said {n}.",
        "\"That is not much,\" said {m}.",
    ),
    (
        "\"Where do you work now?\" asked {m}.",
        "\"{in_place_cap},\" said {n}.",
        "\"Do you like it there?\" asked {m}.",
        "\"Yes, because I can {act3.base},\" said {n}.",
    ),
    ("\"I am {bad_feeling},\" said {n}.", "\"Why?\" asked {m}. \"Because {cause},\" said {n}.", "\"Then you must {remedy.base},\" said {m}."),
    ("\"When will you come to us?\" asked {m}.", "\"On {weekday2}, at {hour} o'clock,\" said {n}."),
    ("\"{note},\" said {n}.", "\"You are right,\" said {m}."),
    ("\"Have you seen my {object}?\" asked {n}.", "\"It is {hidden},\" answered {m}."),
    ("\"Shall we eat {food}?\" asked {m}.", "\"I would like that,\" said {n}."),
    ("\"It is late,\" said {n}.", "\"Then I will go home now,\" said {m}."),
    ("\"Is it true that {cause}?\" asked {m}.", "\"Yes, and {effect},\" said {n}."),
    (
        "\"My {relative} will be {age} years old in {month},\" said {n}.",
        "\"What will you give {relative_him}?\" asked {m}.",
        "\"I will give {relative_him} {a_thing},\" said {n}.",
        "\"That is a good idea,\" said {m}.",
    ),
    ("\"Which colour do you prefer?\" asked {n}.", "\"I prefer {colour} to {colour2},\" said {m}."),
    ("\"Thank you for {the_thing},\" said {m}.", "\"You are welcome,\" said {n}."),
]
SPEECH_END = [
    "Then they said goodbye.",
    "They laughed and went on together.",
    "{n} waved, and {m} walked to {place}.",
    "It began to rain, so they went inside.",
    "Both were {good_feeling}.",
    "They talked until {hour2} o'clock.",
]

JOURNEY_START = [
    "{n} and {m} wanted to travel to {village}.",
    "In {month} {n} and {m} went to {village} by {vehicle}.",
    "{n} and {m} went to {village} on {weekday}.",
    "The {vehicle} to {village} left at {hour} o'clock.",
    "They had planned the journey to {village} for {number} weeks.",
]
JOURNEY = [
    "They took the {vehicle} at {hour} o'clock.",
    "The journey lasted {number} hours.",
    "They had {number} bags and {a_thing} with them.",
    "On the way they saw {a_wild} that {wild_act}.",
    "{weather}.",
    "{m} slept while {n} looked out of the window.",
    "The ticket cost {number} coins, which was cheap.",
    "At noon they ate {food} beside the road.",
    "Because {bad_weather}, they had to wait {long_time}.",
    "The {vehicle} was full, so {n} had to stand.",
    "\"Are we there yet?\" asked {m}. \"Not yet,\" said {n}.",
    "{n} had forgotten {his} {object}.",
    "An old {job} showed them the way.",
    "They crossed {number} bridges and a long tunnel.",
    "When {good_weather}, they could see the hills.",
    "{m} counted the {animals} in the fields.",
    "They wrote a postcard to their {relative}.",
    "After {number} miles they were {bad_feeling}.",
    "However, they did not turn back.",
    "{a_colour} {vehicle} passed them.",
]
JOURNEY_END = [
    "At last they reached {village}.",
    "They arrived at {hour2} o'clock and were {good_feeling}.",
    "They stayed there for {number} days.",
    "On {weekday2} they came back by {vehicle2}.",
    "They will never forget that journey.",
    "In the evening they slept in {home}.",
]

ANIMAL_START = [
    "{n} had {a_coat} {animal}.",
    "There was once {a_wild} that lived near {village}.",
    "The {animal} of the {job} was {coat} and very {trait}.",
    "{a_coat} {animal} lived in {home}.",
    "{n} found a young {animal} {in_place}.",
]
ANIMAL = [
    "Every day the {pet} {pet_act}.",
    "{time_cap} it {pet_act}.",
    "It was {number} years old.",
    "It liked {n}, but it was afraid of {m}.",
    "When {n} {act.past}, the {pet} {pet_act}.",
    "One {weekday} it {pet_act} and did not come back.",
    "{n} looked for it {long_time}.",
    "\"Where is it?\" asked {m}. \"I do not know,\" said {n}.",
    "The children gave it some bread.",
    "Because {bad_weather}, it stayed inside.",
    "It never ate {food}.",
    "It could hear the smallest mouse.",
    "In {season} its coat became thick and soft.",
    "Suddenly it jumped over {the_thing}.",
    "However, it was never {bad_feeling}.",
    "{m} said that it was the cleverest {pet} in the world.",
    "It slept beside {the_thing}.",
    "The other {pets} followed it everywhere.",
    "It had {number} young ones.",
]
ANIMAL_END = [
    "After {number} days it stood at the door again.",
    "Now it sleeps {hidden_place}.",
    "{n} was {good_feeling} and gave it some milk.",
    "Since then the {pet} has never left the house.",
    "And if you are quiet, you can still see it there.",
]

COUNTING_START = [
    "{n} went shopping on {weekday}.",
    "{n} needed {items} and {items2}.",
    "In the shop {n} saw {items} and {items2}.",
    "{n} wrote a list for {m}.",
]
COUNTING = [
    "{He} bought {number} {items} and {number2} {items2}.",
    "The {items} cost {large} coins, but the {items2} cost only {small}.",
    "The {items2} were cheaper than the {items}.",
    "However, {he} liked the {items} better than the {items2}.",
    "{m} gave {him} {number2} {items} more.",
    "{He} paid with {large} coins.",
    "One of the {items2} was {broken}.",
    "{He} put the {items} into a {colour} bag.",
    "\"How many {items} do you need?\" asked the {job}. \"{number_cap},\" said {n}.",
    "{He} carried everything home {adverb}.",
    "At home {his} {relative} counted the {items2}.",
    "There were no {items3}, so {he} bought none.",
    "Because the {items} were heavy, {m} helped {him}.",
    "The {job} wanted {large} coins, but {n} had only {number}.",
]
COUNTING_END = [
    "They used the {items} for the {event}.",
    "{n} kept the {items2} for {weekday2}.",
    "In the evening there was {food}.",
    "{He} had {small} coins left.",
    "{m} was {good_feeling} with the {items}.",
]

LETTER = [
    "I hope that you are well.",
    "Thank you for your letter of the {ordinal} of {month}.",
    "We are all well here.",
    "{weather}.",
    "You cannot imagine what happened last {weekday}: {cause}, and {effect}. Your {relative} helped us to {remedy.base}.",
    "I have {act.done} and {act2.done}.",
    "Your {object} is still {hidden}.",
    "My {relative} is {bad_feeling} because {relative_he} cannot {act.base}.",
    "Will you come to the {event} in {month}?",
    "You can sleep in the room above the kitchen.",
    "We will eat {food}, and {m2} will play the flute.",
    "Please bring {a_thing} with you.",
    "The {vehicle} leaves at {hour} o'clock.",
    "I have not forgotten that {note_low}.",
    "We think of you every day.",
    "Write soon, and do not be {bad_feeling}.",
]

COMPARE_START = [
    "{n} has {a_thing}, and {m} has one, too.",
    "There are two {things} {in_place}.",
    "One {thing} is {colour}, the other is {colour2}.",
]
COMPARE = [
    "The {colour} {thing} is larger than the {colour2} {thing}.",
    "The {colour2} {thing} is older, but it is not as {adjective}.",
    "The {colour} one belongs to {n}.",
    "The {colour2} one belongs to {m}.",
    "The {colour} {thing} cost {number} coins.",
    "Therefore {n} never lends it to anyone.",
    "{m} bought {his2} {thing} in {village}.",
    "Both of them are useful when you want to {act.base}.",
    "Nobody knows which of them is better.",
    "The {job} says that the {colour} one will last longer.",
    "However, the {colour2} one is easier to carry.",
    "If you ask me, I prefer the {colour2} one.",
    "They are both kept {hidden}.",
    "It was made {number} years ago.",
]

HISTORY_START = [
    "{place_cap} was built in {year}.",
    "The first {event} took place in {year}.",
    "{n}, the {job}, was born in {year}.",
    "On the {ordinal} of {month} {year} {n} came to {place} for the first time.",
]
HISTORY = [
    "At that time {large} people lived here.",
    "In {year2} it was closed for {number} years.",
    "The {jobs} of the village built it with their own hands.",
    "{n} was the first {job}, and {m} was the second.",
    "In {month} {year2} {cause}, and {effect}.",
    "When {cause} in {year2}, everyone had to {remedy.base}, and later {result}.",
    "The old {thing} is still there.",
    "Between {year} and {year2} nobody {act.past} there.",
    "Many years later {his} {relative} became {a_job} as well.",
    "The {event} is held every {season} since then.",
    "Only {number} {things} are left from that time.",
    "People still tell how {n} {act.past}.",
    "There is a picture of {n} in the town hall.",
    "Today we {act.base} in the same place.",
    "In those days {drink} was more expensive than {drink2}.",
]

SINGLE = [
    "The {job} {act.past} {time}.",
    "The {adjective} {thing} was {hidden}.",
    "Therefore {n} decided to {act.base}.",
    "Therefore we had to {act.base}.",
    "Therefore the {job} was {good_feeling}.",
    "Because {bad_weather}, {n} stayed {in_place}.",
    "Because {cause}, {effect}.",
    "Because I am {a_job}, I often {act.base}.",
    "I {act.past} while {m} {act2.past}.",
    "I would like to {act.base}.",
    "I think that {note_low}.",
    "You can see {a_thing} {in_place}.",
    "You should {act.base} before {hour} o'clock.",
    "You need {a_thing} to {act.base}.",
    "{n} is {a_trait} {job}.",
    "We {act.past} on {weekday}.",
    "They went to {village} by {vehicle}.",
    "{weather}, and {n} was {bad_feeling}.",
    "{sight}.",
    "{note}.",
    "When {good_weather}, the children ran outside.",
    "After {act.ing}, {n} drank a cup of {drink}.",
    "However, nobody wanted to {act.base}.",
    "My {relative} {hobby}.",
    "It was {hour} o'clock when {n} came home.",
    "{n} bought {number} {items}.",
    "{a_coat} {animal} {animal_act}.",
    "If you see {m}, ask {mhim} about {the_thing}.",
    "The {event} will be in {month}.",
    "In {season} we often eat {food}.",
]


def choose(rng, patterns, count):
    """count different patterns in their order."""
    if count >= len(patterns):
        return patterns
    picked = set()
    while len(picked) < count:
        picked.add(int(rng.random() * len(patterns)))
    return [patterns[i] for i in sorted(picked)]


def shuffled(rng, patterns, count):
    """count different patterns in any order."""
    order = []
    while len(order) < count:
        i = int(rng.random() * len(patterns))
        if i not in order:
            order.append(i)
    return [patterns[i] for i in order]


def low(text):
    """A sentence as a clause: its first word without the capital, unless it needs it."""
    word = text.split(" ", 1)[0]
    return text if word in KEEP_CAPITAL else text[0].lower() + text[1:]


KEEP_CAPITAL = {"I"}


def cast(rng, indoors=False):
    """The people, the place, the things and all other fillings of one document, as the patterns name them."""
    scene = pick(rng, SCENES)
    while indoors and scene.name in OUTDOORS:
        scene = pick(rng, SCENES)
    (n, he, him, his), (m, mhe, mhim, mhis) = pick_two(rng, PEOPLE)
    lists = LISTS

    def any_of(name):
        items = lists[name]
        return items[int(rng.random() * len(items))]

    job = pick(rng, scene.people)
    while job in (ONLY_MEN if he == "she" else ONLY_WOMEN):
        job = pick(rng, scene.people)
    thing, thing2 = pick_two(rng, scene.things)
    acts = shuffled(rng, scene.acts, 6)
    sight, sight2 = pick_two(rng, scene.sights)
    cause, effect, remedy, result = pick(rng, scene.troubles)
    note = pick(rng, scene.notes)
    place = pick(rng, scene.places)
    in_place = PREPOSITIONS.get(place, "in") + " " + place
    trait, trait2, trait3, trait4 = shuffled(rng, lists["trait"], 4)
    colour, colour2 = pick_two(rng, lists["colour"])
    coat = any_of("coat")
    season, season2 = pick_two(rng, lists["season"])
    weekday, weekday2 = pick_two(rng, lists["weekday"])
    items, items2, items3 = shuffled(rng, lists["shop item"], 3)
    number, number2 = pick_two(rng, lists["number"])
    drink, drink2 = pick_two(rng, lists["drink"])
    vehicle, vehicle2 = pick_two(rng, lists["vehicle"])
    adjective = any_of("adjective")
    relative = any_of("relative")
    animal, wild = any_of("animal"), any_of("wild animal")
    weather = any_of("weather")
    guest = pick(rng, [name for name in lists["woman"][:4] if name not in (n, m)])
    job2 = pick(rng, GENERAL_JOBS)
    year = 1700 + int(rng.random() * 180)
    moment = any_of("time")
    return {
        "n": n, "he": he, "him": him, "his": his, "He": capital(he), "His": capital(his),
        "m": m, "mhe": mhe, "mhim": mhim, "mhis": mhis, "his2": mhis, "m2": guest,
        "job": job, "a_job": article(job), "jobs": plural(job), "job2": job2, "a_job2": article(job2),
        "place": place, "place_cap": capital(place), "in_place": in_place, "in_place_cap": capital(in_place),
        "thing": thing, "a_thing": article(thing), "the_thing": "the " + thing, "things": plural_phrase(thing),
        "thing2": thing2, "a_thing2": article(thing2), "things2": plural_phrase(thing2),
        "act": acts[0], "act2": acts[1], "act3": acts[2], "acts": acts,
        "sight": sight, "sight_low": low(sight), "sight2_low": low(sight2),
        "cause": cause, "cause_cap": capital(cause), "effect": effect, "remedy": remedy,
        "result": result, "result_cap": capital(result), "note": note, "note_low": low(note),
        "trait": trait, "a_trait": article(trait), "trait2": trait2, "trait3": trait3,
        "a_trait3": article(trait3), "a_trait4": article(trait4),
        "coat": coat, "a_coat": article(coat), "colour": colour, "a_colour": article(colour), "colour2": colour2,
        "season": season, "season2": season2,
        "weekday": weekday, "weekday2": weekday2, "month": any_of("month"), "ordinal": any_of("ordinal"),
        "hour": lists["hour"][int(rng.random() * 5)], "hour2": lists["hour"][3 + int(rng.random() * 3)],
        "number": number, "number_cap": capital(number), "number2": number2, "large": any_of("large"),
        "small": lists["number"][int(rng.random() * 3)], "age": 20 + int(rng.random() * 60),
        "items": items, "items2": items2, "items3": items3, "broken": "dirty" if rng.random() < 0.5 else "broken",
        "weather": weather, "good_weather": any_of("good weather"), "bad_weather": any_of("bad weather"),
        "bad_weather_now": "it rains" if rng.random() < 0.5 else "a storm comes",
        "time": moment, "time_cap": capital(moment), "long_time": any_of("long time"), "adverb": any_of("adverb"),
        "good_feeling": any_of("good feeling"), "bad_feeling": any_of("bad feeling"),
        "empty": "almost empty" if rng.random() < 0.5 else "full of people",
        "cold_or_hot": "hot" if "hot" in weather or "sun" in weather else "cold",
        "animal": animal, "animals": plural_animal(animal), "animal_act": any_of("animal act"),
        "wild": wild, "a_wild": article(wild), "wild_act": any_of("wild act"),
        "food": any_of("food"), "drink": drink, "drink2": drink2, "relative": relative,
        "relative_he": "he" if relative in MALE_RELATIVES else "she",
        "relative_him": "him" if relative in MALE_RELATIVES else "her", "friend_adjective": any_of("friend adjective"),
        "home": any_of("home"), "hobby": any_of("hobby"), "object": any_of("object"), "hidden": any_of("hidden"),
        "hidden_place": "in the kitchen" if rng.random() < 0.5 else "under the stairs",
        "adjective": adjective, "an_adjective": article(adjective),
        "vehicle": vehicle, "vehicle2": vehicle2, "village": any_of("village"), "event": any_of("event"),
        "year": year, "year2": year + 5 + int(rng.random() * 60),
    }  # fmt: skip


def plural_phrase(noun):
    """Of "jar of honey" as of "jar"."""
    head, of, rest = noun.partition(" of ")
    return plural_noun(head) + of + rest


def plural_noun(noun):
    for ending, many in (("loaf", "loaves"), ("knife", "knives"), ("shelf", "shelves"), ("man", "men"), ("scissors", "scissors")):
        if noun.endswith(ending):
            return noun[: -len(ending)] + many
    return plural(noun)


def plural_animal(animal):
    return {"sheep": "sheep", "goose": "geese"}.get(animal) or plural(animal)


def story(rng, words):
    patterns = shuffled(rng, OPENINGS, 1)
    patterns += shuffled(rng, SETTINGS, 1 + int(rng.random() * 2))
    patterns += shuffled(rng, DEEDS, 1 + int(rng.random() * 2))
    if rng.random() < 0.5:
        patterns.append(pick(rng, TALK))
    if rng.random() < 0.75:
        patterns += [pick(rng, TROUBLES), pick(rng, REMEDIES), pick(rng, RESULTS)]
    else:
        patterns += shuffled(rng, DEEDS, 1)
    if rng.random() < 0.5:
        patterns.append(pick(rng, FEELINGS))
    if rng.random() < 0.7:
        patterns.append(pick(rng, CLOSINGS))
    for i, pattern in enumerate(patterns):
        if "{m}" in pattern:
            if i > 0:
                patterns.insert(i, pick(rng, INTRODUCTIONS))
            break
    return patterns


def plain(start, middle, end, least, most, in_order=False):
    """A document of one opening, least to most sentences and an end."""

    def patterns(rng, words):
        yield pick(rng, start)
        count = least + int(rng.random() * (most - least + 1))
        yield from (choose if in_order else shuffled)(rng, middle, count)
        if end and rng.random() < 0.8:
            yield pick(rng, end)

    return patterns


def portrait(rng, words):
    start = pick(rng, PORTRAIT_START)
    yield start
    count = 3 + int(rng.random() * 6)
    for pattern in shuffled(rng, PORTRAIT, count):
        if not ("{home}" in pattern and "{home}" in start):
            yield pattern


def speech(rng, words):
    if rng.random() < 0.4:
        yield pick(rng, OPENINGS)
    for exchange in choose(rng, SPEECH, 2 + int(rng.random() * 3)):
        yield from exchange
    if rng.random() < 0.6:
        yield pick(rng, SPEECH_END)


def letter(rng, words):
    yield "Dear {m},"
    yield from choose(rng, LETTER, 3 + int(rng.random() * 6))
    yield pick(rng, ("Your {n}.", "Many greetings from your {n}.", "Your {friend_adjective} friend {n}."))


def animal_story(rng, words):
    """Of a tame or a wild one, as the opening has it."""
    start = pick(rng, ANIMAL_START)
    kind, acts = ("wild", "wild act") if "{a_wild}" in start else ("animal", "animal act")
    words["pet"], words["pet_act"] = words[kind], pick(rng, LISTS[acts])
    words["pets"] = plural_animal(words["pet"])
    yield start
    yield from shuffled(rng, ANIMAL, 3 + int(rng.random() * 5))
    yield pick(rng, ANIMAL_END)


# (weight, patterns, whether actions change from sentence to sentence, whether a filling serves once only, only indoors)
KINDS = [
    (34, story, True, True, False),
    (10, portrait, True, True, False),
    (8, plain(PLACE_START, PLACE, None, 4, 8), True, True, True),
    (10, plain(DIARY_START, DIARY, DIARY_END, 4, 8), True, True, False),
    (7, plain(ADVICE_START, ADVICE, ADVICE_END, 3, 6), False, True, False),
    (8, speech, True, True, False),
    (6, plain(JOURNEY_START, JOURNEY, JOURNEY_END, 3, 6), True, True, False),
    (5, animal_story, True, False, False),
    (4, plain(COUNTING_START, COUNTING, COUNTING_END, 3, 6, in_order=True), True, False, False),
    (4, letter, True, True, False),
    (2, plain(COMPARE_START, COMPARE, None, 3, 6, in_order=True), False, False, False),
    (4, plain(HISTORY_START, HISTORY, None, 3, 6, in_order=True), True, True, True),
]
KINDS_BY_WEIGHT = [kind for weight, *kind in KINDS for _ in range(weight)]


def fields(pattern):
    return frozenset(re.findall(r"{(\w+?)(?:_low|_cap)?[.}]", pattern))


FIELDS = {}  # pattern: the names of its fillings
ACTS = frozenset(("act", "act2", "act3"))
ONCE = frozenset(("sight", "weather", "note", "home", "hobby", "food", "colour", "adverb", "relative",
                  "object", "hidden", "long_time", "number2", "event", "wild_act", "large", "empty"))  # fmt: skip


def document(rng):
    """A coherent text of 3 to about 12 sentences, one paragraph without a newline."""
    kind, rotate, once, indoors = pick(rng, KINDS_BY_WEIGHT)
    words = cast(rng, indoors)
    spent = set()
    texts = []
    for pattern in kind(rng, words):
        names = FIELDS.get(pattern)
        if names is None:
            names = FIELDS[pattern] = fields(pattern)
        if once and not spent.isdisjoint(names):
            continue
        spent |= names & ONCE
        text = pattern.format_map(words)
        texts.append(text if text[0].isupper() else capital(text))
        if rotate and not ACTS.isdisjoint(names):
            acts = words["acts"]
            acts.append(acts.pop(0))
            if "act2" in names:
                acts.append(acts.pop(0))
            words["act"], words["act2"], words["act3"] = acts[:3]
    return " ".join(texts)


def sentence(rng):
    """One neutral sentence, without a newline."""
    return capital(pick(rng, SINGLE).format_map(cast(rng)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=3, help="documents to print")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--measure", action="store_true", help="speed and number of words of 20,000 documents")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    for _ in range(options.samples):
        print(document(rng), end="\n\n")
    for _ in range(options.samples):
        print(sentence(rng))
    if options.measure:
        start = time.perf_counter()
        texts = [document(rng) for _ in range(20000)]
        seconds = time.perf_counter() - start
        words = [word for text in texts for word in re.findall(r"[a-z']+", text.lower())]
        print(f"{20000 / seconds:.0f} documents/s, {len(set(words))} distinct words, {len(words) / 20000:.1f} words a document")
        print(f"{len(set(texts))} distinct documents of {len(texts)}")


if __name__ == "__main__":
    main()
