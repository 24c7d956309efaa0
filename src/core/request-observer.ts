/** The port to metrics of requests. Called on the hot path: it must neither wait nor throw. */
export interface RequestObserver {
  /** A request for a kind of resource has arrived. */
  begun(resource: string): void
  /** The handler has ended, and its response was sent or its connection lost. Called once for each
   *  `begun`. */
  ended(resource: string, request: ServedRequest): void
  /** Credentials were rejected. */
  loginFailed?(): void
}

export interface ServedRequest {
  /** The method as sent: any text. */
  readonly method: string
  /** 499 if the client did not get the whole response. */
  readonly status: number
  /** From the request's header to the last byte of the response. */
  readonly seconds: number
  /** Size of header and body. */
  readonly requestBytes: number
  /** Size of the body. */
  readonly responseBytes: number
}
