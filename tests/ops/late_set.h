/* A set for tests that wraps another: what a pass hands over and fetches is counted, and fetched as late as a device
 * may do it. What op_download was given holds NaN until the wait, so that a pass that reads results before
 * compute_finish, or frees their memory, does not give the right answer. */
#ifndef TESTS_OPS_LATE_SET_H
#define TESTS_OPS_LATE_SET_H

#include "ops/set.h"

struct transfers {
    int64_t uploads; /* op_upload and op_upload_rows */
    int64_t downloads, waits;
};

/* Opens a device with `set` wrapped; `set` has no state of its own for a compute. Errors: as device_open_set. */
int late_device_open(const struct ops_set *set, const struct device_options *options, struct device **out);

/* Since the compute was created or last asked: of a device of late_device_open. */
struct transfers late_take_transfers(struct compute *compute);

#endif
