// The texts in English, for pages whose own language is another and that show one flow in English, and as the base of
// texts of one's own. Elements know them without this module.

import { registerMessages } from '../elements/auth-element.ts'
import { controlEnglish, statusEnglish, type Messages } from '../messages.ts'

/** Every text in English. */
export const en: Messages = { ...statusEnglish, ...controlEnglish }

registerMessages('en', en)
