package com.example.student

import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.zip.Inflater

private const val END = 0x06054b50
private const val ENTRY = 0x02014b50
private const val DEFLATED = 8

/**
 * The files that TFLite metadata appends to a student as a zip: labels and the like.
 *
 * Empty where there is no zip. The student itself is neither copied nor moved.
 */
fun filesIn(student: ByteBuffer): Map<String, ByteArray> {
    val bytes = student.duplicate().order(ByteOrder.LITTLE_ENDIAN)
    val size = bytes.limit()
    val end = (size - 22 downTo maxOf(0, size - 22 - 0xffff))
        .firstOrNull { bytes.getInt(it) == END } ?: return emptyMap()
    val count = bytes.getShort(end + 10).toInt() and 0xffff
    var place = end - bytes.getInt(end + 12)
    // Offsets count from the archive's start or from the file's.
    val shift = place - bytes.getInt(end + 16)
    val files = mutableMapOf<String, ByteArray>()
    repeat(count) {
        if (bytes.getInt(place) != ENTRY) return files
        fun short(at: Int) = bytes.getShort(at).toInt() and 0xffff
        val packed = bytes.getInt(place + 20)
        val full = bytes.getInt(place + 24)
        val name = slice(bytes, place + 46, short(place + 28)).decodeToString()
        val local = bytes.getInt(place + 42) + shift
        val start = local + 30 + short(local + 26) + short(local + 28)
        val content = slice(bytes, start, packed)
        files[name] = if (short(place + 10) == DEFLATED) inflate(content, full) else content
        place += 46 + short(place + 28) + short(place + 30) + short(place + 32)
    }
    return files
}

private fun slice(bytes: ByteBuffer, start: Int, size: Int): ByteArray {
    val copy = ByteArray(size)
    bytes.duplicate().apply { position(start) }.get(copy)
    return copy
}

private fun inflate(packed: ByteArray, size: Int): ByteArray {
    val inflater = Inflater(true)
    return try {
        inflater.setInput(packed)
        ByteArray(size).also { inflater.inflate(it) }
    } finally {
        inflater.end()
    }
}
