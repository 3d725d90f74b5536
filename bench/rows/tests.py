"""Tests of what the benchmark says of its figures: python3 -B bench/rows/tests.py"""

import json
import pathlib
import re
import unittest

import fan_out
import memory
import processes
import stress
import throughput
from figures import CannotRun, Figure, ratios

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class KernelMemory(unittest.TestCase):
    SLABINFO = """slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> : slabdata <active_slabs>
TCP                   26     26   2368   13    8 : tunables    0    0    0 : slabdata      2      2      0
filp                 595    672    192   21    1 : tunables    0    0    0 : slabdata     32     33      0
dentry             70917  70917    192   21    1 : tunables    0    0    0 : slabdata   3377   3377      0
"""

    def test_slabs_of_sockets_alone_are_counted(self):
        self.assertEqual(processes.socket_slab_pages(self.SLABINFO), 2 * 8 + 33)

    def test_the_caches_are_those_of_a_run(self):
        source = (ROOT / "crates/orchestrator/src/collector/kernel.rs").read_text()
        listed = re.search(r"SOCKET_SLABS: .*?= \[(.*?)\];", source, re.DOTALL).group(1)
        self.assertEqual(processes.SOCKET_SLABS, set(re.findall(r'"(\w+)"', listed)))

    def test_no_bytes_are_negative(self):
        self.assertEqual(memory.each(1_000, 3_000, 2), 1_000)
        for before, after in ((3_000, 1_000), (None, 1_000), (1_000, None)):
            self.assertIsNone(memory.each(before, after, 2))


class Limits(unittest.TestCase):
    def test_what_was_not_measured_is_never_a_yes(self):
        asked = lambda values: Figure("P99", values, must=("<", 10)).line().split(" | ")[3:5]
        self.assertEqual(asked([1, 2, 3]), ["3", "< 10: yes"])
        self.assertEqual(asked([1, None, 3]), ["2 of 3", "< 10: 2 of 3"])
        self.assertEqual(asked([11, None, 13]), ["2 of 3", "< 10: no"])
        self.assertEqual(asked([None]), ["0 of 1", "< 10: not measured"])

    def test_a_pair_that_lacks_one_was_wanted(self):
        figure = ratios("a / b", [2, None, 2, 2], [2, 2, None, 2])
        self.assertEqual((figure.values, figure.wanted), ([1, 1], 4))

    def test_a_run_with_trouble_has_no_figures(self):
        class Run:
            def __init__(self, trouble):
                self.trouble, self.p99_ms = trouble, 1

        runs = [Run(""), Run("99.9 % held"), Run("")]
        self.assertEqual(stress.of(runs, lambda run: run.p99_ms), [1, None, 1])
        self.assertIn("TROUBLE in 1 of 3 runs, which are left out: 99.9 % held", stress.troubles(runs))
        self.assertEqual(stress.troubles(runs[::2]), "")


class FanOut(unittest.TestCase):
    def test_each_change_is_told_by_its_last_stream(self):
        journal = """{"row":"run"}
{"row":"change","phase":3,"change":1,"at_us":1000,"bound_us":9,"method":"m"}
{"row":"fan_out","agent":0,"phase":3,"change":1,"streams":2,"heard":2,"last_us":4000}
{"row":"fan_out","agent":1,"phase":3,"change":1,"streams":2,"heard":2,"last_us":3000}
{"row":"change","phase":3,"change":2,"at_us":5000,"bound_us":9,"method":"m"}
{"row":"fan_out","agent":0,"phase":3,"change":2,"streams":2,"heard":0,"last_us":null}
{"row":"change","phase":3,"change":3,"at_us":9000,"bound_us":9,"method":"m","failed":"no"}
"""
        self.assertEqual(fan_out.last_streams_ms(journal), [3.0, None])


class Answers(unittest.TestCase):
    def test_the_request_is_the_one_that_wrk_sends(self):
        self.assertEqual(json.loads(processes.REQUEST)["params"]["arguments"], {"text": "hello"})
        self.assertEqual(processes.HEADERS["Mcp-Name"], "echo")
        self.assertNotIn("Authorization", processes.HEADERS)

    def test_answers_of_two_sizes_are_not_compared(self):
        self.assertEqual(throughput.same_size(b"abc", b"xyz"), 3)
        with self.assertRaises(CannotRun):
            throughput.same_size(b"abc", b"abcd")


unittest.main()
