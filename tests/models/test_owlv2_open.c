/* Opening OWLv2 checkpoints: what config.json says and leaves out, what is refused and how, and the notices. */
#include "expected.h"

#include "models/owlv2/owlv2.h"

#include <dirent.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a temporary model folder: links to a case's files, some of them replaced ---- */

struct folder {
    char path[64];
};

static void folder_file(const struct folder *folder, const char *name, const char *text)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", folder->path, name);
    unlink(path);
    if (!text)
        return;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

static void folder_make(struct folder *folder, const char *name)
{
    char from[4400], to[512];

    snprintf(folder->path, sizeof(folder->path), "/tmp/sowlv2-test-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    if (!name)
        return;
    snprintf(from, sizeof(from), "%s/models/data/%s", TEST_DATA, name);
    DIR *directory = opendir(from);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "expected.safetensors") == 0)
            continue;
        snprintf(from, sizeof(from), "%s/models/data/%s/%s", TEST_DATA, name, entry->d_name);
        snprintf(to, sizeof(to), "%s/%s", folder->path, entry->d_name);
        assert_int_equal(symlink(from, to), 0);
    }
    closedir(directory);
}

static void folder_remove(struct folder *folder)
{
    char path[512];
    DIR *directory = opendir(folder->path);

    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        snprintf(path, sizeof(path), "%s/%s", folder->path, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    closedir(directory);
    assert_int_equal(rmdir(folder->path), 0);
}

static void read_config(const char *name, struct owlv2_config *config)
{
    char folder[4200];

    snprintf(folder, sizeof(folder), "%s/models/data/%s", TEST_DATA, name);
    memset(config, 0xff, sizeof(*config));
    if (owlv2_config_read(folder, config) != 0)
        fail_msg("%s", sowlv2_error_message());
}

/* ---- tests ---- */

static void test_fields(void **state)
{
    struct owlv2_config c;

    (void)state;
    read_config("owlv2_gelu_f16", &c);
    assert_int_equal(c.vision.width, 40);
    assert_int_equal(c.vision.heads, 5);
    assert_int_equal(c.vision.layers, 2);
    assert_int_equal(c.vision.mlp_width, 72);
    assert_int_equal(c.vision.activation, ACTIVATION_GELU);
    assert_true(c.vision.eps == 1e-3f);
    assert_int_equal(c.text.width, 48);
    assert_int_equal(c.text.heads, 4);
    assert_int_equal(c.text.layers, 3);
    assert_int_equal(c.text.mlp_width, 80);
    assert_int_equal(c.text.activation, ACTIVATION_QUICK_GELU);
    assert_true(c.text.eps == 5e-2f);
    assert_int_equal(c.image_size, 96);
    assert_int_equal(c.patch_size, 16);
    assert_int_equal(c.grid, 6);
    assert_int_equal(c.projection, 48);
    assert_int_equal(c.vocab_size, 574);
    read_config("owlv2_tanh_bf16", &c);
    assert_int_equal(c.vision.activation, ACTIVATION_GELU_TANH);
    assert_int_equal(c.text.activation, ACTIVATION_GELU_TANH);
    assert_int_equal(c.text_length, 12);
    assert_true(c.rescale == 0.0078125f && c.mean[1] == 0.4f && c.std[2] == 0.125f);
    read_config("owlv2_wide_text", &c);
    assert_int_equal(c.grid, 6); /* 90 / 14: the rest of the image is not looked at */
    assert_int_equal(c.text_length, 20);
}

/* The reference's class defaults. */
static void test_defaults(void **state)
{
    struct owlv2_config c;
    struct folder folder;

    (void)state;
    read_config("owlv2_defaults", &c);
    assert_int_equal(c.vision.layers, 12);
    assert_int_equal(c.vision.heads, 12);
    assert_int_equal(c.text.layers, 12);
    assert_int_equal(c.text.heads, 8);
    assert_int_equal(c.patch_size, 16);
    assert_int_equal(c.text_length, 16);
    folder_make(&folder, NULL);
    folder_file(&folder, "config.json", "{\"model_type\": \"owlv2\", \"vision_config\": {\"image_size\": 960}}");
    folder_file(&folder, "preprocessor_config.json", "{}");
    if (owlv2_config_read(folder.path, &c) != 0)
        fail_msg("%s", sowlv2_error_message());
    assert_int_equal(c.vision.width, 768);
    assert_int_equal(c.vision.mlp_width, 3072);
    assert_int_equal(c.vision.activation, ACTIVATION_QUICK_GELU);
    assert_true(c.vision.eps == 1e-5f && c.text.eps == 1e-5f);
    assert_int_equal(c.text.width, 512);
    assert_int_equal(c.text.mlp_width, 2048);
    assert_int_equal(c.text.activation, ACTIVATION_QUICK_GELU);
    assert_int_equal(c.vocab_size, 49408);
    assert_int_equal(c.projection, 512);
    assert_int_equal(c.grid, 60);
    assert_true(c.rescale == (float)(1.0 / 255.0) && c.mean[0] == 0.48145466f && c.std[2] == 0.27577711f);
    folder_remove(&folder);
}

#define TEXT "\"text_config\": {\"hidden_size\": 24, \"intermediate_size\": 16, \"vocab_size\": 574}"
#define VISION "\"vision_config\": {\"hidden_size\": 36, \"intermediate_size\": 16, \"image_size\": 64}"

/* Files put in place of owlv2_defaults' own, and what the error must be and say. */
static const struct refused {
    const char *file, *text;
    int status;
    const char *mentions;
} refused[] = {
    {"config.json", NULL, SOWLV2_ERROR_MODEL, "config.json"},
    {"config.json", "", SOWLV2_ERROR_FORMAT, "config.json"},
    {"config.json", "{\"model_type\": \"owlvit\"}", SOWLV2_ERROR_MODEL, "owlvit"},
    {"config.json", "{\"model_type\": 7}", SOWLV2_ERROR_FORMAT, "model_type"},
    {"config.json", "{\"model_type\": \"owlv2\", \"projection_dim\": 32, " TEXT ", " VISION "}", SOWLV2_ERROR_FORMAT,
     "projection_dim"},
    {"config.json", "{\"model_type\": \"owlv2\", \"projection_dim\": 24, " TEXT ", \"vision_config\": []}",
     SOWLV2_ERROR_FORMAT, "vision_config"},
    {"config.json",
     "{\"model_type\": \"owlv2\", \"projection_dim\": 24, " TEXT ", \"vision_config\": {\"hidden_size\": 36, "
     "\"num_attention_heads\": 5, \"image_size\": 64}}",
     SOWLV2_ERROR_FORMAT, "num_attention_heads"},
    {"config.json",
     "{\"model_type\": \"owlv2\", \"projection_dim\": 24, " TEXT ", \"vision_config\": {\"hidden_size\": 36, "
     "\"hidden_act\": \"swiglu\", \"image_size\": 64}}",
     SOWLV2_ERROR_FORMAT, "swiglu"},
    {"config.json",
     "{\"model_type\": \"owlv2\", \"projection_dim\": 24, " TEXT ", \"vision_config\": {\"hidden_size\": -1}}",
     SOWLV2_ERROR_FORMAT, "hidden_size"},
    {"config.json",
     "{\"model_type\": \"owlv2\", \"projection_dim\": 24, " TEXT ", \"vision_config\": {\"hidden_size\": 1e300}}",
     SOWLV2_ERROR_FORMAT, "hidden_size"},
    {"config.json",
     "{\"model_type\": \"owlv2\", \"projection_dim\": 24, " TEXT ", \"vision_config\": {\"hidden_size\": 36, "
     "\"intermediate_size\": 16, \"image_size\": 64, \"patch_size\": 65}}",
     SOWLV2_ERROR_FORMAT, "patch_size"},
    {"config.json",
     "{\"model_type\": \"owlv2\", \"projection_dim\": 24, " TEXT ", \"vision_config\": {\"hidden_size\": 36, "
     "\"intermediate_size\": 16, \"image_size\": 64, \"num_channels\": 4}}",
     SOWLV2_ERROR_FORMAT, "num_channels"},
    {"preprocessor_config.json", "{\"size\": {\"height\": 64, \"width\": 80}}", SOWLV2_ERROR_FORMAT, "size"},
    {"preprocessor_config.json", "{\"size\": {\"height\": 64, \"width\": 64}, \"image_std\": [1, 0, 1]}",
     SOWLV2_ERROR_FORMAT, "image_std"},
    {"preprocessor_config.json", "{\"size\": {\"height\": 64, \"width\": 64}, \"image_mean\": [1, 0]}",
     SOWLV2_ERROR_FORMAT, "image_mean"},
    {"preprocessor_config.json", "{\"size\": {\"height\": 64, \"width\": 64}, \"do_pad\": \"no\"}", SOWLV2_ERROR_FORMAT,
     "do_pad"},
    {"preprocessor_config.json", NULL, SOWLV2_ERROR_MODEL, "processor_config.json with \"image_processor\""},
    /* One layer more than the file has, one fewer unit than it has, fewer words than the tokenizer knows. */
    {"config.json",
     "{\"model_type\": \"owlv2\", \"projection_dim\": 24, " TEXT ", \"vision_config\": {\"hidden_size\": 36, "
     "\"intermediate_size\": 16, \"image_size\": 64, \"num_hidden_layers\": 13}}",
     SOWLV2_ERROR_MODEL, "layers.12."},
    {"config.json",
     "{\"model_type\": \"owlv2\", \"projection_dim\": 24, " TEXT ", \"vision_config\": {\"hidden_size\": 36, "
     "\"intermediate_size\": 15, \"image_size\": 64}}",
     SOWLV2_ERROR_MODEL, "fc1"},
    {"config.json",
     "{\"model_type\": \"owlv2\", \"projection_dim\": 24, \"text_config\": {\"hidden_size\": 24, "
     "\"intermediate_size\": 16, \"vocab_size\": 573}, " VISION "}",
     SOWLV2_ERROR_MODEL, NULL},
    {"model.safetensors", NULL, SOWLV2_ERROR_MODEL, "safetensors"},
    {"model.safetensors", "not a tensor in sight", SOWLV2_ERROR_FORMAT, "model.safetensors"},
    {"vocab.json", NULL, SOWLV2_ERROR_MODEL, "vocab.json"},
    {"vocab.json", "{", SOWLV2_ERROR_FORMAT, "vocab.json"},
};

static void test_refused(void **state)
{
    struct sowlv2_model_options options = sowlv2_model_options_default();

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        const struct refused *row = &refused[i];
        sowlv2_detector *detector = NULL;
        struct folder folder;

        folder_make(&folder, "owlv2_defaults");
        folder_file(&folder, row->file, row->text);
        options.model = folder.path;
        int status = sowlv2_detector_open(&options, &detector);
        const char *message = sowlv2_error_message();
        if (status != row->status || detector || (row->mentions && !strstr(message, row->mentions)))
            fail_msg("row %zu (%s = %s): status %d, expected %d mentioning \"%s\"; message \"%s\"", i, row->file,
                     row->text ? row->text : "absent", status, row->status, row->mentions ? row->mentions : "",
                     message);
        assert_null(strchr(message, '\n'));
        folder_remove(&folder);
    }
    options.model = "/nonexistent/model";
    sowlv2_detector *detector = NULL;
    assert_int_equal(sowlv2_detector_open(&options, &detector), SOWLV2_ERROR_MODEL);
    assert_non_null(strstr(sowlv2_error_message(), "/nonexistent/model"));
}

/* ---- tensors that were saved with other names ---- */

/* Writes model.safetensors anew, its names without `without` and with `with` before them; those that lack `without` are
 * left out. */
static void rename_weights(const struct folder *folder, const char *without, const char *with)
{
    char path[512], new_path[512];
    unsigned char length[8];
    const size_t skip = strlen(without);

    snprintf(path, sizeof(path), "%s/model.safetensors", folder->path);
    snprintf(new_path, sizeof(new_path), "%s/new", folder->path);
    FILE *file = fopen(path, "rb"), *out = fopen(new_path, "wb");
    assert_true(file && out);
    assert_int_equal(fread(length, 1, 8, file), 8);
    const size_t size = length[0] + 256U * length[1] + 65536U * length[2];
    char *header = malloc(size);
    assert_int_equal(fread(header, 1, size, file), size);
    json_t *old = json_loadb(header, size, 0, NULL), *renamed = json_object(), *value;
    const char *name;
    json_object_foreach(old, name, value)
    {
        if (strcmp(name, "__metadata__") == 0 || strncmp(name, without, skip) != 0)
            continue;
        snprintf(path, sizeof(path), "%s%s", with, name + skip);
        /* Scalars in place of the tensors: only names count here. */
        json_object_set_new(renamed, path,
                            json_pack("{s:s,s:[i],s:[i,i]}", "dtype", "F32", "shape", 0, "data_offsets", 0, 0));
    }
    char *text = json_dumps(renamed, 0);
    const size_t text_size = strlen(text);
    for (int i = 0; i < 8; i++)
        fputc((int)(text_size >> (8 * i) & 255), out);
    fputs(text, out);
    fclose(out);
    fclose(file);
    snprintf(path, sizeof(path), "%s/model.safetensors", folder->path);
    assert_int_equal(rename(new_path, path), 0);
    free(text);
    free(header);
    json_decref(old);
    json_decref(renamed);
}

static void test_names(void **state)
{
    static const struct {
        const char *without, *with, *mentions;
    } rows[] = {
        {"", "module.", "the names begin with \"module.\", as torch's DataParallel saves them"},
        /* Owlv2Model.save_pretrained(): no heads, no "owlv2." */
        {"owlv2.", "", "the names lack \"owlv2.\", as where only that part of the model was saved, without its heads"},
    };
    struct sowlv2_model_options options = sowlv2_model_options_default();

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        sowlv2_detector *detector = NULL;
        struct folder folder;

        folder_make(&folder, "owlv2_defaults");
        rename_weights(&folder, rows[i].without, rows[i].with);
        options.model = folder.path;
        assert_int_equal(sowlv2_detector_open(&options, &detector), SOWLV2_ERROR_MODEL);
        if (!strstr(sowlv2_error_message(), rows[i].mentions))
            fail_msg("expected \"%s\" in: %s", rows[i].mentions, sowlv2_error_message());
        folder_remove(&folder);
    }
}

/* ---- notices ---- */

struct notices {
    int count;
    char last[1024];
};

static void count_notice(enum sowlv2_log_level level, const char *message, void *user_data)
{
    struct notices *notices = user_data;

    if (level == SOWLV2_LOG_DEBUG)
        return;
    notices->count++;
    snprintf(notices->last, sizeof(notices->last), "%s", message);
}

/* What opening a case and encoding its long prompts says. */
static void test_notices(void **state)
{
    static const struct {
        const char *name;
        int notices;
        const char *mentions;
    } rows[] = {
        {"owlv2_tiny", 0, NULL},
        {"owlv2_gelu_f16", 0, NULL}, /* position_ids are no news */
        {"owlv2_wide_text", 1, "unused_head.weight"},
    };
    struct notices notices;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sowlv2_model_options options = sowlv2_model_options_default();
        struct sowlv2_prompt_options template = sowlv2_prompt_options_default();
        sowlv2_detector *detector = NULL;
        sowlv2_prompts *prompts = NULL;
        struct expected expected;
        struct expected_prompts texts;

        expected_open(rows[i].name, &expected);
        memset(&notices, 0, sizeof(notices));
        sowlv2_set_log(count_notice, &notices);
        options.model = expected.folder;
        assert_int_equal(sowlv2_detector_open(&options, &detector), 0);
        if (notices.count != rows[i].notices)
            fail_msg("%s: %d notices, the last: %s", rows[i].name, notices.count, notices.last);
        if (rows[i].mentions)
            assert_non_null(strstr(notices.last, rows[i].mentions));
        memset(&notices, 0, sizeof(notices));
        expected_prompts(&expected, "one", &texts);
        template.prompt_template = "{}";
        assert_int_equal(sowlv2_prompts_encode(detector, texts.items, texts.count, &template, &prompts), 0);
        assert_int_equal(notices.count, 0);
        sowlv2_prompts_free(&prompts);
        expected_prompts_free(&texts);
        expected_prompts(&expected, "many", &texts);
        assert_int_equal(sowlv2_prompts_encode(detector, texts.items, texts.count, &template, &prompts), 0);
        assert_true(notices.count >= 1); /* some are too long */
        sowlv2_prompts_free(&prompts);
        expected_prompts_free(&texts);
        sowlv2_detector_free(&detector);
        expected_close(&expected);
        sowlv2_set_log(NULL, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields), cmocka_unit_test(test_defaults), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_names),  cmocka_unit_test(test_notices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
