/* Notices and warnings of the library, to the callback of sowlv2_set_log. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "sowlv2.h"

/* One line without a newline. Control characters are shown as '?', passwords and signatures of web addresses are
 * hidden. */
__attribute__((format(printf, 1, 2))) void log_debug(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_notice(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_warning(const char *format, ...);

#endif
