@file:Suppress("UNUSED_PARAMETER", "unused")

package android.graphics

import android.content.ContentResolver
import android.net.Uri
import android.util.Size

abstract class Bitmap {
    enum class Config { ARGB_8888 }

    abstract val width: Int
    abstract val height: Int

    abstract fun getPixels(
        pixels: IntArray,
        offset: Int,
        stride: Int,
        x: Int,
        y: Int,
        width: Int,
        height: Int,
    )

    companion object {
        @JvmStatic
        fun createBitmap(width: Int, height: Int, config: Config): Bitmap = TODO()
    }
}

object Color {
    const val WHITE = -1
}

class Paint(flags: Int) {
    companion object {
        const val FILTER_BITMAP_FLAG = 2
    }
}

class Rect(left: Int, top: Int, right: Int, bottom: Int)

class Canvas(bitmap: Bitmap) {
    fun drawColor(color: Int): Unit = TODO()
    fun drawBitmap(bitmap: Bitmap, source: Rect?, target: Rect, paint: Paint?): Unit = TODO()
}

abstract class ImageDecoder {
    abstract class Source

    abstract class ImageInfo {
        abstract val size: Size
    }

    fun interface OnHeaderDecodedListener {
        fun onHeaderDecoded(decoder: ImageDecoder, info: ImageInfo, source: Source)
    }

    abstract var allocator: Int

    abstract fun setTargetSampleSize(sampleSize: Int)

    companion object {
        const val ALLOCATOR_SOFTWARE = 1

        @JvmStatic
        fun createSource(resolver: ContentResolver, uri: Uri): Source = TODO()

        @JvmStatic
        fun decodeBitmap(source: Source, listener: OnHeaderDecodedListener): Bitmap = TODO()
    }
}
