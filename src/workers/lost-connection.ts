import type { Worker } from 'node:cluster'

/** node:cluster hands each new connection to a worker and keeps its own end of it until the worker says that it has it.
 *  Of one that ends before, or is ended because it does not answer, it would keep it for ever, and the client would wait
 *  for ever. So the connection that was handed over last is closed with the worker; where it had arrived, it is closed
 *  already. */
export function closeLostConnection(worker: Worker): void {
  const channel = worker.process as Pick<Worker['process'], 'once'> & { send(...sent: unknown[]): boolean }
  const send = channel.send.bind(channel)
  let handedOver: Closable | undefined
  channel.send = (message, handle, ...rest) => {
    if (isClosable(handle)) handedOver = handle
    return send(message, handle, ...rest)
  }
  channel.once('exit', () => handedOver?.close())
}

interface Closable {
  close(): void
}

function isClosable(handle: unknown): handle is Closable {
  return typeof handle === 'object' && handle !== null && 'close' in handle
}
