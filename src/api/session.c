/* One thread's session with a detector. */
#include "api/types.h"
#include "base/error.h"

#include <stdlib.h>

int sowlv2_detect_session_create(const sowlv2_detector *detector, sowlv2_detect_session **out)
{
    if (out)
        *out = NULL;
    if (!detector || !out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_detect_session_create: a detector and out are needed");
    sowlv2_detect_session *session = calloc(1, sizeof(*session));
    if (!session)
        return error_memory("session");
    session->detector = detector;
    const int status = detect_session_create(detector->detector, &session->session);
    if (status != 0) {
        free(session);
        return status;
    }
    *out = session;
    return 0;
}

void sowlv2_detect_session_free(sowlv2_detect_session **session)
{
    if (!session || !*session)
        return;
    detect_session_free(&(*session)->session);
    free(*session);
    *session = NULL;
}
