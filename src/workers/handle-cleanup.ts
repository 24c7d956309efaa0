import type { Worker } from 'node:cluster'

/** Works around a handle leak of node:cluster. It keeps its handle of each new connection until the worker
 *  has received it; if the worker ends before, the handle is never closed and the client hangs. So the handle
 *  sent last is closed with the worker; if it had arrived, that has no effect. */
export function closeHandleOnExit(worker: Worker): void {
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
