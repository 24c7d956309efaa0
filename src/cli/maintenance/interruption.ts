/** Aborted by SIGINT or SIGTERM. */
export function interruption(): AbortSignal {
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => stopping.abort(new Error(`ended by ${signal}`)))
  return stopping.signal
}
