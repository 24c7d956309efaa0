import { Icon } from '../components/icon.tsx'
import { dismiss, messages } from '../state.ts'

/** What was done, with a way to undo it; read out by screen readers. */
export function Messages() {
  return (
    <div class="messages" role="status" aria-live="polite">
      {messages.value.map(({ id, text, isError, action }) => (
        <div key={id} class={`message ${isError ? 'error' : ''}`}>
          <span>{text}</span>
          {action !== undefined && (
            <button
              type="button"
              class="link"
              onClick={() => {
                dismiss(id)
                action.run()
              }}
            >
              {action.label}
            </button>
          )}
          <button type="button" class="icon-button" aria-label="Dismiss" onClick={() => dismiss(id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  )
}
