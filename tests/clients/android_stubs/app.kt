@file:Suppress("UNUSED_PARAMETER", "unused")

package android.app

import android.content.Context
import android.content.Intent
import android.os.Bundle
import android.view.LayoutInflater
import android.view.View

abstract class Activity : Context() {
    val intent: Intent get() = TODO()
    val layoutInflater: LayoutInflater get() = TODO()

    fun setContentView(layout: Int): Unit = TODO()
    fun <T : View> findViewById(id: Int): T = TODO()
    fun runOnUiThread(action: Runnable): Unit = TODO()

    protected open fun onCreate(savedInstanceState: Bundle?): Unit = TODO()
    protected open fun onDestroy(): Unit = TODO()
}
