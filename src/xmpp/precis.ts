/**
 * The two PRECIS profiles that XMPP needs (RFC 8264, RFC 8265), built on Unicode property classes of the runtime.
 *
 * Two deliberate simplifications. The Bidi rule (RFC 5893 §2) looks at scripts instead of bidi classes, which
 * JavaScript does not have: no mix of directions inside one name. Of the contextual rules (RFC 5892 appendix A) joiners
 * are allowed behind a virama only, and the middle dot and its like are refused in names.
 */

/**
 * UsernameCaseMapped (RFC 8265 §3.3): wide and narrow forms become ordinary ones, letters become small, the whole is
 * NFC. Returns undefined for what the IdentifierClass (RFC 8264 §4.2) does not allow, and for ''.
 */
export function username(text: string): string | undefined {
  return settle(text, fold, identifier);
}

/**
 * OpaqueString (RFC 8265 §4.2): every space becomes U+0020, the whole is NFC, case stays. Returns undefined for
 * what the FreeformClass (RFC 8264 §4.3) does not allow, and for ''.
 */
export function opaque(text: string): string | undefined {
  return settle(text, plain, freeform);
}

/** RFC 8264 §7: rules are applied until nothing changes, at most four times; a string that never settles is refused. */
function settle(
  text: string,
  rule: (text: string) => string,
  test: (text: string) => boolean,
): string | undefined {
  if (!text.isWellFormed()) return undefined;
  let before = text;
  for (let n = 0; n < 4; n++) {
    const after = rule(before);
    if (after === before && n > 0) return test(after) ? after : undefined;
    before = after;
  }
  return undefined;
}

function fold(text: string): string {
  return text.replace(wide, narrow).toLowerCase().normalize('NFC');
}

function plain(text: string): string {
  return text.replace(/\p{Zs}/gu, ' ').normalize('NFC');
}

/** Fullwidth and halfwidth forms (UAX #11): exactly these have decompositions tagged so. */
const wide =
  /[\u3000\uff01-\uffbe\uffc2-\uffc7\uffca-\uffcf\uffd2-\uffd7\uffda-\uffdc\uffe0-\uffe6\uffe8-\uffee]/g;

function narrow(char: string): string {
  return char.normalize('NFKC');
}

/** Never allowed: RFC 8264 §9.12 (unassigned, controls, private use), §9.13 (ignorable), §9.9 (old jamo), §9.6. */
const never =
  /[\u302e\u302f\p{Cn}\p{Cc}\p{Cs}\p{Co}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7fb\u0640\u07fa\u3031-\u3035\u303b]/u;
const joiner = /(?<=[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca])[\u200c\u200d]/g;
const formats = /\p{Cf}/u;

/** RFC 8264 §9.1 LetterDigits, §9.11 ASCII7 without space, and the exceptions of RFC 5892 §2.6. */
const letters = /^[\x21-\x7e\p{Ll}\p{Lu}\p{Lo}\p{Nd}\p{Lm}\p{Mn}\p{Mc}\u06fd\u06fe\u0f0b\u3007]+$/u;

function identifier(text: string): boolean {
  const rest = text.replace(joiner, '');
  if (never.test(rest) || !letters.test(rest)) return false;
  // RFC 8264 §9.17: what has a compatibility form is for free text only.
  if (rest.normalize('NFKC') !== rest) return false;
  return oneWay(rest);
}

function freeform(text: string): boolean {
  const rest = text.replace(joiner, '');
  return rest !== '' && !never.test(rest) && !formats.test(rest);
}

const rightToLeft =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Samaritan}\p{Script=Mandaic}\p{Script=Adlam}]/u;
const rightToLeftOnly =
  /^[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Samaritan}\p{Script=Mandaic}\p{Script=Adlam}](?:.*[\p{L}\p{Nd}]\p{M}*)?$/su;
const leftToRight =
  /(?![\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Samaritan}\p{Script=Mandaic}\p{Script=Adlam}])\p{L}/u;

/** RFC 5893 §2, by scripts: a name with right-to-left letters has no others, begins with one, ends with one or a digit. */
function oneWay(text: string): boolean {
  return !rightToLeft.test(text) || (rightToLeftOnly.test(text) && !leftToRight.test(text));
}
