// The texts in Arabic. Importing this module is all it takes.

import { registerMessages } from '../elements/auth-element.ts'
import type { Messages } from '../messages.ts'

const moment = 'لحظة من فضلك…'
const connected = 'متصل باسم {identity}{place}'
const expired = 'انتهى الوقت. ابدأ من جديد.'
const session = 'انتهت الجلسة. أعِد تحميل الصفحة.'

/** Every text in Arabic. */
export const ar: Messages = {
  loading: moment,
  submitting: moment,
  authorize: 'تابِع في نافذة {name}.',
  lost: 'هل اختفت نافذة {name}؟',
  blocked: 'حظر المتصفح نافذة {name}.',
  verify: moment,
  done: connected,
  cancelled: 'أُلغي.',
  active: connected,
  in: ' في {place}',
  needs_reauth: 'أعِد ربط {name}.',
  error: 'لم تنجح العملية.',
  errors: {
    access_denied: 'لم يُمنح الإذن بالوصول.',
    browser_mismatch: 'بدأت العملية في متصفح آخر.',
    credentials_rejected: 'لا يقبل {name} هذه البيانات.',
    flow_expired: expired,
    flow_ended: expired,
    identity_changed: 'هذا حساب آخر غير السابق.',
    network_error: 'يتعذر الوصول إلى الخادم.',
    provider_unavailable: 'لا يستجيب {name} حاليًا. حاوِل لاحقًا.',
    rate_limited: 'محاولات كثيرة. انتظر لحظة.',
    state_invalid: expired,
    token_expired: session,
    token_request_failed: session,
    token_spent: session,
  },
  methods: 'طريقة الربط',
  scopes: 'سيسمح ذلك بما يلي:',
  submit: 'ربط',
  continue: 'المتابعة إلى {name}',
  reopen: 'فتح النافذة مجددًا',
  cancel: 'إلغاء',
  retry: 'إعادة المحاولة',
  reveal: 'إظهار {title}',
  optional: '(اختياري)',
  help: 'أين أجد هذا؟',
  fieldErrors: {
    required: 'هذا الحقل مطلوب.',
    pattern: 'الصيغة غير صحيحة.',
    enum: 'اختر أحد الخيارات.',
    type: 'القيمة غير صحيحة.',
    length: 'الطول غير صحيح.',
    rejected: 'لم يُقبل هذا.',
    host: 'هذا العنوان غير مسموح.',
    unavailable: 'غير متاح الآن.',
  },
}

registerMessages('ar', ar)
