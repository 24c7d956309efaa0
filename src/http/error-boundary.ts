import type { Log } from '../core/log.ts'

type Listener<Subject, A, B, C> = (this: unknown, subject: Subject, a: A, b: B, c: C) => void

/** Makes listeners from which no exception gets out: it is logged, and ends what the event was about. An exception that a
 *  listener of Node's events throws would end the process.
 *  @param end for the subject of the event, such as a socket or a stream */
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
