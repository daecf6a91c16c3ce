import { el, type Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';

/** What can be done in one go with SASL2 (XEP-0388 §2.1), as the stream's features tell of it. */
export function authentication(
  mechanisms: readonly string[],
  tokens: readonly string[],
  wanted: readonly string[],
): Element {
  return el('authentication', NS.sasl2, {}, [
    ...mechanisms.map((name) => el('mechanism', NS.sasl2, {}, [name])),
    el('inline', NS.sasl2, {}, [
      // XEP-0386 §3.1
      el('bind', NS.bind2, {}, [
        el(
          'inline',
          NS.bind2,
          {},
          [NS.carbons, NS.csi, NS.sm].map((name) => el('feature', NS.bind2, { var: name })),
        ),
      ]),
      // XEP-0198 §9.2
      el('sm', NS.sm),
      ...fast(tokens),
    ]),
    // XEP-0480 §2.1: the same for everybody, so that nobody learns what an account has.
    ...upgrades
      .filter((name) => wanted.includes(name))
      .map((name) => el('upgrade', NS.saslUpgrade, {}, [task(name)])),
  ]);
}

/** XEP-0484 §3.1: with one mechanism at least. */
function fast(tokens: readonly string[]): Element[] {
  if (tokens.length === 0) return [];
  return [
    el(
      'fast',
      NS.fast,
      {},
      tokens.map((name) => el('mechanism', NS.fast, {}, [name])),
    ),
  ];
}

/**
 * Mechanisms for tokens, the strongest first: those that bind to what this connection has (XEP-0484 §3.1). There are
 * tokens where there are passwords, in whose place they stand.
 */
export function tokenMechanisms(mechanisms: readonly string[], types: readonly string[]): string[] {
  if (!mechanisms.some(isPassword)) return [];
  const names = bound.filter(([type]) => types.includes(type)).map(([, name]) => name);
  return [...names, 'HT-SHA-256-NONE'];
}

function isPassword(name: string): boolean {
  return name === 'PLAIN' || name.startsWith('SCRAM-');
}

const bound = [
  ['tls-exporter', 'HT-SHA-256-EXPR'],
  ['tls-server-end-point', 'HT-SHA-256-ENDP'],
] as const;

/** Mechanisms whose keys a client may give that has logged in with another one. */
export const upgrades = ['SCRAM-SHA-512', 'SCRAM-SHA-256'] as const;

/** XEP-0480 §2.1 */
export function task(mechanism: string): string {
  return `UPGR-${mechanism}`;
}
