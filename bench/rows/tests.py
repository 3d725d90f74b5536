"""Tests of what the benchmark says of its figures: python3 -B bench/rows/tests.py"""

import pathlib
import re
import unittest

import memory
import processes

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


unittest.main()
