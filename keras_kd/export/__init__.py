"""From a trained student to a file that is known to run."""

from keras_kd.export.benchmark import BenchmarkReport as BenchmarkReport
from keras_kd.export.benchmark import benchmark as benchmark
from keras_kd.export.errors import ExportError as ExportError
from keras_kd.export.errors import VerificationError as VerificationError
from keras_kd.export.recipes import RECIPES as RECIPES
from keras_kd.export.recipes import Recipe as Recipe
from keras_kd.export.report import ExportResult as ExportResult
from keras_kd.export.tflite import export_tflite as export_tflite
from keras_kd.export.verification import OutputReport as OutputReport
from keras_kd.export.verification import VerificationReport as VerificationReport
from keras_kd.export.verify import verify as verify
