/* One thread's scratch. */
#include "api/types.h"
#include "base/error.h"

#include <stdlib.h>

int sowlv2_session_create(const sowlv2_detector *detector, sowlv2_session **out)
{
    if (detector == NULL || out == NULL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_session_create: a detector and out are needed");
    const struct owlv2_config *config = owlv2_get_config(detector->model);
    sowlv2_session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        return error_memory("session");
    session->detector = detector;
    session->selected = calloc((size_t)(config->grid * config->grid), sizeof(*session->selected));
    int status = session->selected == NULL ? error_memory("session") : 0;
    if (status == 0)
        status = compute_create(detector->device, &session->compute);
    if (status != 0) {
        sowlv2_session_free(&session);
        return status;
    }
    *out = session;
    return 0;
}

void sowlv2_session_free(sowlv2_session **session)
{
    if (session == NULL || *session == NULL)
        return;
    compute_free(&(*session)->compute);
    free((*session)->logits);
    free((*session)->boxes);
    free((*session)->objectness);
    free((*session)->selected);
    free(*session);
    *session = NULL;
}
