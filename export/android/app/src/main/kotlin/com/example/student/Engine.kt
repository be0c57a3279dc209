package com.example.student

import java.nio.ByteBuffer

/** A runtime with a student in it. Not for several threads at once. */
interface Engine : AutoCloseable {
    val input: TensorSpec
    val output: TensorSpec

    /** Runs direct buffers of the specs' sizes, from and back to their beginnings. */
    fun run(from: ByteBuffer, to: ByteBuffer)
}
