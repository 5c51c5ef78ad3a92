// The text of the QR code in a picture, found in this browser: at several sizes, whole and in overlapping parts.
import decodeQR from './qr/decode.js';

const SIDES = [1000, 1600, 640, 2400];
const PART_SIDES = [1000, 1600];
// A code that is small in the picture is found more often when its modules are made larger.
const MOST_ENLARGED = 3;
const MOST_MILLISECONDS = 400;
const PARTS = [[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.5], [0.5, 0], [0, 0.5], [1, 0.5], [0.5, 1]];

// Null where there is none; throws for what is no picture.
export async function textOfQr(file) {
  const picture = await createImageBitmap(file);
  try {
    for (const [left, top, width, height] of views(picture)) {
      for (const side of width === picture.width ? SIDES : PART_SIDES) {
        const text = read(pixels(picture, left, top, width, height, side));
        if (text !== null) return text;
        await new Promise((resolve) => setTimeout(resolve));
      }
    }
    return null;
  } finally {
    picture.close();
  }
}

function* views({ width, height }) {
  yield [0, 0, width, height];
  for (const share of [0.5, 0.3]) {
    for (const [across, down] of PARTS) {
      yield [across * width * (1 - share), down * height * (1 - share), width * share, height * share];
    }
  }
}

function pixels(picture, left, top, width, height, side) {
  const scale = Math.min(MOST_ENLARGED, side / Math.max(width, height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext('2d', { willReadFrequently: true });
  // What is transparent is paper.
  context.fillStyle = '#fff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, left, top, width, height, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

function read(image) {
  try {
    return decodeQR(image, { format: 'RGBA', effort: 3, timeLimit: MOST_MILLISECONDS });
  } catch {
    return null;
  }
}
