/* What the bare C loops share, the lower bounds of bench/cycle.lua and bench/roll.lua: requests to a vCenter over one
 * libcurl multi handle, without a parser (answers are searched as text), and waits for any number of objects by one
 * ListView, one filter and one WaitForUpdatesEx in flight. There is one session; whatever goes wrong ends the program.
 *
 *   bare_login(...)   bare_call(...)   bare_watch(property sets)
 *   bare_send(who, ...)                  its answer comes to taken(who, answer)
 *   bare_follow("Task", "task-7")        changes of its properties come to updated("Task", "task-7", text)
 *   bare_run(&left, taken, updated)      until `left` is 0 */
#ifndef BARE_H
#define BARE_H
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum { BARE_ID = 64 };

_Noreturn void bare_die(const char *why, const char *text);
double bare_seconds(clockid_t clock);

/* The text between `from` and `to`, searched from *at on, which moves behind it. */
bool bare_between(const char **at, const char *from, const char *to, char *into, size_t size);

void bare_login(const char *url, const char *ca, const char *user, const char *password);

/* A request to the object `id` of `type`; `format` makes what is inside the method's element, after _this. bare_call
 * waits and gives the answer, which the caller frees. */
__attribute__((format(printf, 4, 5))) char *bare_call(const char *method, const char *type, const char *id,
                                                      const char *format, ...);
__attribute__((format(printf, 5, 6))) void bare_send(int who, const char *method, const char *type,
                                                     const char *id, const char *format, ...);

/* The moref in an answer. */
void bare_returned(const char *answer, char *into);

/* Creates the list and a filter of these properties (XML, propSet elements) over it. */
void bare_watch(const char *property_sets);
/* One ModifyListView sends both, as soon as there is something to follow: what has ended stays in the list until then. */
void bare_follow(const char *type, const char *id);
void bare_forget(const char *type, const char *id);

void bare_run(const int *left, void (*taken)(int who, const char *answer),
              void (*updated)(const char *type, const char *id, const char *text));
#endif
