package com.example.student

import java.util.Locale

/** Milliseconds of single runs. */
class Timing(runs: DoubleArray) {
    private val sorted = runs.sortedArray()

    init {
        require(sorted.isNotEmpty()) { "Expected at least one run." }
    }

    val count: Int get() = sorted.size
    val median: Double get() = percentile(0.5)

    /** The value below which `share` of the runs lie, interpolated. */
    fun percentile(share: Double): Double {
        val place = (sorted.size - 1) * share
        val below = place.toInt()
        val above = minOf(below + 1, sorted.size - 1)
        return sorted[below] + (sorted[above] - sorted[below]) * (place - below)
    }

    override fun toString(): String = String.format(
        Locale.ROOT,
        "median %.3f ms, 90 %% within %.3f, 99 %% within %.3f (%d runs)",
        median, percentile(0.9), percentile(0.99), count,
    )
}
