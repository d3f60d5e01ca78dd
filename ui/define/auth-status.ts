// Defines <auth-status>, unless the page has defined it already.

import { define } from '../elements/define-element.ts'
import { AuthStatusElement } from '../elements/auth-status.ts'

define('auth-status', AuthStatusElement)
