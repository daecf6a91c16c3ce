/** RFC 3454 table B.1: characters that are as good as not there. */
const nothing = /(?:\u00ad|\u034f|\u1806|[\u180b-\u180d]|[\u200b-\u200d]|\u2060|[\ufe00-\ufe0f]|\ufeff)/g;
const spaces = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g;
/** RFC 4013 §2.3: controls, private use, what is no character, what changes display. */
const never = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}\p{Zl}\p{Zp}\u0340\u0341\u2ff0-\u2ffb]/u;

/**
 * A password as SCRAM hashes it: SASLprep (RFC 4013), which clients apply to theirs. Undefined where it has none.
 *
 * Two liberties, so that no password is refused that clients let through: characters newer than Unicode 3.2 are
 * taken (RFC 3454 §7 would refuse to store them), and the check of writing directions is left out.
 */
export function prepare(password: string): string | undefined {
  if (!password.isWellFormed()) return undefined;
  const text = password.replace(nothing, '').replace(spaces, ' ').normalize('NFKC');
  return text === '' || never.test(text) ? undefined : text;
}
