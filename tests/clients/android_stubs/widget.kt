@file:Suppress("UNUSED_PARAMETER", "unused")

package android.widget

import android.content.Context
import android.graphics.Bitmap
import android.view.View
import android.view.ViewGroup

interface SpinnerAdapter

class ArrayAdapter<T>(context: Context, resource: Int, objects: List<T>) : SpinnerAdapter

abstract class AdapterView<T> : ViewGroup() {
    interface OnItemSelectedListener {
        fun onItemSelected(parent: AdapterView<*>?, view: View?, position: Int, id: Long)
        fun onNothingSelected(parent: AdapterView<*>?)
    }

    var onItemSelectedListener: OnItemSelectedListener?
        get() = TODO()
        set(value) = TODO()
}

abstract class Spinner : AdapterView<SpinnerAdapter>() {
    abstract var adapter: SpinnerAdapter?
}

abstract class TextView : View() {
    abstract var text: CharSequence?
}

abstract class Button : TextView()

abstract class ImageView : View() {
    abstract fun setImageBitmap(bitmap: Bitmap?)
}

abstract class ProgressBar : View() {
    abstract var progress: Int
}
