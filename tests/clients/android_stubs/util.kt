@file:Suppress("UNUSED_PARAMETER", "unused")

package android.util

object Log {
    fun i(tag: String?, message: String): Int = TODO()
    fun e(tag: String?, message: String?, error: Throwable?): Int = TODO()
}

abstract class Size {
    abstract val width: Int
    abstract val height: Int
}
