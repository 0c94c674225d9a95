#include "eval/task_defaults.h"

#include <string.h>

static const ae_task_default defaults[] = {
    {
        .stem = "sst2",
        .name = "sst",
        .header = "Review : a tedious plot that goes nowhere for two long hours\n"
                  "Sentiment : negative\n\n"
                  "Review : warm , witty and beautifully acted from start to finish\n"
                  "Sentiment : positive\n\n"
                  "Review : the jokes are stale and the ending makes no sense\n"
                  "Sentiment : negative\n\n"
                  "Review : a small gem that stays with you for days\n"
                  "Sentiment : positive\n\n",
        .prompt_template = "Review : {sentence}\nSentiment :",
        .answer_marker = "Sentiment :",
        .answers = {{"positive", 1}, {"negative", 0}},
    },
    {
        .stem = "mrpc",
        .name = "mrpc",
        .header = "Are the sentences paraphrases of each other.\n"
                  "Sentence 1: The ferry left the harbour an hour late because of fog.\n"
                  "Sentence 2: Because of fog, the ferry set out an hour later than planned.\n"
                  "Answer: Yes\n\n"
                  "Are the sentences paraphrases of each other.\n"
                  "Sentence 1: The council approved the new bridge on Monday.\n"
                  "Sentence 2: The new bridge was closed to lorries on Monday.\n"
                  "Answer: No\n\n"
                  "Are the sentences paraphrases of each other.\n"
                  "Sentence 1: The bakery sold 300 loaves before noon.\n"
                  "Sentence 2: By noon the bakery had sold 300 loaves.\n"
                  "Answer: Yes\n\n"
                  "Are the sentences paraphrases of each other.\n"
                  "Sentence 1: The orchestra has 80 players, most of them under thirty.\n"
                  "Sentence 2: The orchestra will tour in spring with a new conductor.\n"
                  "Answer: No\n\n",
        .prompt_template = "Are the sentences paraphrases of each other.\n"
                           "Sentence 1: {sentence1}\nSentence 2: {sentence2}\nAnswer:",
        .answer_marker = "Answer:",
        .answers = {{"Yes", 1}, {"No", 0}},
    },
    {
        .stem = "cola",
        .name = "cola",
        .header = "Is this sentence linguistically acceptable?\n"
                  "Sentence : The gardener planted three trees behind the shed.\n"
                  "Answer : Yes\n\n"
                  "Is this sentence linguistically acceptable?\n"
                  "Sentence : The gardener planted behind the shed three.\n"
                  "Answer : No\n\n"
                  "Is this sentence linguistically acceptable?\n"
                  "Sentence : Which letter did she forget to post?\n"
                  "Answer : Yes\n\n"
                  "Is this sentence linguistically acceptable?\n"
                  "Sentence : Which letter did she forget to post it?\n"
                  "Answer : No\n\n",
        .prompt_template = "Is this sentence linguistically acceptable?\nSentence : {sentence}\nAnswer :",
        .answer_marker = "Answer :",
        .answers = {{"Yes", 1}, {"No", 0}},
    },
    {
        .stem = "rte",
        .name = "rte",
        .header = "The lighthouse was built in 1840 and has been a museum since the last keeper left.\n"
                  "question: The lighthouse is a museum. True or False?\n"
                  "answer: False\n\n"
                  "The school moved to a larger building because its classes had grown.\n"
                  "question: The school has a swimming pool. True or False?\n"
                  "answer: True\n\n"
                  "After the flood, volunteers carried every book of the library to the town hall.\n"
                  "question: The books were carried to the town hall. True or False?\n"
                  "answer: False\n\n",
        .prompt_template = "{sentence1}\nquestion: {sentence2} True or False?\nanswer:",
        .answer_marker = "answer:",
        .answers = {{"False", 0}, {"True", 1}},
    },
};

const ae_task_default *ae_task_default_find(const char *stem) {
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (strcmp(defaults[i].stem, stem) == 0 || strcmp(defaults[i].name, stem) == 0) return &defaults[i];
    return NULL;
}
