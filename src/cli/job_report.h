/* What the user sees of a job while it runs, and of each part when it is through. */
#ifndef CLI_JOB_REPORT_H
#define CLI_JOB_REPORT_H

#include "cli/download.h"
#include "cli/progress.h"
#include "cli/settings.h"
#include "sowlv2_run.h"

struct job_report {
    const struct settings *settings;
    double model_seconds; /* that opening the models took */
    bool several;         /* devices, and so inputs at the same time */
    struct progress progress;
    int64_t done;    /* of the progress that was shown last */
    char input[512]; /* whose it is, and of which activity */
    char shown[512]; /* the input of what was shown last, and when that was */
    double shown_time;
    struct download download; /* of the scorer */
};

/* For struct sowlv2_run_options; `user_data` is the struct job_report. */
bool job_report_progress(const struct sowlv2_run_progress *progress, void *user_data);
void job_report_part(const struct sowlv2_run_part *part, void *user_data);

#endif
