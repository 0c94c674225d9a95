/* eval/snippets.h: what generated text is compared with: texts about things that share an attribute
 * (attribute_snippets.json), and the TF-IDF vocabulary (spec/evaluation.md §2). */
#ifndef AE_EVAL_SNIPPETS_H
#define AE_EVAL_SNIPPETS_H

#include "eval/dataset.h"
#include "text/tfidf.h"

enum { AE_SNIPPET_FILES = 3 };

/* "attribute_snippets.json", "tfidf_vocab.json", "idf.npy". */
extern const char *const ae_snippet_files[AE_SNIPPET_FILES];

typedef struct ae_snippets ae_snippets;

/* Reads attribute_snippets.json, tfidf_vocab.json and idf.npy of `folder`, keeping in memory only what the
 * records ask for: per (relation_id, target_new id) the TF-IDF vector of all snippets joined by spaces, and
 * per record the essence text (the snippets of that pair whose name is the record's subject, joined by
 * spaces). *out is NULL, with a warning, where none of the three files is there; one missing among others is
 * AE_ERR_NOT_FOUND. It is NULL, without reading them, where no record has ids to look for (zsRE, EasyEdit's
 * flat form). The reference's file has 926 MB: it is read one element at a time. */
ae_status ae_snippets_open(const char *folder, const ae_dataset *dataset, const ae_hooks *hooks,
                           ae_snippets **out);
void ae_snippets_free(ae_snippets *snippets); // NULL is fine

/* Cosine between the texts, joined by spaces, and the snippets of the record's pair; NaN for a zero vector.
 * *found is false where the pair has no snippets (then *score is untouched). */
ae_status ae_snippets_reference_score(const ae_snippets *snippets, const ae_record *record,
                                      const char *const *texts, size_t n_texts, bool *found, double *score);

/* The essence text of record number `index` of the data set; NULL where there is none. */
const char *ae_snippets_essence(const ae_snippets *snippets, size_t index);

#endif
