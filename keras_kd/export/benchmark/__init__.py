"""How large and how fast a file is."""

from keras_kd.export.benchmark.latency import LatencyComparison as LatencyComparison
from keras_kd.export.benchmark.latency import compare_latency as compare_latency
from keras_kd.export.benchmark.measure import BenchmarkReport as BenchmarkReport
from keras_kd.export.benchmark.measure import benchmark as benchmark
