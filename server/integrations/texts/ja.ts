// What the forms of the built-in integrations say in Japanese.

import type { IntegrationTexts } from '../field-texts.ts'

/** Every text in Japanese. */
export const texts: IntegrationTexts = {
  fields: {
    airtableToken: {
      title: '個人用アクセストークン',
      description: 'airtable.com/create/tokens で、使用するベースへのアクセスを付けて作成します。',
      patternMessage: '個人用アクセストークンは pat で始まり、ピリオドと 64 文字で終わります。',
    },
    apiKey: { title: 'API キー' },
    clientId: { title: 'クライアント ID' },
    clientSecret: { title: 'クライアントシークレット' },
    githubToken: {
      title: '個人用アクセストークン',
      patternMessage: '個人用アクセストークンは github_pat_ または ghp_ で始まります。',
    },
    openaiKey: { title: 'API キー', patternMessage: 'キーは sk- で始まります。' },
    password: { title: 'パスワード' },
    salesforceDomain: {
      title: 'ドメイン',
      description:
        'login.salesforce.com、Sandbox の場合は test.salesforce.com、または自社のドメイン（私のドメイン）。',
      patternMessage: 'Salesforce のアドレスではありません。例：acme.my.salesforce.com',
    },
    shop: {
      title: 'ショップのアドレス',
      description: 'ショップ名、または myshopify.com のアドレス。',
      placeholder: 'your-shop.myshopify.com',
      patternMessage: 'Shopify のアドレスではありません。例：your-shop.myshopify.com',
    },
    slackChannel: {
      title: 'チャンネル',
      description: 'メッセージの送信先です。プライベートチャンネルは、アプリを招待すると一覧に表示されます。',
      placeholder: 'チャンネルを選択',
      rejectedMessage: 'このチャンネルはもうありません。',
    },
    stripeKey: {
      title: '制限付きキー',
      description: 'ダッシュボードの「開発者」の「API キー」で、必要最小限の権限で作成します。',
      patternMessage: 'キーは rk_live_、rk_test_、sk_live_、sk_test_ のいずれかで始まります。',
    },
    twilioSid: { title: 'アカウント SID', patternMessage: 'アカウント SID は AC と 32 文字です。' },
    twilioToken: { title: '認証トークン', patternMessage: '認証トークンは 32 文字です。' },
    username: { title: 'ユーザー名' },
    zendeskSubdomain: {
      title: 'サブドメイン',
      description: 'ヘルプデスクのアドレスの最初の部分。',
      patternMessage: '.zendesk.com の前の部分だけです。英数字とハイフンが使えます。',
    },
  },
  labels: {
    signIn: '{name} でログイン',
    signInElsewhere: '別の端末で {name} にログイン',
    connectWith: '{name} で接続',
    clientCredentials: 'クライアント認証情報',
    apiKey: 'API キー',
    basic: 'ユーザー名とパスワード',
    personalToken: '個人用アクセストークン',
    restrictedKey: '制限付きキー',
    sidAndToken: 'アカウント SID と認証トークン',
    changeChannel: 'チャンネルを変更',
  },
  errors: {
    required: '{title}を入力してください。',
    pattern: '{title}の形式が正しくありません。',
    enum: '{title}を選択してください。',
    type: '{title}の値が正しくありません。',
    length: '{title}が短すぎるか長すぎます。',
    rejected: '{title}は受け付けられませんでした。',
    host: 'このアドレスはここでは使えません。',
    unavailable: '{title}を今は確認できません。後でもう一度お試しください。',
  },
}
