@file:Suppress("UNUSED_PARAMETER", "unused")

package android.view

abstract class View {
    fun interface OnClickListener {
        fun onClick(view: View)
    }

    fun setOnClickListener(listener: OnClickListener?): Unit = TODO()
    fun <T : View> findViewById(id: Int): T = TODO()
}

abstract class ViewGroup : View() {
    fun addView(child: View): Unit = TODO()
    fun removeAllViews(): Unit = TODO()
}

abstract class LayoutInflater {
    abstract fun inflate(resource: Int, root: ViewGroup?, attachToRoot: Boolean): View
}
