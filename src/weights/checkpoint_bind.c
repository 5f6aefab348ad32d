/* Binding a checkpoint's tensors to a model's table of weights: all named, all of the right shape. */
#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "weights/checkpoint.h"
#include "weights/checkpoint_entries.h"

#include <stdlib.h>
#include <string.h>

enum { NAMED_LIMIT = 5 }; /* tensors that one message names */

struct binding {
    const struct checkpoint *checkpoint;
    bool *used;                                    /* [checkpoint->count] */
    struct string faults;                          /* the first few, in words */
    size_t fault_count, type_count, missing_count; /* all; those of the type alone; tensors that are not there */
    size_t double_count;                           /* of those of the type alone: F64 */
    char *missing;                                 /* the first of these; NULL: there is none */
};

static void append_shape(struct string *text, int rank, const int64_t *dim)
{
    string_append_text(text, "[");
    for (int i = 0; i < rank; i++)
        string_append_format(text, "%s%lld", i ? ", " : "", (long long)dim[i]);
    string_append_text(text, "]");
}

static bool same_shape(const struct weight_row *row, const struct host_tensor *tensor)
{
    if (row->rank != tensor->rank)
        return false;
    for (int i = 0; i < row->rank; i++)
        if (row->dim[i] != tensor->dim[i])
            return false;
    return true;
}

/* Whether it is of F64, the only type of that size that weights are saved in. */
static bool is_double(const struct host_tensor *tensor)
{
    return tensor->dtype == DTYPE_OTHER && tensor->bytes > 0 &&
           tensor->bytes / sizeof(double) == (size_t)host_tensor_count(tensor);
}

/* Notes that `tensor` (NULL: none of that name) is not what `row` wants. */
static void add_fault(struct binding *binding, const struct weight_row *row, const struct host_tensor *tensor)
{
    if (!tensor && binding->missing_count++ == 0) {
        binding->missing = strdup(row->name);
        binding->faults.failed |= !binding->missing;
    }
    binding->type_count += tensor && same_shape(row, tensor);
    binding->double_count += tensor && same_shape(row, tensor) && is_double(tensor);
    if (binding->fault_count++ >= NAMED_LIMIT)
        return;
    struct string *text = &binding->faults;
    string_append_format(text, "%s\"%s\" ", binding->fault_count > 1 ? "; " : "", row->name);
    if (!tensor) {
        string_append_text(text, "is missing, expected ");
        append_shape(text, row->rank, row->dim);
    } else if (!same_shape(row, tensor)) {
        string_append_text(text, "has shape ");
        append_shape(text, tensor->rank, tensor->dim);
        string_append_text(text, ", expected ");
        append_shape(text, row->rank, row->dim);
    } else {
        string_append_format(text, "is of %s, expected F32, F16 or BF16",
                             is_double(tensor)              ? "F64"
                             : tensor->dtype == DTYPE_OTHER ? "another type"
                                                            : dtype_name(tensor->dtype));
    }
}

static bool is_float(enum dtype type)
{
    return type == DTYPE_F32 || type == DTYPE_F16 || type == DTYPE_BF16;
}

static void bind_row(struct binding *binding, const struct weight_row *row, struct host_tensor *out)
{
    *out = (struct host_tensor){0};
    const ptrdiff_t index = checkpoint_index(binding->checkpoint, row->name);
    if (index < 0) {
        if (!row->optional)
            add_fault(binding, row, NULL);
        return;
    }
    const struct host_tensor *tensor = &binding->checkpoint->entries[index].tensor;
    binding->used[index] = true;
    if (!same_shape(row, tensor) || !is_float(tensor->dtype))
        add_fault(binding, row, tensor);
    else
        *out = *tensor;
    out->name = binding->checkpoint->entries[index].name;
}

static bool is_ignored(const char *name, const char *const *prefixes)
{
    static const char buffer[] = "position_ids";
    size_t length = strlen(name), ending = sizeof(buffer) - 1;
    if (length >= ending && strcmp(name + length - ending, buffer) == 0)
        return true;
    for (; prefixes && *prefixes; prefixes++)
        if (strncmp(name, *prefixes, strlen(*prefixes)) == 0)
            return true;
    return false;
}

/* One notice for all tensors that the model does not know. */
static void notice_unused(const struct binding *binding, const char *const *ignored_prefixes)
{
    struct string list = {0};
    size_t count = 0;
    for (size_t i = 0; i < binding->checkpoint->count; i++) {
        const char *name = binding->checkpoint->entries[i].name;
        if (binding->used[i] || is_ignored(name, ignored_prefixes))
            continue;
        if (count++ < NAMED_LIMIT)
            string_append_format(&list, "%s%.200s", count > 1 ? ", " : "", name);
    }
    if (count > NAMED_LIMIT)
        string_append_text(&list, ", ...");
    if (count > 0 && !list.failed)
        log_notice("%s: %zu tensor%s not part of this model and left unused: %s", binding->checkpoint->folder, count,
                   count == 1 ? " is" : "s are", list.data);
    string_free(&list);
}

static int report_faults(struct binding *binding)
{
    if (binding->fault_count > NAMED_LIMIT)
        string_append_format(&binding->faults, "; and %zu more", binding->fault_count - NAMED_LIMIT);
    string_append_text(&binding->faults, ": ");
    if (binding->double_count == binding->fault_count)
        string_append_text(&binding->faults, "save the model in float32: model.float().save_pretrained()");
    else if (binding->type_count == binding->fault_count)
        string_append_text(&binding->faults, "give a model with weights that are not quantized");
    else
        checkpoint_explain_names(binding->checkpoint, binding->missing, binding->missing_count, binding->used,
                                 &binding->faults);
    if (binding->faults.failed)
        return error_memory("weights");
    return error_set(SOWLV2_ERROR_MODEL, "%s: weights do not fit config.json: %s", binding->checkpoint->folder,
                     binding->faults.data);
}

int checkpoint_bind(const struct checkpoint *checkpoint, const struct weight_row *rows, size_t row_count,
                    const char *const *ignored_prefixes, struct host_tensor *tensors)
{
    struct binding binding = {.checkpoint = checkpoint};
    binding.used = calloc(checkpoint->count + 1, sizeof(bool));
    if (!binding.used)
        return error_memory(checkpoint->folder);
    for (size_t i = 0; i < row_count; i++)
        bind_row(&binding, &rows[i], &tensors[i]);
    const int status = binding.fault_count > 0 ? report_faults(&binding) : 0;
    if (!status)
        notice_unused(&binding, ignored_prefixes);
    string_free(&binding.faults);
    free(binding.missing);
    free(binding.used);
    return status;
}
