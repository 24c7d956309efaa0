/** Takes the lock of a file again and again, and writes into a journal when it has it and when it gives it back.
 *  Arguments: the file, the journal, how many times, and, if it is to be killed with the lock in its hands, in which
 *  of them. */
import { appendFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { withFileLock } from '../../src/lib/files/file-lock.ts'

const [path = '', journal = '', times, killedIn] = process.argv.slice(2)

for (let time = 1; time <= Number(times); time++) {
  await withFileLock(path, async () => {
    appendFileSync(journal, `takes ${process.pid}\n`)
    if (time === Number(killedIn)) process.kill(process.pid, 'SIGKILL')
    await delay(2)
    appendFileSync(journal, `gives ${process.pid}\n`)
  })
}
