// What the forms of the built-in integrations say in Arabic.

import type { IntegrationTexts } from '../field-texts.ts'

/** Every text in Arabic. */
export const texts: IntegrationTexts = {
  fields: {
    airtableToken: {
      title: 'رمز الوصول الشخصي',
      description: 'يُنشأ في airtable.com/create/tokens مع الوصول إلى القواعد المطلوبة.',
      patternMessage: 'يبدأ رمز الوصول الشخصي بـ pat وينتهي بنقطة و64 محرفًا.',
    },
    apiKey: { title: 'مفتاح API' },
    clientId: { title: 'معرّف العميل' },
    clientSecret: { title: 'سر العميل' },
    githubToken: {
      title: 'رمز الوصول الشخصي',
      patternMessage: 'يبدأ رمز الوصول الشخصي بـ github_pat_ أو ghp_.',
    },
    openaiKey: { title: 'مفتاح API', patternMessage: 'يبدأ المفتاح بـ sk-.' },
    password: { title: 'كلمة المرور' },
    salesforceDomain: {
      title: 'النطاق',
      description: 'login.salesforce.com أو test.salesforce.com لبيئات الاختبار أو نطاقك الخاص (My Domain).',
      patternMessage: 'هذا ليس عنوانًا لدى Salesforce. مثال: acme.my.salesforce.com.',
    },
    shop: {
      title: 'عنوان المتجر',
      description: 'اسم المتجر أو عنوانه على myshopify.com.',
      placeholder: 'your-shop.myshopify.com',
      patternMessage: 'هذا ليس عنوانًا لدى Shopify. مثال: your-shop.myshopify.com.',
    },
    slackChannel: {
      title: 'القناة',
      description: 'تُرسل الرسائل إليها. تظهر القنوات الخاصة بعد دعوة التطبيق إليها.',
      placeholder: 'اختر قناة',
      rejectedMessage: 'لم تعد هذه القناة موجودة.',
    },
    stripeKey: {
      title: 'مفتاح مقيّد',
      description: 'يُنشأ في لوحة التحكم ضمن المطورين ثم مفاتيح API بأقل الأذونات اللازمة.',
      patternMessage: 'يبدأ المفتاح بـ rk_live_ أو rk_test_ أو sk_live_ أو sk_test_.',
    },
    twilioSid: { title: 'معرّف الحساب SID', patternMessage: 'معرّف الحساب هو AC و32 محرفًا.' },
    twilioToken: { title: 'رمز المصادقة', patternMessage: 'يتكوّن رمز المصادقة من 32 محرفًا.' },
    username: { title: 'اسم المستخدم' },
    zendeskSubdomain: {
      title: 'النطاق الفرعي',
      description: 'الجزء الأول من عنوان مركز المساعدة لديك.',
      patternMessage: 'الجزء الذي يسبق .zendesk.com فقط: حروف وأرقام وشرطات.',
    },
  },
  labels: {
    signIn: 'تسجيل الدخول باستخدام {name}',
    signInElsewhere: 'تسجيل الدخول باستخدام {name} على جهاز آخر',
    connectWith: 'الربط باستخدام {name}',
    clientCredentials: 'بيانات اعتماد العميل',
    apiKey: 'مفتاح API',
    basic: 'اسم المستخدم وكلمة المرور',
    personalToken: 'رمز الوصول الشخصي',
    restrictedKey: 'مفتاح مقيّد',
    sidAndToken: 'معرّف الحساب ورمز المصادقة',
    changeChannel: 'تغيير القناة',
  },
  errors: {
    required: '{title}: هذا الحقل مطلوب.',
    pattern: '{title}: الصيغة غير صحيحة.',
    enum: '{title}: اختر قيمة.',
    type: '{title}: القيمة غير صالحة.',
    length: '{title}: قصير جدًا أو طويل جدًا.',
    rejected: '{title}: لم تُقبل القيمة.',
    host: 'هذا العنوان غير مسموح به هنا.',
    unavailable: '{title}: يتعذّر التحقق الآن. حاول لاحقًا.',
  },
}
