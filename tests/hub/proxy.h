/* A proxy of the tests' own: takes CONNECT, and passes on to one port of this machine whatever host is named. */
#ifndef TESTS_HUB_PROXY_H
#define TESTS_HUB_PROXY_H

struct proxy;

/* `target`: the port. */
struct proxy *proxy_start(int target);
void proxy_stop(struct proxy *proxy);
int proxy_port(const struct proxy *proxy);

/* From now on asks for this "user:password", and answers 407 without. The text must stay. */
void proxy_require(struct proxy *proxy, const char *user);

/* From now on refuses all with this status, "403 Forbidden". The text must stay. */
void proxy_refuse(struct proxy *proxy, const char *status);

/* How many requests so far have `part` in their text, headers included: "CONNECT hub.test:443 HTTP/1.1\r\n..." */
int proxy_count(struct proxy *proxy, const char *part);

#endif
