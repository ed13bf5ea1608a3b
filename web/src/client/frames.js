// @ts-check

/**
 * The objects of one WebSocket text frame: one, or several separated by newlines. A line that is no JSON object is
 * left out and reported, so that one bad line does not cost its neighbours.
 * @param {string} text
 * @param {(line: string) => void} [onBad]
 * @returns {any[]}
 */
export function decodeFrame(text, onBad = () => {}) {
  const frames = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    try {
      const value = JSON.parse(line);
      if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new TypeError('no object');
      frames.push(value);
    } catch {
      onBad(line);
    }
  }
  return frames;
}
