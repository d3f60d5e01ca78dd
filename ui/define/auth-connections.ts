// Defines <auth-connections> and <auth-flow>, which it is made of, unless the page has defined them already.

import './auth-flow.ts'
import { define } from '../elements/define-element.ts'
import { AuthConnectionsElement } from '../elements/auth-connections.ts'

define('auth-connections', AuthConnectionsElement)
