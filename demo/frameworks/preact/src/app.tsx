import 'authflow/define'
import { useState } from 'preact/hooks'

export function App() {
  const [last, setLast] = useState('')
  return (
    <>
      <h1>authflow in Preact</h1>
      <auth-flow
        integration="slack"
        method="oauth2"
        account-id="demo"
        token-url="/connect-token"
        endpoint={__ENDPOINT__}
        onauth-start={() => setLast('started')}
        onauth-success={({ detail }) => setLast(detail.connection.identity.label)}
      >
        <auth-trigger>
          <button type="button">Sign in with Slack</button>
        </auth-trigger>
        <auth-panel hidden>
          <h2>Sign in with Slack</h2>
          <auth-form class="form" input-class="input"></auth-form>
        </auth-panel>
        <auth-status></auth-status>
      </auth-flow>
      <p id="event">{last}</p>
    </>
  )
}
