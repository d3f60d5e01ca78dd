// Defines <auth-flow>, unless the page has defined it already.

import { define } from '../elements/define-element.ts'
import { AuthFlowElement } from '../elements/auth-flow.ts'

define('auth-flow', AuthFlowElement)
