// format/torch_bin: state dicts as torch.save writes them, what is refused by name, damaged archives.
#include "fixture.h"

#include "format/torch_bin.h"
#include "format/torch_pickle.h"

static const ae_tensor *find(const ae_torch_bin *file, const char *name) {
    for (size_t i = 0; i < ae_torch_bin_count(file); i++)
        if (strcmp(ae_torch_bin_at(file, i)->name, name) == 0) return ae_torch_bin_at(file, i);
    fail_msg("no tensor '%s'", name);
    return NULL;
}

static void check_tensor(const ae_torch_bin *file, const char *name, ae_dtype dtype, const char *shape,
                         const void *values) {
    const ae_tensor *tensor = find(file, name);
    char text[AE_SHAPE_TEXT];
    assert_int_equal(tensor->dtype, dtype);
    assert_string_equal(ae_shape_text(tensor->n_dim, tensor->shape, text), shape);
    assert_int_equal(tensor->n_bytes, (size_t)ae_tensor_elements(tensor) * ae_dtype_size(dtype));
    if (tensor->n_bytes > 0) assert_memory_equal(tensor->data, values, tensor->n_bytes);
}

// What tools/make_format_fixtures.py put into its state dict.
static void check_state(const char *path) {
    ae_torch_bin *file;
    assert_ok(ae_torch_bin_open(path, &file));
    assert_int_equal(ae_torch_bin_count(file), 17);
    const float tied[6] = {0, 0.25f, 0.5f, 0.75f, 1, 1.25f};
    check_tensor(file, "wte.weight", AE_F32, "[2, 3]", tied);
    check_tensor(file, "lm_head.weight", AE_F32, "[2, 3]", tied);
    assert_ptr_equal(find(file, "wte.weight")->data, find(file, "lm_head.weight")->data);
    check_tensor(file, "f64", AE_F64, "[2]", (const double[]){1.0 / 3.0, -2.0});
    check_tensor(file, "half", AE_F16, "[4]", (const uint16_t[]){0x3c00, 0xb800, 0x7bff, 0x0001});
    check_tensor(file, "brain", AE_BF16, "[3]", (const uint16_t[]){0x3f80, 0xc040, 0x714a});
    check_tensor(file, "i64", AE_I64, "[2]", (const int64_t[]){-1, 1ll << 40});
    check_tensor(file, "i32", AE_I32, "[1]", (const int32_t[]){-7});
    check_tensor(file, "i16", AE_I16, "[1]", (const int16_t[]){-300});
    check_tensor(file, "i8", AE_I8, "[1]", (const int8_t[]){-8});
    check_tensor(file, "u8", AE_U8, "[1]", (const uint8_t[]){200});
    check_tensor(file, "mask", AE_BOOL, "[1, 1, 2, 2]", (const uint8_t[]){1, 0, 1, 1});
    check_tensor(file, "scalar", AE_F32, "[]", (const float[]){-10000});
    check_tensor(file, "empty", AE_F32, "[0, 4]", NULL);
    check_tensor(file, "part", AE_F32, "[4]", (const float[]){4, 5, 6, 7});
    check_tensor(file, "column", AE_F32, "[1, 3]", (const float[]){2, 3, 4});
    check_tensor(file, "parameter", AE_F32, "[1]", (const float[]){9});
    check_tensor(file, "größe", AE_F32, "[1]", (const float[]){1.5f});
    char *bytes;
    size_t length;
    read_whole(path, &bytes, &length);
    for (size_t i = 0; i < 17; i++) {
        const ae_tensor *tensor = ae_torch_bin_at(file, i);
        assert_true(tensor->offset + tensor->n_bytes <= length);
        if (tensor->n_bytes > 0) assert_memory_equal(bytes + tensor->offset, tensor->data, tensor->n_bytes);
        if (i > 0) assert_true(tensor->offset >= ae_torch_bin_at(file, i - 1)->offset);
    }
    ae_free(bytes);
    ae_torch_bin_close(file);
}

static void state_dicts_of_every_protocol_are_read(void **state) {
    (void)state;
    check_state(FIXTURES "state.bin");
    check_state(FIXTURES "state_protocol4.bin");
    check_state(FIXTURES "state_protocol5.bin");
    ae_torch_bin *file;
    static const char *const same[] = {FIXTURES "small.bin", FIXTURES "zip64.bin",
                                       FIXTURES "no_checksums.bin"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_ok(ae_torch_bin_open(same[i], &file));
        assert_int_equal(ae_torch_bin_count(file), 2);
        check_tensor(file, "a", AE_F32, "[2, 2]", (const float[]){1, 2, 3, 4});
        check_tensor(file, "b", AE_F16, "[1]", (const uint16_t[]){0x4500});
        ae_torch_bin_close(file);
    }
}

static void what_is_no_plain_state_dict_is_refused(void **state) {
    (void)state;
    ae_torch_bin *file = NULL;
    assert_fails(ae_torch_bin_open(FIXTURES "system.bin", &file), AE_ERR_UNSUPPORTED,
                 "asks for Python's 'posix.system', which is refused");
    assert_fails(ae_torch_bin_open(FIXTURES "system_protocol4.bin", &file), AE_ERR_UNSUPPORTED,
                 "'posix.system'");
    assert_fails(ae_torch_bin_open(FIXTURES "plain_pickle.bin", &file), AE_ERR_UNSUPPORTED,
                 "'torch.storage._load_from_bytes'");
    assert_fails(ae_torch_bin_open(FIXTURES "old_format.bin", &file), AE_ERR_UNSUPPORTED,
                 "format of before version 1.6, which is not read; convert it once: python -c");
    assert_fails(ae_torch_bin_open(FIXTURES "torchscript.bin", &file), AE_ERR_UNSUPPORTED,
                 "TorchScript program");
    assert_fails(ae_torch_bin_open(FIXTURES "big_endian.bin", &file), AE_ERR_UNSUPPORTED, "byte order 'big'");
    assert_fails(ae_torch_bin_open(FIXTURES "deflated.bin", &file), AE_ERR_UNSUPPORTED, "is compressed");
    assert_fails(ae_torch_bin_open(FIXTURES "transposed.bin", &file), AE_ERR_UNSUPPORTED,
                 "tensor 'turned' of shape [3, 2] has strides [1, 3]: it is transposed");
    assert_fails(ae_torch_bin_open(FIXTURES "nested.bin", &file), AE_ERR_UNSUPPORTED,
                 "entry 'state_dict' is a dict, not a tensor");
    assert_fails(ae_torch_bin_open(FIXTURES "list.bin", &file), AE_ERR_UNSUPPORTED,
                 "holds a list, expected a state");
    assert_fails(ae_torch_bin_open(FIXTURES "stored.npz", &file), AE_ERR_FORMAT, "without data.pkl");
    assert_fails(ae_torch_bin_open("CMakeLists.txt", &file), AE_ERR_FORMAT, "is not a zip archive");
    assert_fails(ae_torch_bin_open("tests/absent.bin", &file), AE_ERR_NOT_FOUND, "tests/absent.bin");
    assert_null(file);
}

// ---- pickles written by hand -----------------------------------------------------------------------

static ae_status unpickle(const char *bytes, size_t size, ae_torch_entry *first, size_t *count) {
    ae_arena *arena;
    assert_ok(ae_arena_new(&arena));
    unsigned char *exact =
        malloc(size ? size : 1); // of exactly this size, so that sanitizers see any overrun
    memcpy(exact, bytes, size);
    ae_torch_entry *entries = NULL;
    *count = 0;
    ae_status status = ae_torch_unpickle("p", exact, size, arena, &entries, count);
    free(exact);
    if (status == AE_OK && *count > 0) *first = entries[0];
    ae_arena_free(arena);
    return status;
}

#define PICKLE(text) text, sizeof(text) - 1
#define STORAGE                                                                                              \
    "(X\x07\0\0\0storagectorch\nHalfStorage\nX\x01\0\0\0"                                                    \
    "7X\x03\0\0\0cpuK\x06tQ"
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n("

static void opcodes_build_what_they_mean(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        int64_t offset, shape, stride;
    } cases[] = {
        // dict(k=tensor) with BININT1, BININT2, BININT, LONG1, LONG4 as numbers
        {PICKLE("\x80\x02}X\x01\0\0\0k" REBUILD STORAGE "K\x01K\x05\x85K\x01\x85\x89}tRs."), 1, 5, 1},
        {PICKLE("\x80\x02}X\x01\0\0\0k" REBUILD STORAGE
                "M\x01\x02J\xfe\xff\xff\xff\x85\x8a\x02\xff\xff\x85\x89}tRs."),
         513, -2, -1},
        {PICKLE("\x80\x03}\x8c\x01k" REBUILD STORAGE
                "\x8a\0\x8b\x02\0\0\0\0\x01\x85\x8a\x08\1\0\0\0\0\0\0\x40\x85N}N"
                "tRs."),
         0, 256, 0x4000000000000001},
        // a list, a tuple, bytes and a float that are popped; DUP; a memo; MARK ... DICT; POP_MARK
        {PICKLE("\x80\x04\x95\x01\0\0\0\0\0\0\0](K\x01K\x02"
                "eK\x03"
                "a0(K\x01l0)0C\x01x0G12345678"
                "0(NN1"
                "(\x8d\x01\0\0\0\0\0\0\0k" REBUILD STORAGE "q\x07"
                "0h\x07K\x02K\x03\x85K\x04\x85\x88}tRd20."),
         2, 3, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ae_torch_entry entry = {0};
        size_t count;
        assert_ok(unpickle(cases[i].bytes, cases[i].size, &entry, &count));
        assert_int_equal(count, 1);
        assert_int_equal(entry.dtype, AE_F16);
        assert_int_equal(entry.storage_elements, 6);
        assert_int_equal(entry.offset, cases[i].offset);
        assert_int_equal(entry.n_dim, 1);
        assert_int_equal(entry.shape[0], cases[i].shape);
        assert_int_equal(entry.stride[0], cases[i].stride);
    }
    size_t count;
    ae_torch_entry entry;
    assert_ok(unpickle(PICKLE("\x80\x02}."), &entry, &count));
    assert_int_equal(count, 0);
}

static void malformed_pickles_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        ae_status status;
        const char *text;
    } cases[] = {
        {PICKLE(""), AE_ERR_FORMAT, "damaged at byte 0: it does not begin with a protocol number"},
        {PICKLE("}."), AE_ERR_FORMAT, "does not begin with a protocol"},
        {PICKLE("\x80\x01}."), AE_ERR_UNSUPPORTED, "pickle protocol 1, supported are 2 to 5"},
        {PICKLE("\x80\x06}."), AE_ERR_UNSUPPORTED, "pickle protocol 6"},
        {PICKLE("\x80\x02}"), AE_ERR_FORMAT, "damaged at byte 3: it ends without a stop"},
        {PICKLE("\x80\x02}.}"), AE_ERR_FORMAT, "stops too early"},
        {PICKLE("\x80\x02}}."), AE_ERR_FORMAT, "stops too early"},
        {PICKLE("\x80\x02."), AE_ERR_FORMAT, "the stack is empty"},
        {PICKLE("\x80\x02(."), AE_ERR_FORMAT, "the stack is empty"},
        {PICKLE("\x80\x02Nt."), AE_ERR_FORMAT, "no mark on the stack"},
        {PICKLE("\x80\x02h\0."), AE_ERR_FORMAT, "a memo is used that was never set"},
        {PICKLE("\x80\x02Nq\x02h\x01."), AE_ERR_FORMAT, "a memo is used that was never set"},
        {PICKLE("\x80\x02Nr\xff\xff\xff\xff."), AE_ERR_FORMAT, "a memo number is too large"},
        {PICKLE("\x80\x02X\xff\xff\xff\xff"
                "a."),
         AE_ERR_FORMAT, "ends within an opcode's argument"},
        {PICKLE("\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
                "a."),
         AE_ERR_FORMAT, "within an opcode's argument"},
        {PICKLE("\x80\x02X\x01\0\0\0\xff."), AE_ERR_FORMAT, "a string is not UTF-8"},
        {PICKLE("\x80\x02J\x01\x02"), AE_ERR_FORMAT, "within an opcode's argument"},
        {PICKLE("\x80\x02\x8a\x09\1\2\3\4\5\6\7\x08\x09."), AE_ERR_UNSUPPORTED,
         "an integer of 9 bytes at byte 2"},
        {PICKLE("\x80\x04\x95\xff\0\0\0\0\0\0\0}."), AE_ERR_FORMAT, "a frame reaches beyond the end"},
        {PICKLE("\x80\x02"
                "cos\nsystem"),
         AE_ERR_FORMAT, "ends within a name"},
        {PICKLE("\x80\x02"
                "cos\nsystem\n."),
         AE_ERR_UNSUPPORTED, "Python's 'os.system'"},
        {PICKLE("\x80\x02"
                "cbuiltins\neval\n."),
         AE_ERR_UNSUPPORTED, "Python's 'builtins.eval'"},
        {PICKLE("\x80\x02"
                "ctorch._utils\n_rebuild_tensor_v3\n."),
         AE_ERR_UNSUPPORTED, "_rebuild_tensor_v3'"},
        {PICKLE("\x80\x04\x8c\x02osK\x01\x93."), AE_ERR_FORMAT, "a global's name is not a string"},
        {PICKLE("\x80\x02ios\nsystem\n."), AE_ERR_UNSUPPORTED, "opcode 0x69 at byte 2 is refused"},
        {PICKLE("\x80\x02I5\n."), AE_ERR_UNSUPPORTED, "opcode 0x49 at byte 2 is refused"}, // protocol 0's INT
        {PICKLE("\x80\x02"
                "ccollections\nOrderedDict\n)\x81."),
         AE_ERR_UNSUPPORTED, "opcode 0x81"},
        {PICKLE("\x80\x02"
                "ccollections\nOrderedDict\n)b."),
         AE_ERR_FORMAT, "attributes are no dict"},
        {PICKLE("\x80\x02]}b."), AE_ERR_FORMAT, "not what the opcode works on"},
        {PICKLE("\x80\x02"
                "ccollections\nOrderedDict\n]\x85R."),
         AE_ERR_FORMAT, "made from arguments"},
        {PICKLE("\x80\x02"
                "ctorch\nFloatStorage\n)R."),
         AE_ERR_UNSUPPORTED, "calls 'torch.FloatStorage'"},
        {PICKLE("\x80\x02}}R."), AE_ERR_FORMAT, "a call of what is no function"},
        {PICKLE("\x80\x02K\x01Q."), AE_ERR_FORMAT, "a persistent id is not a storage's"},
        {PICKLE("\x80\x02)Q."), AE_ERR_FORMAT, "a persistent id is not a storage's"},
        {PICKLE("\x80\x02(X\x07\0\0\0storageNNNNtQ."), AE_ERR_FORMAT, "a storage's type, key or size"},
        {PICKLE("\x80\x02" REBUILD ")tR."), AE_ERR_FORMAT, "arguments of torch._utils._rebuild_tensor_v2"},
        {PICKLE("\x80\x02" REBUILD STORAGE "K\0K\x05\x85)\x89}tR."), AE_ERR_FORMAT,
         "shape and stride do not fit"},
        {PICKLE("\x80\x02" REBUILD STORAGE "K\0N\x85K\x05\x85\x89}tR."), AE_ERR_FORMAT, "is no integer"},
        {PICKLE("\x80\x02" REBUILD STORAGE "K\0(NNNNNNNNNt)\x89}tR."), AE_ERR_UNSUPPORTED,
         "with 9 dimensions"},
        {PICKLE("\x80\x02"
                "ctorch._utils\n_rebuild_parameter\n)R."),
         AE_ERR_FORMAT, "_rebuild_parameter"},
        {PICKLE("\x80\x02}(Nu."), AE_ERR_FORMAT, "a key without a value"},
        {PICKLE("\x80\x02(Nd."), AE_ERR_FORMAT, "a key without a value"},
        {PICKLE("\x80\x02}K\x01Ns."), AE_ERR_UNSUPPORTED, "a key of the state dict is an integer"},
        {PICKLE("\x80\x02}X\x03\0\0\0a\0bNs."), AE_ERR_FORMAT, "tensor name 'a...' holds a NUL"},
        {PICKLE("\x80\x02}X\x01\0\0\0aNs."), AE_ERR_UNSUPPORTED, "entry 'a' is None, not a tensor"},
        {PICKLE("\x80\x02]."), AE_ERR_UNSUPPORTED, "holds a list, expected a state dict"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ae_torch_entry entry;
        size_t count;
        assert_fails(unpickle(cases[i].bytes, cases[i].size, &entry, &count), cases[i].status, cases[i].text);
    }
}

// ---- damage ----------------------------------------------------------------------------------------

// Opens the bytes as a file; what it accepts must lie within them.
static ae_status open_bytes(const char *path, const char *bytes, size_t length) {
    write_whole(path, bytes, length);
    ae_torch_bin *file = NULL;
    ae_status status = ae_torch_bin_open(path, &file);
    if (status != AE_OK) return status;
    for (size_t i = 0; i < ae_torch_bin_count(file); i++) {
        const ae_tensor *tensor = ae_torch_bin_at(file, i);
        assert_true(tensor->offset <= length && tensor->n_bytes <= length - tensor->offset);
        assert_true(tensor->n_bytes == (size_t)ae_tensor_elements(tensor) * ae_dtype_size(tensor->dtype));
        if (tensor->n_bytes > 0) assert_memory_equal(tensor->data, bytes + tensor->offset, tensor->n_bytes);
    }
    ae_torch_bin_close(file);
    return AE_OK;
}

// Replaces the text `from` by `to` of the same length, everywhere; how often.
static int replace(char *bytes, size_t length, const char *from, const char *to) {
    int found = 0;
    size_t n = strlen(from);
    assert_int_equal(n, strlen(to));
    for (size_t i = 0; i + n <= length; i++)
        if (memcmp(bytes + i, from, n) == 0) {
            memcpy(bytes + i, to, n);
            found++;
        }
    return found;
}

static void archives_that_contradict_themselves_are_refused(void **state) {
    char path[512], *bytes;
    size_t length;
    scratch_path(state, "changed.bin", path);
    // Without checksums the pickle's own contradictions come to light.
    static const struct {
        const char *from, *to, *text;
    } cases[] = {
        {"K\x04tq\x07QK", "K\x03tq\x07QK",
         "shape [2, 2] from element 0 on does not fit its storage of 3 elements"},
        {"K\x04tq\x07QK", "K\x7ftq\x07QK", "its storage should have 127 elements of F32, but"},
        {"QK", "Q.", "damaged"},
        {"archive/data/0", "archive/data/8", "tensor 'a': its storage 'data/0' is not in the archive"},
        {"archive/data/1", "archive/data/0", "member 'archive/data/0' is there twice"},
        {"archive/data.pkl", "archive/data.pkx", "without data.pkl"},
        {"little", "middle", "byte order 'middle'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        read_whole(FIXTURES "no_checksums.bin", &bytes, &length);
        if (replace(bytes, length, cases[i].from, cases[i].to) == 0)
            fail_msg("nothing to replace in case %zu", i);
        ae_status status = open_bytes(path, bytes, length);
        assert_true(status == AE_ERR_FORMAT || status == AE_ERR_UNSUPPORTED);
        if (!strstr(ae_last_error(), cases[i].text))
            fail_msg("'%s' lacks '%s'", ae_last_error(), cases[i].text);
        ae_free(bytes);
    }
    read_whole(FIXTURES "small.bin", &bytes, &length);
    assert_int_equal(replace(bytes, length, "HalfStorage", "ByteStorage"), 1);
    assert_fails(open_bytes(path, bytes, length), AE_ERR_FORMAT, "the checksum of member");
    ae_free(bytes);
    // zip64: the directory, each entry and each local header can contradict the file.
    static const struct {
        const char *signature;
        size_t at;
        const char *text;
    } fields[] = {
        {"PK\6\7", 8, "the zip64 end record is not where the archive says"},
        {"PK\6\6", 32, "the zip directory has more entries than the archive says"}, // 8 entries become 7
        {"PK\6\6", 39, "the zip directory is not where the archive says"},
        {"PK\6\6", 40, "is not valid"},
        {"PK\6\6", 55, "the zip directory is not where the archive says"},
        {"PK\1\2", 0, "an entry of the zip directory is not valid"},
        {"PK\1\2", 28, "claims"}, // a name too short by one: the extra field begins in the wrong place
        {"PK\1\2", 30, "claims"},
        {"PK\3\4", 26, "member 'archive/data.pkl' is damaged"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        read_whole(FIXTURES "zip64.bin", &bytes, &length);
        size_t at = 0;
        while (memcmp(bytes + at, fields[i].signature, 4) != 0)
            at++;
        bytes[at + fields[i].at]--;
        ae_status status = open_bytes(path, bytes, length);
        assert_int_equal(status, AE_ERR_FORMAT);
        if (!strstr(ae_last_error(), fields[i].text))
            fail_msg("%zu: '%s' lacks '%s'", i, ae_last_error(), fields[i].text);
        ae_free(bytes);
    }
}

static void damaged_archives_never_crash(void **state) {
    char path[512], *bytes;
    size_t length;
    scratch_path(state, "damaged.bin", path);
    read_whole(FIXTURES "small.bin", &bytes, &length);
    for (size_t cut = 0; cut < length; cut++) {
        ae_status status = open_bytes(path, bytes, cut);
        if (status != AE_ERR_FORMAT)
            fail_msg("%zu of %zu bytes gave %s", cut, length, ae_status_name(status));
        if (!strstr(ae_last_error(), "damaged.bin")) fail_msg("%zu: '%s'", cut, ae_last_error());
    }
    ae_free(bytes);
    static const char *const names[] = {FIXTURES "small.bin", FIXTURES "no_checksums.bin",
                                        FIXTURES "zip64.bin", FIXTURES "state_protocol4.bin",
                                        FIXTURES "old_format.bin"};
    ae_random random = ae_random_stream(3, 0, 0);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        read_whole(names[k], &bytes, &length);
        char *flipped = malloc(length);
        for (int i = 0; i < 1500; i++) {
            memcpy(flipped, bytes, length);
            flip_bits(flipped, length, &random);
            assert_answers(open_bytes(path, flipped, length));
        }
        free(flipped);
        ae_free(bytes);
    }
}

static void damaged_pickles_never_crash(void **state) {
    (void)state;
    // The pickle alone, where no checksum and no archive stand before the machine.
    char *bytes;
    size_t length, begin = 0;
    read_whole(FIXTURES "state_protocol4.bin", &bytes, &length);
    while (begin + 2 < length && memcmp(bytes + begin, "\x80\x04\x95", 3) != 0)
        begin++;
    uint64_t frame;
    memcpy(&frame, bytes + begin + 3, 8);
    size_t size = 11 + (size_t)frame, count;
    assert_true(begin + size < length);
    ae_torch_entry entry;
    assert_ok(unpickle(bytes + begin, size, &entry, &count));
    assert_int_equal(count, 17);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(unpickle(bytes + begin, cut, &entry, &count), AE_ERR_FORMAT);
    ae_random random = ae_random_stream(4, 0, 0);
    char *flipped = malloc(size);
    size_t accepted = 0;
    for (int i = 0; i < 15000; i++) {
        memcpy(flipped, bytes + begin, size);
        flip_bits(flipped + 11, size - 11, &random);
        ae_status status = unpickle(flipped, size, &entry, &count);
        assert_answers(status);
        accepted += status == AE_OK;
    }
    assert_true(accepted > 100 && accepted < 15000);
    free(flipped);
    ae_free(bytes);
}

static void lack_of_memory_is_an_error(void **state) {
    (void)state;
    ae_status status = AE_ERR_MEMORY;
    int failures = 0;
    for (uint64_t n = 1; status == AE_ERR_MEMORY; n++, failures++) {
        ae_torch_bin *file = NULL;
        ae_memory_fail_at(n);
        status = ae_torch_bin_open(FIXTURES "state.bin", &file);
        ae_memory_fail_at(0);
        ae_torch_bin_close(file);
    }
    assert_ok(status);
    assert_true(failures > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_dicts_of_every_protocol_are_read),
        cmocka_unit_test(what_is_no_plain_state_dict_is_refused),
        cmocka_unit_test(opcodes_build_what_they_mean),
        cmocka_unit_test(malformed_pickles_are_refused),
        cmocka_unit_test_setup_teardown(archives_that_contradict_themselves_are_refused, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(damaged_archives_never_crash, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test(damaged_pickles_never_crash),
        cmocka_unit_test(lack_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
