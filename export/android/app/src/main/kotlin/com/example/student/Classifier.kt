package com.example.student

import android.content.res.AssetManager
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.graphics.Rect
import java.io.FileNotFoundException

/**
 * A student from the app's assets that names what is in a picture.
 *
 * Size, type and scale come from the file, labels and normalisation from its metadata;
 * `labels.txt` beside it stands in for missing labels. Not for several threads at once.
 */
class Classifier(assets: AssetManager, name: String, choice: EngineChoice) : AutoCloseable {
    val engine: Engine = openEngine(assets, name, choice)
    val labels: List<String>
    val normalization: Normalization

    private val size = pictureSize(engine.input)
    private val from = tensorBuffer(engine.input)
    private val to = tensorBuffer(engine.output)
    private val pixels = IntArray(size.height * size.width)
    private val small = Bitmap.createBitmap(size.width, size.height, Bitmap.Config.ARGB_8888)
    private val smooth = Paint(Paint.FILTER_BITMAP_FLAG)

    init {
        val files = filesIn(mapAsset(assets, name))
        labels = labelsIn(files, engine.output.elements) ?: labelsBeside(assets)
        normalization = normalizationIn(files) ?: Normalization.UNIT
    }

    /** The five likeliest classes of a picture of any size, likeliest first. */
    fun classify(picture: Bitmap): List<Ranked> {
        draw(picture)
        small.getPixels(pixels, 0, size.width, 0, 0, size.width, size.height)
        encode(pixels, engine.input, normalization, from)
        engine.run(from, to)
        val step = engine.output.quantization?.scale ?: 0f
        return likeliest(probabilities(decode(to, engine.output), step), labels)
    }

    /** The picture's middle at the student's size, on white where it is transparent. */
    private fun draw(picture: Bitmap) {
        val scale = minOf(
            picture.width / size.width.toFloat(),
            picture.height / size.height.toFloat(),
        )
        val wide = (size.width * scale).toInt().coerceAtLeast(1)
        val high = (size.height * scale).toInt().coerceAtLeast(1)
        val left = (picture.width - wide) / 2
        val top = (picture.height - high) / 2
        val canvas = Canvas(small)
        canvas.drawColor(Color.WHITE)
        canvas.drawBitmap(
            picture,
            Rect(left, top, left + wide, top + high),
            Rect(0, 0, size.width, size.height),
            smooth,
        )
    }

    private fun labelsBeside(assets: AssetManager): List<String> =
        try {
            parseLabels(assets.open("labels.txt").bufferedReader().use { it.readText() })
        } catch (_: FileNotFoundException) {
            emptyList()
        }

    override fun close() = engine.close()
}
