/** What the tests use of @xmpp/client, which comes without types. */
declare module '@xmpp/client' {
  export interface Xml {
    readonly name: string;
    readonly attrs: Record<string, string | undefined>;
    is(name: string, xmlns?: string): boolean;
    getChild(name: string, xmlns?: string): Xml | undefined;
    getChildren(name: string, xmlns?: string): Xml[];
    getChildText(name: string, xmlns?: string): string | null;
    toString(): string;
  }
  export interface Client {
    readonly jid: { toString(): string; bare(): { toString(): string } };
    readonly status: string;
    readonly streamManagement: { on(event: string, then: () => void): void; id: string };
    readonly iqCaller: { request(stanza: Xml, timeout?: number): Promise<Xml> };
    readonly reconnect: { delay: number };
    readonly socket?: { socket?: { destroy?(): void; close?(): void }; destroy?(): void } | null;
    on(event: 'stanza', then: (stanza: Xml) => void): void;
    on(event: 'error', then: (error: Error) => void): void;
    on(event: string, then: () => void): void;
    start(): Promise<unknown>;
    stop(): Promise<unknown>;
    send(stanza: Xml): Promise<void>;
    disconnect(): Promise<unknown>;
  }
  export function client(options: {
    service: string;
    domain: string;
    resource?: string;
    username: string;
    password: string;
  }): Client;
  export function xml(name: string, attrs?: Record<string, string>, ...children: (Xml | string)[]): Xml;
}
