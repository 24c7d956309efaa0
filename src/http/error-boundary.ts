import type { Log } from '../core/log.ts'

type Listener<Subject, A, B, C> = (this: unknown, subject: Subject, a: A, b: B, c: C) => void

/** Wraps event listeners so that exceptions are logged and end only the subject of the event. Node would end
 *  the process.
 *  @param end ends the subject, such as a socket or a stream */
export function errorBoundary(log: Log) {
  return <Subject, A, B, C>(
    listener: Listener<Subject, A, B, C>,
    end: Listener<Subject, A, B, C>,
  ): Listener<Subject, A, B, C> =>
    function (subject, a, b, c) {
      try {
        listener.call(this, subject, a, b, c)
      } catch (error) {
        log.error({ err: error }, 'a connection failed')
        end.call(this, subject, a, b, c)
      }
    }
}
