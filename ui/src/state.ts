/** What all views share: the person, the registry's extensions, messages. */
import { signal } from '@preact/signals'
import { discover, getSelf, type Person } from './api/extension.ts'
import type { ApiError } from './api/http.ts'

export const person = signal<Person | undefined>(undefined)
export const startError = signal<ApiError | undefined>(undefined)

/** Asks who looks, and what the registry can do; again after a login. */
export async function start(): Promise<void> {
  startError.value = undefined
  try {
    await discover()
    person.value = await getSelf()
  } catch (error) {
    startError.value = error as ApiError
  }
}

export interface Message {
  readonly id: number
  readonly text: string
  readonly isError: boolean
  readonly action?: { readonly label: string; readonly run: () => void }
}

export const messages = signal<readonly Message[]>([])

const SHOWN_MS = 8_000
let lastId = 0

/** Shows a message for some seconds. */
export function say(text: string, more: Partial<Pick<Message, 'isError' | 'action'>> = {}): void {
  const message: Message = { isError: false, ...more, id: ++lastId, text }
  messages.value = [...messages.value.slice(-2), message]
  setTimeout(() => dismiss(message.id), more.action || more.isError ? 2 * SHOWN_MS : SHOWN_MS)
}

export function dismiss(id: number): void {
  messages.value = messages.value.filter((message) => message.id !== id)
}

/** Copies a text and says so.
 *  @param shown what the message names */
export async function copy(text: string, shown = text): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
    say(`Copied: ${shown}`)
  } catch {
    say('The browser did not allow copying.', { isError: true })
  }
}
