import type { Keys } from '../xmpp/sasl/keys.ts';
import type { Mechanism } from './directory.ts';

/**
 * A change of the directory on its way to the owner of the account's partition. Never a password: keys are derived
 * where it came in. The id of a new account is drawn there too, so that a change whose answer was lost may be sent
 * again: the second one changes nothing, and its sender finds the id that it drew.
 */
export type Change =
  | {
      readonly t: 'add';
      readonly partition: number;
      readonly id: number;
      readonly address: string;
      /** Milliseconds since the epoch. */
      readonly created: number;
      readonly keys: readonly Derived[];
      /** `Entry.closed`; 0 where it is left out. */
      readonly closed?: number | undefined;
    }
  | {
      /** `keys`: of a new password; `more`: of the one that it has, for further mechanisms. */
      readonly t: 'keys' | 'more';
      readonly partition: number;
      readonly id: number;
      readonly keys: readonly Derived[];
      /** Only while the account still has this key: they are of the password that it proved. */
      readonly proven?: Pick<Derived, 'mechanism' | 'storedKey'> | undefined;
    }
  | { readonly t: 'close'; readonly partition: number; readonly id: number; readonly closed: number }
  | { readonly t: 'admin'; readonly partition: number; readonly id: number; readonly admin: boolean }
  | { readonly t: 'remove'; readonly partition: number; readonly id: number };

/** `Keys` of one mechanism as plain values: bytes are base64. */
export interface Derived {
  readonly mechanism: Mechanism;
  readonly iterations: number;
  readonly salt: string;
  readonly storedKey: string;
  readonly serverKey: string;
}

export function pack(mechanism: Mechanism, { iterations, salt, storedKey, serverKey }: Keys): Derived {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  return {
    mechanism,
    iterations,
    salt: text(salt),
    storedKey: text(storedKey),
    serverKey: text(serverKey),
  };
}

export function unpack({ iterations, salt, storedKey, serverKey }: Derived): Keys {
  const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'base64'));
  return { iterations, salt: bytes(salt), storedKey: bytes(storedKey), serverKey: bytes(serverKey) };
}
