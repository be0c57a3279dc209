package com.example.student

/**
 * Time of single runs of an engine on one input.
 *
 * The first runs, which load caches and raise the clock, are left out. A phone that has
 * just been used is warm and slower: compare figures of one sitting.
 */
fun benchmark(
    engine: Engine,
    warmUp: Int = 20,
    runs: Int = 200,
    clock: () -> Long = System::nanoTime,
): Timing {
    val from = tensorBuffer(engine.input)
    val to = tensorBuffer(engine.output)
    repeat(warmUp) { engine.run(from, to) }
    return Timing(
        DoubleArray(runs) {
            val start = clock()
            engine.run(from, to)
            (clock() - start) / 1e6
        },
    )
}
