// From a picture to the numbers that enter the student.

import { quantize } from "./numbers.js";

const LUMINANCE = [0.299, 0.587, 0.114];
const LIMITS = { uint8: [0, 255], int8: [-128, 127] };
const ARRAYS = { float32: Float32Array, uint8: Uint8Array };

/** The picture drawn at the student's size on `canvas`, on white, as RGBA bytes. */
export function draw(source, canvas, { width, height, fit = "cover", invert = false }) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const wide = source.naturalWidth || source.videoWidth || source.width;
  const high = source.naturalHeight || source.videoHeight || source.height;
  const scale = Math.min(wide / width, high / height);
  const [cut, slice] = fit === "cover" ? [width * scale, height * scale] : [wide, high];
  canvas.width = width;
  canvas.height = height;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(source, (wide - cut) / 2, (high - slice) / 2, cut, slice, 0, 0, width, height);
  const image = context.getImageData(0, 0, width, height);
  if (invert) {
    image.data.forEach((byte, index) => {
      if (index % 4 !== 3) image.data[index] = 255 - byte;
    });
    context.putImageData(image, 0, 0);
  }
  return image.data;
}

/** RGBA bytes as `channels` numbers a pixel, (value − mean) ÷ std each. */
export function normalized(rgba, channels, { mean, std }) {
  const pixels = rgba.length / 4;
  const values = new Float32Array(pixels * channels);
  for (let pixel = 0; pixel < pixels; pixel += 1) {
    const colour = rgba.subarray(4 * pixel, 4 * pixel + 4);
    for (let channel = 0; channel < channels; channel += 1) {
      const value =
        channels === 1
          ? LUMINANCE[0] * colour[0] + LUMINANCE[1] * colour[1] + LUMINANCE[2] * colour[2]
          : colour[channel];
      const of = (list) => list[channel % list.length];
      values[pixel * channels + channel] = (value - of(mean)) / of(std);
    }
  }
  return values;
}

/** The typed array that enters the student: float, or steps of its input's scale. */
export function entering(values, { type, quantization }) {
  const content = quantization ? quantize(values, quantization, LIMITS[type]) : values;
  return ARRAYS[type].from(content);
}
