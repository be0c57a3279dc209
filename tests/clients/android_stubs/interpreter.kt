@file:Suppress("UNUSED_PARAMETER", "unused")

package org.tensorflow.lite

import java.nio.ByteBuffer

enum class DataType { FLOAT32, INT32, UINT8, INT64, STRING, BOOL, INT16, INT8 }

interface Tensor {
    class QuantizationParams(val scale: Float, val zeroPoint: Int)

    fun dataType(): DataType
    fun shape(): IntArray
    fun name(): String
    fun quantizationParams(): QuantizationParams
}

class Interpreter(byteBuffer: ByteBuffer, options: Options?) : AutoCloseable {
    class Options {
        fun setNumThreads(numThreads: Int): Options = TODO()
    }

    val signatureKeys: Array<String> get() = TODO()
    val inputTensorCount: Int get() = TODO()
    val outputTensorCount: Int get() = TODO()

    fun getInputTensor(index: Int): Tensor = TODO()
    fun getOutputTensor(index: Int): Tensor = TODO()
    fun run(input: Any?, output: Any?): Unit = TODO()
    override fun close(): Unit = TODO()
}
