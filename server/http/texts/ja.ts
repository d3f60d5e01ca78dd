// What the pages say in Japanese.

import type { PageTexts } from '../page-texts.ts'

/** Every text in Japanese. */
export const texts: PageTexts = {
  leaving: 'サインインに移動しています…',
  leavingHint: '何も起こらない場合は、ボタンを押してください。',
  goOn: '続ける',
  connected: '{name} に接続しました',
  cancelled: '{name} は接続されませんでした',
  failed: '{name} に接続できませんでした',
  almost: '{name} の接続まであと一歩です',
  linkTitle: '{name} を接続',
  linkHint: '{host} がアカウントの接続を求めています。心当たりがある場合だけ続けてください。',
  pageTitle: 'アカウントを {host} に接続',
  pageHint: '{host} は、ここで接続したサービスをあなたに代わって利用します。',
  again: '{name} を再接続',
  disconnect: '{name} の接続を解除',
  back: '{host} に戻る',
  needsScript: 'このページには JavaScript が必要です。有効にして再読み込みしてください。',
  closeHint: 'このウィンドウは閉じてかまいません。',
  returnHint: '元のページに戻っています…',
  broken: 'うまくいきませんでした',
  code: 'コード',
  advice: {
    access_denied: 'アクセスが許可されませんでした。元のページからもう一度お試しください。',
    browser_mismatch: '別のブラウザーで開始されました。このブラウザーでやり直してください。',
    flow_expired: '時間がかかりすぎました。元のページからやり直してください。',
    flow_ended: 'すでに終了しています。元のページからやり直してください。',
    link_invalid: 'このリンクは不完全か、存在しません。全体をコピーするか、新しいリンクを依頼してください。',
    link_expired: 'このリンクは期限切れです。新しいリンクを依頼してください。',
    link_used: 'このリンクはすでに使われています。新しいリンクを依頼してください。',
    confirmation_expired: '時間がかかりすぎました。新しいリンクを依頼してください。',
    already_connected: 'すでに接続されています。これ以上の操作は必要ありません。',
    rate_limited: 'すでに処理中です。しばらく待ってから再読み込みしてください。',
    origin_opaque:
      '元のページは所在を隠しています。制限されたフレーム内に表示されているか、ウェブサイトのページではありません。別のウィンドウで開いて、もう一度お試しください。',
    origin_mismatch: '元のページからは開始できません。ご存じのページから開始してください。',
    origin_missing: '直接開くことはできません。アカウントを接続するページから開始してください。',
    state_invalid: 'このリンクは使用済みか期限切れです。元のページからやり直してください。',
    token_expired: '時間がかかりすぎました。元のページを再読み込みしてやり直してください。',
    token_spent: 'すでに接続されています。元のページを再読み込みしてください。',
    provider_unavailable: 'サービスが応答していません。数分後にもう一度お試しください。',
    identity_changed: '以前に接続したアカウントと異なります。以前のアカウントでサインインしてください。',
    method_not_allowed: 'このアドレスは直接開けません。アカウントを接続するページから開始してください。',
  },
  otherAdvice: '元のページからやり直してください。繰り返す場合は、下のコードを運営者に伝えてください。',
}
