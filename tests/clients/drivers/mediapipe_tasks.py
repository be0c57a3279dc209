"""Runs files in MediaPipe's ImageClassifier and TextClassifier.

See `tests/clients/jobs.py`. A job has a `task` beside its path: `"image"`, with
`pixels` (a `.npy` of uint8 images), or `"text"`, with `sentences`; and `classes`,
the labels that the file is to bring. Written are the scores in that order.
"""

import json
import sys
from pathlib import Path

import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions, text, vision


def scores(result, classes):
    (head,) = result.classifications
    found = {category.category_name: category.score for category in head.categories}
    if set(found) != set(classes):
        raise ValueError(f"labels {sorted(found)} in place of {classes}")
    return [found[name] for name in classes]


def images(job, options):
    settings = vision.ImageClassifierOptions(base_options=options)
    with vision.ImageClassifier.create_from_options(settings) as task:
        for pixels in np.load(job["pixels"]):
            picture = mediapipe.Image(mediapipe.ImageFormat.SRGB, pixels)
            yield scores(task.classify(picture), job["classes"])


def sentences(job, options):
    settings = text.TextClassifierOptions(base_options=options)
    with text.TextClassifier.create_from_options(settings) as task:
        for sentence in job["sentences"]:
            yield scores(task.classify(sentence), job["classes"])


def main(listed):
    for job in json.loads(Path(listed).read_text()):
        print(json.dumps({"begin": job["path"]}), flush=True)
        options = BaseOptions(model_asset_path=job["path"])
        run = images if job["task"] == "image" else sentences
        try:
            answers = np.array(list(run(job, options)), "float32")
        except (RuntimeError, ValueError, NotImplementedError) as error:
            print(json.dumps({"refused": str(error)}), flush=True)
        else:
            out = Path(job["out"])
            out.mkdir(parents=True, exist_ok=True)
            np.save(out / job["outputs"][0], answers)
            print(json.dumps({"done": job["path"]}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
