package com.example.student

import android.graphics.Bitmap
import android.graphics.ImageDecoder
import android.net.Uri
import android.os.Bundle
import android.util.Log
import android.view.View
import android.view.ViewGroup
import android.widget.AdapterView
import android.widget.ArrayAdapter
import android.widget.Button
import android.widget.ImageView
import android.widget.ProgressBar
import android.widget.Spinner
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.result.PickVisualMediaRequest
import androidx.activity.result.contract.ActivityResultContracts
import java.util.Locale
import java.util.concurrent.Executors

private const val STUDENT = "student.tflite"
private const val TAG = "Student"
private const val LARGEST_SIDE = 1024

/** Choose a picture, see the five likeliest classes and how long they took. */
class MainActivity : ComponentActivity() {
    // The runtime wants one thread, and the screen must not wait for it.
    private val worker = Executors.newSingleThreadExecutor()
    private var classifier: Classifier? = null
    private var picture: Bitmap? = null

    private val picker =
        registerForActivityResult(ActivityResultContracts.PickVisualMedia()) { uri ->
            if (uri != null) inBackground { classify(load(uri)) }
        }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.activity_main)
        findViewById<Button>(R.id.choose).setOnClickListener {
            picker.launch(PickVisualMediaRequest(ActivityResultContracts.PickVisualMedia.ImageOnly))
        }
        findViewById<Button>(R.id.measure).setOnClickListener { inBackground { measure() } }
        offerEngines()
        if (intent.getBooleanExtra("benchmark", false)) inBackground { measure() }
    }

    override fun onDestroy() {
        worker.execute { classifier?.close() }
        worker.shutdown()
        super.onDestroy()
    }

    private fun offerEngines() {
        val engines = findViewById<Spinner>(R.id.engine)
        val names = EngineChoice.entries.map { it.label }
        engines.adapter =
            ArrayAdapter(this, android.R.layout.simple_spinner_dropdown_item, names)
        engines.onItemSelectedListener = object : AdapterView.OnItemSelectedListener {
            override fun onItemSelected(
                parent: AdapterView<*>?,
                view: View?,
                position: Int,
                id: Long,
            ) = inBackground { open(EngineChoice.entries[position]) }

            override fun onNothingSelected(parent: AdapterView<*>?) = Unit
        }
    }

    private fun open(choice: EngineChoice) {
        classifier?.close()
        classifier = null
        classifier = Classifier(assets, STUDENT, choice)
        picture?.let(::classify)
    }

    private fun load(uri: Uri): Bitmap =
        ImageDecoder.decodeBitmap(ImageDecoder.createSource(contentResolver, uri)) { decoder, info, _ ->
            // Pixels are read one by one, which the GPU's own memory does not allow.
            decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
            val longer = maxOf(info.size.width, info.size.height)
            decoder.setTargetSampleSize(maxOf(1, longer / LARGEST_SIDE))
        }

    private fun classify(chosen: Bitmap) {
        picture = chosen
        val opened = classifier ?: return
        val start = System.nanoTime()
        val answers = opened.classify(chosen)
        val took = (System.nanoTime() - start) / 1e6
        runOnUiThread {
            findViewById<ImageView>(R.id.picture).setImageBitmap(chosen)
            show(answers)
            say(String.format(Locale.ROOT, "%.2f ms with resizing", took))
        }
    }

    private fun show(answers: List<Ranked>) {
        findViewById<TextView>(R.id.top).text = answers.first().label
        val rows = findViewById<ViewGroup>(R.id.answers)
        rows.removeAllViews()
        for (answer in answers) {
            val row = layoutInflater.inflate(R.layout.row_answer, rows, false)
            row.findViewById<TextView>(R.id.label).text = answer.label
            row.findViewById<TextView>(R.id.share).text =
                String.format(Locale.ROOT, "%.1f %%", answer.share * 100)
            row.findViewById<ProgressBar>(R.id.bar).progress = (answer.share * 1000).toInt()
            rows.addView(row)
        }
    }

    /** Every engine in turn, on the screen and in the log (`adb logcat -s Student`). */
    private fun measure() {
        val lines = EngineChoice.entries.map { choice ->
            val result = try {
                openEngine(assets, STUDENT, choice).use(::benchmark).toString()
            } catch (error: Exception) {
                "not here: ${error.message}"
            }
            "${choice.label}: $result".also { Log.i(TAG, it) }
        }
        runOnUiThread { say(lines.joinToString("\n")) }
    }

    private fun inBackground(task: () -> Unit) {
        worker.execute {
            try {
                task()
            } catch (error: Exception) {
                Log.e(TAG, "Failed", error)
                runOnUiThread { say(error.message ?: error.toString()) }
            }
        }
    }

    private fun say(text: String) {
        findViewById<TextView>(R.id.timing).text = text
    }
}
