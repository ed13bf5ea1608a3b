// @ts-check
/**
 * The shapes of the protocol, for the type checker only.
 *
 * @typedef {{id: string, handle: string | null, name: string}} User
 * @typedef {'owner' | 'admin' | 'member'} Role
 * @typedef {{v: number, kind: string, from: string, client_id?: string, at: string, body: any}} ChatEvent
 * @typedef {{seq: number, prev?: number | null, n?: number | null, event: ChatEvent}} Entry
 * @typedef {{seq: number, n?: number | null, at?: string | null, preview?: string | null, from?: string | null}} Newest
 * @typedef {{id: string, kind: 'direct' | 'group', title: string | null, members: number, role: Role | null, newest: Newest | null,
 *   read_seq: number, unread: number, muted_until?: string | null, left_seq?: number | null, with?: string}} Summary
 * @typedef {{user: User | string, role: Role, joined_seq: number}} Member
 * @typedef {{client_id: string, chat: string, body: {text: string}, at: string, after_seq: number | null, unknown: boolean,
 *   state: 'queued' | 'inflight' | 'failed', error: string | null}} OutboxItem
 */
export {};
