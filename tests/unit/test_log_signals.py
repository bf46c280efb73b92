"""Log lines as the SDKs read them (CloudWatch Logs API reference: GetLogEvents, FilterLogEvents, DescribeLogStreams). Feature row N05."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sagewright.base.clock import VirtualClock
from sagewright.base.world import World
from sagewright.signals import log_pages, logs, patterns
from sagewright.signals.log_pages import LogPage
from sagewright.signals.logs import Event
from sagewright.store.database import Store, Transaction

WORLD = World("111122223333", "eu-west-1")
GROUP = "/aws/sagemaker/TrainingJobs"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path}/rows.db", VirtualClock())
    yield opened
    await opened.close()


async def append(store: Store, stream: str, *lines: tuple[int, str]) -> None:
    events = [Event(at, message) for at, message in lines]
    await store.write(lambda transaction: logs.append(transaction, WORLD, GROUP, stream, events))


async def read(store: Store, stream: str, **wanted: object) -> LogPage:
    def work(transaction: Transaction) -> LogPage:
        series = logs.stream(transaction, WORLD, GROUP, stream)
        assert series is not None
        return log_pages.get_events(transaction, series, **wanted)  # type: ignore[arg-type]

    return await store.read(work)


def messages(page: LogPage) -> list[str]:
    return [event.message for event in page.events]


class TestGetLogEvents:
    async def test_from_the_head_and_on_with_the_forward_token_until_the_page_is_empty(self, store: Store) -> None:
        await append(store, "s", *((number, f"line {number}") for number in range(1, 8)))
        page = await read(store, "s", from_head=True, limit=3)
        assert messages(page) == ["line 1", "line 2", "line 3"]
        page = await read(store, "s", from_head=True, limit=3, token=page.forward)
        assert messages(page) == ["line 4", "line 5", "line 6"]
        page = await read(store, "s", from_head=True, limit=3, token=page.forward)
        assert messages(page) == ["line 7"]
        end = await read(store, "s", from_head=True, limit=3, token=page.forward)
        assert (end.events, end.forward) == ([], page.forward)

    async def test_a_forward_token_is_repeatable_and_sees_what_came_since(self, store: Store) -> None:
        """v3 of the SDK keeps the token between polls."""
        await append(store, "s", (1, "a"))
        token = (await read(store, "s", from_head=True)).forward
        assert messages(await read(store, "s", from_head=True, token=token)) == []
        await append(store, "s", (1, "b"), (2, "c"))
        for _ in range(2):
            assert messages(await read(store, "s", from_head=True, token=token)) == ["b", "c"]

    async def test_without_from_head_the_last_events_come_in_order_and_the_backward_token_leads_on(self, store: Store) -> None:
        await append(store, "s", *((number, str(number)) for number in range(1, 8)))
        page = await read(store, "s", limit=3)
        assert messages(page) == ["5", "6", "7"]
        page = await read(store, "s", limit=3, token=page.backward)
        assert messages(page) == ["2", "3", "4"]
        page = await read(store, "s", limit=3, token=page.backward)
        assert messages(page) == ["1"]
        end = await read(store, "s", limit=3, token=page.backward)
        assert (end.events, end.backward) == ([], page.backward)
        assert messages(await read(store, "s", token=end.forward)) == ["1", "2", "3", "4", "5", "6", "7"]

    async def test_the_backward_token_of_an_empty_page_at_the_end_leads_back(self, store: Store) -> None:
        await append(store, "s", (1, "a"), (2, "b"))
        token = (await read(store, "s", from_head=True)).forward
        empty = await read(store, "s", token=token)
        assert messages(await read(store, "s", token=empty.backward)) == ["a", "b"]

    async def test_an_empty_stream_gives_a_token_that_sees_the_first_line(self, store: Store) -> None:
        await store.write(lambda transaction: logs.create_stream(transaction, WORLD, GROUP, "s", 5))
        page = await read(store, "s", from_head=True)
        assert page.events == []
        await append(store, "s", (7, "first"))
        assert messages(await read(store, "s", from_head=True, token=page.forward)) == ["first"]

    async def test_start_is_inclusive_and_end_exclusive(self, store: Store) -> None:
        await append(store, "s", (1, "a"), (2, "b"), (3, "c"), (4, "d"))
        assert messages(await read(store, "s", start=2, end=4, from_head=True)) == ["b", "c"]

    async def test_timestamps_of_a_stream_never_go_back(self, store: Store) -> None:
        """v2 of the SDK resumes by (timestamp, how many of it were seen)."""
        await append(store, "s", (10, "a"), (5, "b"))
        await append(store, "s", (7, "c"), (12, "d"))
        page = await read(store, "s", from_head=True)
        assert [(event.timestamp, event.message) for event in page.events] == [(10, "a"), (10, "b"), (10, "c"), (12, "d")]

    async def test_a_page_has_a_megabyte_at_most_and_none_is_lost(self, store: Store) -> None:
        await append(store, "s", *((number, f"{number}" + "x" * 200_000) for number in range(1, 9)))
        seen: list[int] = []
        page = await read(store, "s", from_head=True)
        while page.events:
            assert sum(len(event.message) + 26 for event in page.events) <= log_pages.MOST_BYTES
            seen += [event.timestamp for event in page.events]
            page = await read(store, "s", from_head=True, token=page.forward)
        assert seen == list(range(1, 9))

    async def test_odd_characters_survive(self, store: Store) -> None:
        await append(store, "s", (1, "ünï\x00\x1b[31m"), (2, "half \ud83d"))
        assert messages(await read(store, "s", from_head=True)) == ["ünï\x00\x1b[31m", "half ?"]

    @pytest.mark.parametrize("token", ["x", "f/1/s", "f/" + "9" * 40 + "/s", "f/" + "0" * 40 + "/s\n"])
    async def test_what_is_no_token_is_refused(self, store: Store, token: str) -> None:
        await append(store, "s", (1, "a"))
        with pytest.raises(ValueError, match=r"token|place"):
            await read(store, "s", token=token)


class TestFilterLogEvents:
    async def found(self, store: Store, **wanted: object) -> tuple[list[tuple[str, str]], str | None]:
        events, token = await store.read(
            lambda transaction: log_pages.filter_events(transaction, WORLD, GROUP, **wanted)  # type: ignore[arg-type]
        )
        assert len({event.id for event in events}) == len(events)
        return [(event.stream, event.event.message) for event in events], token

    async def test_streams_are_merged_by_time_and_pages_join(self, store: Store) -> None:
        await append(store, "job/algo-1", (1, "a"), (3, "c"), (5, "e"))
        await append(store, "job/algo-2", (2, "b"), (4, "d"))
        await append(store, "other", (1, "x"))
        seen: list[tuple[str, str]] = []
        token: str | None = None
        pages = 0
        while True:
            page, token = await self.found(store, prefix="job/", limit=2, token=token)
            seen += page
            pages += 1
            if token is None:
                break
        assert [message for _, message in seen] == ["a", "b", "c", "d", "e"]
        assert page == []

    async def test_every_page_with_events_has_a_token(self, store: Store) -> None:
        """Both SDKs print endpoint logs only from pages that carry nextToken."""
        await append(store, "s", (1, "a"))
        page, token = await self.found(store)
        assert page
        assert token is not None
        assert await self.found(store, token=token) == ([], None)

    async def test_end_is_inclusive_here(self, store: Store) -> None:
        await append(store, "s", (1, "a"), (2, "b"), (3, "c"))
        assert [message for _, message in (await self.found(store, start=2, end=3))[0]] == ["b", "c"]

    async def test_streams_by_name_and_a_pattern(self, store: Store) -> None:
        await append(store, "one", (1, "INFO fine"), (2, "ERROR bad"))
        await append(store, "two", (3, "ERROR worse"))
        matches = patterns.parse("ERROR")
        assert (await self.found(store, streams=["one"], matches=matches))[0] == [("one", "ERROR bad")]
        assert (await self.found(store, matches=matches, limit=1)) == ([], f"{1:020}{1:020}{1:020}")

    async def test_what_is_no_token_is_refused(self, store: Store) -> None:
        with pytest.raises(ValueError, match="token"):
            await self.found(store, token="x")


class TestPatterns:
    @pytest.mark.parametrize(
        ("pattern", "hit", "miss"),
        [
            ("", "anything", None),
            ("ERROR", "[ERROR] x", "error"),
            ("a b", "b and a", "only a"),
            ("?ERROR ?WARN", "WARN x", "INFO"),
            ("ERROR -timeout", "ERROR x", "ERROR timeout"),
            ('"two words"', "in two words", "words two"),
            (r'"say \"hi\""', 'say "hi"', "say hi"),
        ],
    )
    def test_terms(self, pattern: str, hit: str, miss: str | None) -> None:
        matches = patterns.parse(pattern)
        assert matches(hit)
        assert miss is None or not matches(miss)

    @pytest.mark.parametrize("pattern", ['{ $.a = "b" }', "[a, b]", "%(a+)+%", '"open', "?a b"])
    def test_what_is_not_supported_is_refused(self, pattern: str) -> None:
        with pytest.raises(ValueError, match="pattern"):
            patterns.parse(pattern)


class TestGroupsAndStreams:
    async def test_streams_by_name_prefix_and_last_event(self, store: Store) -> None:
        await append(store, "b", (1, "x"))
        await append(store, "a", (3, "x"))
        await append(store, "ab", (2, "x"))

        def work(transaction: Transaction) -> None:
            def found(**wanted: object) -> list[str]:
                return [one.name for one in logs.describe_streams(transaction, WORLD, GROUP, **wanted)]  # type: ignore[arg-type]

            assert found() == ["a", "ab", "b"]
            assert found(prefix="a") == ["a", "ab"]
            assert found(by_last_event=True, descending=True) == ["a", "ab", "b"]
            first = logs.describe_streams(transaction, WORLD, GROUP, by_last_event=True, limit=1)[0]
            assert found(by_last_event=True, after=first) == ["ab", "a"]

        await store.read(work)

    async def test_a_deleted_group_is_gone_with_its_streams(self, store: Store) -> None:
        for number in range(120):
            await append(store, f"s{number}", (1, "x"))

        def delete(transaction: Transaction) -> None:
            group = logs.group(transaction, WORLD, GROUP)
            assert group is not None
            logs.delete_group(transaction, group)
            assert logs.describe_streams(transaction, WORLD, GROUP) == []
            assert logs.group(transaction, WORLD, GROUP) is None

        await store.write(delete)

    async def test_expired_events_are_removed(self, store: Store) -> None:
        now = 10 * logs.DAY
        await append(store, "s", (now - 2 * logs.DAY, "old"), (now, "new"))
        await append(store, "t", (now, "new"))

        def expire(transaction: Transaction) -> int:
            group = logs.group(transaction, WORLD, GROUP)
            assert group is not None
            return logs.expire(transaction, logs.set_retention(transaction, group, 1, now / 1000), now / 1000)

        assert await store.write(expire) == 1
        assert messages(await read(store, "s", from_head=True)) == ["new"]
