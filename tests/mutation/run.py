"""Mutation testing: `python tests/mutation/run.py [PATTERN...]`, or `make mutants`.

The mutants are mutmut's. Its own loop starts pytest anew for every mutant; here pytest collects once and a
child is forked from there for each, which makes most kills a matter of milliseconds. A child runs the tests that
reach the mutated function, those of the mirrored file first, then the fastest first, for at most BUDGET seconds
of their time; what is not killed by then counts as survived. Results are kept in mutants/ and hold until the
function, or for survivors one of the tests, changes. `mutmut show NAME` prints a mutant.
"""

from __future__ import annotations

import fnmatch
import gc
import hashlib
import io
import json
import os
import re
import resource
import shutil
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from mutmut.__main__ import create_mutants
from mutmut.configuration import config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir, setup_source_paths, walk_mutatable_files
from mutmut.utils.format_utils import mangled_name_from_mutant_name

ROOT: Final = Path(__file__).resolve().parents[2]
MUTANTS: Final = ROOT / "mutants"
CHILDREN: Final = int(os.environ.get("MUTANTS_CHILDREN", os.cpu_count() or 1))
BUDGET: Final = float(os.environ.get("MUTANTS_BUDGET", "10"))
"""Seconds of tests, as measured without mutants, that a mutant has to survive."""
SAMPLE: Final = int(os.environ.get("MUTANTS_SAMPLE", "1"))
"""One mutant in so many is tried, chosen by the hash of its name; the others keep whatever verdict they have."""
PATIENCE: Final = 6
"""A child that needs so many times its tests' CPU time, and five seconds, goes round in circles: killed."""
SURVIVED, KILLED, NO_TESTS, TIMEOUT = 0, 1, 33, 36


@dataclass
class Reached:
    """What each test reached, and what it cost in CPU seconds; kept for test files that did not change."""

    functions: dict[str, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def tests_of(self, function: str, among: Iterable[str]) -> list[str]:
        """Those of the tests that reach a function, in the order they are tried."""
        found = [test for test in among if function in self.functions[test]]
        module = function.rpartition(".")[0]
        mirrored = "tests/" + "/test_".join(module.replace(".", "/").rsplit("/", 1)) + ".py"
        found.sort(key=lambda test: (file_of(test) != mirrored, self.seconds[test]))
        kept: list[str] = []
        spent = 0.0
        for test in found:
            spent += self.seconds[test]
            if kept and spent > BUDGET:
                break
            kept.append(test)
        return kept


def file_of(test: str) -> str:
    return test.partition("::")[0]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


class Loop:
    """A pytest plugin that, instead of running the collected tests once, runs them against every mutant."""

    def __init__(self, patterns: list[str]) -> None:
        self.patterns = patterns
        self.failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed = self.failed or report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        session.config.pluginmanager.getplugin("capturemanager").suspend_global_capture()
        # Without the addresses of functions that are parameters: another process has others.
        self.items = {re.sub(" at 0x[0-9a-f]+", "", item.nodeid): item for item in session.items}
        gc.freeze()
        reached = self.reach()
        with working_in(ROOT):
            modules = [SourceFileMutationData(path=path) for path in sorted(walk_mutatable_files(), key=in_order)]
            for module in modules:
                module.load()
        for module in modules:
            self.test_module(module, reached)
        return True

    def reach(self) -> Reached:
        """Runs what changed since last time in a child that records which functions each test reaches."""
        kept = MUTANTS / "reached.json"
        known = Reached(**json.loads(kept.read_text())) if kept.exists() else Reached()
        now = {path: digest(Path(path)) for path in sorted({file_of(test) for test in self.items})}
        stale = [test for test in self.items if now[file_of(test)] != known.digests.get(file_of(test))]
        if not stale:
            return known
        print(f"{len(stale)} of {len(self.items)} tests changed: finding out what they reach", flush=True)
        child = os.fork()
        if child == 0:
            os._exit(self.record(stale, known, now, kept))
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            raise SystemExit("a test fails without any mutant: see the lines above")
        return Reached(**json.loads(kept.read_text()))

    def record(self, stale: Iterable[str], known: Reached, now: dict[str, str], kept: Path) -> int:
        set_mutant_under_test("stats")
        os.environ["MUTMUT_DEPENDENCY_DEPTH"] = "-1"
        self.temporary_files(self.items)
        for test in stale:
            state()._stats.clear()
            started = time.process_time()
            self.run_one(test, None)
            known.seconds[test] = time.process_time() - started
            known.functions[test] = sorted(state()._stats)
            if self.failed:
                print(f"{test} fails")
                return 1
        for gone in [test for test in known.functions if file_of(test) in now and test not in self.items]:
            del known.functions[gone], known.seconds[gone]
        known.digests |= now
        kept.write_text(json.dumps(known.__dict__))
        return 0

    def run_one(self, test: str, following: str | None) -> None:
        item = self.items[test]
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=self.items[following] if following else None)

    def temporary_files(self, items: dict[str, pytest.Item]) -> None:
        """Each child has its own folder for temporary files, removed by the parent."""
        factory: Any = next(iter(items.values())).config._tmp_path_factory  # type: ignore[attr-defined]
        factory._given_basetemp, factory._basetemp = MUTANTS / "tmp" / str(os.getpid()), None

    def test_module(self, module: SourceFileMutationData, reached: Reached) -> None:
        """Every mutant of one module that has no standing verdict."""
        against_file = MUTANTS / f"{module.path}.against"
        against: dict[str, str] = json.loads(against_file.read_text()) if against_file.exists() else {}
        running: dict[int, str] = {}
        ordered: dict[str, list[str]] = {}
        for mutant, code in module.exit_code_by_key.items():
            if not chosen(mutant, self.patterns):
                continue
            function = mangled_name_from_mutant_name(mutant)
            if function not in ordered:
                ordered[function] = reached.tests_of(function, self.items)
            tests = ordered[function]
            standing = hashlib.sha256(json.dumps([reached.digests[file_of(test)] for test in tests]).encode())
            if code in (KILLED, TIMEOUT) or (code is not None and against.get(mutant) == standing.hexdigest()):
                continue
            against[mutant] = standing.hexdigest()
            module.exit_code_by_key[mutant] = None if tests else NO_TESTS
            if tests:
                while len(running) >= CHILDREN:
                    self.reap(running, module)
                running[self.fork(mutant, tests, sum(reached.seconds[test] for test in tests))] = mutant
        while running:
            self.reap(running, module)
        against_file.write_text(json.dumps(against))
        if any(chosen(mutant, self.patterns) for mutant in module.exit_code_by_key):
            summary(module)

    def fork(self, mutant: str, tests: list[str], seconds: float) -> int:
        child = os.fork()
        if child:
            return child
        limit = int(PATIENCE * seconds + 5)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(40 * limit)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        next(iter(self.items.values())).config.pluginmanager.unregister(name="terminalreporter")
        self.temporary_files(self.items)
        set_mutant_under_test(mutant)
        self.failed = False
        for test, following in zip(tests, [*tests[1:], None], strict=True):
            try:
                self.run_one(test, following)
            except BaseException:  # noqa: BLE001 - whatever a mutant does to pytest itself, it was noticed
                os._exit(KILLED)
            if self.failed:
                os._exit(KILLED)
        os._exit(SURVIVED)

    def reap(self, running: dict[int, str], module: SourceFileMutationData) -> None:
        child, status = os.wait()
        code = os.waitstatus_to_exitcode(status)
        module.exit_code_by_key[running.pop(child)] = TIMEOUT if code < 0 else code
        shutil.rmtree(MUTANTS / "tmp" / str(child), ignore_errors=True)
        with working_in(ROOT):
            module.save()


def in_order(path: Path) -> int:
    """The order of `only_mutate` in pyproject.toml: what pays people and what checks proofs comes first."""
    return next(n for n, pattern in enumerate(config().only_mutate) if fnmatch.fnmatch(str(path), pattern))


def chosen(mutant: str, patterns: list[str]) -> bool:
    drawn = int.from_bytes(hashlib.sha256(mutant.encode()).digest()[:8], "big") % SAMPLE == 0
    return drawn and (not patterns or any(fnmatch.fnmatch(mutant, pattern) for pattern in patterns))


def summary(module: SourceFileMutationData) -> None:
    """A line of the table: module, mutants, tried, killed, of those gone round in circles, survived, not reached."""
    counts: dict[int | None, int] = defaultdict(int)
    for code in module.exit_code_by_key.values():
        counts[code] += 1
    killed = counts[KILLED] + counts[TIMEOUT]
    tried = killed + counts[SURVIVED] + counts[NO_TESTS]
    if tried:
        row = [module.path, sum(counts.values()), tried, killed, counts[TIMEOUT], counts[SURVIVED], counts[NO_TESTS]]
        print("| " + " | ".join(map(str, row)) + f" | {killed / tried:.1%} |", flush=True)


def main(patterns: list[str]) -> int:
    os.chdir(ROOT)
    (MUTANTS / "tmp").mkdir(parents=True, exist_ok=True)
    set_mutant_under_test("mutant_generation")
    with redirect_stdout(io.StringIO()):
        copy_src_dir()
        copy_also_copy_files()
        setup_source_paths()
        create_mutants(CHILDREN)
    set_mutant_under_test("")
    # A package is tested by its own tests: a pattern that names one needs no others.
    named = {f"tests/{pattern.partition('.')[0]}" for pattern in patterns}
    options = ["--rootdir=.", "-q", "--tb=no", "--assert=plain", "-o", "timeout=0", *config().pytest_add_cli_args]
    selection = [path for path in config().pytest_add_cli_args_test_selection if path in named or not patterns]
    with working_in(MUTANTS):
        return int(pytest.main([*options, *selection], plugins=[Loop(patterns)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
