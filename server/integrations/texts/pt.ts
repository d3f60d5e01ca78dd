// What the forms of the built-in integrations say in Portuguese.

import type { IntegrationTexts } from '../field-texts.ts'

/** Every text in Portuguese. */
export const texts: IntegrationTexts = {
  fields: {
    airtableToken: {
      title: 'Token de acesso pessoal',
      description: 'Criado em airtable.com/create/tokens, com acesso às bases a usar.',
      patternMessage: 'Um token de acesso pessoal começa por pat e termina com um ponto e 64 caracteres.',
    },
    apiKey: { title: 'Chave de API' },
    clientId: { title: 'Id do cliente' },
    clientSecret: { title: 'Segredo do cliente' },
    githubToken: {
      title: 'Token de acesso pessoal',
      patternMessage: 'Um token de acesso pessoal começa por github_pat_ ou ghp_.',
    },
    openaiKey: { title: 'Chave de API', patternMessage: 'Uma chave começa por sk-.' },
    password: { title: 'Palavra-passe' },
    salesforceDomain: {
      title: 'Domínio',
      description:
        'login.salesforce.com, test.salesforce.com para ambientes de teste, ou o seu próprio (My Domain).',
      patternMessage: 'Isto não é um endereço da Salesforce. Exemplo: acme.my.salesforce.com.',
    },
    shop: {
      title: 'Endereço da loja',
      description: 'O nome da loja ou o seu endereço em myshopify.com.',
      placeholder: 'a-sua-loja.myshopify.com',
      patternMessage: 'Isto não é um endereço da Shopify. Exemplo: a-sua-loja.myshopify.com.',
    },
    slackChannel: {
      title: 'Canal',
      description:
        'É para lá que vão as mensagens. Os canais privados aparecem depois de a aplicação ser convidada.',
      placeholder: 'Escolha um canal',
      rejectedMessage: 'Este canal já não existe.',
    },
    stripeKey: {
      title: 'Chave restrita',
      description:
        'Criada no painel, em Programadores, Chaves de API, com o mínimo de permissões necessário.',
      patternMessage: 'Uma chave começa por rk_live_, rk_test_, sk_live_ ou sk_test_.',
    },
    twilioSid: { title: 'SID da conta', patternMessage: 'Um SID de conta é AC e 32 caracteres.' },
    twilioToken: {
      title: 'Token de autenticação',
      patternMessage: 'Um token de autenticação tem 32 caracteres.',
    },
    username: { title: 'Nome de utilizador' },
    zendeskSubdomain: {
      title: 'Subdomínio',
      description: 'A primeira parte do endereço do seu centro de apoio.',
      patternMessage: 'Apenas a parte antes de .zendesk.com: letras, algarismos e hífenes.',
    },
  },
  labels: {
    signIn: 'Iniciar sessão com {name}',
    signInElsewhere: 'Iniciar sessão com {name} noutro dispositivo',
    connectWith: 'Ligar com {name}',
    clientCredentials: 'Credenciais do cliente',
    apiKey: 'Chave de API',
    basic: 'Nome de utilizador e palavra-passe',
    personalToken: 'Token de acesso pessoal',
    restrictedKey: 'Chave restrita',
    sidAndToken: 'SID da conta e token de autenticação',
    changeChannel: 'Mudar de canal',
  },
  errors: {
    required: '{title}: é preciso preencher.',
    pattern: '{title}: não tem a forma esperada.',
    enum: '{title}: escolha uma opção.',
    type: '{title}: o valor não é válido.',
    length: '{title}: é demasiado curto ou demasiado longo.',
    rejected: '{title}: não foi aceite.',
    host: 'Este endereço não é permitido aqui.',
    unavailable: '{title}: não é possível verificar agora. Tente mais tarde.',
  },
}
