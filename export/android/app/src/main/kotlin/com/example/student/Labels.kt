package com.example.student

/** One label a line; empty lines count for nothing. */
fun parseLabels(text: String): List<String> =
    text.lines().map(String::trim).filter(String::isNotEmpty)

/**
 * Labels among the files of a student's metadata: the one text file that has a line a
 * class. Null where there is none.
 */
fun labelsIn(files: Map<String, ByteArray>, classes: Int): List<String>? =
    files.entries
        .filter { it.key.endsWith(".txt") }
        .sortedBy { it.key }
        .map { parseLabels(it.value.decodeToString()) }
        .firstOrNull { it.size == classes }

/** The `mean` and `std` that keras_kd wrote into `keras_kd.json`; null without them. */
fun normalizationIn(files: Map<String, ByteArray>): Normalization? {
    val text = files["keras_kd.json"]?.decodeToString() ?: return null
    val mean = numbers(text, "mean") ?: return null
    val std = numbers(text, "std") ?: return null
    return Normalization(mean, std)
}

/** A list of numbers in a flat JSON object. `org.json` is Android's; this runs anywhere. */
private fun numbers(json: String, key: String): FloatArray? =
    Regex("\"$key\"\\s*:\\s*\\[([^\\]]*)]").find(json)
        ?.groupValues?.get(1)
        ?.split(',')
        ?.map { it.trim().toFloat() }
        ?.toFloatArray()
