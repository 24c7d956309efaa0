import { LocationProvider, lazy, Route, Router } from 'preact-iso'
import { PAGE } from './api/http.ts'
import { Failed } from './components/states.tsx'
import { NotFound } from './pages/not-found.tsx'
import { ReferenceView } from './pages/reference.tsx'
import { Repositories } from './pages/repositories.tsx'
import { Header } from './shell/header.tsx'
import { Messages } from './shell/messages.tsx'
import { Shortcuts } from './shell/shortcuts.tsx'
import { person, start, startError } from './state.ts'

// Each view but the first is loaded when it is opened.
const Operations = lazy(() => import('./pages/operations.tsx').then((module) => module.Operations))
const Account = lazy(() => import('./pages/account/account.tsx').then((module) => module.Account))
const Login = lazy(() => import('./pages/account/login.tsx').then((module) => module.Login))

export function App() {
  return (
    <LocationProvider scope={PAGE}>
      <Header />
      <main id="main" tabIndex={-1}>
        <Views />
      </main>
      <Messages />
      <Shortcuts />
    </LocationProvider>
  )
}

function Views() {
  if (startError.value !== undefined) return <Failed error={startError.value} retry={start} />
  // What is shown depends on who looks.
  if (person.value === undefined) return null
  return (
    <Router>
      <Route path={PAGE} component={Repositories} />
      <Route path={`${PAGE}r/:reference+`} component={ReferenceView} />
      <Route path={`${PAGE}operations`} component={Operations} />
      <Route path={`${PAGE}account`} component={Account} />
      <Route path={`${PAGE}login`} component={Login} />
      <Route default component={NotFound} />
    </Router>
  )
}
