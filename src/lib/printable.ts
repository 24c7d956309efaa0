const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/** A client's text without control characters, safe to show in a terminal. */
export function printable(text: string): string {
  return CONTROL.test(text) ? text.replace(new RegExp(CONTROL, 'g'), '?') : text
}
