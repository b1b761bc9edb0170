"""Mutation testing: `python tests/mutation/run.py [PATTERN...]`, or `make mutants`.

The mutants are mutmut's. Its own loop starts pytest anew for every mutant; here pytest collects once and a
child is forked from there for each, which makes most kills a matter of milliseconds. A child gives the function the
mutant's code and runs the tests that reach it: first what killed its sisters, then the mirrored file, then the
fastest of all others, these for at most BUDGET seconds of their time; what is not killed by then counts as survived.
Results are kept in mutants/ and hold until the function, or for survivors one of the tests, changes.
`mutmut show NAME` prints a mutant.
"""

from __future__ import annotations

import fnmatch
import gc
import hashlib
import importlib
import io
import json
import os
import re
import resource
import shutil
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import astuple, dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, Final

import mutmut.mutation.trampoline
import pytest
from mutmut.__main__ import create_mutants
from mutmut.configuration import config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir, setup_source_paths, walk_mutatable_files
from mutmut.utils.format_utils import mangled_name_from_mutant_name

ROOT: Final = Path(__file__).resolve().parents[2]
MUTANTS: Final = ROOT / "mutants"
CHILDREN: Final = int(os.environ.get("MUTANTS_CHILDREN", os.cpu_count() or 1))
BUDGET: Final = float(os.environ.get("MUTANTS_BUDGET", "10"))
"""Seconds of tests, as measured without mutants, that a mutant has to survive besides those of the mirrored file."""
SAMPLE: Final = int(os.environ.get("MUTANTS_SAMPLE", "1"))
"""One mutant in so many is tried, chosen by the hash of its name; the others keep whatever verdict they have."""
PATIENCE: Final = 4
"""A test that needs so many times its CPU time, and two seconds for what is cold, goes round in circles: killed."""
SAVED_EVERY: Final = 5.0
"""Seconds between two savings: more than this is never lost."""
SURVIVED, KILLED, NO_TESTS, TIMEOUT = 0, 1, 33, 36

Mutants = dict[str, Any]
MUTATED: Final[list[tuple[FunctionType, Mutants]]] = []
"""Each mutated function, with mutmut's dictionary of its mutants."""


def unwrapped(mutants: Mutants, is_classmethod: bool = False) -> Callable[[FunctionType], FunctionType]:
    """Instead of mutmut's trampoline, which looks up at every call which mutant is meant: the function as it is."""
    del is_classmethod

    def decorate(function: FunctionType) -> FunctionType:
        MUTATED.append((function, mutants))
        return function

    return decorate


def plain(mutant: Any) -> FunctionType:
    """A mutant as a function, where it is bound to its class."""
    found: FunctionType = getattr(mutant, "__func__", mutant)
    return found


def become(function: FunctionType, mutant: FunctionType) -> None:
    """The function has the mutant's code from here on, wherever it is held."""
    function.__code__ = mutant.__code__
    function.__defaults__, function.__kwdefaults__ = mutant.__defaults__, mutant.__kwdefaults__


@dataclass
class Reached:
    """What each test reached, and what it cost in CPU seconds; kept for test files that did not change."""

    mutated: list[str]
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
            spent += self.seconds[test] * (file_of(test) != mirrored)
            if kept and spent > BUDGET:
                break
            kept.append(test)
        return kept

    def standing(self, function: str, among: Iterable[str]) -> str:
        """A digest of the files of all tests that reach a function: while it stays, a survivor has its verdict."""
        files = sorted({self.digests[file_of(test)] for test in among if function in self.functions[test]})
        return hashlib.sha256(" ".join(files).encode()).hexdigest()[:16]


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
        self.killers: dict[str, set[str]] = defaultdict(set)
        self.saved = 0.0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed = self.failed or report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        session.config.pluginmanager.getplugin("capturemanager").suspend_global_capture()
        # Without the addresses of functions that are parameters: another process has others.
        self.items = {re.sub(" at 0x[0-9a-f]+", "", item.nodeid): item for item in session.items}
        with working_in(ROOT):
            modules = [SourceFileMutationData(path=path) for path in sorted(walk_mutatable_files(), key=in_order)]
            for module in modules:
                module.load()
        for module in modules:
            importlib.import_module(str(module.path).removesuffix(".py").replace("/", "."))
        # A mutant's dictionary is filled after its function was decorated.
        self.mutated = {name_of(mutants): (function, mutants) for function, mutants in MUTATED}
        gc.freeze()
        reached = self.reach()
        for module in modules:
            self.test_module(module, reached)
        total([count(module) for module in modules])
        return True

    def reach(self) -> Reached:
        """Runs what changed since last time in a child that records which functions each test reaches."""
        kept = MUTANTS / "reached.json"
        mutated = sorted(self.mutated)
        known = Reached(**json.loads(kept.read_text())) if kept.exists() else Reached(mutated)
        moved = {name.rpartition(".")[0] for name in {*known.mutated} ^ {*mutated}}
        if not moved <= {name.rpartition(".")[0] for name in known.mutated}:
            known = Reached(mutated)  # a whole module is new: any test may reach it
        known.mutated = mutated
        now = {path: digest(Path(path)) for path in sorted({file_of(test) for test in self.items})}
        stale = [
            test
            for test in self.items
            if now[file_of(test)] != known.digests.get(file_of(test))
            or any(name.rpartition(".")[0] in moved for name in known.functions[test])
        ]
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
        names = {function.__code__: name for name, (function, _) in self.mutated.items()}
        seen: set[CodeType] = set()

        def called(frame: FrameType, event: str, _: Any) -> None:
            if event == "call":
                seen.add(frame.f_code)

        self.temporary_files(self.items)
        for test in stale:
            seen.clear()
            started = time.process_time()
            threading.setprofile(called)
            sys.setprofile(called)
            self.run_one(test, None)
            sys.setprofile(None)
            threading.setprofile(None)
            known.seconds[test] = time.process_time() - started
            known.functions[test] = sorted(names[code] for code in seen if code in names)
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
        if not any(chosen(mutant, self.patterns) for mutant in module.exit_code_by_key):
            return
        against_file = MUTANTS / f"{module.path}.against"
        against: dict[str, str] = json.loads(against_file.read_text()) if against_file.exists() else {}
        running: dict[int, str] = {}

        def save(*, every: float = 0) -> None:
            if time.monotonic() - self.saved >= every:
                against_file.write_text(
                    json.dumps(
                        {name: one for name, one in against.items() if module.exit_code_by_key.get(name) is not None}
                    )
                )
                with working_in(ROOT):
                    module.save()
                self.saved = time.monotonic()

        ordered: dict[str, list[str]] = {}
        standing: dict[str, str] = {}
        for mutant, code in module.exit_code_by_key.items():
            if not chosen(mutant, self.patterns):
                continue
            function = mangled_name_from_mutant_name(mutant)
            if function not in ordered:
                ordered[function] = reached.tests_of(function, self.items)
                standing[function] = reached.standing(function, self.items)
            tests = ordered[function]
            if code in (KILLED, TIMEOUT) or (code is not None and against.get(mutant) == standing[function]):
                continue
            against[mutant] = standing[function]
            module.exit_code_by_key[mutant] = None if tests else NO_TESTS
            if tests:
                while len(running) >= CHILDREN:
                    self.reap(running, module)
                    save(every=SAVED_EVERY)
                running[self.fork(mutant, self.killers_first(function, tests, reached.seconds), reached.seconds)] = (
                    mutant
                )
        while running:
            self.reap(running, module)
        save()
        print(row(str(module.path), count(module)), flush=True)

    def killers_first(self, function: str, tests: list[str], seconds: dict[str, float]) -> list[str]:
        """What killed other mutants of the function likely kills this one, what did in its module perhaps."""
        likely, perhaps = self.killers[function], self.killers[function.rpartition(".")[0]]
        known = [test for test in tests if test in likely or test in perhaps]
        known.sort(key=lambda test: (test not in likely, seconds[test]))
        return [*known, *(test for test in tests if test not in known)]

    def fork(self, mutant: str, tests: list[str], seconds: dict[str, float]) -> int:
        function, mutants = self.mutated[mangled_name_from_mutant_name(mutant)]
        changed = plain(mutants[mutant.rpartition(".")[2]])
        if function.__code__.co_freevars != changed.__code__.co_freevars:
            raise SystemExit(f"{mutant} closes over other names than its function, so their code cannot be exchanged")
        child = os.fork()
        if child:
            return child
        for ignored in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(ignored, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        next(iter(self.items.values())).config.pluginmanager.unregister(name="terminalreporter")
        self.temporary_files(self.items)
        become(function, changed)
        self.failed = False
        for test, following in zip(tests, [*tests[1:], None], strict=True):
            limit = PATIENCE * seconds[test] + 2
            signal.setitimer(signal.ITIMER_PROF, limit)
            signal.alarm(int(40 * limit))
            try:
                self.run_one(test, following)
            except BaseException:  # noqa: BLE001 - whatever a mutant does to pytest itself, it was noticed
                self.failed = True
            if self.failed:
                (MUTANTS / "tmp" / f"{os.getpid()}.killer").write_text(test)
                os._exit(KILLED)
        os._exit(SURVIVED)

    def reap(self, running: dict[int, str], module: SourceFileMutationData) -> None:
        child, status = os.wait()
        code = os.waitstatus_to_exitcode(status)
        mutant = running.pop(child)
        module.exit_code_by_key[mutant] = TIMEOUT if code < 0 else code
        shutil.rmtree(MUTANTS / "tmp" / str(child), ignore_errors=True)
        killer = MUTANTS / "tmp" / f"{child}.killer"
        if killer.exists():
            function = mangled_name_from_mutant_name(mutant)
            for name in (function, function.rpartition(".")[0]):
                self.killers[name].add(killer.read_text())
            killer.unlink()


def name_of(mutants: Mutants) -> str:
    original = mutants["_mutmut_orig"]
    return f"{original.__module__}.{mangled_name_from_mutant_name(original.__name__)}"


def in_order(path: Path) -> int:
    """The order of `only_mutate` in pyproject.toml: what pays people and what checks proofs comes first."""
    return next(n for n, pattern in enumerate(config().only_mutate) if fnmatch.fnmatch(str(path), pattern))


def chosen(mutant: str, patterns: list[str]) -> bool:
    drawn = int.from_bytes(hashlib.sha256(mutant.encode()).digest()[:8], "big") % SAMPLE == 0
    return drawn and (not patterns or any(fnmatch.fnmatch(mutant, pattern) for pattern in patterns))


@dataclass(frozen=True)
class Count:
    """How many mutants there are, and what became of those tried; one that no test reaches was not noticed either."""

    mutants: int
    killed: int
    circling: int
    survived: int
    unreached: int


def count(module: SourceFileMutationData) -> Count:
    codes = list(module.exit_code_by_key.values())
    killed, circling = codes.count(KILLED), codes.count(TIMEOUT)
    return Count(len(codes), killed + circling, circling, codes.count(SURVIVED), codes.count(NO_TESTS))


def row(name: str, one: Count) -> str:
    """A line of the table: mutants, tried, killed, of those gone round in circles, survived, not reached, score."""
    tried = one.killed + one.survived + one.unreached
    figures = [one.mutants, tried, one.killed, one.circling, one.survived, one.unreached]
    return f"| {name} | " + " | ".join(map(str, figures)) + (f" | {one.killed / tried:.1%} |" if tried else " | - |")


def total(counts: list[Count]) -> None:
    print(row("all", Count(*(sum(column) for column in zip(*map(astuple, counts), strict=True)))), flush=True)


def main(patterns: list[str]) -> int:
    os.chdir(ROOT)
    (MUTANTS / "tmp").mkdir(parents=True, exist_ok=True)
    set_mutant_under_test("mutant_generation")
    with redirect_stdout(io.StringIO()):
        copy_src_dir()
        copy_also_copy_files()
        setup_source_paths()
        for path in walk_mutatable_files():
            if not SourceFileMutationData(path=path).meta_path.exists():
                (MUTANTS / path).unlink(missing_ok=True)  # copied before it was listed in pyproject.toml
        create_mutants(CHILDREN)
    mutmut.mutation.trampoline.wrap_in_trampoline = unwrapped  # type: ignore[assignment]  # plain functions only
    # A package is tested by its own tests: a pattern that names one needs no others.
    named = tuple(f"tests/{pattern.partition('.')[0]}" for pattern in patterns)
    options = ["--rootdir=.", "-q", "--tb=no", "--assert=plain", "-o", "timeout=0", *config().pytest_add_cli_args]
    selection = [path for path in config().pytest_add_cli_args_test_selection if path.startswith(named or "tests/")]
    with working_in(MUTANTS):
        return int(pytest.main([*options, *selection], plugins=[Loop(patterns)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
