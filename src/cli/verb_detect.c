/* sowlv2 detect: what the prompts name. */
#include "cli/exit_status.h"
#include "cli/job_run.h"
#include "cli/prompts.h"
#include "cli/verbs.h"

int verb_detect(struct settings *settings)
{
    if (prompts_read(settings) != 0 || settings_check_detect(settings) != 0)
        return verb_fail(EXIT_USAGE);
    return job_run(settings, NULL);
}
