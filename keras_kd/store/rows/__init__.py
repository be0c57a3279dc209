"""The rows of a store on the disk: written, marked, checked and mended."""
