// format.js – numbers and times as people read them.

/** Returns a number with so many significant digits; a dash for one that is missing. */
export function number(value, digits) {
  return value === null || value === undefined ? "–" : String(Number(value.toPrecision(digits)));
}

/** Returns seconds as `42 s`, `3 min 5 s` or `2 h 10 min`. */
export function duration(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Returns Unix seconds as a date and time, in the reader's own way of writing them. */
export function moment(seconds) {
  return new Date(seconds * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/** Returns a file's size as `640 B`, `3.1 kB` or `1.2 MB`. */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  return count < 1e6 ? `${number(count / 1e3, 3)} kB` : `${number(count / 1e6, 3)} MB`;
}
