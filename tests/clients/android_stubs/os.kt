@file:Suppress("UNUSED_PARAMETER", "unused")

package android.os

abstract class Bundle
