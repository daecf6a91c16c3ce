import { el } from '../../xmpp/element.ts';
import { StanzaError, type StanzaCondition, type StanzaErrorType } from '../../xmpp/error.ts';
import { NS } from '../../xmpp/namespaces.ts';

/** A stanza error with a condition of pubsub's own (XEP-0060 §6–§8 tabulate them). */
export function refusal(
  condition: StanzaCondition,
  detail: string,
  options: { readonly type?: StanzaErrorType; readonly text?: string; readonly feature?: string } = {},
): StanzaError {
  const { type, text, feature } = options;
  return new StanzaError(condition, text, type, el(detail, NS.pubsubErrors, { feature }));
}

/** What is not supported, by the name of its feature (XEP-0060 §11). */
export function unsupported(feature: string): StanzaError {
  return refusal('feature-not-implemented', 'unsupported', { feature });
}
