import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from '../api/http.ts'

export interface Loading<T> {
  /** The last value, also while the next one is loaded. */
  readonly value: T | undefined
  readonly error: ApiError | undefined
  readonly isLoading: boolean
  /** True if it takes so long that the person should be told. */
  readonly isSlow: boolean
  reload(): void
}

const SLOW_MS = 4_000

/** Loads a value, and again when the key changes; an answer that was overtaken is ignored. A value of another
 *  subject is not kept.
 *  @param subject what the value is about; the last value stays while other parts of the key change */
export function useLoad<T>(
  load: (signal: AbortSignal) => Promise<T>,
  key: string,
  subject: string = key,
): Loading<T> {
  const [round, setRound] = useState(0)
  const [state, setState] = useState<State<T>>(EMPTY)
  const latest = useRef(load)
  latest.current = load
  useEffect(() => {
    const controller = new AbortController()
    setState((last) => ({
      ...EMPTY,
      subject,
      value: last.subject === subject ? last.value : undefined,
      isLoading: true,
    }))
    const slow = setTimeout(() => setState((last) => ({ ...last, isSlow: true })), SLOW_MS)
    const settle = (settled: Partial<State<T>>) => {
      clearTimeout(slow)
      if (!controller.signal.aborted) setState({ ...EMPTY, subject, ...settled })
    }
    latest.current(controller.signal).then(
      (value) => settle({ value }),
      (error: unknown) => settle({ error: asApiError(error) }),
    )
    return () => {
      clearTimeout(slow)
      controller.abort()
    }
  }, [key, subject, round])
  const isCurrent = state.subject === subject
  return {
    value: isCurrent ? state.value : undefined,
    error: isCurrent ? state.error : undefined,
    isLoading: state.isLoading || !isCurrent,
    isSlow: state.isSlow,
    reload: () => setRound((last) => last + 1),
  }
}

interface State<T> {
  readonly subject: string
  readonly value: T | undefined
  readonly error: ApiError | undefined
  readonly isLoading: boolean
  readonly isSlow: boolean
}

const EMPTY = { subject: '', value: undefined, error: undefined, isLoading: false, isSlow: false }

function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(0, '', String((error as Error)?.message ?? error))
}
