"""Training in the workflow: the same steps, views and labels for all."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_kd import DistillationTerm, Distiller, methods, workflow
from keras_kd.losses import KLDistillation
from keras_kd.workflow.training import (
    LabelledAccuracy,
    batches,
    hard_loss,
    steps_per_epoch,
    train,
)
from tests.patches import CLASSES, network, tiny_dataset, trained_teacher


@pytest.fixture(scope="module")
def teacher():
    return trained_teacher()


class TestBatches:
    def take(self, dataset, count, seed=0, augment=None, batch_size=4):
        rows = np.arange(len(dataset.x_train))
        made = batches(dataset, rows, batch_size, seed, augment)
        return list(made.take(count).as_numpy_iterator())

    def test_are_full_endless_and_see_each_image_once_an_epoch(self):
        dataset = tiny_dataset(samples=8)
        taken = self.take(dataset, 4)
        assert [len(x) for x, _ in taken] == [4] * 4
        for first, second in (taken[:2], taken[2:]):
            seen = np.sort(np.concatenate([first[0], second[0]]).sum((1, 2, 3)))
            np.testing.assert_allclose(
                seen, np.sort(dataset.x_train.sum((1, 2, 3))), rtol=1e-5
            )

    def test_keep_images_with_their_labels(self):
        dataset = tiny_dataset()
        for x, y in self.take(dataset, 6):
            places = x.reshape(len(x), 3, -1).sum(-1).argmax(-1)
            np.testing.assert_array_equal(places, y)

    def test_are_the_same_from_the_same_seed(self):
        dataset, augment = tiny_dataset(), workflow.Augmentation(shift=0.2)
        first, again = (self.take(dataset, 3, 1, augment) for _ in range(2))
        for (x, y), (x_again, y_again) in zip(first, again, strict=True):
            np.testing.assert_array_equal(x, x_again)
            np.testing.assert_array_equal(y, y_again)
        other = self.take(dataset, 3, 2, augment)
        assert not np.array_equal(first[0][0], other[0][0])

    def test_every_step_has_views_of_its_own(self):
        dataset = tiny_dataset(samples=4)
        augment = workflow.Augmentation(shift=0.3)
        (first, _), (second, _) = self.take(dataset, 2, augment=augment)
        assert not np.allclose(
            np.sort(first.sum((1, 2, 3))), np.sort(second.sum((1, 2, 3)))
        )


class TestAugmentation:
    images = np.random.default_rng(0).uniform(size=(6, 5, 7, 2)).astype("float32")

    def test_of_nothing_changes_nothing(self):
        same = workflow.Augmentation(shift=0)(self.images, (0, 1))
        np.testing.assert_allclose(same, self.images, atol=1e-5)

    def test_mirrors_some_left_to_right(self):
        views = workflow.Augmentation(shift=0, flip=True)(self.images, (0, 1)).numpy()
        mirrored = self.images[:, :, ::-1]
        kinds = [
            "mirror" if np.allclose(view, mirror, atol=1e-4) else "same"
            for view, mirror in zip(views, mirrored, strict=True)
            if np.allclose(view, mirror, atol=1e-4)
            or np.abs(self.images - view).max((1, 2, 3)).min() < 1e-4
        ]
        assert len(kinds) == 6 and set(kinds) == {"same", "mirror"}

    def test_shifts_at_most_as_far_as_asked(self):
        dot = np.zeros((64, 21, 21, 1), "float32")
        dot[:, 10, 10] = 1
        views = workflow.Augmentation(shift=0.2)(dot, (0, 1)).numpy()
        rows, columns = np.nonzero(views.sum((0, 3)))
        for places in (rows, columns):
            assert 10 - 5 <= places.min() < 8 and 12 < places.max() <= 10 + 5

    def test_turns_about_the_middle(self):
        dot = np.zeros((8, 21, 21, 1), "float32")
        dot[:, 10, 10] = 1
        views = workflow.Augmentation(shift=0, rotate=180)(dot, (0, 1)).numpy()
        np.testing.assert_allclose(views[:, 10, 10], 1, atol=1e-4)
        np.testing.assert_allclose(views[:, ::-1, ::-1], views, atol=1e-4)
        assert not np.allclose(views[0], views[1], atol=1e-3)

    def test_is_a_function_of_its_seed_that_keeps_the_shape(self):
        augment = workflow.Augmentation(shift=0.2, rotate=20, zoom=0.2, fill="reflect")
        first, again = augment(self.images, (3, 4)), augment(self.images, (3, 4))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, augment(self.images, (3, 5)))
        assert first.shape == self.images.shape

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [({"shift": -1}, "`shift` must be non-neg"), ({"fill": "x"}, "`fill` must")],
    )
    def test_refuses(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            workflow.Augmentation(**arguments)

    def test_speaks(self):
        augment = workflow.Augmentation(shift=0.1, rotate=10, flip=True)
        assert str(augment) == "shift up to 10%, turn up to 10°, mirror"


class TestUnlabelled:
    logits = np.random.default_rng(1).normal(size=(6, CLASSES)).astype("float32")
    labels = np.array([-1, 2, -1, 0, 1, -1])

    def test_neither_add_to_the_hard_loss_nor_dilute_it(self):
        model = network()
        known = self.labels >= 0
        expected = hard_loss(model, False)(self.labels[known], self.logits[known])
        actual = hard_loss(model, True)(self.labels, self.logits)
        np.testing.assert_allclose(actual, expected, rtol=1e-6)
        assert float(hard_loss(model, True)(np.full(6, -1), self.logits)) == 0

    def test_count_in_no_accuracy(self):
        metric = LabelledAccuracy()
        logits = keras.ops.one_hot([0, 2, 0, 1, 1, 0], CLASSES)
        metric.update_state(self.labels, logits)
        np.testing.assert_allclose(metric.result(), 2 / 3, rtol=1e-6)

    def test_teach_a_distiller_nothing_through_the_hard_loss(self, teacher):
        """One step on a mixed batch is one step on its labelled images."""
        data = tiny_dataset(labelled=9)
        known = data.labelled
        student, plain = network(), network()
        plain.set_weights(student.get_weights())
        distiller = Distiller(teacher, student, [DistillationTerm(KLDistillation())])
        distiller.terms[0].weight.assign(0.0)
        distiller.compile(keras.optimizers.SGD(0.1), hard_loss(student, True))
        logs = distiller.train_on_batch(data.x_train, data.y_train, return_dict=True)
        plain.compile(keras.optimizers.SGD(0.1), hard_loss(plain, False))
        expected = plain.train_on_batch(data.x_train[known], data.y_train[known])
        np.testing.assert_allclose(logs["hard_loss"], expected, rtol=1e-5)
        for ours, theirs in zip(
            student.get_weights(), plain.get_weights(), strict=True
        ):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)

    def test_count_in_the_terms(self, teacher):
        data = tiny_dataset(labelled=3)
        student = network()
        expected = KLDistillation()(teacher(data.x_train), student(data.x_train))
        distiller = Distiller(teacher, student, methods.hinton())
        distiller.compile("sgd", hard_loss(student, True))
        logs = distiller.train_on_batch(data.x_train, data.y_train, return_dict=True)
        np.testing.assert_allclose(logs["kl_distillation"], expected, rtol=1e-5)


class TestTrain:
    def test_takes_as_many_steps_with_and_without_a_teacher(self, teacher):
        data = tiny_dataset(samples=50, labelled=6)
        student, alone = network(), network()
        distiller = Distiller(teacher, student, methods.hinton())
        for model in (distiller, alone):
            history = train(model, data, epochs=2, batch_size=16, verbose=0)
            assert int(model.optimizer.iterations) == 2 * steps_per_epoch(data, 16) == 8
            assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(history)
            assert len(history["val_accuracy"]) == 2

    def test_a_plain_model_sees_labelled_images_only(self):
        data = tiny_dataset(labelled=6)
        poison = data.x_train.copy()
        poison[~data.labelled] = 1.0
        seen = []
        for x_train in (data.x_train, poison):
            keras.utils.set_random_seed(0)
            model = network()
            train(
                model,
                dataclasses.replace(data, x_train=x_train),
                epochs=1,
                batch_size=8,
                verbose=0,
            )
            seen.append(model.get_weights())
        for clean, poisoned in zip(*seen, strict=True):
            np.testing.assert_array_equal(clean, poisoned)

    def test_learns(self, teacher):
        assert workflow.accuracy(teacher, tiny_dataset()) > 0.9

    def test_reads_a_softmax_as_probabilities(self):
        assert not hard_loss(network(activation="softmax"), False).get_config()[
            "from_logits"
        ]

    @pytest.mark.parametrize(
        ("shape", "classes", "end"),
        [((6, 6, 3), CLASSES, "takes"), ((6, 6, 1), 5, "gives")],
    )
    def test_refuses_a_model_that_does_not_fit(self, shape, classes, end):
        with pytest.raises(ValueError, match=f"`model` must fit 'patches'.*{end}"):
            train(network(shape=shape, classes=classes), tiny_dataset(), epochs=1)

    @pytest.mark.parametrize(
        "arguments", [{"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0}]
    )
    def test_refuses_wrong_numbers(self, arguments):
        with pytest.raises(ValueError, match=f"`{next(iter(arguments))}` must be"):
            train(network(), tiny_dataset(), **{"epochs": 1, **arguments})
