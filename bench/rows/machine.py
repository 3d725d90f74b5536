"""What was measured on, and with what."""

import os
import platform
import re
import subprocess

HERE = os.path.dirname(__file__)


def said(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=HERE)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr).strip()


def cores():
    """Those that may be used here: `taskset` makes a small machine of a large one."""
    all_of_it, usable = os.cpu_count(), len(os.sched_getaffinity(0))
    return f"{usable} cores" if usable == all_of_it else f"{usable} of {all_of_it} cores"


def describe():
    with open("/proc/cpuinfo") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    with open("/proc/meminfo") as file:
        memory = int(re.search(r"MemTotal:\s*(\d+)", file.read()).group(1)) / 2**20
    # Its commit and how it was built; older builds do not say.
    build = said(os.environ["ERLMCP"], "--version")
    build += "" if "(" in build else " of a build made elsewhere"
    nginx = said("nginx", "-v").rpartition("/")[2] or "absent"
    wrk = re.search(r"wrk (?:debian/)?(\S+)", said("wrk", "-v"))
    return (
        f"{model.group(1) if model else platform.machine()}, {cores()} shared by servers and generators, {memory:.0f} GiB, "
        f"Linux {platform.release()}, {os.sysconf('SC_OPEN_MAX')} descriptors a process; {build}, "
        f"nginx {nginx}, wrk {wrk.group(1) if wrk else 'absent'}. Load of the machine before: {os.getloadavg()[0]:.2f}."
    )
