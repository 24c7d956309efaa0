const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/** A client's text for a log that is looked at in a terminal: no character controls it. */
export function printable(text: string): string {
  return CONTROL.test(text) ? text.replace(new RegExp(CONTROL, 'g'), '?') : text
}
