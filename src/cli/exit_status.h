/* Exit statuses of the tool, as the contract page of the documentation fixes them. */
#ifndef CLI_EXIT_STATUS_H
#define CLI_EXIT_STATUS_H

enum exit_status {
    EXIT_DONE = 0,          /* done, also when nothing was found */
    EXIT_SOME_FAILED = 1,   /* some inputs failed, each named; the rest are done */
    EXIT_USAGE = 2,         /* the command line or the configuration file is wrong, or asks for what is not built */
    EXIT_NO_MODEL = 3,      /* a model cannot be had */
    EXIT_ALL_FAILED = 4,    /* everything failed */
    EXIT_INTERRUPTED = 130, /* Ctrl-C; what was done is complete */
};

#endif
