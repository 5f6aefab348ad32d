/* Between the files of tracking. */
#ifndef API_TRACK_PARTS_H
#define API_TRACK_PARTS_H

#include "api/types.h"

/* Whether there is a current frame, and its features are still those of the session. */
bool track_has_frame(const sowlv2_track_session *session);

#endif
