/** The port to metrics of durations. */
export interface Timer {
  /** @param operation one of a few fixed words, never text from outside */
  observe(operation: string, seconds: number): void
}
