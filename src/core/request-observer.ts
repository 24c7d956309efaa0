/** Who is told of the requests that are served: metrics. It is called on the hot path and must neither wait nor throw. */
export interface RequestObserver {
  /** A request for a resource is about to be looked at. What it names inside the resource is nobody's business. */
  begun(resource: string): void
  /** Its work has ended, and its answer has gone out, or its connection. Told once for each that has begun. */
  ended(resource: string, request: ServedRequest): void
}

export interface ServedRequest {
  /** As it came over the wire: nothing says that it is one of those that are known. */
  readonly method: string
  /** 499 when the client did not get the whole answer. */
  readonly status: number
  /** From the request's header to the last byte of the answer. */
  readonly seconds: number
  /** Of the header and of the body. */
  readonly requestBytes: number
  /** Of the body. */
  readonly responseBytes: number
}
