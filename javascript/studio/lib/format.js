// format.js – numbers and times as people read them.

/**
 * Returns a number with so many significant digits; a dash for a missing one.
 *
 * @param {number | null | undefined} value
 * @param {number} digits
 */
export function number(value, digits) {
  return value === null || value === undefined ? "–" : String(Number(value.toPrecision(digits)));
}

/**
 * Returns seconds as `42 s`, `3 min 5 s` or `2 h 10 min`.
 *
 * @param {number} seconds
 */
export function duration(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/**
 * Returns Unix seconds as a date and time in the reader's locale.
 *
 * @param {number} seconds
 */
export function dateTime(seconds) {
  return new Date(seconds * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/**
 * Returns a file's size as `640 B`, `3.1 kB` or `1.2 MB`.
 *
 * @param {number} bytes
 */
export function fileSize(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${number(bytes / 1e3, 3)} kB` : `${number(bytes / 1e6, 3)} MB`;
}

/**
 * Returns `1 vector` or `3 vectors`; null for an unknown number.
 *
 * @param {number | null | undefined} count
 */
export function vectorCount(count) {
  return count ? `${count} ${count === 1 ? "vector" : "vectors"}` : null;
}

/**
 * Returns the parts that are there, with a dot between them.
 *
 * @param {(string | number | null | undefined | false)[]} parts
 */
export function joined(parts) {
  return parts.filter(Boolean).join(" · ");
}
