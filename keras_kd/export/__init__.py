"""From a trained student to a file that is known to run."""

from keras_kd.export.benchmark.latency import LatencyComparison as LatencyComparison
from keras_kd.export.benchmark.latency import compare_latency as compare_latency
from keras_kd.export.benchmark.measure import BenchmarkReport as BenchmarkReport
from keras_kd.export.benchmark.measure import benchmark as benchmark
from keras_kd.export.ends import from_rgb as from_rgb
from keras_kd.export.ends import with_softmax as with_softmax
from keras_kd.export.errors import ExportError as ExportError
from keras_kd.export.errors import VerificationError as VerificationError
from keras_kd.export.families import family_of as family_of
from keras_kd.export.metadata import Metadata as Metadata
from keras_kd.export.metadata import read_metadata as read_metadata
from keras_kd.export.onnx import export_onnx as export_onnx
from keras_kd.export.recipes import RECIPES as RECIPES
from keras_kd.export.recipes import Recipe as Recipe
from keras_kd.export.report import ExportResult as ExportResult
from keras_kd.export.tflite.export import export_tflite as export_tflite
from keras_kd.export.verify.delegates import Delegation as Delegation
from keras_kd.export.verify.gate import Check as Check
from keras_kd.export.verify.gate import Gate as Gate
from keras_kd.export.verify.gate import GateResult as GateResult
from keras_kd.export.verify.junit import junit as junit
from keras_kd.export.verify.layer_errors import LayerError as LayerError
from keras_kd.export.verify.run import verify as verify
from keras_kd.export.verify.verification import OutputReport as OutputReport
from keras_kd.export.verify.verification import VerificationReport as VerificationReport
from keras_kd.export.verify.verification import WorstInput as WorstInput
