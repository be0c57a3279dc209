package com.example.student

import android.content.res.AssetManager
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import java.io.FileInputStream
import java.nio.ByteBuffer
import java.nio.MappedByteBuffer
import java.nio.channels.FileChannel
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.Tensor

/** What the app offers to run on. */
enum class EngineChoice(val label: String, val threads: Int = 1) {
    CPU_1("CPU, 1 thread", 1),
    CPU_2("CPU, 2 threads", 2),
    CPU_4("CPU, 4 threads", 4),
    GPU("GPU"),
}

/** An asset as it lies in the APK, without a copy; it must not be compressed there. */
fun mapAsset(assets: AssetManager, name: String): MappedByteBuffer =
    assets.openFd(name).use { asset ->
        FileInputStream(asset.fileDescriptor).use { stream ->
            stream.channel.map(
                FileChannel.MapMode.READ_ONLY,
                asset.startOffset,
                asset.declaredLength,
            )
        }
    }

fun openEngine(assets: AssetManager, name: String, choice: EngineChoice): Engine {
    val cpu = InterpreterEngine(mapAsset(assets, name), choice.threads)
    if (choice != EngineChoice.GPU) return cpu
    return cpu.use { CompiledEngine(assets, name, it.input, it.output) }
}

/** LiteRT's interpreter on the CPU: every type, and it knows scales. */
class InterpreterEngine(student: MappedByteBuffer, threads: Int) : Engine {
    private val interpreter = Interpreter(student, Interpreter.Options().setNumThreads(threads))

    override val input: TensorSpec
    override val output: TensorSpec

    init {
        try {
            require(interpreter.signatureKeys.size <= 1) {
                "This app runs files of one signature. This one has " +
                    "${interpreter.signatureKeys.toList()}."
            }
            require(interpreter.inputTensorCount == 1 && interpreter.outputTensorCount == 1) {
                "This app runs students of one input and one output."
            }
            input = specOf(interpreter.getInputTensor(0))
            output = specOf(interpreter.getOutputTensor(0))
        } catch (error: IllegalArgumentException) {
            interpreter.close()
            throw error
        }
    }

    override fun run(from: ByteBuffer, to: ByteBuffer) {
        from.rewind()
        to.rewind()
        interpreter.run(from, to)
        to.rewind()
    }

    override fun close() = interpreter.close()
}

/**
 * LiteRT's compiled model on the GPU. It tells neither shapes nor scales, so it is given
 * those of the interpreter. With the GPU alone among its options it fails where there is
 * none, rather than run on the CPU under the GPU's name.
 */
class CompiledEngine(
    assets: AssetManager,
    name: String,
    override val input: TensorSpec,
    override val output: TensorSpec,
) : Engine {
    init {
        require(ElementType.UINT8 !in setOf(input.type, output.type)) {
            "LiteRT's CompiledModel has no uint8: export the student with float32 or int8 ends."
        }
    }

    private val model =
        CompiledModel.create(assets, name, CompiledModel.Options(Accelerator.GPU))
    private val inputs = model.createInputBuffers()
    private val outputs = model.createOutputBuffers()

    override fun run(from: ByteBuffer, to: ByteBuffer) {
        from.rewind()
        to.rewind()
        if (input.type == ElementType.FLOAT32) {
            inputs[0].writeFloat(FloatArray(input.elements).also(from.asFloatBuffer()::get))
        } else {
            inputs[0].writeInt8(ByteArray(input.elements).also(from::get))
        }
        model.run(inputs, outputs)
        if (output.type == ElementType.FLOAT32) {
            to.asFloatBuffer().put(outputs[0].readFloat())
        } else {
            to.put(outputs[0].readInt8())
        }
        to.rewind()
    }

    override fun close() {
        inputs.forEach { it.close() }
        outputs.forEach { it.close() }
        model.close()
    }
}

private fun specOf(tensor: Tensor): TensorSpec {
    val type = when (tensor.dataType()) {
        DataType.FLOAT32 -> ElementType.FLOAT32
        DataType.UINT8 -> ElementType.UINT8
        DataType.INT8 -> ElementType.INT8
        else -> throw IllegalArgumentException(
            "A picture and its answer are float32, uint8 or int8. " +
                "Tensor ${tensor.name()} is ${tensor.dataType()}.",
        )
    }
    val parameters = tensor.quantizationParams()
    val quantization =
        if (type == ElementType.FLOAT32) null
        else Quantization(parameters.scale, parameters.zeroPoint)
    return TensorSpec(tensor.shape().toList(), type, quantization)
}
