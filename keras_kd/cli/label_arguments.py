"""What can be typed after `keras-kd label` and `keras-kd store`."""

from __future__ import annotations

from keras_kd.cli import values
from keras_kd.cli.shared_arguments import SAMPLES, Add, as_json, default, image_size

PARTS = ("train", "test", "all")
ENGINES = ("tensorflow", "litert", "onnx", "auto")


def label(add: Add) -> None:
    add("--teacher", required=True, metavar="T.keras", help="trained model")
    add("--data", required=True, metavar="D", help=f"{SAMPLES}; labels are not needed")
    add("--out", required=True, metavar="DIR", help="the store's folder")
    _of_examples(add)
    add(
        "--taps",
        nargs="+",
        default=["output"],
        metavar="TAP",
        help=default("output", "what is kept; see `keras-kd taps`"),
    )
    add("--top-k", type=int, metavar="K", help="keep the K largest classes")
    add(
        "--precision",
        type=values.by_name,
        metavar="P|TAP=P,...",
        help="float32, float16, int8 (features) or compact (--top-k); float16 unless "
        "given, compact of the top k",
    )
    add(
        "--temperature",
        type=float,
        default=1.0,
        metavar="F",
        help=default("1", "at which the top k are exact"),
    )
    add("--views", type=int, default=1, metavar="M", help=default("1"))
    _augmentation(add)
    _of_teacher(add)
    add("--batch-size", type=int, default=64, metavar="N", help=default("64"))
    add(
        "--range-rows",
        type=int,
        default=1024,
        metavar="N",
        help=default("1024", "rows that are finished, or lost, together"),
    )
    add(
        "--shard",
        default="0/1",
        metavar="i/N",
        help="label every N-th range from the i-th on, on any machine that sees DIR",
    )
    add("--workers", type=int, metavar="N", help="as so many processes of this machine")
    add(
        "--ray",
        action="store_true",
        help="as workers of a Ray cluster, or of one started here (extra ray)",
    )
    as_json(add)
    add("--quiet", action="store_true", help="print only what went wrong")


def store(add: Add) -> None:
    add("action", choices=("info", "verify"), help="what to do")
    add("folder", metavar="DIR", help="folder of a store, or its URL")
    add("--teacher", metavar="T.keras", help="verify: the model that labelled")
    add("--data", metavar="D", help=f"verify: {SAMPLES}")
    _of_examples(add)
    _augmentation(add)
    _of_teacher(add)
    add(
        "--rows",
        type=int,
        default=64,
        metavar="N",
        help=default("64", "verify: how many are made again"),
    )
    as_json(add)


def _of_examples(add: Add) -> None:
    add(
        "--part",
        choices=PARTS,
        default="train",
        help=default("train", "of data that has two"),
    )
    image_size(add)
    add(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help=default("0", "of the views, and of a split that the data lack"),
    )


def _augmentation(add: Add) -> None:
    add("--flip", action="store_true", help="views: mirror half of the images")
    add("--crop", type=int, default=0, metavar="N", help="views: shift by N pixels")
    for name in ("brightness", "contrast", "saturation"):
        add(
            f"--{name}",
            type=float,
            default=0.0,
            metavar="F",
            help=f"views: {name} times 1 − F to 1 + F",
        )
    add("--mixup", type=float, metavar="A", help="views: mix two images, Beta(A, A)")
    add("--cutmix", type=float, metavar="A", help="views: paste a box of another")


def _of_teacher(add: Add) -> None:
    add(
        "--engine",
        choices=ENGINES,
        default="tensorflow",
        help=default("tensorflow", "that runs the teacher"),
    )
    add(
        "--int8",
        action="store_true",
        help="the teacher computes in int8, by LiteRT: faster, a little noisy",
    )
