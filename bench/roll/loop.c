/* The lower bound of bench/roll.lua: a bare C loop on libcurl that makes the changes of a roll with as few requests as
 * correctness allows, without a parser, a journal, claims or a look at other hosts. The hosts of a cluster follow each
 * other, clusters do not wait for each other: the cards are enabled, the host enters maintenance mode, is rebooted, and
 * leaves maintenance mode when it is back with its cards active. Whatever goes wrong ends the program.
 * usage: roll URL USER PASSWORD CA VENDOR:DEVICE */
#include "../support/bare.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLUSTERS = 256, HOSTS = 128, CARDS = 64 };

/* which answer a cluster waits for, of its request or of its host */
typedef enum stage { READ, ENABLE, ENTER, REBOOT, REFRESH, LOOK, EXIT } stage;

typedef struct cluster {
    char hosts[HOSTS][BARE_ID];
    int count, at; /* the host in work */
    stage stage;
    char task[BARE_ID]; /* which is in progress */
    char system[BARE_ID], cards[CARDS][BARE_ID];
    int card_count;
    char booted_before[BARE_ID], booted[BARE_ID];
    bool connected;
} cluster;

static cluster clusters[CLUSTERS];
static int cluster_count, left;
static unsigned vendor, device;

static char *host_of(cluster *c)
{
    return c->hosts[c->at];
}

/* ---- requests */

static void read_host(cluster *c, const char *paths)
{
    bare_send(
        (int)(c - clusters), "RetrievePropertiesEx", "PropertyCollector", "propertyCollector",
        "<specSet><propSet><type>HostSystem</type>%s</propSet><objectSet><obj type=\"HostSystem\">%s</obj>"
        "</objectSet></specSet><options/>",
        paths, host_of(c));
}

static void host_task(cluster *c, const char *method, const char *arguments)
{
    bare_send((int)(c - clusters), method, "HostSystem", host_of(c), "%s", arguments);
}

static void enable(cluster *c)
{
    char list[CARDS * (BARE_ID + 80)];
    size_t n = 0;
    for (int i = 0; i < c->card_count; i++)
        n += (size_t)snprintf(list + n, sizeof list - n,
                              "<config><id>%s</id><passthruEnabled>true</passthruEnabled></config>",
                              c->cards[i]);
    bare_send((int)(c - clusters), "UpdatePassthruConfig", "HostPciPassthruSystem", c->system, "%s", list);
}

static void go_to(cluster *c, stage to)
{
    c->stage = to;
    switch (to) {
    case READ:
        read_host(c, "<pathSet>hardware.pciDevice</pathSet><pathSet>runtime.bootTime</pathSet>"
                     "<pathSet>configManager.pciPassthruSystem</pathSet>");
        break;
    case ENABLE:
        enable(c);
        break;
    case ENTER:
        host_task(c, "EnterMaintenanceMode_Task", "<timeout>0</timeout>");
        break;
    case REBOOT:
        c->connected = false;
        c->booted[0] = '\0';
        host_task(c, "RebootHost_Task", "<force>false</force>");
        break;
    case REFRESH:
        bare_send((int)(c - clusters), "Refresh", "HostPciPassthruSystem", c->system, "%s", "");
        break;
    case LOOK:
        read_host(c, "<pathSet>config.pciPassthruInfo</pathSet>");
        break;
    case EXIT:
        host_task(c, "ExitMaintenanceMode_Task", "<timeout>0</timeout>");
        break;
    }
}

/* ---- answers */

static void read_cards(cluster *c, const char *answer)
{
    const char *at = answer;
    char id[BARE_ID], number[16];
    c->card_count = 0;
    while (bare_between(&at, "<id>", "<", id, sizeof id)) {
        unsigned ids[2] = {0, 0};
        static const char *const tags[] = {"<vendorId>", "<deviceId>"};
        for (int i = 0; i < 2; i++) {
            if (!bare_between(&at, tags[i], "<", number, sizeof number))
                bare_die("a device without ids", answer);
            ids[i] = (unsigned)atoi(number) & 0xffff; /* signed in the answer */
        }
        if (ids[0] != vendor || ids[1] != device) continue;
        if (c->card_count == CARDS) bare_die("too many cards", answer);
        memcpy(c->cards[c->card_count++], id, sizeof id);
    }
    at = answer;
    if (!bare_between(&at, "<name>runtime.bootTime</name><val xsi:type=\"xsd:dateTime\">", "<",
                      c->booted_before, BARE_ID))
        bare_die("no boot time", answer);
    at = answer;
    if (!bare_between(&at, "<val type=\"HostPciPassthruSystem\"", "</val>", id, sizeof id))
        bare_die("no passthrough system", answer);
    snprintf(c->system, sizeof c->system, "%s", strrchr(id, '>') + 1);
    if (c->card_count == 0) bare_die("no card", answer);
}

static void check_cards(const cluster *c, const char *answer)
{
    char one[BARE_ID + 16], active[8];
    for (int i = 0; i < c->card_count; i++) {
        snprintf(one, sizeof one, "<id>%s</id>", c->cards[i]);
        const char *at = strstr(answer, one);
        if (!at || !bare_between(&at, "<passthruActive>", "<", active, sizeof active) ||
            strcmp(active, "true") != 0)
            bare_die("a card is not active", answer);
    }
}

static void taken(int who, const char *answer)
{
    cluster *c = &clusters[who];
    switch (c->stage) {
    case READ:
        read_cards(c, answer);
        go_to(c, ENABLE);
        break;
    case ENABLE:
        go_to(c, ENTER);
        break;
    case REBOOT:
        bare_follow("HostSystem", host_of(c));
        /* fallthrough */
    case ENTER:
    case EXIT:
        bare_returned(answer, c->task);
        bare_follow("Task", c->task);
        break;
    case REFRESH:
        go_to(c, LOOK);
        break;
    case LOOK:
        check_cards(c, answer);
        go_to(c, EXIT);
        break;
    }
}

/* ---- changes of what is waited for */

static void next_host(cluster *c)
{
    if (++c->at < c->count)
        go_to(c, READ);
    else
        left--;
}

static void task_ended(cluster *c)
{
    bare_forget("Task", c->task);
    c->task[0] = '\0';
    if (c->stage == ENTER)
        go_to(c, REBOOT);
    else if (c->stage == EXIT)
        next_host(c);
}

/* A property of the host; absent in `text`: unchanged. */
static void note_host(cluster *c, const char *text)
{
    const char *at = text;
    char change[512], value[BARE_ID];
    while (bare_between(&at, "<changeSet>", "</changeSet>", change, sizeof change)) {
        const char *in = change;
        value[0] = '\0'; /* unset */
        if (bare_between(&in, "<val", ">", value, sizeof value))
            bare_between(&in, "", "<", value, sizeof value);
        if (strstr(change, "runtime.connectionState"))
            c->connected = strcmp(value, "connected") == 0;
        else
            snprintf(c->booted, sizeof c->booted, "%s", value);
    }
}

/* The boot time is unset or the old one until the host is back. */
static void look_at_host(cluster *c)
{
    if (c->task[0] || !c->connected || !c->booted[0] || strcmp(c->booted, c->booted_before) == 0) return;
    bare_forget("HostSystem", host_of(c));
    go_to(c, REFRESH);
}

static void updated(const char *type, const char *id, const char *text)
{
    bool task = strcmp(type, "Task") == 0;
    for (cluster *c = clusters; c < clusters + cluster_count; c++) {
        if (c->at == c->count || strcmp(task ? c->task : host_of(c), id) != 0) continue;
        if (task && strstr(text, ">error</val>")) bare_die("a task failed", text);
        if (task && strstr(text, ">success</val>"))
            task_ended(c);
        else if (!task)
            note_host(c, text);
        if (c->stage == REBOOT) look_at_host(c);
        return;
    }
}

static void find_clusters(void)
{
    char view[BARE_ID], one[16384];
    char *answer = bare_call("CreateContainerView", "ViewManager", "ViewManager",
                             "<container type=\"Folder\">group-d1</container><type>%s</type>"
                             "<recursive>true</recursive>",
                             "ClusterComputeResource");
    bare_returned(answer, view);
    free(answer);
    answer =
        bare_call("RetrievePropertiesEx", "PropertyCollector", "propertyCollector",
                  "<specSet><propSet><type>ClusterComputeResource</type><pathSet>host</pathSet></propSet>"
                  "<objectSet><obj type=\"ContainerView\">%s</obj><skip>true</skip><selectSet "
                  "xsi:type=\"TraversalSpec\"><type>ContainerView</type><path>view</path><skip>false</skip>"
                  "</selectSet></objectSet></specSet><options/>",
                  view);
    if (strstr(answer, "<token>")) bare_die("more clusters than one page has", NULL);
    for (const char *at = answer; bare_between(&at, "<objects>", "</objects>", one, sizeof one);) {
        if (cluster_count == CLUSTERS) bare_die("too many clusters", NULL);
        cluster *c = &clusters[cluster_count++];
        char rest[BARE_ID];
        for (const char *in = one; c->count < HOSTS &&
                                   bare_between(&in, "type=\"HostSystem\"", ">", rest, sizeof rest) &&
                                   bare_between(&in, "", "<", c->hosts[c->count], BARE_ID);)
            c->count++;
    }
    free(answer);
}

int main(int argc, char **argv)
{
    if (argc != 6 || sscanf(argv[5], "%x:%x", &vendor, &device) != 2)
        bare_die("usage: roll URL USER PASSWORD CA VENDOR:DEVICE", NULL);
    bare_login(argv[1], argv[4], argv[2], argv[3]);
    find_clusters();
    bare_watch("<propSet><type>Task</type><pathSet>info.state</pathSet></propSet>"
               "<propSet><type>HostSystem</type><pathSet>runtime.connectionState</pathSet>"
               "<pathSet>runtime.bootTime</pathSet></propSet>");
    for (int i = 0; i < cluster_count; i++) {
        if (clusters[i].count == 0) continue;
        left++;
        go_to(&clusters[i], READ);
    }
    bare_run(&left, taken, updated);
    free(bare_call("Logout", "SessionManager", "SessionManager", "%s", ""));
    return 0;
}
