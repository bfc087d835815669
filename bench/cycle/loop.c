/* The lower bound of bench/cycle.lua: a bare C loop on libcurl without a parser, a journal or a proof. Each VM is powered
 * off, reconfigured and powered on, at most CAP at a time.
 * usage: cycle URL USER PASSWORD CA CAP     prints the wall and CPU seconds after the login */
#include "../support/bare.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096 };

static char vms[MOST][BARE_ID], tasks[MOST][BARE_ID];
static int stage[MOST], count, next_vm, living;

static void work(int vm)
{
    static const char *const methods[] = {"PowerOffVM_Task", "ReconfigVM_Task", "PowerOnVM_Task"};
    static const char *const arguments[] = {"", "<spec><annotation>cycle</annotation></spec>", ""};
    if (stage[vm] == 3) {
        living--;
        if (next_vm < count) {
            living++;
            work(next_vm++);
        }
        return;
    }
    bare_send(vm, methods[stage[vm]], "VirtualMachine", vms[vm], "%s", arguments[stage[vm]]);
    stage[vm]++;
}

static void taken(int vm, const char *answer)
{
    bare_returned(answer, tasks[vm]);
    bare_follow("Task", tasks[vm]);
}

static void updated(const char *type, const char *id, const char *text)
{
    if (strstr(text, ">error</val>")) bare_die("a task failed", text);
    if (!strstr(text, ">success</val>")) return;
    for (int vm = 0; vm < count; vm++) {
        if (strcmp(tasks[vm], id) != 0) continue;
        bare_forget(type, id);
        tasks[vm][0] = '\0';
        work(vm);
        break;
    }
}

static void find_vms(void)
{
    char view[BARE_ID], kind[BARE_ID];
    char *answer = bare_call("CreateContainerView", "ViewManager", "ViewManager",
                             "<container type=\"Folder\">group-d1</container><type>%s</type>"
                             "<recursive>true</recursive>",
                             "VirtualMachine");
    bare_returned(answer, view);
    free(answer);
    answer = bare_call(
        "RetrievePropertiesEx", "PropertyCollector", "propertyCollector",
        "<specSet><propSet><type>ContainerView</type><pathSet>view</pathSet></propSet><objectSet><obj "
        "type=\"ContainerView\">%s</obj></objectSet></specSet><options/>",
        view);
    const char *at = answer;
    while (count < MOST && bare_between(&at, "type=\"VirtualMachine\"", ">", kind, sizeof kind) &&
           bare_between(&at, "", "<", vms[count], BARE_ID))
        count++;
    if (count == 0) bare_die("no VM", answer);
    free(answer);
}

int main(int argc, char **argv)
{
    if (argc != 6) bare_die("usage: cycle URL USER PASSWORD CA CAP", NULL);
    bare_login(argv[1], argv[4], argv[2], argv[3]);
    find_vms();
    double wall = bare_seconds(CLOCK_MONOTONIC), cpu = bare_seconds(CLOCK_PROCESS_CPUTIME_ID);
    bare_watch("<propSet><type>Task</type><pathSet>info.state</pathSet></propSet>");
    for (int cap = atoi(argv[5]); living < cap && next_vm < count;) {
        living++;
        work(next_vm++);
    }
    bare_run(&living, taken, updated);
    printf("%.6f %.6f\n", bare_seconds(CLOCK_MONOTONIC) - wall, bare_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    return 0;
}
