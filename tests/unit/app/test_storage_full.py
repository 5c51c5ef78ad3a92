"""A database without room refuses, writes nothing, and goes on when there is room."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.container import Container
from kernel.database import make_engine
from kernel.errors import StorageFull
from tests.support.full_disk import SmallDisk, small_disk


def limit_pages(engine: Engine, most: int | None) -> None:
    """Every connection of the engine may use the pages that there are, or again as many as it likes."""
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages if most is None else most}")


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_a_full_database_is_a_clear_answer(container: Container, client: TestClient) -> None:
    """Over HTTP it is 507 with a stable code, and the same request works when there is room again."""
    codes = set()
    limit_pages(container.engine, None)
    for _ in range(300):
        answer = client.post("/auth/challenges")
        codes.add((answer.status_code, answer.json().get("code")))
        if answer.status_code != 201:
            break
    limit_pages(container.engine, 1 << 30)

    assert codes == {(201, None), (507, "storage-full")}
    assert client.post("/auth/challenges").status_code == 201


def test_a_commit_without_room_keeps_nothing(tmp_path: Path) -> None:
    """On a file system that is full, whatever step of the transaction notices it, nothing of it is there."""
    with small_disk(tmp_path / "disk", 2 << 20) as disk:
        engine = make_engine(f"sqlite:///{disk.path / 'x.sqlite3'}")
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE t (x BLOB)"))
        if isinstance(disk, SmallDisk):
            disk.fill()
        else:
            limit_pages(engine, None)
        with pytest.raises(StorageFull):
            insert(engine, 40)
        if isinstance(disk, SmallDisk):
            disk.empty()
        else:
            limit_pages(engine, 1 << 30)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM t")).scalar_one() == 0
        insert(engine, 1)
        engine.dispose()


def insert(engine: Engine, rows: int) -> None:
    """So many rows of 100 kB, all or none."""
    with engine.begin() as connection:
        for _ in range(rows):
            connection.execute(text("INSERT INTO t VALUES (zeroblob(100000))"))
