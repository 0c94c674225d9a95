// format/checkpoint: which files of a folder are weights, indices and their shards.
#include "fixture.h"

#include "format/checkpoint.h"
#include "format/safetensors.h"

static const float values[4] = {1, 2, 3, 4};

// Writes a safetensors file with one F32 tensor of 4 elements for each letter of `names`.
static void write_shard(void *const *state, const char *file, const char *names) {
    char path[512], text[8][2];
    ae_tensor tensors[8];
    size_t n = strlen(names);
    for (size_t i = 0; i < n; i++) {
        text[i][0] = names[i];
        text[i][1] = '\0';
        tensors[i] = (ae_tensor){.name = text[i],
                                 .dtype = AE_F32,
                                 .n_dim = 1,
                                 .shape = {4},
                                 .n_bytes = sizeof values,
                                 .data = values};
    }
    assert_ok(ae_safetensors_write(scratch_path(state, file, path), tensors, n, NULL));
}

static void write_text(void *const *state, const char *file, const char *text) {
    char path[512];
    write_whole(scratch_path(state, file, path), text, strlen(text));
}

static void copy(void *const *state, const char *from, const char *file) {
    char path[512], *bytes;
    size_t length;
    read_whole(from, &bytes, &length);
    write_whole(scratch_path(state, file, path), bytes, length);
    ae_free(bytes);
}

static void the_first_kind_that_is_there_is_opened(void **state) {
    ae_checkpoint *checkpoint = NULL;
    assert_fails(ae_checkpoint_open("tests/absent", &checkpoint), AE_ERR_NOT_FOUND,
                 "'tests/absent' is not a folder");
    assert_fails(
        ae_checkpoint_open(*state, &checkpoint), AE_ERR_NOT_FOUND,
        "holds no weights: looked for model.safetensors, model.safetensors.index.json, pytorch_model.bin and "
        "pytorch_model.bin.index.json");
    copy(state, FIXTURES "small.bin", "pytorch_model.bin");
    assert_ok(ae_checkpoint_open(*state, &checkpoint));
    assert_false(ae_checkpoint_is_safetensors(checkpoint));
    assert_int_equal(ae_checkpoint_count(checkpoint), 2);
    assert_int_equal(ae_checkpoint_file_count(checkpoint), 1);
    assert_string_equal(ae_checkpoint_file(checkpoint, 0), "pytorch_model.bin");
    assert_int_equal(ae_checkpoint_bytes(checkpoint), 1829);
    assert_memory_equal(ae_checkpoint_find(checkpoint, "a")->data, values, sizeof values);
    assert_null(ae_checkpoint_find(checkpoint, "w"));
    ae_checkpoint_close(checkpoint);
    write_shard(state, "model.safetensors", "wx");
    assert_ok(ae_checkpoint_open(*state, &checkpoint));
    assert_true(ae_checkpoint_is_safetensors(checkpoint));
    assert_string_equal(ae_checkpoint_at(checkpoint, 1)->name, "x");
    assert_int_equal(ae_checkpoint_at(checkpoint, 1)->file, 0);
    assert_ptr_equal(ae_checkpoint_find(checkpoint, "w"), ae_checkpoint_at(checkpoint, 0));
    assert_null(ae_checkpoint_find(checkpoint, "a"));
    ae_checkpoint_close(checkpoint);
    // A link to nothing is not passed over for what else there is.
    char link[512];
    assert_int_equal(unlink(scratch_path(state, "model.safetensors", link)), 0);
    assert_int_equal(symlink("../blobs/0123", link), 0);
    assert_fails(ae_checkpoint_open(*state, &checkpoint), AE_ERR_NOT_FOUND,
                 "model.safetensors' is a link to what is not there");
    assert_int_equal(unlink(link), 0);
    write_text(state, "model.safetensors",
               "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n");
    assert_fails(ae_checkpoint_open(*state, &checkpoint), AE_ERR_FORMAT,
                 "model.safetensors' is a Git LFS pointer, not the data themselves");
}

static void shards_come_in_order_of_name(void **state) {
    write_shard(state, "model-2.safetensors", "ab");
    write_shard(state, "model-1.safetensors", "dc");
    write_text(
        state, "model.safetensors.index.json",
        "{\"metadata\": {\"total_size\": 64}, \"weight_map\": {\"a\": \"model-2.safetensors\", "
        "\"b\": \"model-2.safetensors\", \"c\": \"model-1.safetensors\", \"d\": \"model-1.safetensors\"}}");
    ae_checkpoint *checkpoint;
    assert_ok(ae_checkpoint_open(*state, &checkpoint));
    assert_int_equal(ae_checkpoint_file_count(checkpoint), 2);
    assert_string_equal(ae_checkpoint_file(checkpoint, 0), "model-1.safetensors");
    static const char *const order[4] = {"d", "c", "a", "b"};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(ae_checkpoint_at(checkpoint, i)->name, order[i]);
        assert_int_equal(ae_checkpoint_at(checkpoint, i)->file, i / 2);
        assert_ptr_equal(ae_checkpoint_find(checkpoint, order[i]), ae_checkpoint_at(checkpoint, i));
    }
    char path[512];
    int64_t bytes = 0;
    for (int i = 1; i <= 2; i++) {
        char name[32], *text;
        size_t length;
        snprintf(name, sizeof name, "model-%d.safetensors", i);
        read_whole(scratch_path(state, name, path), &text, &length);
        bytes += (int64_t)length;
        ae_free(text);
    }
    assert_int_equal(ae_checkpoint_bytes(checkpoint), bytes);
    ae_checkpoint_close(checkpoint);
}

static void torch_shards_are_read_too(void **state) {
    copy(state, FIXTURES "small.bin", "pytorch_model-1.bin");
    write_text(state, "pytorch_model.bin.index.json",
               "{\"weight_map\": {\"a\": \"pytorch_model-1.bin\", \"b\": \"pytorch_model-1.bin\"}}");
    ae_checkpoint *checkpoint;
    assert_ok(ae_checkpoint_open(*state, &checkpoint));
    assert_false(ae_checkpoint_is_safetensors(checkpoint));
    assert_int_equal(ae_checkpoint_count(checkpoint), 2);
    ae_checkpoint_close(checkpoint);
}

static void indices_that_do_not_fit_are_refused(void **state) {
    write_shard(state, "one", "ab");
    write_shard(state, "two", "bc");
    write_shard(state, ".hidden", "a");
    static const struct {
        const char *index;
        ae_status status;
        const char *text;
    } cases[] = {
        {"[]", AE_ERR_FORMAT, "field 'weight_map' is nothing, expected an object"},
        {"{\"weight_map\": []}", AE_ERR_FORMAT, "field 'weight_map' is an array"},
        {"{\"weight_map\": {}}", AE_ERR_FORMAT, "field 'weight_map' is empty"},
        {"{\"weight_map\": {\"a\": 3}}", AE_ERR_FORMAT,
         "weight_map['a'] is an integer, expected a file name"},
        {"{\"weight_map\": {\"a\": \"../one\"}}", AE_ERR_FORMAT,
         "weight_map['a'] is '../one', expected the plain name"},
        {"{\"weight_map\": {\"a\": \"/etc/passwd\"}}", AE_ERR_FORMAT,
         "'/etc/passwd', expected the plain name"},
        {"{\"weight_map\": {\"a\": \"x/one\"}}", AE_ERR_FORMAT, "'x/one', expected the plain name"},
        {"{\"weight_map\": {\"a\": \"x\\\\one\"}}", AE_ERR_FORMAT, "expected the plain name"},
        {"{\"weight_map\": {\"a\": \"..\"}}", AE_ERR_FORMAT, "'..', expected the plain name"},
        {"{\"weight_map\": {\"a\": \".hidden\"}}", AE_ERR_FORMAT, "'.hidden', expected the plain name"},
        {"{\"weight_map\": {\"a\": \"\"}}", AE_ERR_FORMAT, "'', expected the plain name"},
        {"{\"weight_map\": {\"a\": \"one\\u0000\"}}", AE_ERR_FORMAT, "expected the plain name"},
        {"{\"weight_map\": {\"a\": \"three\"}}", AE_ERR_NOT_FOUND,
         "names the shard 'three', which is not there"},
        {"{\"weight_map\": {\"a\": \"one\", \"b\": \"one\", \"z\": \"one\"}}", AE_ERR_FORMAT,
         "tensor 'z' is not in 'one', where the index has it"},
        {"{\"weight_map\": {\"a\": \"one\"}}", AE_ERR_FORMAT, "tensor 'b' of 'one' is not in the index"},
        {"{\"weight_map\": {\"a\": \"one\", \"b\": \"one\", \"c\": \"two\"}}", AE_ERR_FORMAT,
         "tensor 'b' is both in 'one' and in 'two'"},
        {"{\"weight_map\": {\"a\": \"one\", \"a\": \"two\"}}", AE_ERR_FORMAT, "duplicate object key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_text(state, "model.safetensors.index.json", cases[i].index);
        ae_checkpoint *checkpoint = NULL;
        assert_fails(ae_checkpoint_open(*state, &checkpoint), cases[i].status, cases[i].text);
        assert_null(checkpoint);
    }
    // A tensor that lies in another shard than the index says.
    write_shard(state, "two", "c");
    write_text(state, "model.safetensors.index.json",
               "{\"weight_map\": {\"a\": \"one\", \"b\": \"two\", \"c\": \"two\"}}");
    ae_checkpoint *checkpoint = NULL;
    assert_fails(ae_checkpoint_open(*state, &checkpoint), AE_ERR_FORMAT,
                 "tensor 'b' is in 'one', the index says 'two'");
    // A shard that is no safetensors file.
    write_text(state, "two", "text");
    assert_fails(ae_checkpoint_open(*state, &checkpoint), AE_ERR_FORMAT, "two' has 4 bytes: too short");
}

static void lack_of_memory_is_an_error(void **state) {
    write_shard(state, "one", "ab");
    write_shard(state, "two", "c");
    write_text(state, "model.safetensors.index.json",
               "{\"weight_map\": {\"a\": \"one\", \"b\": \"one\", \"c\": \"two\"}}");
    ae_status status = AE_ERR_MEMORY;
    int failures = 0;
    for (uint64_t n = 1; status == AE_ERR_MEMORY; n++, failures++) {
        ae_checkpoint *checkpoint = NULL;
        ae_memory_fail_at(n);
        status = ae_checkpoint_open(*state, &checkpoint);
        ae_memory_fail_at(0);
        ae_checkpoint_close(checkpoint);
    }
    assert_ok(status);
    assert_true(failures > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_kind_that_is_there_is_opened, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(shards_come_in_order_of_name, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(torch_shards_are_read_too, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(indices_that_do_not_fit_are_refused, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(lack_of_memory_is_an_error, make_scratch_folder,
                                        remove_scratch_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
