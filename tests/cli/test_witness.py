"""A log with three witnesses, from the command line: a policy of 2 of 3 and what becomes of it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.witness.server import Witness, WitnessServer
from service.workspace import system_clock
from tests.cli.support import settle, settle_json


@dataclass
class Scene:
    home: Path
    witnesses: dict[str, Witness]
    running: dict[str, WitnessServer]
    said: list[str]


def never() -> bytes:
    raise AssertionError("the key files are not sealed")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A workspace, three witnesses that know its log and run, and a policy that wants two of them."""
    home = tmp_path / "home"
    settle_json("init", "--no-passphrase", "--origin", "example.org/ledger", home=home)
    found = Scene(home, {}, {}, [])
    lines = []
    with ExitStack() as stack:
        for name in ("w1", "w2", "w3"):
            folder = tmp_path / name
            settle_json("witness", "init", folder, "--name", f"witness.example/{name}", "--no-passphrase")
            settle_json("witness", "know", folder, "--trust", home / "trust.json")
            witness = found.witnesses[name] = Witness.open(folder, never, system_clock)
            server = found.running[name] = stack.enter_context(
                WitnessServer(witness, "127.0.0.1", 0, found.said.append)
            )
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            lines.append(f"witness {name} {witness.vkey} http://127.0.0.1:{server.server_address[1]}")
        (tmp_path / "policy").write_text("\n".join([*lines, "group two 2 w1 w2 w3", "quorum two", ""]))
        settle_json("ledger", "witness", "policy", tmp_path / "policy", home=home)
        yield found


def outcomes(answer: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {one["witness"]: one["outcome"] for one in answer["witnesses"]}


def stop(scene: Scene, *names: str) -> None:
    """Close these witnesses' doors; their addresses then refuse connections."""
    for name in names:
        scene.running[name].shutdown()
        scene.running[name].server_close()


def test_proofs_rest_on_witnessed_checkpoints(scene: Scene, tmp_path: Path) -> None:
    """If this fails, a proof does not satisfy the policy that its own operator publishes."""
    early = settle("ledger", "prove", "--index", "0", "--out", tmp_path / "x.bundle", home=scene.home)
    assert early.code == 4
    assert "settle ledger witness ask" in early.err
    answer = settle_json("ledger", "witness", "ask", home=scene.home)
    assert outcomes(answer) == {"w1": "cosigned", "w2": "cosigned", "w3": "cosigned"}
    assert answer["quorum"] is True
    settle_json("ledger", "prove", "--index", "0", "--out", tmp_path / "x.bundle", home=scene.home)
    verified = settle_json("verify", tmp_path / "x.bundle", "--trust", scene.home / "trust.json")
    assert "quorum 'two' reached by w1 at 20" in verified["steps"][4]["detail"]


def test_two_of_three_are_enough_and_one_is_not(scene: Scene, tmp_path: Path) -> None:
    """If this fails, the quorum of a published policy is not what its text says."""
    stop(scene, "w1")
    answer = settle_json("ledger", "witness", "ask", home=scene.home)
    assert outcomes(answer) == {"w1": "unreachable", "w2": "cosigned", "w3": "cosigned"}
    settle_json("ledger", "prove", "--index", "0", "--out", tmp_path / "x.bundle", home=scene.home)
    settle_json("verify", tmp_path / "x.bundle", "--trust", scene.home / "trust.json")
    settle_json("registry", "import", registry(tmp_path), home=scene.home)
    stop(scene, "w2")
    answer = settle_json("ledger", "witness", "ask", home=scene.home, code=6)
    assert answer["quorum"] is False
    head = settle_json("ledger", "head", home=scene.home)
    newest = settle("ledger", "prove", "--index", head["size"] - 1, "--out", tmp_path / "y.bundle", home=scene.home)
    assert newest.code == 4
    assert "newer than the last witnessed checkpoint" in newest.err


def registry(folder: Path) -> Path:
    """Something to append."""
    path = folder / "registry.json"
    path.write_text('{"parties": [{"id": "p-ann", "name": "Ann", "kind": "person"}]}')
    return path


def test_a_restored_old_database_is_found_out(scene: Scene, tmp_path: Path) -> None:
    """If this fails, a rollback that took the anchor with it goes unnoticed by everybody."""
    backup = tmp_path / "backup"
    shutil.copytree(scene.home, backup)
    settle_json("registry", "import", registry(tmp_path), home=scene.home)
    settle_json("ledger", "witness", "ask", home=scene.home)
    answer = settle_json("ledger", "witness", "ask", home=backup, code=3)
    assert outcomes(answer) == {"w1": "rollback", "w2": "rollback", "w3": "rollback"}
    assert "entries were lost here" in answer["witnesses"][0]["detail"]


def test_a_fork_is_found_out(scene: Scene, tmp_path: Path) -> None:
    """If this fails, one log can show two trees to two audiences."""
    backup = tmp_path / "backup"
    shutil.copytree(scene.home, backup)
    path = registry(tmp_path)
    settle_json("registry", "import", path, home=scene.home)
    settle_json("ledger", "witness", "ask", home=scene.home)
    path.write_text(path.read_text().replace("ann", "bob"))
    settle_json("registry", "import", path, home=backup)
    answer = settle_json("ledger", "witness", "ask", home=backup, code=3)
    assert set(outcomes(answer).values()) == {"fork"}
    assert any("422 two different trees of size" in remark for remark in scene.said)
    shown = settle_json("witness", "show", scene.witnesses["w1"].folder)
    assert [one["origin"] for one in shown["refused"]] == ["example.org/ledger"]
    assert "example.org/ledger" in shown["refused"][0]["held"]


def test_asking_without_witnesses(tmp_path: Path) -> None:
    """If this fails, an operator without witnesses is not told how to get some."""
    home = tmp_path / "home"
    settle_json("init", "--no-passphrase", home=home)
    assert settle("ledger", "witness", "ask", home=home).code == 4
    shown = settle_json("ledger", "witness", "policy", home=home)
    assert shown == {"policy": ["quorum none"]}
    (tmp_path / "bad").write_text("quorum nobody\n")
    assert settle("ledger", "witness", "policy", tmp_path / "bad", home=home).code == 3
    assert settle("ledger", "witness", "policy", tmp_path / "absent", home=home).code == 2


def test_words_a_witness_cannot_use(tmp_path: Path) -> None:
    """If this fails, a mistyped command is a crash, or makes half a witness."""
    folder = tmp_path / "w"
    assert settle("witness", "serve", folder).code == 2
    settle_json("witness", "init", folder, "--name", "w.example/1", "--no-passphrase")
    assert settle("witness", "init", folder, "--name", "w.example/1", "--no-passphrase").code == 5
    assert settle("witness", "know", folder).code == 2
    assert settle("witness", "know", folder, "junk").code == 3
    assert settle("witness", "serve", folder, "--listen", "nowhere").code == 2
