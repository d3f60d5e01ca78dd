// Defines <auth-connections> and <auth-flow>, which it is made of, unless the page has defined them already.

import './auth-flow.ts'
import { AuthConnectionsElement } from '../elements/auth-connections.ts'

if (!customElements.get('auth-connections')) customElements.define('auth-connections', AuthConnectionsElement)
