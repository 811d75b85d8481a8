import asyncio

import pytest

from outcry_client.memory import RecentIds


def test_it_forgets_the_ids_that_were_not_met_for_longest():
    async def story() -> None:
        memory = RecentIds(kept=3)
        for event_id in ("a", "b", "c", "a", "d"):
            await memory.add(event_id)
        assert len(memory) == 3
        assert [each for each in "abcd" if await memory.has(each)] == ["a", "c", "d"]

    asyncio.run(story())


def test_a_memory_of_nothing_is_refused():
    with pytest.raises(ValueError, match="one id at least"):
        RecentIds(kept=0)
