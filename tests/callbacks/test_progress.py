"""Lines that can be read, about as many as asked for."""

import pytest

from keras_kd.callbacks import ProgressLines


@pytest.mark.parametrize(
    ("epochs", "lines", "printed"),
    [(4, 2, [2, 4]), (5, 2, [3, 5]), (3, 10, [1, 2, 3])],
)
def test_prints_some_epochs_and_the_last(capsys, epochs, lines, printed):
    callback = ProgressLines(lines, prefix="> ")
    callback.set_params({"epochs": epochs})
    callback.on_train_begin()
    for epoch in range(epochs):
        callback.on_epoch_end(epoch, {"loss": 0.25})
    shown = capsys.readouterr().out.splitlines()
    assert [int(line.split()[2].split("/")[0]) for line in shown] == printed
    assert all(line.startswith("> epoch") for line in shown)
    assert "loss 0.2500" in shown[-1] and shown[-1].endswith(" s")


def test_refuses_no_lines():
    with pytest.raises(ValueError, match="`lines` must be a positive integer"):
        ProgressLines(0)
