/** Who is told how long operations took: metrics. */
export interface Timer {
  /** @param operation one of a few words, never something that came from outside */
  observe(operation: string, seconds: number): void
}
