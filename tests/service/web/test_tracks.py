"""Tracks handed in over HTTP: kept until they are attributed, and answered for."""

from __future__ import annotations

import fcntl
import json
import os
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from service.attribution.queue import ATTENDED, FOLDER, NAME_MAX, WAITING_MAX, QueueWorker, has_room, is_attended
from tests.service.month import DECLARED, Month
from tests.service.web.serving import bearer, client, served_month, token
from tests.support import until


def test_a_declared_vector_waits_and_is_recorded(tmp_path: Path) -> None:
    """If this fails, a track handed in over HTTP is lost, attributed under another's name, or never answered for."""
    june = served_month(tmp_path / "home")
    secret = bearer(token(june, "operator", "operator"))
    declared = json.dumps(DECLARED[0] | {"track": "trk-3"}).encode()
    with client(june) as web:

        def ask(method: str, path: str, content: bytes | None = None, media: str = "application/json") -> Any:
            return web.request(method, path, headers=secret | {"content-type": media}, content=content)

        assert ask("GET", "/v1/tracks/trk-3/attribution").json()["state"] == "none"
        assert ask("POST", "/v1/tracks/trk-3/file", declared).json()["state"] == "waiting"
        assert ask("POST", "/v1/tracks/nobody/file", declared).json()["cause"] == "input"
        assert ask("POST", "/v1/tracks/trk-3/file", declared, "text/plain").json()["cause"] == "media"
        assert ask("POST", "/v1/tracks/..%2F..%2Fx/file", declared).status_code in (400, 404)
        assert ask("POST", "/v1/tracks/trk-2/file", b"{}").json()["state"] == "waiting"
        worker = QueueWorker(june.home, june.reopened)
        worker.start()
        until(lambda: ask("GET", "/v1/tracks/trk-3/attribution").json()["state"] == "done")
        until(lambda: ask("GET", "/v1/tracks/trk-2/attribution").json()["state"] == "failed")
        worker.stop()
        assert ask("GET", "/v1/tracks/trk-3/attribution").json()["answer"]["assigned"] is True
        assert ask("GET", "/v1/tracks/trk-2/attribution").json()["reason"]
    assert "trk-3" in june.reopened().log.assignments()


def test_what_waits_survives_a_restart(june: Month) -> None:
    """If this fails, a server that is killed forgets the tracks that wait."""
    from service.attribution.queue import enqueue, queued

    enqueue(june.ws, "trk-3", "application/json", json.dumps(DECLARED[0] | {"track": "trk-3"}).encode())
    assert (june.home / FOLDER / "trk-3.vector").is_file()
    assert queued(june.reopened(), "trk-3").state == "waiting"


def test_a_track_handed_in_again_in_another_form_waits_once(june: Month) -> None:
    """If this fails, both wait, and the one that was to be replaced may be attributed last and pay."""
    from service.attribution.queue import enqueue

    enqueue(june.ws, "trk-3", "audio/wav", b"RIFF")
    enqueue(june.ws, "trk-3", "application/json", json.dumps(DECLARED[0] | {"track": "trk-3"}).encode())
    assert [path.name for path in (june.home / FOLDER).iterdir() if path.is_file()] == ["trk-3.vector"]


def test_only_files_that_wait_take_room(june: Month) -> None:
    """If this fails, a command queues half of its files and then fails, or folders take the queue's last room."""
    folder = june.home / FOLDER
    for name in ("done", "failed"):
        (folder / name).mkdir(parents=True)
    for number in range(WAITING_MAX - 2):
        (folder / f"other-{number}.wav").touch()
    assert has_room(june.home, ["trk-1", "trk-2"])
    assert not has_room(june.home, ["trk-1", "trk-2", "trk-3"])
    assert not has_room(june.home, ["\u00e9" * NAME_MAX])


def test_commands_that_look_at_once_are_no_server(june: Month) -> None:
    """If this fails, two commands without a server queue their files, and nothing ever attributes them."""
    folder = os.open(june.home, os.O_RDONLY)
    with ThreadPoolExecutor(1) as thread:
        with (june.home / ATTENDED).open("wb") as lock:  # as another command holds both while it looks
            fcntl.flock(folder, fcntl.LOCK_EX)
            fcntl.flock(lock, fcntl.LOCK_EX)
            answer = thread.submit(is_attended, june.home)
            wait([answer], timeout=0.2)
        os.close(folder)
        assert answer.result() is False
