// What tokenizer.json says beside its tokens: all that would change ids or text must be GPT-2's.

#include "text/tokenizer_loader.h"

#include <string.h>

// The "type" of a part such as "normalizer"; NULL: null or absent.
static ae_status part_type(const ae_tokenizer_loader *load, const char *field, const json_t **out,
                           const char **type) {
    *type = NULL;
    *out = json_object_get(load->main, field);
    if (!*out || json_is_null(*out)) return AE_OK;
    if (!json_is_object(*out))
        return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is %s, expected an object or null", load->main_path,
                       field, ae_json_type_name(*out));
    ae_status status = ae_json_string(load->main_path, *out, "type", true, type);
    return status == AE_OK ? AE_OK : ae_fail_context(status, "field '%s'", field);
}

static ae_status unsupported_part(const ae_tokenizer_loader *load, const char *field, const char *type,
                                  const char *expected) {
    return ae_fail(AE_ERR_UNSUPPORTED, "'%s': field '%s' is %s, only %s is supported", load->main_path, field,
                   type ? type : "null", expected);
}

// Everything that would change ids or text and is not GPT-2's way is refused by its name.
static ae_status check_parts(const ae_tokenizer_loader *load) {
    const json_t *part;
    const char *type;
    AE_TRY(part_type(load, "normalizer", &part, &type));
    if (type) return unsupported_part(load, "normalizer", type, "null");
    AE_TRY(part_type(load, "post_processor", &part, &type));
    if (type && strcmp(type, "ByteLevel") != 0)
        return unsupported_part(load, "post_processor", type, "ByteLevel or null");
    AE_TRY(part_type(load, "decoder", &part, &type));
    if (!type || strcmp(type, "ByteLevel") != 0) return unsupported_part(load, "decoder", type, "ByteLevel");
    AE_TRY(part_type(load, "pre_tokenizer", &part, &type));
    if (!type || strcmp(type, "ByteLevel") != 0)
        return unsupported_part(load, "pre_tokenizer", type, "ByteLevel");
    bool prefix_space = true, use_regex = true;
    AE_TRY(ae_json_bool(load->main_path, part, "add_prefix_space", false, &prefix_space));
    AE_TRY(ae_json_bool(load->main_path, part, "use_regex", false, &use_regex));
    if (prefix_space)
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s': field 'pre_tokenizer.add_prefix_space' is true, which is not supported",
                       load->main_path);
    if (!use_regex)
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s': field 'pre_tokenizer.use_regex' is false, which is not supported",
                       load->main_path);
    return AE_OK;
}

static ae_status check_model(const ae_tokenizer_loader *load, const json_t *model) {
    const char *type = "BPE"; // GPT-2's own file does not say
    AE_TRY(ae_json_string(load->main_path, model, "type", false, &type));
    if (strcmp(type, "BPE") != 0) return unsupported_part(load, "model.type", type, "BPE");
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < sizeof affixes / sizeof affixes[0]; i++) {
        const char *affix = "";
        AE_TRY(ae_json_string(load->main_path, model, affixes[i], false, &affix));
        if (*affix)
            return ae_fail(AE_ERR_UNSUPPORTED, "'%s': field 'model.%s' is \"%.80s\", which is not supported",
                           load->main_path, affixes[i], affix);
    }
    static const char *const switches[] = {"byte_fallback", "ignore_merges"};
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        bool on = false;
        AE_TRY(ae_json_bool(load->main_path, model, switches[i], false, &on));
        if (on)
            return ae_fail(AE_ERR_UNSUPPORTED, "'%s': field 'model.%s' is true, which is not supported",
                           load->main_path, switches[i]);
    }
    double dropout = 0;
    AE_TRY(ae_json_number(load->main_path, model, "dropout", false, 0, 1, &dropout));
    if (dropout > 0)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': field 'model.dropout' is %g, only none is supported",
                       load->main_path, dropout);
    return AE_OK;
}

ae_status ae_loader_read_json(ae_tokenizer_loader *load, const json_t **merges, const json_t **added) {
    const json_t *model = json_object_get(load->main, "model");
    if (!json_is_object(model))
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'model' is %s, expected an object", load->main_path,
                       ae_json_type_name(model));
    AE_TRY(check_model(load, model));
    AE_TRY(check_parts(load));
    load->vocab = json_object_get(model, "vocab");
    if (!json_is_object(load->vocab))
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'model.vocab' is %s, expected an object", load->main_path,
                       ae_json_type_name(load->vocab));
    *merges = json_object_get(model, "merges");
    if (!json_is_array(*merges))
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'model.merges' is %s, expected an array", load->main_path,
                       ae_json_type_name(*merges));
    *added = json_object_get(load->main, "added_tokens");
    if (*added && !json_is_array(*added) && !json_is_null(*added))
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'added_tokens' is %s, expected an array", load->main_path,
                       ae_json_type_name(*added));
    return AE_OK;
}
