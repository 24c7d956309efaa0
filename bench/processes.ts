/** CPU and memory of a server and its workers, from `/proc` (Linux only; elsewhere the figures are
 *  missing). */
import { readFile } from 'node:fs/promises'

/** The unit of CPU time in `/proc/<pid>/stat` is the same on every Linux that Node runs on. */
const ticksPerSecond = 100

/** Seconds of CPU, user and system, that the process and its children have used. `NaN` where it can't be known. */
export async function cpuSeconds(pid: number): Promise<number> {
  return sumOverTree(pid, async (each) => {
    const stat = await readFile(`/proc/${each}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
  })
}

/** Bytes of memory that the process and its children hold now (RSS). `NaN` where it can't be known. */
export async function residentBytes(pid: number): Promise<number> {
  return sumOverTree(pid, (each) => statusBytes(each, 'VmRSS'))
}

/** The most bytes each of them ever held, by the kernel's own high-water mark: no sampling misses it. */
export async function peakResidentBytes(pid: number): Promise<number> {
  return sumOverTree(pid, (each) => statusBytes(each, 'VmHWM'))
}

async function sumOverTree(pid: number, read: (pid: number) => Promise<number>): Promise<number> {
  try {
    const values = await Promise.all((await tree(pid)).map(read))
    return values.reduce((sum, value) => sum + value, 0)
  } catch {
    return Number.NaN
  }
}

/** The process and all below it. */
async function tree(pid: number): Promise<number[]> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter(Boolean)
  return [pid, ...(await Promise.all(children.map((child) => tree(Number(child))))).flat()]
}

async function statusBytes(pid: number, field: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024
}
