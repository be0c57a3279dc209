package com.example.student

/** Types that a picture may enter or an answer may leave a student in. */
enum class ElementType(val bytes: Int) { FLOAT32(4), UINT8(1), INT8(1) }

/** Step `s` of a quantized tensor stands for `(s - zeroPoint) * scale`. */
data class Quantization(val scale: Float, val zeroPoint: Int)

/** Shape, type and scale of an input or output; `quantization` is null for floats. */
data class TensorSpec(
    val shape: List<Int>,
    val type: ElementType,
    val quantization: Quantization? = null,
) {
    val elements: Int get() = shape.fold(1, Int::times)
    val byteCount: Int get() = elements * type.bytes
}

/** Height, width and channels of an input that takes one picture. */
data class PictureSize(val height: Int, val width: Int, val channels: Int)

/** The size of a picture input, or a sentence on why it is none. */
fun pictureSize(spec: TensorSpec): PictureSize {
    val shape = spec.shape
    require(shape.size == 4 && shape[0] == 1 && shape[3] in setOf(1, 3)) {
        "The student must take one picture, 1 × height × width × 1 or 3. It takes $shape."
    }
    return PictureSize(shape[1], shape[2], shape[3])
}
