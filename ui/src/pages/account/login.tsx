import { useState } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { logIn } from '../../api/extension.ts'
import { type ApiError, PAGE, REGISTRY } from '../../api/http.ts'
import { Empty } from '../../components/states.tsx'
import { useTitle } from '../../components/use-title.ts'
import { person, start } from '../../state.ts'

/** Logging in with a password, or by an identity provider. */
export function Login() {
  const { query } = useLocation()
  useTitle('Log in')
  const back = safeReturn(query.return)
  const { login, kind, name } = person.value ?? {}
  if (kind !== undefined && kind !== 'anonymous') {
    return (
      <Empty isView title={`You are logged in as ${name}`}>
        <a href={back}>Go on</a>
      </Empty>
    )
  }
  if (login?.isPossible !== true || (!login.password && login.providers.length === 0)) {
    return (
      <Empty isView title="Nobody can log in here">
        The registry has no accounts that this page can use.
      </Empty>
    )
  }
  return (
    <section class="login" aria-labelledby="login-title">
      <h1 id="login-title">Log in</h1>
      {query.error !== undefined && (
        <p class="error" role="alert">
          {explained(query.error)}
        </p>
      )}
      {login.providers.map((provider) => (
        <a
          key={provider.id}
          class="button"
          // The registry's own address, which the page's router does not know.
          href={`${REGISTRY}v2/_entrepot/user/login?${new URLSearchParams({ provider: provider.id, return: back })}`}
        >
          Continue with {provider.name}
        </a>
      ))}
      {login.password && <PasswordForm back={back} />}
    </section>
  )
}

function PasswordForm({ back }: { back: string }) {
  const { route } = useLocation()
  const [problem, setProblem] = useState('')
  const [isRunning, setRunning] = useState(false)
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    setRunning(true)
    setProblem('')
    try {
      await logIn(String(form.get('username')), String(form.get('password')))
      await start()
      route(back, true)
    } catch (error) {
      setProblem(refused(error as ApiError))
    } finally {
      setRunning(false)
    }
  }
  return (
    <form onSubmit={submit}>
      <label>
        User
        <input name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required />
      </label>
      <label>
        Password
        <input name="password" type="password" autocomplete="current-password" required />
      </label>
      {problem !== '' && (
        <p class="error" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" class="primary" disabled={isRunning}>
        {isRunning ? 'Logging in…' : 'Log in'}
      </button>
    </form>
  )
}

/** Only views of this page: a link from elsewhere must not lead elsewhere after the login. */
function safeReturn(wanted = PAGE): string {
  const target = URL.parse(wanted, location.href)
  if (target === null || target.origin !== location.origin || !target.pathname.startsWith(PAGE)) return PAGE
  return target.pathname + target.search
}

function refused({ status, message }: ApiError): string {
  if (status === 401) return 'The user or the password is wrong.'
  if (status === 429) return 'Too many attempts. Please wait for a moment.'
  return message
}

function explained(error: string): string {
  switch (error) {
    case 'denied':
      return 'The identity provider did not allow the login.'
    case 'expired':
      return 'The login took too long. Please try again.'
    case 'unavailable':
      return 'The identity provider cannot be reached at present.'
    case 'groups':
      return 'The identity provider left out your groups. Please tell the operator of this registry.'
    default:
      return 'The login failed.'
  }
}
