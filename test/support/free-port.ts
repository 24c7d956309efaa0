import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

const LOCAL = '127.0.0.1'

/** A port on which nobody listened a moment ago. On an address of its own it most likely still is free. */
export async function freePort(host = LOCAL): Promise<number> {
  const [port = 0] = await freePorts(1, host)
  return port
}

/** So many different ones. */
export async function freePorts(count: number, host = LOCAL): Promise<number[]> {
  const probes = Array.from({ length: count }, () => createServer().listen(0, host))
  await Promise.all(probes.map((probe) => once(probe, 'listening')))
  const ports = probes.map((probe) => (probe.address() as AddressInfo).port)
  await Promise.all(probes.map((probe) => new Promise((resolve) => probe.close(resolve))))
  return ports
}
