/* sowlv2 segment: what boxes and points mark. */
#include "cli/exit_status.h"
#include "cli/job_run.h"
#include "cli/verbs.h"

int verb_segment(struct settings *settings)
{
    struct mark_objects objects = {0};
    int result;

    if (settings_check_segment(settings) != 0 || marks_group(&settings->marks, &objects) != 0)
        return verb_fail(EXIT_USAGE);
    marks_tell_odd(&settings->marks);
    result = job_run(settings, &objects);
    mark_objects_free(&objects);
    return result;
}
