"""The critical path of a roll, in seconds: usage: path.py FLEET.json MOST_OF_A_CLUSTER
Computed from the fleet file and its delays alone, without looking at any run. A host enters maintenance mode, is asked to
reboot, boots, and leaves maintenance mode. The hosts of a cluster follow each other, at most MOST of them at a time, each
starting when another is back; clusters do not wait for each other. A VM is reconfigured and powered on when its host is
back; the VMs of a host do not wait for each other. What the client and the server themselves take is not in it."""
import heapq
import json
import sys


def host_seconds(host, delays):
    return (host["enter_seconds"] + delays["RebootHost_Task"] + host["boot_seconds"] + host["exit_seconds"])


def cluster_ends(cluster, delays, most):
    """When each host is back if they go in the order of their names; the shortest roll may have another order."""
    free, ends = [0.0] * most, {}
    for host in sorted(cluster["hosts"], key=lambda one: one["name"]):
        end = heapq.heappop(free) + host_seconds(host, delays)
        ends[host["name"]] = end
        heapq.heappush(free, end)
    return ends


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        fleet = json.load(file)
    most, delays, ends = int(sys.argv[2]), fleet["delays"], {}
    for cluster in fleet["clusters"]:
        ends.update(cluster_ends(cluster, delays, most))
    path = max(ends.values())
    for vm in fleet.get("vms") or []:
        path = max(path, ends[vm["host"]] + delays["ReconfigVM_Task"] + delays["PowerOnVM_Task"])
    print("%.3f" % path)


if __name__ == "__main__":
    main()
