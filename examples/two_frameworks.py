"""Watch two frameworks share a cluster by the weights of their roles: dominant resource fairness.

Run:     python examples/two_frameworks.py --seconds 9 --plot shares.png
Prints:  which part of the cluster each one holds, as time goes by (--plot needs the extra `plot`)
"""

import argparse
import random
import statistics
import sys
import time
from contextlib import ExitStack
from importlib.util import find_spec
from uuid import uuid4

from minimesos.drivers.scheduler import Scheduler, SchedulerDriver
from minimesos.testing import LocalCluster
from minimesos.testing.builders import framework_info, task_info

WEIGHTS = {"dev": 1, "prod": 2}
STORY = {0: ("dev", "joins"), 4: ("prod", "joins"), 13: ("prod", "ends")}  # by row
ROWS, WIDTH = 18, 36


class Greedy(Scheduler):
    """Has endless work: each core that it is offered gets a task that takes a moment."""

    def resourceOffers(self, driver, offers):
        for offer in offers:
            cores = sum(each.scalar.value for each in offer.resources if each.name == "cpus")
            driver.launchTasks(offer.id, [self.task(offer) for _ in range(int(cores))])

    def task(self, offer):
        moment = {"value": f"sleep {random.uniform(0.3, 1):.2f}"}
        return task_info(str(uuid4()), offer.agent_id.value, cpus=1, mem=128, command=moment)


def dominant_shares(state):
    """Return by role the largest part that it holds of any resource of the whole cluster."""
    total = {name: sum(a["resources"][name] for a in state["slaves"]) for name in ("cpus", "mem")}
    has = {framework["role"]: framework["used_resources"] for framework in state["frameworks"]}
    return [max(has.get(role, {}).get(name, 0) / total[name] for name in total) for role in WEIGHTS]


def watch(cluster, seconds):
    """Play the story, row by row; yield (time, shares) again and again."""
    with ExitStack() as frameworks:
        begin = time.monotonic()
        for row in range(ROWS):
            role, what = STORY.get(row, ("", ""))
            if what == "joins":
                driver = SchedulerDriver(Greedy(), framework_info(role, role), cluster.address)
                driver.start()
                frameworks.callback(driver.stop)
            elif what:
                driver.stop()
            seen, now = [], 0.0
            while not seen or now < (row + 1) * seconds / ROWS:
                time.sleep(0.05)
                now = time.monotonic() - begin
                seen.append(dominant_shares(cluster.master.snapshot()))
                yield now, seen[-1]
            dev, prod = map(statistics.mean, zip(*seen, strict=True))
            bar = "░" * round(dev * WIDTH) + "█" * round(prod * WIDTH)
            print(f"{now:5.1f}   {bar:·<{WIDTH}}   {dev:.2f}  {prod:.2f}   {role} {what}".rstrip())


def draw(seen, file):
    from matplotlib import pyplot

    times, shares = zip(*seen, strict=True)
    _, axes = pyplot.subplots(figsize=(9, 4), layout="constrained")
    axes.stackplot(times, *zip(*shares, strict=True), colors=["#b8c4d6", "#2f5d8a"], step="post")
    axes.legend([f"{role}, weight {WEIGHTS[role]}" for role in WEIGHTS], loc="lower right")
    for row, (role, what) in STORY.items():
        axes.text(row / ROWS * times[-1], 1.02, f"{role} {what}")
    axes.set(xlabel="seconds", ylabel="dominant shares", xlim=(0, times[-1]), ylim=(0, 1))
    pyplot.savefig(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=9)
    parser.add_argument("--plot", metavar="FILE")
    options = parser.parse_args()
    if options.plot and not find_spec("matplotlib"):
        sys.exit("--plot needs matplotlib: pip install 'minimesos[plot]'")
    flags = {"weights": "dev=1,prod=2", "allocation_interval": 0.02}  # not to wait for a second
    with LocalCluster(agents=2, cpus=3, mem_mb=384, master_flags=flags) as cluster:
        print(f"    s   {'dominant shares: ░ dev  █ prod':{WIDTH}}    dev  prod")
        seen = list(watch(cluster, options.seconds))
    if options.plot:
        draw(seen, options.plot)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
