/* A bounded first-in first-out queue of pointers between threads, which can be closed. */
#ifndef PIPELINE_QUEUE_H
#define PIPELINE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct queue;

/* A queue of at most `capacity` (>= 1) items; NULL: out of memory. */
struct queue *queue_create(size_t capacity);
/* No thread may be inside the queue any more. Items still in it are the caller's to know. */
void queue_free(struct queue **queue);

/* Waits for room and appends `item`. False once the queue is closed: the item stays the caller's. */
bool queue_push(struct queue *queue, void *item);

/* Waits for an item. False once the queue is closed and empty. */
bool queue_pop(struct queue *queue, void **item);

/* No more pushes; what is inside can still be popped. Wakes every waiting thread. */
void queue_close(struct queue *queue);

#endif
