/* Traces of forward passes, and their end on request. */
#include "nn/pass.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

void model_emit(const struct model_trace *trace, struct compute *compute, struct tensor tensor, const char *name)
{
    if (trace && compute_status(compute) == 0)
        trace->receive(compute, name, tensor, trace->user_data);
}

void model_emit_numbered(const struct model_trace *trace, struct compute *compute, struct tensor tensor,
                         const char *format, ...)
{
    if (!trace)
        return;
    char name[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof(name), format, arguments);
    va_end(arguments);
    model_emit(trace, compute, tensor, name);
}

bool model_keep_going(const struct model_control *control, struct compute *compute, int64_t done, int64_t total,
                      const char *what)
{
    if (compute_status(compute) != 0)
        return false;
    if (!control || !control->keep_going || control->keep_going((int)done, (int)total, control->user_data))
        return true;
    compute_fail(compute, error_set(SOWLV2_ERROR_CANCELLED, "%s: cancelled", what));
    return false;
}
