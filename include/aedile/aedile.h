/* aedile.h: knowledge editing of GPT-style language models. Includes the whole public interface:
 * status.h (errors, hooks), model.h (open, score, generate), edit.h (requests, templates, moments, edits),
 * journal.h (edits on disk, revert, export), eval.h (runs over data sets, summaries), report.h (runs as
 * pictures). */
#ifndef AEDILE_H
#define AEDILE_H
#include "aedile/report.h"
#endif
