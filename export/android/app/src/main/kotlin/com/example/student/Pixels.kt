package com.example.student

import java.nio.ByteBuffer
import java.nio.ByteOrder

/** What training did to pixels of 0 to 255: `(pixel - mean) / std`, once or by channel. */
class Normalization(val mean: FloatArray, val std: FloatArray) {
    init {
        require(mean.isNotEmpty() && mean.size == std.size && std.all { it > 0f }) {
            "Expected one mean and one positive std, or one of each a channel."
        }
    }

    /** In single precision, as training computed it. */
    fun apply(pixel: Float, channel: Int): Float =
        (pixel - mean[channel % mean.size]) / std[channel % std.size]

    companion object {
        /** 0 to 1. */
        val UNIT = Normalization(floatArrayOf(0f), floatArrayOf(255f))
    }
}

/**
 * The tensor of a picture: ARGB pixels, row by row, at the student's own size.
 *
 * A student of one channel gets the luminance, 0.299 R + 0.587 G + 0.114 B.
 */
fun encode(
    argb: IntArray,
    spec: TensorSpec,
    normalization: Normalization,
    into: ByteBuffer = tensorBuffer(spec),
): ByteBuffer {
    val (height, width, channels) = pictureSize(spec)
    require(argb.size == height * width) {
        "Expected $height × $width pixels. Received: ${argb.size}."
    }
    into.clear()
    for (pixel in argb) {
        val red = pixel shr 16 and 0xff
        val green = pixel shr 8 and 0xff
        val blue = pixel and 0xff
        if (channels == 1) {
            val luminance = 0.299 * red + 0.587 * green + 0.114 * blue
            put(into, normalization.apply(luminance.toFloat(), 0), spec)
        } else {
            put(into, normalization.apply(red.toFloat(), 0), spec)
            put(into, normalization.apply(green.toFloat(), 1), spec)
            put(into, normalization.apply(blue.toFloat(), 2), spec)
        }
    }
    into.rewind()
    return into
}

/** A buffer that LiteRT reads and writes without a copy. */
fun tensorBuffer(spec: TensorSpec): ByteBuffer =
    ByteBuffer.allocateDirect(spec.byteCount).order(ByteOrder.nativeOrder())

private fun put(into: ByteBuffer, value: Float, spec: TensorSpec) {
    when (spec.type) {
        ElementType.FLOAT32 -> into.putFloat(value)
        ElementType.UINT8 -> into.put(quantize(value, spec, 0, 255).toByte())
        ElementType.INT8 -> into.put(quantize(value, spec, -128, 127).toByte())
    }
}

/** The nearest step, halves to the even one, inside the type's limits. */
private fun quantize(value: Float, spec: TensorSpec, lowest: Int, highest: Int): Int {
    val (scale, zeroPoint) = requireNotNull(spec.quantization) {
        "A ${spec.type} input without a scale cannot be filled."
    }
    val step = Math.rint(value.toDouble() / scale.toDouble()) + zeroPoint
    return step.coerceIn(lowest.toDouble(), highest.toDouble()).toInt()
}
