/* Reading ahead: a ring of frames under one lock. */
#include "pipeline/track_feed.h"

#include "analysis/importance.h"
#include "base/error.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    AHEAD = 3, /* frames that wait to be taken */
    REACH = IMPORTANCE_CUT_REACH,
    RING = AHEAD + REACH,
    HISTORY = 2 * REACH + 1, /* motions that say whether the one in their middle is a cut's */
    MOST_BYTES = 128 << 20,  /* of frames in the ring */
};

struct track_feed {
    struct track_feed_options options;
    struct video_reader *reader;
    pthread_t thread;
    bool started;
    atomic_bool closing;

    pthread_mutex_t lock;
    pthread_cond_t filled, room;
    struct track_feed_frame ring[RING];
    size_t first, count, limit; /* `limit` of the ring is used */
    size_t look;                /* frames behind one that must be there before it is taken */
    bool ended;
    int broken;    /* the error that ended reading before the source's own end; 0: none did */
    char *failure; /* its message */
    int64_t dropped;
    float missed; /* motion of the frames dropped since the last one in the ring */

    /* The reading thread's own. */
    uint8_t grey[2][IMPORTANCE_GREY];
    int64_t read;
    float before[REACH + 1]; /* the taking side's, with the lock held: motions of the frames taken last, the latest
                                last */
    int before_count;
};

static bool is_stopped(const struct track_feed *feed)
{
    const volatile sig_atomic_t *interrupted = feed->options.interrupted;

    /* Whatever thread takes the signal. */
    return atomic_load(&feed->closing) || (interrupted && __atomic_load_n(interrupted, __ATOMIC_RELAXED));
}

static bool is_interrupted(void *user_data)
{
    return is_stopped(user_data);
}

/* Waits for a place in the ring, or makes one. False: the feed is being closed. */
static bool make_room(struct track_feed *feed)
{
    while (feed->count == feed->limit && !feed->options.realtime && !is_stopped(feed))
        pthread_cond_wait(&feed->room, &feed->lock);
    if (is_stopped(feed))
        return false;
    if (feed->count == feed->limit) {
        const struct track_feed_frame *oldest = &feed->ring[feed->first];

        feed->missed = oldest->motion > feed->missed ? oldest->motion : feed->missed;
        image_free(&feed->ring[feed->first].image);
        feed->first = (feed->first + 1) % RING;
        feed->count--;
        feed->dropped++;
    }
    return true;
}

/* Moves the reader's picture into the ring. */
static bool put(struct track_feed *feed, struct video_frame *frame)
{
    struct track_feed_frame item = {.image = frame->image,
                                    .number = frame->number,
                                    .time = frame->time,
                                    .duration = frame->duration,
                                    .source_number = frame->source_number,
                                    .source_name = frame->source_name};
    uint8_t *grey = feed->grey[feed->read % 2];
    bool done;

    importance_grey(item.image.pixels, item.image.width, item.image.height, (size_t)item.image.width * 3, grey);
    if (feed->read > 0)
        item.motion = importance_motion(feed->grey[(feed->read + 1) % 2], grey, IMPORTANCE_GREY);
    feed->read++;
    frame->image = (struct image){0};
    pthread_mutex_lock(&feed->lock);
    done = make_room(feed);
    if (done) {
        item.motion = feed->missed > item.motion ? feed->missed : item.motion; /* a cut may be among those dropped */
        feed->missed = 0;
        feed->ring[(feed->first + feed->count++) % RING] = item;
        pthread_cond_signal(&feed->filled);
    }
    pthread_mutex_unlock(&feed->lock);
    if (!done)
        image_free(&item.image);
    return done;
}

static void *read_all(void *argument)
{
    struct track_feed *feed = argument;
    struct video_frame frame = {0};
    int status;

    while ((status = video_reader_next(feed->reader, &frame)) == 0 && put(feed, &frame))
        continue;
    video_frame_free(&frame);
    pthread_mutex_lock(&feed->lock);
    feed->ended = true;
    if (status == VIDEO_END)
        status = video_reader_broken(feed->reader);
    if (status < 0 && !is_stopped(feed)) {
        feed->broken = status;
        feed->failure = strdup(error_message());
    }
    pthread_cond_broadcast(&feed->filled);
    pthread_mutex_unlock(&feed->lock);
    return NULL;
}

/* How many frames may wait: few of large pictures. */
static void choose_sizes(struct track_feed *feed)
{
    const struct video_info *info = video_reader_info(feed->reader);
    const size_t bytes = (size_t)info->width * (size_t)info->height * 3 + 1, most = (size_t)MOST_BYTES / bytes;

    feed->options.realtime = feed->options.realtime && (info->live || !info->seekable);
    feed->look = feed->options.cuts ? REACH : feed->options.ahead;
    if (info->live || feed->options.realtime)
        feed->look = 0;
    if (most < feed->look + 1)
        feed->look = most > 1 ? most - 1 : 0;
    feed->limit = feed->look + AHEAD;
    if (feed->limit > most)
        feed->limit = most > feed->look + 1 ? most : feed->look + 1;
    if (feed->options.realtime)
        feed->limit = 1;
}

int track_feed_open(const struct track_feed_options *options, struct track_feed **out)
{
    struct track_feed *feed = calloc(1, sizeof(*feed));
    int status;

    *out = NULL;
    if (!feed)
        return error_memory("video");
    feed->options = *options;
    feed->options.reader.interrupted = is_interrupted;
    feed->options.reader.user_data = feed;
    pthread_mutex_init(&feed->lock, NULL);
    pthread_cond_init(&feed->filled, NULL);
    pthread_cond_init(&feed->room, NULL);
    status = video_reader_open(options->source, &feed->options.reader, &feed->reader);
    if (!status) {
        choose_sizes(feed);
        feed->started = pthread_create(&feed->thread, NULL, read_all, feed) == 0;
        if (!feed->started)
            status = error_set(SOWLV2_ERROR_MEMORY, "%s: no thread could be started to read it", options->source);
    }
    if (status) {
        track_feed_close(&feed);
        return status;
    }
    *out = feed;
    return 0;
}

const struct video_info *track_feed_info(const struct track_feed *feed)
{
    return video_reader_info(feed->reader);
}

/* Whether the first frame in the ring begins a scene, with the lock held. */
static bool is_cut(const struct track_feed *feed)
{
    float motion[HISTORY];
    int count = 0;

    if (!feed->options.cuts || feed->before_count == 0)
        return false;
    for (int i = 1; i < feed->before_count; i++) /* the first frame has no motion */
        motion[count++] = feed->before[i];
    for (size_t i = 0; i < feed->count && count < HISTORY && i <= REACH; i++)
        motion[count++] = feed->ring[(feed->first + i) % RING].motion;
    return importance_is_cut(motion, count, feed->before_count - 1);
}

/* Keeps the motion of a frame that is taken. */
static void remember(struct track_feed *feed, float motion)
{
    if (feed->before_count == REACH + 1) {
        memmove(feed->before, feed->before + 1, REACH * sizeof(*feed->before));
        feed->before_count--;
    }
    feed->before[feed->before_count++] = motion;
}

int track_feed_next(struct track_feed *feed, struct track_feed_frame *out)
{
    bool given;

    pthread_mutex_lock(&feed->lock);
    while (!feed->ended && feed->count <= feed->look && !is_stopped(feed))
        pthread_cond_wait(&feed->filled, &feed->lock);
    given = feed->count > 0 && !is_stopped(feed);
    if (given) {
        *out = feed->ring[feed->first];
        out->cut = is_cut(feed);
        remember(feed, out->motion);
        feed->first = (feed->first + 1) % RING;
        feed->count--;
        out->until = out->time + out->duration;
        if (feed->count > 0)
            out->until = feed->ring[feed->first].time;
        else if (feed->ended)
            out->until = INFINITY;
        pthread_cond_signal(&feed->room);
    }
    pthread_mutex_unlock(&feed->lock);
    return given ? 0 : VIDEO_END;
}

int track_feed_broken(struct track_feed *feed)
{
    int status;

    pthread_mutex_lock(&feed->lock);
    status = feed->broken;
    if (status)
        error_set(status, "%s", feed->failure ? feed->failure : "out of memory");
    pthread_mutex_unlock(&feed->lock);
    return status;
}

int64_t track_feed_dropped(struct track_feed *feed)
{
    int64_t dropped;

    pthread_mutex_lock(&feed->lock);
    dropped = feed->dropped;
    pthread_mutex_unlock(&feed->lock);
    return dropped;
}

void track_feed_close(struct track_feed **feed)
{
    struct track_feed *old = *feed;

    if (!old)
        return;
    if (old->started) {
        pthread_mutex_lock(&old->lock);
        atomic_store(&old->closing, true);
        pthread_cond_broadcast(&old->room);
        pthread_mutex_unlock(&old->lock);
        pthread_join(old->thread, NULL);
    }
    while (old->count > 0) {
        image_free(&old->ring[old->first].image);
        old->first = (old->first + 1) % RING;
        old->count--;
    }
    video_reader_close(&old->reader);
    pthread_cond_destroy(&old->filled);
    pthread_cond_destroy(&old->room);
    pthread_mutex_destroy(&old->lock);
    free(old->failure);
    free(old);
    *feed = NULL;
}
