"""Start a master and two agents, run two driver scripts on them, and end everything again.

Run:     make demo     (or: python examples/demo.py)
Prints:  what each script prints: 11, and the 20 most frequent words of Python's standard library
"""

import signal
import subprocess
import sys
from pathlib import Path

from minimesos.testing.processes import ProcessCluster

HERE = Path(__file__).parent


def submit(cluster: ProcessCluster, script: str) -> None:
    print(f"\n$ minimesos submit --master {cluster.url} examples/{script}", flush=True)
    command = [sys.executable, "-m", "minimesos", "submit", "--master", cluster.url]
    with subprocess.Popen([*command, str(HERE / script)]) as driver:
        try:
            code = driver.wait()
        except KeyboardInterrupt:  # the driver has it too, and tidies up after itself
            driver.wait()
            raise
    if code:
        sys.exit(f"examples/{script} failed with {code}")


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that `with` ends the cluster
    with ProcessCluster(agents=2, cpus=1, mem_mb=2048) as cluster:
        print(f"a master and two agents are up; their console is at http://{cluster.address}")
        submit(cluster, "count.py")
        submit(cluster, "word_count.py")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
