// Defines <auth-form>, unless the page has defined it already.

import { define } from '../elements/define-element.ts'
import { AuthFormElement } from '../elements/auth-form.ts'

define('auth-form', AuthFormElement)
