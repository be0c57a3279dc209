// The device's camera in a <video>.

let stream = null;

export const camera = {
  get running() {
    return stream !== null;
  },

  async start(video) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("This browser shows no camera here: open the page on localhost or over HTTPS.");
    }
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch (error) {
      throw new Error(
        error.name === "NotAllowedError"
          ? "The camera may not be used: allow it in the browser’s address bar."
          : `No camera can be had: ${error.message}.`,
      );
    }
    video.srcObject = stream;
    await video.play();
  },

  /** The frame on show as a picture, or null before the first. */
  still(video) {
    if (!video.videoWidth) return null;
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    return new Promise((resolve) => canvas.toBlob(resolve));
  },

  stop() {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
  },
};
