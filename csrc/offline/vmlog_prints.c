#include "offline/vmlog_prints.h"

#include <stdlib.h>
#include <string.h>

/* A place where a print could be taken from a word. */
typedef struct chance {
    char bytes[GP_VMLOG_PRINT];
    gp_vmlog_print_use use;
} chance;

unsigned gp_vmlog_commonness(unsigned char c)
{
    if (c == ' ' || c == '0' || c == 'e' || c == '-') return 10;
    if (c >= '0' && c <= '9') return 9;
    if (c && strchr("itnosra:.", c)) return 8;
    if (c >= 'a' && c <= 'z') return strchr("jqzxkwvyb", c) ? 2 : 5;
    if (c >= 'A' && c <= 'Z') return strchr("ISTEIV", c) ? 4 : 3;
    return 3;
}

static int by_bytes(const void *a, const void *b)
{
    const chance *x = a, *y = b;
    int order = memcmp(x->bytes, y->bytes, GP_VMLOG_PRINT);
    if (order) return order;
    if (x->use.word != y->use.word) return x->use.word < y->use.word ? -1 : 1;
    return x->use.offset < y->use.offset ? -1 : x->use.offset > y->use.offset;
}

/* What a print costs: how often its bytes occur in a log, plus a little for each print. */
static double cost(const char *bytes)
{
    double product = 1;
    for (unsigned k = 0; k < GP_VMLOG_PRINT; k++)
        product *= gp_vmlog_commonness((unsigned char)bytes[k]);
    return product / 10000 + 0.02;
}

/* The chances with the same bytes: all[from] to all[to - 1]. */
typedef struct group {
    size_t from, to;
    double cost;
} group;

/* Words of the group that have no print yet, each counted once. */
static unsigned unserved(const chance *all, const group *g, const bool *served)
{
    unsigned count = 0;
    for (size_t i = g->from; i < g->to; i++) {
        bool again = i > g->from && all[i - 1].use.word == all[i].use.word;
        if (!again && !served[all[i].use.word]) count++;
    }
    return count;
}

static size_t find_groups(const chance *all, size_t total, group *groups)
{
    size_t count = 0;
    for (size_t from = 0, to; from < total; from = to) {
        to = from + 1;
        while (to < total && memcmp(all[to].bytes, all[from].bytes, GP_VMLOG_PRINT) == 0)
            to++;
        groups[count++] = (group){from, to, cost(all[from].bytes)};
    }
    return count;
}

static void serve(gp_vmlog_prints *prints, const chance *all, const group *g, bool *served, size_t *uses)
{
    gp_vmlog_print *print = &prints->list[prints->count++];
    memcpy(print->bytes, all[g->from].bytes, GP_VMLOG_PRINT);
    print->first = (uint16_t)*uses;
    for (size_t i = g->from; i < g->to; i++) {
        if (served[all[i].use.word]) continue;
        served[all[i].use.word] = true;
        prints->use[(*uses)++] = all[i].use;
    }
    print->words = (uint16_t)(*uses - print->first);
}

int gp_vmlog_prints_choose(gp_vmlog_prints *prints, const gp_text *words, size_t count, gp_error *err)
{
    size_t total = 0, uses = 0, n = 0;
    for (size_t i = 0; i < count; i++)
        total += words[i].length - GP_VMLOG_PRINT + 1;
    prints->count = 0;
    if (total == 0) return 0;
    int result = -1;
    chance *all = malloc(total * sizeof *all);
    group *groups = malloc(total * sizeof *groups);
    if (!all || !groups) {
        (void)gp_fail_memory(err);
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k + GP_VMLOG_PRINT <= words[i].length; k++, n++) {
            memcpy(all[n].bytes, words[i].data + k, GP_VMLOG_PRINT);
            all[n].use = (gp_vmlog_print_use){(uint16_t)i, (uint8_t)k};
        }
    }
    qsort(all, total, sizeof *all, by_bytes);
    size_t group_count = find_groups(all, total, groups);
    bool served[GP_VMLOG_PRINTS] = {false};
    while (uses < count) {
        const group *best = NULL;
        double best_worth = -1;
        for (size_t i = 0; i < group_count; i++) {
            double worth = unserved(all, &groups[i], served) / groups[i].cost;
            if (worth > best_worth) best = &groups[i], best_worth = worth;
        }
        if (!best) break; /* cannot be: a word without a print has chances */
        serve(prints, all, best, served, &uses);
    }
    result = 0;
out:
    free(groups);
    free(all);
    return result;
}
