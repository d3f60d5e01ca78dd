// Defines <auth-trigger>, unless the page has defined it already.

import { define } from '../elements/define-element.ts'
import { AuthTriggerElement } from '../elements/auth-trigger.ts'

define('auth-trigger', AuthTriggerElement)
