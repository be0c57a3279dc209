@file:Suppress("UNUSED_PARAMETER", "unused")

package android.content

import android.content.res.AssetManager

abstract class ContentResolver

abstract class Intent {
    abstract fun getBooleanExtra(name: String, defaultValue: Boolean): Boolean
}

abstract class Context {
    val assets: AssetManager get() = TODO()
    val contentResolver: ContentResolver get() = TODO()
}
