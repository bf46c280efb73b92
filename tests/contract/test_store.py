"""The store's contract, for every database it knows (docs/architecture.md, "Store")."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from support import postgres

from sagewright.base.clock import VirtualClock
from sagewright.base.world import World
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Exists, Resource, Stale

HERE = World("111122223333", "eu-west-1")
THERE = World("111122223333", "us-east-1")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    folder = postgres.binaries()
    if folder is None:
        pytest.skip("no Postgres on this machine")
    with postgres.running(folder) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/rows.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    opened = await Store.open(url, VirtualClock())
    await opened.empty()
    yield opened
    await opened.close()


def model(key: str, world: World = HERE, **fields: object) -> Resource:
    arn = f"arn:aws:sagemaker:{world.region}:{world.account}:model/{key}"
    return replace(Resource(world, "Model", key, arn=arn, name=key, spec={"ModelName": key}), **fields)  # type: ignore[arg-type]


async def insert(store: Store, *rows: Resource) -> list[Resource]:
    return await store.write(lambda transaction: [transaction.resources.insert(row) for row in rows])


async def get(store: Store, key: str, world: World = HERE) -> Resource | None:
    return await store.read(lambda transaction: transaction.resources.get(world, "Model", key))


async def names(store: Store, **wanted: object) -> list[str]:
    rows = await store.read(lambda transaction: transaction.resources.query(HERE, "Model", **wanted))  # type: ignore[arg-type]
    return [row.name for row in rows]


class TestRows:
    async def test_an_inserted_row_comes_back_as_it_was(self, store: Store) -> None:
        row = model(
            "a",
            state="InService",
            parent="p",
            status={"n": 1.5, "text": "ü\u0000"},
            created=10.25,
            modified=11.5,
            due=12.75,
            version=7,
        )
        (written,) = await insert(store, row)
        assert written == replace(row, version=1)
        assert await get(store, "a") == written
        assert await store.read(lambda transaction: transaction.resources.by_arn(row.arn)) == written

    async def test_an_identity_is_taken_once_per_world_and_kind(self, store: Store) -> None:
        await insert(store, model("a"), model("a", THERE), replace(model("a"), kind="Endpoint"))
        with pytest.raises(Exists):
            await insert(store, model("a"))

    async def test_a_missing_row_is_none(self, store: Store) -> None:
        assert await get(store, "a") is None
        assert await store.read(lambda transaction: transaction.resources.by_arn("arn:aws:x")) is None

    async def test_rows_without_an_arn_are_not_found_by_the_empty_arn(self, store: Store) -> None:
        await insert(store, model("a", arn=""))
        assert await store.read(lambda transaction: transaction.resources.by_arn("")) is None

    async def test_a_save_replaces_all_but_identity_and_created(self, store: Store) -> None:
        (row,) = await insert(store, model("a", created=5.0))
        changed = replace(row, name="b", state="Failed", spec={"x": [1]}, created=99.0, modified=6.0, due=7.0)
        saved = await store.write(lambda transaction: transaction.resources.save(changed))
        assert saved == replace(changed, created=5.0, version=2)
        assert await get(store, "a") == saved

    async def test_an_old_version_is_refused(self, store: Store) -> None:
        (row,) = await insert(store, model("a"))
        await store.write(lambda transaction: transaction.resources.save(row))
        with pytest.raises(Stale):
            await store.write(lambda transaction: transaction.resources.save(row))
        with pytest.raises(Stale):
            await store.write(lambda transaction: transaction.resources.delete(row))

    async def test_a_deleted_row_is_gone_with_its_tags(self, store: Store) -> None:
        (row,) = await insert(store, model("a"))
        await store.write(lambda transaction: transaction.tags.set(row.arn, {"k": "v"}))
        await store.write(lambda transaction: transaction.resources.delete(row))
        assert await get(store, "a") is None
        assert await store.read(lambda transaction: transaction.tags.get(row.arn)) == {}
        with pytest.raises(Stale):
            await store.write(lambda transaction: transaction.resources.save(row))

    async def test_what_was_given_out_is_not_the_store_s_own(self, store: Store) -> None:
        (row,) = await insert(store, model("a"))
        first = await get(store, "a")
        assert first is not None
        first.spec["ModelName"] = "changed"  # type: ignore[index]
        assert await get(store, "a") == row

    async def test_empty_deletes_everything(self, store: Store) -> None:
        await insert(store, model("a"))
        await store.write(lambda transaction: transaction.tags.set("arn", {"k": "v"}))
        await store.empty()
        assert await names(store) == []
        assert await names(store, name_contains="a") == []
        assert await store.read(lambda transaction: transaction.tags.get("arn")) == {}
        await insert(store, model("a"))
        assert await names(store, name_contains="a") == ["a"]


class TestWrites:
    async def test_concurrent_writers_all_get_through(self, store: Store) -> None:
        await asyncio.gather(*(insert(store, model(f"m{number}")) for number in range(200)))
        assert len(await names(store, limit=1000)) == 200

    async def test_a_failing_work_is_undone_alone(self, store: Store) -> None:
        def half(transaction: Transaction) -> None:
            transaction.resources.insert(model("half"))
            transaction.tags.set("arn", {"k": "v"})
            raise LookupError("on purpose")

        outcomes = await asyncio.gather(
            insert(store, model("before")), store.write(half), insert(store, model("after")), return_exceptions=True
        )
        assert isinstance(outcomes[1], LookupError)
        assert await names(store, order="name", descending=False) == ["after", "before"]
        assert await store.read(lambda transaction: transaction.tags.get("arn")) == {}
        assert await names(store, name_contains="half") == []

    async def test_a_work_sees_what_was_written_before_it(self, store: Store) -> None:
        def bump(transaction: Transaction) -> int:
            row = transaction.resources.get(HERE, "Model", "counter")
            assert row is not None
            return transaction.resources.save(row).version

        await insert(store, model("counter"))
        versions = await asyncio.gather(*(store.write(bump) for _ in range(50)))
        assert versions == list(range(2, 52))

    async def test_a_read_sees_no_write_that_is_not_committed(self, store: Store) -> None:
        writing = asyncio.ensure_future(insert(store, model("a")))
        await asyncio.sleep(0)
        seen = await get(store, "a")
        await writing
        assert seen is None or seen == await get(store, "a")
        assert await get(store, "a") is not None

    async def test_after_close_nothing_is_accepted_and_what_was_accepted_is_there(self, url: str) -> None:
        first = await Store.open(url, VirtualClock())
        await first.empty()
        writing = asyncio.ensure_future(insert(first, model("a")))
        await asyncio.sleep(0)
        await first.close()
        await writing
        with pytest.raises(RuntimeError):
            await insert(first, model("b"))
        second = await Store.open(url, VirtualClock())
        assert await names(second) == ["a"]
        await second.close()

    async def test_acknowledged_writes_survive_kill_9(self, url: str) -> None:
        """A write is durable when it returns (docs/architecture.md, "Store")."""
        acknowledged = await asyncio.to_thread(_written_until_killed, url)
        store = await Store.open(url, VirtualClock())
        kept = set(await names(store, limit=100_000))
        await store.close()
        assert len(acknowledged) >= 300
        assert set(acknowledged) - kept == set()


def _written_until_killed(url: str) -> list[str]:
    script = Path(__file__).with_name("store_writer.py")
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen([sys.executable, str(script), url], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().decode().strip() for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        return acknowledged + process.stdout.read().decode().split("\n")[:-1]


async def test_a_lost_connection_is_made_anew(postgres_url: str) -> None:
    """Postgres restarts now and then; what was not acknowledged fails, and the next write gets through."""
    store = await Store.open(postgres_url, VirtualClock())
    await store.empty()
    await insert(store, model("before"))
    await names(store)
    await asyncio.to_thread(_end_connections, postgres_url)
    with pytest.raises(psycopg.OperationalError):
        await insert(store, model("lost"))
    await insert(store, model("after"))
    for _ in range(20):
        try:
            found = await names(store)
            break
        except psycopg.OperationalError:
            continue  # one for each reading connection that was ended
    await store.close()
    assert sorted(found) == ["after", "before"]


def _end_connections(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename IS NOT NULL"
        )


class TestPages:
    @pytest.fixture
    async def rows(self, store: Store) -> Store:
        states = ("InService", "Failed", "Creating")
        await insert(
            store,
            *(
                model(f"m{number:02}", state=states[number % 3], created=float(number // 2), modified=float(100 - number))
                for number in range(30)
            ),
            model("m00", THERE),
            replace(model("m00"), kind="Endpoint"),
        )
        return store

    @pytest.mark.parametrize("order", ["created", "modified", "name", "state"])
    @pytest.mark.parametrize("descending", [True, False])
    async def test_pages_join_to_the_whole_in_order(self, rows: Store, order: str, descending: bool) -> None:
        seen: list[Resource] = []
        after: tuple[object, str] | None = None
        while True:
            page = await rows.read(self._page(order, descending, after))
            if not page:
                break
            seen += page
            after = (getattr(page[-1], order), page[-1].key)
        places = [(getattr(row, order), row.key) for row in seen]
        assert len(places) == 30
        assert places == sorted(places, reverse=descending)

    async def test_paging_is_steady_under_inserts_and_deletes(self, rows: Store) -> None:
        first = await rows.read(self._page("created", True, None))
        await insert(rows, model("new", created=1000.0))
        await rows.write(lambda transaction: transaction.resources.delete(first[-1]))
        after = (first[-1].created, first[-1].key)
        second = await rows.read(self._page("created", True, after))
        assert [row.key for row in second] == ["m22", "m21", "m20", "m19", "m18", "m17", "m16"]

    @staticmethod
    def _page(order: str, descending: bool, after: tuple[object, str] | None) -> Callable[[Transaction], list[Resource]]:
        return lambda transaction: transaction.resources.query(
            HERE, "Model", order=order, descending=descending, after=after, limit=7
        )

    async def test_filters(self, rows: Store) -> None:
        assert await names(rows, state="Failed", descending=False) == [f"m{number:02}" for number in range(1, 30, 3)]
        assert await names(rows, created_after=13.0, descending=False) == ["m26", "m27", "m28", "m29"]
        assert await names(rows, created_before=1.0, descending=False) == ["m00", "m01"]
        assert await names(rows, modified_after=99.0, descending=False) == ["m00", "m01"]
        assert await names(rows, modified_before=72.0, order="name") == ["m29"]
        assert await names(rows, name_prefix="m2", order="name", limit=2) == ["m29", "m28"]
        assert await names(rows, state="Failed", name_contains="M1", modified_after=85.0) == ["m13", "m10"]

    async def test_children_are_listed_below_their_parent(self, store: Store) -> None:
        await insert(store, model("a", parent="p"), model("b", parent="q"), model("c"))
        assert await names(store, parent="p") == ["a"]
        assert await names(store, parent="r") == []

    async def test_an_unknown_order_is_refused(self, store: Store) -> None:
        with pytest.raises(ValueError, match="order"):
            await names(store, order="spec")


class TestNameContains:
    """NameContains of every List operation: a part of the name, whatever its case."""

    @pytest.mark.parametrize("needle", ["fox", "FOX", "brown-fox", "fox-3", "x-3", "-", "3", "ck", "", "brown-fox-3"])
    async def test_finds_what_a_scan_finds(self, store: Store, needle: str) -> None:
        every = [f"quick-brown-fox-{number}" for number in range(20)] + ["Fox", "hen%", "he_n", "h\\n", "-", "3"]
        await insert(store, *(model(name) for name in every))
        expected = sorted(name for name in every if needle.lower() in name.lower())
        assert await names(store, name_contains=needle, order="name", descending=False) == expected

    @pytest.mark.parametrize("needle", ["%", "_", "\\", "n%", "e_n", "h\\n", '"', "'", "*", " OR "])
    async def test_signs_mean_themselves(self, store: Store, needle: str) -> None:
        every = ["hen%", "he_n", "h\\n", "plain", 'say "x"', "it's", "a*b", "a OR b"]
        await insert(store, *(model(name) for name in every))
        assert await names(store, name_contains=needle) == [name for name in every if needle in name]

    @pytest.mark.parametrize("order", ["created", "name"])
    async def test_among_many_rows_every_page_is_found(self, store: Store, order: str) -> None:
        """Enough rows that every step of listing.py is taken: few candidates, a short walk, many candidates, a long walk."""
        every = [
            f"name-{number}-{'old' if number < 800 else 'new'}{'-needle' if number % 200 == 7 else ''}"
            for number in range(3000)
        ]
        await insert(store, *(model(name, created=float(number)) for number, name in enumerate(every)))
        for needle in ("-old", "needle", "nn", "name", "zzz", "-1"):
            assert sorted(await self._all(store, order, needle)) == sorted(name for name in every if needle in name)

    async def _all(self, store: Store, order: str, needle: str) -> list[str]:
        found: list[str] = []
        after: tuple[object, str] | None = None
        while page := await self._page(store, order, needle, after):
            found += [row.name for row in page]
            after = (getattr(page[-1], order), page[-1].key)
        return found

    @staticmethod
    async def _page(store: Store, order: str, needle: str, after: tuple[object, str] | None) -> list[Resource]:
        return await store.read(
            lambda transaction: transaction.resources.query(
                HERE, "Model", order=order, name_contains=needle, after=after, limit=100
            )
        )

    async def test_follows_renames_and_deletions(self, store: Store) -> None:
        rows = await insert(
            store, *(model(f"filler-{number}", created=10.0) for number in range(150)), model("needle"), model("gone")
        )
        renamed = replace(rows[-2], name="haystack")
        await store.write(lambda transaction: transaction.resources.save(renamed))
        await store.write(lambda transaction: transaction.resources.delete(rows[-1]))
        assert await names(store, name_contains="needle") == []
        assert await names(store, name_contains="gone") == []
        assert await names(store, name_contains="haystack") == ["haystack"]

    async def test_a_work_finds_the_names_it_has_just_written(self, store: Store) -> None:
        await insert(store, *(model(f"filler-{number}") for number in range(150)))

        def write_and_look(transaction: Transaction) -> list[str]:
            transaction.resources.insert(model("needle"))
            return [row.name for row in transaction.resources.query(HERE, "Model", name_contains="needle")]

        assert await store.write(write_and_look) == ["needle"]

    async def test_the_names_of_a_work_that_failed_are_not_kept_for_later_rows(self, store: Store) -> None:
        def fail(transaction: Transaction) -> None:
            transaction.resources.insert(model("needle"))
            raise LookupError("on purpose")

        before = model("before")
        outcomes = await asyncio.gather(insert(store, before), store.write(fail), return_exceptions=True)
        assert isinstance(outcomes[1], LookupError)
        await insert(store, model("needle-in-hay"))
        assert await names(store, name_contains="needle") == ["needle-in-hay"]
        assert await names(store, name_contains="efor") == ["before"]

    async def test_other_worlds_and_kinds_do_not_show(self, store: Store) -> None:
        fillers = [model(f"filler-{number}", created=10.0) for number in range(150)]
        await insert(store, *fillers, model("needle", THERE), replace(model("needle"), kind="Endpoint"))
        assert await names(store, name_contains="needle") == []


class TestDue:
    async def test_due_rows_come_longest_waiting_first_over_all_worlds(self, store: Store) -> None:
        await insert(
            store,
            model("late", due=5.0),
            model("early", THERE, due=1.0),
            model("future", due=50.0),
            model("settled"),
            replace(model("other", due=0.0), kind="Endpoint"),
        )
        due = await store.read(lambda transaction: transaction.resources.due(["Model"], 10.0, 10))
        assert [row.key for row in due] == ["early", "late"]
        limited = await store.read(lambda transaction: transaction.resources.due(["Model", "Endpoint"], 10.0, 1))
        assert [row.key for row in limited] == ["other"]
        assert await store.read(lambda transaction: transaction.resources.due([], 10.0, 1)) == []

    async def test_next_due_is_the_earliest_there_is(self, store: Store) -> None:
        await insert(store, model("a", due=5.0), model("b", due=3.0), replace(model("c", due=1.0), kind="Endpoint"))
        assert await store.read(lambda transaction: transaction.resources.next_due(["Model"])) == 3.0
        assert await store.read(lambda transaction: transaction.resources.next_due(["App"])) is None
        assert await store.read(lambda transaction: transaction.resources.next_due([])) is None


class TestChanges:
    async def test_waiting_ends_when_the_row_is_written(self, store: Store) -> None:
        (row,) = await insert(store, model("a"))
        waiting = asyncio.ensure_future(store.changed(row.identity, 30))
        await asyncio.sleep(0)
        await store.write(lambda transaction: transaction.resources.save(row))
        assert await waiting is True

    async def test_another_row_s_write_does_not_end_it(self, store: Store) -> None:
        (row,) = await insert(store, model("a"))
        waiting = asyncio.ensure_future(store.changed(row.identity, 0.05))
        await asyncio.sleep(0)
        await insert(store, model("b"))
        assert await waiting is False

    async def test_a_version_that_is_old_already_ends_it_at_once(self, store: Store) -> None:
        (row,) = await insert(store, model("a"))
        await store.write(lambda transaction: transaction.resources.save(row))
        assert await store.changed(row.identity, 30, version=1) is True
        assert await store.changed(row.identity, 0.01, version=2) is False

    async def test_listeners_hear_of_commits_only(self, store: Store) -> None:
        heard: list[str] = []
        end = store.listen(lambda identity: heard.append(identity[2]))
        (row,) = await insert(store, model("a"))
        with pytest.raises(Exists):
            await store.write(lambda transaction: [transaction.resources.insert(model("b")), transaction.resources.insert(row)])
        await store.write(lambda transaction: transaction.resources.delete(row))
        end()
        await insert(store, model("c"))
        assert heard == ["a", "a"]

    async def test_a_failing_listener_harms_nobody(self, store: Store, caplog: pytest.LogCaptureFixture) -> None:
        store.listen(lambda identity: 1 / 0)  # type: ignore[arg-type]
        await insert(store, model("a"))
        await insert(store, model("b"))
        assert "ZeroDivisionError" in caplog.text


class TestTags:
    async def test_tags_keep_the_order_in_which_they_were_first_set(self, store: Store) -> None:
        await store.write(lambda transaction: transaction.tags.set("arn", {"z": "1", "a": "2"}))
        await store.write(lambda transaction: transaction.tags.set("arn", {"m": "3", "z": "4"}))
        assert list((await store.read(lambda transaction: transaction.tags.get("arn"))).items()) == [
            ("z", "4"),
            ("a", "2"),
            ("m", "3"),
        ]

    async def test_removing(self, store: Store) -> None:
        await store.write(lambda transaction: transaction.tags.set("arn", {"a": "1", "b": "2"}))
        assert await store.write(lambda transaction: transaction.tags.remove("arn", ["a", "c"])) == {"b": "2"}
        assert await store.write(lambda transaction: transaction.tags.remove("arn", ["b"])) == {}
        assert await store.read(lambda transaction: transaction.tags.get("arn")) == {}


class TestTokens:
    async def test_a_token_keeps_what_it_stood_for(self, store: Store) -> None:
        await store.write(lambda transaction: transaction.tokens.put(HERE, "CreateModelPackage", "t", "hash", {"Arn": "x"}))
        found = await store.read(lambda transaction: transaction.tokens.get(HERE, "CreateModelPackage", "t"))
        assert found == ("hash", {"Arn": "x"})
        assert await store.read(lambda transaction: transaction.tokens.get(THERE, "CreateModelPackage", "t")) is None
        assert await store.read(lambda transaction: transaction.tokens.get(HERE, "CreatePipeline", "t")) is None


class TestRecords:
    async def test_records_come_in_order_of_time_then_arrival(self, store: Store) -> None:
        def append(transaction: Transaction) -> None:
            series = transaction.records.open(HERE, "logs", "group", "stream", 5)
            series = transaction.records.append(series, [(20, b"b"), (10, b"a")], 30)
            series = transaction.records.append(series, [(20, b"c\x00\xff")], 31)
            assert (series.first_at, series.last_at, series.last_written, series.sequence) == (10, 20, 31, 3)

        await store.write(append)

        def scanned(transaction: Transaction) -> list[tuple[int, int, bytes]]:
            series = transaction.records.series(HERE, "logs", "group", "stream")
            assert series is not None
            return [(record.at, record.sequence, record.body) for record in transaction.records.scan([series])]

        assert await store.read(scanned) == [(10, 2, b"a"), (20, 1, b"b"), (20, 3, b"c\x00\xff")]

    async def test_scans_take_ranges_places_and_both_directions(self, store: Store) -> None:
        def work(transaction: Transaction) -> None:
            one = transaction.records.open(HERE, "logs", "group", "one", 0)
            two = transaction.records.open(HERE, "logs", "group", "two", 0)
            one = transaction.records.append(one, [(at, b"%d" % at) for at in range(0, 10, 2)], 0)
            two = transaction.records.append(two, [(at, b"%d" % at) for at in range(1, 10, 2)], 0)
            scan = transaction.records.scan
            assert [record.at for record in scan([one, two])] == list(range(10))
            assert [record.at for record in scan([one, two], start=3, end=6)] == [3, 4, 5]
            assert [record.at for record in scan([one], descending=True, limit=2)] == [8, 6]
            last = scan([one, two], limit=4)[-1]
            place = (last.at, last.series, last.sequence)
            assert [record.at for record in scan([one, two], after=place, limit=2)] == [4, 5]
            assert [record.at for record in scan([one, two], after=place, descending=True)] == [2, 1, 0]
            assert scan([]) == []

        await store.write(work)

    async def test_series_are_listed_by_name_and_by_last_record(self, store: Store) -> None:
        def work(transaction: Transaction) -> None:
            for name, at in (("b", 1), ("a", 3), ("ab", 2)):
                series = transaction.records.open(HERE, "logs", "group", name, 0)
                transaction.records.append(series, [(at, b"")], 0)
            transaction.records.open(HERE, "logs", "group", "never", 0)
            transaction.records.open(HERE, "logs", "other", "x", 0)
            transaction.records.open(THERE, "logs", "group", "x", 0)

            def found(**wanted: object) -> list[str]:
                return [series.name for series in transaction.records.find(HERE, "logs", **wanted)]  # type: ignore[arg-type]

            assert found(parent="group") == ["a", "ab", "b", "never"]
            assert found(parent="group", prefix="a") == ["a", "ab"]
            assert found(parent="group", order="last_at", descending=True) == ["a", "ab", "b", "never"]
            assert found(parent="group", order="last_at", descending=True, after=(2, "group", "ab")) == ["b", "never"]
            assert found(parent="group", limit=1, after=("a", "group", "a")) == ["ab"]
            assert sorted(found()) == ["a", "ab", "b", "never", "x"]

        await store.write(work)

    async def test_trimming_and_dropping(self, store: Store) -> None:
        def work(transaction: Transaction) -> None:
            records = transaction.records
            series = records.append(records.open(HERE, "logs", "group", "one", 0), [(at, b"") for at in range(5)], 0)
            assert records.trim(series, 3) == 3
            fresh = records.series(HERE, "logs", "group", "one")
            assert fresh is not None
            assert (fresh.first_at, fresh.last_at, len(records.scan([fresh]))) == (3, 4, 2)
            many = records.append(fresh, [(3, b"")] * 20 + [(4, b"")], 0)
            assert records.trim(many, 4, most=5) == 21
            assert records.trim(many, 5, most=5) == 2
            records.drop(fresh)
            assert records.series(HERE, "logs", "group", "one") is None
            assert records.scan([fresh]) == []

        await store.write(work)
