/* Follows an object through a folder of images, the frames of a video: track MODEL FOLDER X0,Y0,X1,Y1
 * The box says where it is on the first image. MODEL is a folder with SAM 2.1, or its hub id.
 * Build: cc track.c $(pkg-config --cflags --libs sowlv2) -o track */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <sowlv2.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(void)
{
    fprintf(stderr, "%s\n", sowlv2_error_message());
    return 1;
}

/* Hidden files, "." and ".." are no frames. */
static int is_frame(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* One frame; on the first one `box` says what to follow. */
static int follow(sowlv2_track_session *session, int64_t number, const char *path, const float *box)
{
    const struct sowlv2_track_prompt prompt = {.box = box};
    struct sowlv2_decoded_image decoded = {0};
    struct sowlv2_tracks tracks = {0};

    const int status = sowlv2_image_decode(path, NULL, 0, NULL, &decoded) != 0 ||
                       sowlv2_track_set_frame(session, number, &decoded.image) != 0 ||
                       (box && sowlv2_track_prompt(session, 1, &prompt) != 0) ||
                       sowlv2_track_run(session, NULL, &tracks) != 0;
    sowlv2_decoded_image_free(&decoded);
    if (status)
        return -1;
    const struct sowlv2_mask *mask = &tracks.items[0].mask;
    if (mask->area > 0)
        printf("%s: %g,%g,%g,%g, %lld pixels, confidence %.3f\n", path, (double)mask->box[0], (double)mask->box[1],
               (double)mask->box[2], (double)mask->box[3], (long long)mask->area, (double)tracks.items[0].confidence);
    else
        printf("%s: out of sight\n", path);
    sowlv2_tracks_free(&tracks);
    return 0;
}

int main(int argc, char **argv)
{
    float box[4];
    if (argc != 4 || sscanf(argv[3], "%f,%f,%f,%f", &box[0], &box[1], &box[2], &box[3]) != 4) {
        fprintf(stderr, "usage: %s MODEL FOLDER X0,Y0,X1,Y1\n", argv[0]);
        return 2;
    }
    struct dirent **frames;
    const int count = scandir(argv[2], &frames, is_frame, versionsort);
    if (count < 0) {
        perror(argv[2]);
        return 1;
    }
    struct sowlv2_model_options options = sowlv2_segmenter_options_default();
    options.model = argv[1];
    sowlv2_segmenter *segmenter = NULL;
    sowlv2_track_session *session = NULL;
    int status =
        sowlv2_segmenter_open(&options, &segmenter) != 0 || sowlv2_track_session_create(segmenter, NULL, &session) != 0
            ? fail()
            : 0;
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", argv[2], frames[i]->d_name);
        if (status == 0 && follow(session, i, path, i == 0 ? box : NULL) != 0)
            status = fail();
        free(frames[i]);
    }
    free(frames);
    sowlv2_track_session_free(&session);
    sowlv2_segmenter_free(&segmenter);
    return status;
}
