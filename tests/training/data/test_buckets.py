"""The sizes that pictures of different shapes are trained at."""

import pytest

from ti_studio.training.config.dataset import DatasetOptions
from ti_studio.training.data.buckets import bucket_of, bucket_sizes

BUCKETS = DatasetOptions(enable_bucket=True)
NO_UPSCALE = DatasetOptions(enable_bucket=True, bucket_no_upscale=True)


def test_without_buckets_every_picture_gets_the_trainings_size() -> None:
    assert bucket_of((900, 300), (512, 512), DatasetOptions()) == (512, 512)


def test_buckets_are_sd_scripts_own_for_512_pixels() -> None:
    assert bucket_sizes((512, 512), BUCKETS) == [
        *((256, 832), (256, 896), (256, 960), (256, 1024), (320, 704), (320, 768), (384, 640), (448, 576), (512, 512)),
        *((576, 448), (640, 384), (704, 320), (768, 320), (832, 256), (896, 256), (960, 256), (1024, 256)),
    ]


@pytest.mark.parametrize(
    ("picture", "bucket"),
    [((1000, 1000), (512, 512)), ((1200, 800), (640, 384)), ((300, 900), (256, 832)), ((704, 320), (704, 320))],
)
def test_a_picture_gets_the_bucket_nearest_to_its_shape(picture: tuple[int, int], bucket: tuple[int, int]) -> None:
    assert bucket_of(picture, (512, 512), BUCKETS) == bucket


def test_a_small_picture_gets_its_own_size_where_nothing_is_enlarged() -> None:
    assert bucket_of((200, 330), (512, 512), NO_UPSCALE) == (192, 320)
    assert bucket_of((2000, 1000), (512, 512), NO_UPSCALE) == (640, 320)


def test_no_bucket_is_larger_than_the_trainings_area() -> None:
    assert all(width * height <= 1024 * 1024 for width, height in bucket_sizes((1024, 1024), BUCKETS))


def test_a_training_smaller_than_a_step_has_one_bucket_which_is_its_size() -> None:
    assert bucket_sizes((32, 48), BUCKETS) == [(32, 48)]


def test_sides_that_cross_are_refused() -> None:
    with pytest.raises(ValueError, match="min_bucket_reso 512 is above max_bucket_reso 256"):
        DatasetOptions(min_bucket_reso=512, max_bucket_reso=256)
