"""Datasets: from names, files and folders; splits; hidden labels; refusals."""

import gzip
import struct
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from keras_kd import datasets
from keras_kd.datasets import Dataset, hide_labels, load_dataset, named

RNG = np.random.default_rng(0)


def pixels(samples, size=4, channels=3):
    return RNG.integers(0, 256, (samples, size, size, channels)).astype("uint8")


def write_npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def write_images(folder, count, size=(6, 4), mode="RGB", suffix=".png"):
    """`count` pictures of (width, height)."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        image = Image.fromarray(pixels(1, 8)[0]).resize(size).convert(mode)
        image.save(folder / f"{index}{suffix}")


def valid(**changes):
    fields = {
        "name": "tiny",
        "x_train": np.zeros((4, 2, 2, 1), "float32"),
        "y_train": np.array([0, 1, -1, 1]),
        "x_test": np.ones((2, 2, 2, 1), "float32"),
        "y_test": np.array([0, 1]),
        "class_names": ("a", "b"),
    }
    return Dataset(**{**fields, **changes})


class TestDataset:
    def test_describes_itself(self):
        data = valid()
        assert data.image_shape == (2, 2, 1)
        assert data.num_classes == 2
        assert data.labelled.tolist() == [True, True, False, True]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"x_train": np.zeros((4, 2, 2), "float32")},
                "`x_train` must be a float32",
            ),
            ({"x_train": np.zeros((4, 2, 2, 1))}, "`x_train` must be a float32"),
            ({"x_train": np.full((4, 2, 2, 1), 2, "float32")}, "between 0 and 1"),
            ({"x_train": np.full((4, 2, 2, 1), np.nan, "float32")}, "between 0 and 1"),
            ({"x_test": np.zeros((2, 3, 2, 1), "float32")}, "one shape"),
            ({"y_train": np.array([0, 1, 1])}, r"shape \(4,\), one label per image"),
            ({"y_train": np.array([0, 1, 1, 2])}, "labels from -1 to 1"),
            ({"y_test": np.array([0, -1])}, "`y_test` must hold labels from 0 to 1"),
            ({"y_test": np.array([0.0, 1.0])}, "`y_test` must be an integer array"),
            ({"class_names": ("a",)}, "at least two classes"),
        ],
    )
    def test_refuses(self, changes, message):
        with pytest.raises(ValueError, match=message):
            valid(**changes)


class TestDigits:
    def test_has_images_in_range_and_all_classes(self):
        data = load_dataset("digits")
        assert data.x_train.shape[1:] == (8, 8, 1)
        assert len(data.x_train) + len(data.x_test) == 1797
        assert data.x_train.min() == 0 and data.x_train.max() == 1
        assert data.class_names == tuple("0123456789")

    def test_splits_each_class_by_its_share(self):
        data = load_dataset("digits", test_fraction=0.25)
        train, test = np.bincount(data.y_train), np.bincount(data.y_test)
        np.testing.assert_allclose(test / (train + test), 0.25, atol=0.01)

    def test_splits_the_same_from_the_same_seed(self):
        first, again = load_dataset("digits", seed=3), load_dataset("digits", seed=3)
        np.testing.assert_array_equal(first.x_test, again.x_test)
        assert not np.array_equal(first.x_test, load_dataset("digits").x_test)

    def test_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
        with pytest.raises(ImportError, match=r'pip install "keras-kd\[data\]"'):
            load_dataset("digits")


class TestSource:
    def test_an_unknown_name_lists_what_there_is(self):
        with pytest.raises(ValueError, match="fashion_mnist.*Did you mean 'digits'"):
            load_dataset("didgits")

    def test_a_file_that_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="none of them"):
            load_dataset(tmp_path / "absent.npz")

    @pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
    def test_a_wrong_fraction_is_refused(self, fraction):
        with pytest.raises(ValueError, match="`test_fraction` must lie between"):
            load_dataset("digits", test_fraction=fraction)

    def test_resizes(self):
        data = load_dataset("digits", image_size=(12, 10))
        assert data.image_shape == (12, 10, 1)
        assert data.x_train.dtype == np.float32


class TestNpz:
    def test_takes_parts_as_they_are(self, tmp_path):
        x, y = pixels(10), np.arange(10) % 2
        path = write_npz(
            tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:4], y_test=y[:4]
        )
        data = load_dataset(path)
        assert data.name == "a"
        np.testing.assert_allclose(data.x_train, x / 255, rtol=1e-6)
        np.testing.assert_array_equal(data.y_test, y[:4])

    def test_splits_a_single_part_and_keeps_images_with_their_labels(self, tmp_path):
        y = np.arange(20) % 4
        x = np.broadcast_to(y[:, None, None] / 4, (20, 3, 3))
        data = load_dataset(write_npz(tmp_path / "a.npz", x=x, y=y), test_fraction=0.4)
        assert data.image_shape == (3, 3, 1) and len(data.x_test) == 8
        for images, labels in (
            (data.x_train, data.y_train),
            (data.x_test, data.y_test),
        ):
            np.testing.assert_array_equal(images[:, 0, 0, 0] * 4, labels)

    def test_unlabelled_images_stay_in_training(self, tmp_path):
        y = np.array([0, 1] * 5 + [-1] * 6)
        data = load_dataset(write_npz(tmp_path / "a.npz", x=pixels(16), y=y))
        assert (data.y_train == -1).sum() == 6 and len(data.y_test) == 2

    def test_names_become_classes_and_a_column_a_row(self, tmp_path):
        y = np.array([["dog"], ["cat"]] * 6)
        data = load_dataset(write_npz(tmp_path / "a.npz", x=pixels(12), y=y))
        assert data.class_names == ("cat", "dog")
        assert data.y_train.ndim == 1

    def test_takes_class_names(self, tmp_path):
        y = np.array([0, 1] * 5)
        path = write_npz(tmp_path / "a.npz", x=pixels(10), y=y, class_names=["k", "l"])
        assert load_dataset(path).class_names == ("k", "l")
        path = write_npz(tmp_path / "b.npz", x=pixels(10), y=y, class_names=["k"])
        with pytest.raises(ValueError, match="`class_names` must name 2 classes"):
            load_dataset(path)

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"images": np.zeros(3)}, r"Received: \['images'\]"),
            (
                {"x": np.zeros((3, 2)), "y": np.zeros(3, int)},
                "`x_train` must be images",
            ),
            (
                {"x": np.full((4, 2, 2), 7.0), "y": np.arange(4) % 2},
                "integers from 0 to 255 or floats from 0 to 1",
            ),
            (
                {"x": pixels(4), "y": np.eye(4)},
                "class indices or class names, one per image",
            ),
            (
                {"x": pixels(4), "y": np.arange(4) % 2, "x_test": pixels(2)},
                "`x_test` and `y_test`, or neither|`x_test` and `y_test`",
            ),
        ],
    )
    def test_refuses(self, tmp_path, arrays, message):
        with pytest.raises(ValueError, match=message):
            load_dataset(write_npz(tmp_path / "a.npz", **arrays), test_fraction=0.5)

    def test_never_unpickles(self, tmp_path):
        y = np.array([0, 1], dtype=object)
        path = write_npz(tmp_path / "a.npz", x=pixels(2), y=y)
        with pytest.raises(ValueError, match="npz of plain arrays"):
            load_dataset(path)

    def test_a_file_of_another_kind_is_refused(self, tmp_path):
        path = tmp_path / "a.npz"
        path.write_bytes(b"no archive")
        with pytest.raises(ValueError, match="npz of plain arrays"):
            load_dataset(path)


class TestFolder:
    def test_sorts_the_classes_and_splits(self, tmp_path):
        for name in ("zebra", "ant", ".hidden"):
            write_images(tmp_path / name, 5)
        (tmp_path / "ant" / "notes.txt").write_text("no image")
        data = load_dataset(tmp_path)
        assert data.class_names == ("ant", "zebra")
        assert data.image_shape == (4, 6, 3)
        assert len(data.x_train) == 8 and len(data.x_test) == 2

    @pytest.mark.parametrize("test", ["test", "val"])
    def test_takes_train_and_test_folders(self, tmp_path, test):
        for name in ("a", "b"):
            write_images(tmp_path / "train" / name, 3)
        write_images(tmp_path / test / "b", 2)
        write_images(tmp_path / test / "a", 1)
        data = load_dataset(tmp_path)
        assert len(data.x_train) == 6 and data.y_test.tolist() == [0, 1, 1]

    def test_train_alone_is_split(self, tmp_path):
        for name in ("a", "b"):
            write_images(tmp_path / "train" / name, 5)
        assert len(load_dataset(tmp_path).x_test) == 2

    def test_is_grey_only_where_all_images_are(self, tmp_path):
        write_images(tmp_path / "a", 5, mode="L")
        write_images(tmp_path / "b", 5, mode="L")
        assert load_dataset(tmp_path).image_shape == (4, 6, 1)
        write_images(tmp_path / "b", 1, mode="RGB")
        assert load_dataset(tmp_path).image_shape == (4, 6, 3)

    def test_sixteen_bits_are_scaled_and_not_clipped(self, tmp_path):
        deep = np.full((4, 4), 257 * 100, "uint16")
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            for index in range(3):
                Image.fromarray(deep).save(tmp_path / name / f"{index}.png")
        data = load_dataset(tmp_path, test_fraction=0.3)
        np.testing.assert_allclose(data.x_train, 100 / 255, rtol=1e-6)

    def test_turns_photographs_upright(self, tmp_path):
        for name in ("a", "b"):
            write_images(tmp_path / name, 3, suffix=".jpg")
            for file in (tmp_path / name).iterdir():
                image = Image.open(file)
                exif = image.getexif()
                exif[0x0112] = 6  # a quarter turn
                image.save(file, exif=exif)
        assert load_dataset(tmp_path, test_fraction=0.3).image_shape == (6, 4, 3)

    def test_different_sizes_need_a_size(self, tmp_path):
        write_images(tmp_path / "a", 5)
        write_images(tmp_path / "b", 5, size=(9, 9))
        with pytest.raises(ValueError, match=r"2 different sizes.*\(4, 6\)"):
            load_dataset(tmp_path)
        assert load_dataset(tmp_path, image_size=5).image_shape == (5, 5, 3)

    def test_names_the_files_that_cannot_be_read(self, tmp_path):
        for name in ("a", "b"):
            write_images(tmp_path / name, 3)
        (tmp_path / "a" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        with pytest.raises(ValueError, match=r"1 of 7 image files.*torn\.png"):
            load_dataset(tmp_path)

    def test_needs_classes_with_images(self, tmp_path):
        write_images(tmp_path / "a", 1)
        with pytest.raises(ValueError, match="one subfolder per class"):
            load_dataset(tmp_path)
        (tmp_path / "b").mkdir()
        with pytest.raises(ValueError, match=r"classes without images .*\['b'\]"):
            load_dataset(tmp_path)

    def test_the_test_may_not_have_a_class_of_its_own(self, tmp_path):
        for name in ("a", "b"):
            write_images(tmp_path / "train" / name, 1)
            write_images(tmp_path / "test" / f"{name}s", 1)
        with pytest.raises(ValueError, match=r"lacks: \['as', 'bs'\]"):
            load_dataset(tmp_path)


def write_idx(path, array):
    header = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(">" + "i" * array.ndim,
                                                             *array.shape)  # fmt: skip
    path.write_bytes(gzip.compress(header + array.tobytes()))


class TestNamed:
    @pytest.fixture
    def debian(self, tmp_path, monkeypatch):
        monkeypatch.setattr(named, "DEBIAN_FASHION_MNIST", tmp_path)
        for part, samples in (("train", 20), ("t10k", 10)):
            images = pixels(samples, 28, 1)[..., 0]
            write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", images)
            labels = (np.arange(samples) % 10).astype("uint8")
            write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", labels)
        return tmp_path

    def test_reads_debians_fashion_mnist(self, debian):
        data = load_dataset("fashion_mnist")
        assert data.x_train.shape == (20, 28, 28, 1)
        assert data.class_names[data.y_test[9]] == "Ankle boot"

    @pytest.mark.parametrize(
        "content",
        [b"", b"torn", gzip.compress(b"\0\0\x08\x01", mtime=0)],
        ids=["empty", "no gzip", "a head alone"],
    )
    def test_a_torn_file_is_named(self, debian, content):
        (debian / "t10k-labels-idx1-ubyte.gz").write_bytes(content)
        with pytest.raises(ValueError, match="t10k-labels"):
            load_dataset("fashion_mnist")

    def test_says_what_to_do_where_there_is_none(self, tmp_path, monkeypatch):
        def offline():
            raise OSError("no route")

        monkeypatch.setattr(named, "DEBIAN_FASHION_MNIST", tmp_path / "absent")
        monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", offline)
        with pytest.raises(ValueError, match="no route.*dataset-fashion-mnist"):
            load_dataset("fashion_mnist")

    def test_reads_cifar10_from_jpegs(self, tmp_path, monkeypatch):
        write_images(tmp_path / "all", 10, size=(32, 32), suffix=".jpg")
        files = [p.read_bytes() for p in sorted((tmp_path / "all").iterdir())]
        write_npz(
            tmp_path / named.CIFAR10_FILE,
            bytes=np.frombuffer(b"".join(files), "uint8"),
            length=np.array([len(f) for f in files], "int32"),
            y=np.arange(10).astype("uint8"),
            is_test=np.arange(10) >= 8,
        )
        monkeypatch.setenv(named.DATA_VARIABLE, str(tmp_path))
        data = load_dataset("cifar10")
        assert data.x_train.shape == (8, 32, 32, 3)
        assert data.y_test.tolist() == [8, 9]
        first = np.asarray(Image.open(tmp_path / "all" / "0.jpg")) / 255
        np.testing.assert_allclose(data.x_train[0], first, rtol=1e-5)


class TestHideLabels:
    def test_keeps_each_class_its_share_and_all_images(self):
        data = load_dataset("digits")
        few = hide_labels(data, 50)
        assert few.x_train is data.x_train
        kept = few.y_train[few.labelled]
        assert np.bincount(kept, minlength=10).tolist() == [5] * 10
        np.testing.assert_array_equal(kept, data.y_train[few.labelled])

    def test_keeps_a_rare_class(self):
        labels = np.array([0] * 95 + [1] * 5)
        few = hide_labels(
            valid(x_train=np.zeros((100, 2, 2, 1), "float32"), y_train=labels), 4
        )
        assert np.bincount(few.y_train[few.labelled]).tolist() == [3, 1]

    def test_is_the_same_from_the_same_seed(self):
        data = load_dataset("digits")
        first, again = hide_labels(data, 30, seed=1), hide_labels(data, 30, seed=1)
        np.testing.assert_array_equal(first.y_train, again.y_train)
        assert (first.y_train != hide_labels(data, 30, seed=2).y_train).any()

    def test_hides_from_what_is_left(self):
        assert hide_labels(valid(), 3).labelled.sum() == 3

    @pytest.mark.parametrize("labelled", [4, 0, -1, 2.5])
    def test_refuses_what_is_not_there(self, labelled):
        with pytest.raises(ValueError, match="`labelled` must be"):
            hide_labels(valid(), labelled)

    @pytest.mark.parametrize("count", [1, 2, 7, 33, 100])
    def test_draws_as_many_as_asked(self, count):
        labels = np.repeat([0, 1, 2], [60, 30, 10])
        drawn = datasets.dataset.stratified(labels, count, seed=0)
        assert len(np.unique(drawn)) == count
