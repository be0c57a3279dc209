"""Whether a file answers as the model it was made from, and may pass."""

from keras_kd.export.verify.gate import Check as Check
from keras_kd.export.verify.gate import Gate as Gate
from keras_kd.export.verify.gate import GateResult as GateResult
from keras_kd.export.verify.junit import junit as junit
from keras_kd.export.verify.run import verify as verify
from keras_kd.export.verify.verification import OutputReport as OutputReport
from keras_kd.export.verify.verification import VerificationReport as VerificationReport
