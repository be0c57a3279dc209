package com.example.student

import java.nio.ByteBuffer
import kotlin.math.abs
import kotlin.math.exp

/** A class and how sure the student is of it. */
data class Ranked(val index: Int, val label: String, val share: Float)

/** An output as real numbers. */
fun decode(buffer: ByteBuffer, spec: TensorSpec): FloatArray {
    buffer.rewind()
    return FloatArray(spec.elements) {
        when (spec.type) {
            ElementType.FLOAT32 -> buffer.getFloat()
            ElementType.UINT8 -> dequantize(buffer.get().toInt() and 0xff, spec)
            ElementType.INT8 -> dequantize(buffer.get().toInt(), spec)
        }
    }
}

private fun dequantize(step: Int, spec: TensorSpec): Float {
    val (scale, zeroPoint) = requireNotNull(spec.quantization) {
        "A ${spec.type} output without a scale cannot be read."
    }
    return ((step - zeroPoint) * scale.toDouble()).toFloat()
}

/**
 * Probabilities, whatever the student ends in. One that ends in softmax is left alone;
 * its quantized values need not add up to one exactly.
 */
fun probabilities(values: FloatArray, step: Float = 0f): FloatArray {
    val slack = 0.01f + step * values.size / 2
    val between = values.all { it >= 0f && it <= 1f + step }
    return if (between && abs(values.sum() - 1f) <= slack) values else softmax(values)
}

fun softmax(logits: FloatArray): FloatArray {
    val highest = logits.max()
    val powers = DoubleArray(logits.size) { exp((logits[it] - highest).toDouble()) }
    val sum = powers.sum()
    return FloatArray(logits.size) { (powers[it] / sum).toFloat() }
}

/** The `count` likeliest classes, likeliest first; ties by index. */
fun likeliest(shares: FloatArray, labels: List<String>, count: Int = 5): List<Ranked> =
    shares.indices
        .sortedWith(compareByDescending<Int> { shares[it] }.thenBy { it })
        .take(count)
        .map { Ranked(it, labels.getOrElse(it) { index -> "class $index" }, shares[it]) }
