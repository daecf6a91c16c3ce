import type { Element } from '../../xmpp/element.ts';
import type { Field, Form } from '../../xmpp/forms.ts';
import type { Administering } from '../administering.ts';

/** Who runs a command, and where it runs. */
export interface Run {
  readonly service: Administering;
  /** The domain that it is about. */
  readonly domain: string;
  /** The administrator's own address. */
  readonly self: string;
}

/** What comes of it. */
export interface Outcome {
  /** Of a form of type `result`. */
  readonly fields?: readonly Field[];
  /** In that form, besides fields. */
  readonly content?: readonly Element[];
  /** XEP-0050 §3.6: what is to be said; an `error` where it did not all work. */
  readonly notes?: readonly { readonly type: 'info' | 'warn' | 'error'; readonly text: string }[];
}

/** A command of XEP-0133: the form that it needs, if it needs one, and what it does. */
export interface Command {
  /** Behind `http://jabber.org/protocol/admin#`. */
  readonly node: string;
  readonly name: string;
  readonly form?: {
    readonly title: string;
    readonly instructions: string;
    fields(run: Run): readonly Field[] | Promise<readonly Field[]>;
  };
  /** `form` has all that is required; undefined where the command has none. */
  run(run: Run, form: Form): Promise<Outcome>;
}
