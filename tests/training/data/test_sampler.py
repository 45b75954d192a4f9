"""Which pictures come in which batch."""

from collections import Counter

from ti_studio.training.data.sampler import BucketBatchSampler

SMALL, WIDE = (32, 32), (64, 32)


def seen(sampler: BucketBatchSampler, batches: range) -> list[int]:
    return [picture for number in batches for picture in sampler.batch(number)]


def test_every_picture_is_seen_equally_often() -> None:
    sampler = BucketBatchSampler.of([SMALL] * 3, [1, 1, 1], batch_size=1, seed=0)

    pictures = seen(sampler, range(9))

    assert sorted(pictures[0:3]) == sorted(pictures[3:6]) == sorted(pictures[6:9]) == [0, 1, 2]


def test_a_batch_goes_on_into_the_next_round_where_there_is_one_size() -> None:
    sampler = BucketBatchSampler.of([SMALL] * 3, [1, 1, 1], batch_size=2, seed=5)

    assert [len(sampler.batch(number)) for number in range(3)] == [2, 2, 2]
    assert Counter(seen(sampler, range(3))) == {0: 2, 1: 2, 2: 2}


def test_a_picture_is_repeated_within_a_round_and_not_seen_with_no_repeats() -> None:
    sampler = BucketBatchSampler.of([SMALL] * 3, [1, 3, 0], batch_size=2, seed=0)

    assert Counter(seen(sampler, range(sampler.batches_in_round))) == {0: 1, 1: 3}


def test_a_batch_has_pictures_of_one_size_and_a_round_has_all() -> None:
    sizes = [SMALL, WIDE, SMALL, WIDE, SMALL]
    sampler = BucketBatchSampler.of(sizes, [1] * 5, batch_size=2, seed=3)

    assert sampler.batches_in_round == 3
    for number in range(9):
        assert len({sizes[picture] for picture in sampler.batch(number)}) == 1
    assert sorted(seen(sampler, range(3))) == sorted(seen(sampler, range(3, 6))) == [0, 1, 2, 3, 4]
    assert [sampler.batch(number) for number in range(3)] != [sampler.batch(number) for number in range(3, 6)]
