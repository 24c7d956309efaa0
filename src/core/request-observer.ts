/** The port to metrics of requests. Called on the hot path: it must neither wait nor throw. */
export interface RequestObserver {
  /** A request for a kind of resource has arrived. */
  begun(resource: string): void
  /** Its work has ended, and its answer was sent or its connection lost. Called once for each `begun`. */
  ended(resource: string, request: ServedRequest): void
  /** Credentials were sent that are no good. */
  loginFailed?(): void
}

export interface ServedRequest {
  /** As sent by the client: any text. */
  readonly method: string
  /** 499 if the client did not get the whole answer. */
  readonly status: number
  /** From the request's header to the last byte of the answer. */
  readonly seconds: number
  /** Of the header and of the body. */
  readonly requestBytes: number
  /** Of the body. */
  readonly responseBytes: number
}
