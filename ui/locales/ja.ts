// The texts in Japanese. Importing this module is all it takes.

import { registerMessages } from '../elements/auth-element.ts'
import type { Messages } from '../messages.ts'

const moment = 'お待ちください…'
const connected = '{identity}{place} として接続済み'
const expired = '時間切れです。やり直してください。'
const session = '期限が切れました。ページを再読み込みしてください。'

/** Every text in Japanese. */
export const ja: Messages = {
  loading: moment,
  submitting: moment,
  authorize: '{name} のウィンドウで続けてください。',
  lost: '{name} のウィンドウがありませんか？',
  blocked: 'ブラウザーが {name} のウィンドウをブロックしました。',
  verify: moment,
  done: connected,
  cancelled: 'キャンセルしました。',
  active: connected,
  in: '（{place}）',
  needs_reauth: '{name} に再接続してください。',
  error: 'うまくいきませんでした。',
  errors: {
    access_denied: '許可されませんでした。',
    browser_mismatch: '別のブラウザーで開始されました。',
    credentials_rejected: '{name} がこの情報を受け付けませんでした。',
    flow_expired: expired,
    flow_ended: expired,
    identity_changed: '以前のアカウントと異なります。',
    network_error: 'サーバーに接続できません。',
    provider_unavailable: '{name} が応答しません。後でお試しください。',
    rate_limited: 'しばらくお待ちください。',
    state_invalid: expired,
    token_expired: session,
    token_request_failed: session,
    token_spent: session,
  },
  methods: '接続方法',
  scopes: '許可される操作：',
  submit: '接続',
  continue: '{name} へ進む',
  reopen: 'もう一度開く',
  cancel: 'キャンセル',
  retry: '再試行',
  reveal: '{title} を表示',
  optional: '（任意）',
  help: '確認方法',
  fieldErrors: {
    required: '入力してください。',
    pattern: '形式が正しくありません。',
    enum: '選択してください。',
    type: '値が正しくありません。',
    length: '長さが正しくありません。',
    rejected: '受け付けられませんでした。',
    host: 'このアドレスは使用できません。',
    unavailable: '今は利用できません。',
  },
}

registerMessages('ja', ja)
