/**
 * The subscription states of RFC 6121 Appendix A.1 and how each stanza moves them. `to`: we see their presence, `from`:
 * they see ours; `out`: we asked and wait, `in`: they asked and wait. An address that is not in the roster is `none`.
 */
export type State =
  | 'none'
  | 'none+out'
  | 'none+in'
  | 'none+out+in'
  | 'to'
  | 'to+in'
  | 'from'
  | 'from+out'
  | 'both';

const kinds = ['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed'] as const;
export type SubscriptionType = (typeof kinds)[number];

export function isSubscription(type: string | undefined): type is SubscriptionType {
  return type !== undefined && (kinds as readonly string[]).includes(type);
}

/** What is not listed changes nothing. */
type Moves = Readonly<Record<SubscriptionType, Readonly<Partial<Record<State, State>>>>>;

/**
 * A.2, the user's side. `subscribe` and `unsubscribe` are always handed on, because they heal sides that differ; the
 * other two only where they change the state (A.2.3, A.2.4: "MUST NOT route").
 */
export const outbound: Moves = {
  // A.2.1
  subscribe: { none: 'none+out', 'none+in': 'none+out+in', from: 'from+out' },
  // A.2.3
  subscribed: { 'none+in': 'from', 'none+out+in': 'from+out', 'to+in': 'both' },
  // A.2.2
  unsubscribe: {
    'none+out': 'none',
    'none+out+in': 'none+in',
    to: 'none',
    'to+in': 'none+in',
    'from+out': 'from',
    both: 'from',
  },
  // A.2.4
  unsubscribed: {
    'none+in': 'none',
    'none+out+in': 'none+out',
    'to+in': 'to',
    from: 'none',
    'from+out': 'none+out',
    both: 'to',
  },
};

/** A.3, the contact's side: delivered exactly where the state changes. */
export const inbound: Moves = {
  // A.3.1
  subscribe: { none: 'none+in', 'none+out': 'none+out+in', to: 'to+in' },
  // A.3.3
  subscribed: { 'none+out': 'to', 'none+out+in': 'to+in', 'from+out': 'both' },
  // A.3.2
  unsubscribe: {
    'none+in': 'none',
    'none+out+in': 'none+out',
    'to+in': 'to',
    from: 'none',
    'from+out': 'none+out',
    both: 'to',
  },
  // A.3.4
  unsubscribed: {
    'none+out': 'none',
    'none+out+in': 'none+in',
    to: 'none',
    'to+in': 'none+in',
    'from+out': 'from',
    both: 'from',
  },
};

/** Always handed on (A.2.1, A.2.2); see `outbound`. */
export function alwaysRouted(type: SubscriptionType): boolean {
  return type === 'subscribe' || type === 'unsubscribe';
}
