// Just what the sample calls of Android, so that the compiler can check the calls.
package android

object R {
    object layout {
        const val simple_spinner_dropdown_item = 1
    }
}
