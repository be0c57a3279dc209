// The sample's own logic on the JVM: a command a line in, an answer a line out.

package com.example.student

import java.io.File
import java.io.RandomAccessFile
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel

fun main() {
    for (line in generateSequence(::readlnOrNull)) {
        val words = line.split('\t')
        val answer = try {
            answer(words.first(), words.drop(1))
        } catch (error: IllegalArgumentException) {
            "refused: ${error.message}"
        }
        println(answer)
    }
}

private fun answer(command: String, given: List<String>): String = when (command) {
    "encode" -> {
        val spec = spec(given)
        val (mean, std, pixels, target) = given.drop(4)
        val buffer = encode(ints(pixels), spec, Normalization(floats(mean), floats(std)))
        File(target).writeBytes(ByteArray(buffer.remaining()).also { buffer.get(it) })
        "written"
    }
    "decode" -> {
        val spec = spec(given)
        val (raw, labels) = given.drop(4)
        val buffer = tensorBuffer(spec).put(File(raw).readBytes())
        val step = spec.quantization?.scale ?: 0f
        val names = if (labels == "-") emptyList() else parseLabels(File(labels).readText())
        likeliest(probabilities(decode(buffer, spec), step), names)
            .joinToString("\t") { "${it.index}:${it.label}:${it.share}" }
    }
    "timing" -> {
        val timing = Timing(floats(given[0]).map { it.toDouble() }.toDoubleArray())
        listOf(timing.median, timing.percentile(0.9), timing.percentile(0.99), timing)
            .joinToString("\t")
    }
    "benchmark" -> {
        var now = 0L
        var calls = 0
        val engine = object : Engine {
            override val input = TensorSpec(listOf(1, 2, 2, 1), ElementType.FLOAT32)
            override val output = TensorSpec(listOf(1, 3), ElementType.FLOAT32)
            override fun run(from: ByteBuffer, to: ByteBuffer) {
                calls += 1
                now += if (calls <= 5) 9_000_000L else 2_000_000L
            }
            override fun close() = Unit
        }
        val timing = benchmark(engine, warmUp = 5, runs = 10, clock = { now })
        "$calls\t${timing.median}\t${timing.percentile(1.0)}"
    }
    "metadata" -> {
        val files = RandomAccessFile(given[0], "r").use { file ->
            filesIn(file.channel.map(FileChannel.MapMode.READ_ONLY, 0, file.length()))
        }
        val labels = labelsIn(files, given[1].toInt())
        val normalization = normalizationIn(files)
        listOf(
            labels?.joinToString(",") ?: "none",
            normalization?.run { "${mean.toList()} ${std.toList()}" } ?: "none",
        ).joinToString("\t")
    }
    else -> throw IllegalArgumentException("no command $command")
}

private fun spec(given: List<String>): TensorSpec {
    val (shape, type, scale, zeroPoint) = given
    val quantization =
        if (scale.toFloat() == 0f) null else Quantization(scale.toFloat(), zeroPoint.toInt())
    val sizes = shape.split(',').map { it.toInt() }
    return TensorSpec(sizes, ElementType.valueOf(type.uppercase()), quantization)
}

private fun floats(text: String) = text.split(',').map { it.toFloat() }.toFloatArray()

private fun ints(path: String): IntArray {
    val ints = ByteBuffer.wrap(File(path).readBytes()).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer()
    return IntArray(ints.remaining()).also { ints.get(it) }
}
