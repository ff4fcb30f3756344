/**
 * The only way to the server: GraphQL over HTTP for questions and changes, graphql-transport-ws for live news.
 *
 * The key lives in a `Client` and nowhere else, so that a reload or a sign-out forgets it.
 */

const ENDPOINT = '/graphql';
const REQUEST_TIMEOUT_MS = 30_000;
/** A request that the rate limit refused was not run; it is sent again this often, and after at most this long. */
const MAX_ATTEMPTS = 3;
const MAX_WAIT_S = 20;
const MAX_BACK_OFF_MS = 10_000;
/** A socket that says nothing for so long after a ping is taken for dead; browsers notice that only after minutes. */
const PING_EVERY_MS = 20_000;
/** Close codes after which the same key need not try again. */
const REFUSED = [4401, 4403];

/** What can be shown to people: `message` is a sentence, `code` the server's word for it. */
export class Failure extends Error {
    /**
     * @param {string} message
     * @param {string} code
     * @param {number} [retryAfter] seconds
     */
    constructor(message, code, retryAfter) {
        super(message);
        this.code = code;
        this.retryAfter = retryAfter;
    }

    /** @param {{message: string, extensions?: {code?: string, retryAfter?: number}}} error of a GraphQL answer */
    static of({ message, extensions = {} }) {
        return new Failure(message, extensions.code ?? 'UNKNOWN', extensions.retryAfter);
    }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const operationName = (document) => /(?:query|mutation|subscription)\s+(\w+)/.exec(document)?.[1];

/** One key and its connection. */
export class Client {
    #key;
    #refused;
    #closed = new AbortController();
    #live;
    /** The running replacement of this very key, if any. */
    #replacement = null;

    /**
     * @param {string} key
     * @param {object} [on]
     * @param {() => void} [on.refused] the server does not take the key any more
     * @param {(connected: boolean) => void} [on.connection] live news come, or do not
     */
    constructor(key, { refused = () => {}, connection = () => {} } = {}) {
        this.#key = key;
        this.#refused = refused;
        this.#live = new Live({ key: () => this.#key, refused: (used) => this.#judge(used), connection });
    }

    /**
     * Asks a question. Rejects when anything of it could not be answered.
     *
     * @param {string} document
     * @param {object} [variables]
     * @param {AbortSignal} [signal] of the view that asks: nobody waits for the answer once it is gone
     */
    async query(document, variables, signal) {
        for (let attempt = 1; ; attempt += 1) {
            const used = this.#key;
            const { data, failure } = await this.#send(document, variables, signal);
            if (!failure) return data;
            const dead = failure.code === 'INVALID_API_KEY';
            if (!dead || attempt === MAX_ATTEMPTS || !(await this.#judge(used))) throw failure;
        }
    }

    /**
     * Changes something. What can be mended is in `userErrors` of the payload. Rejects when there is no payload; one
     * with a gap is handed out all the same, since it may hold a secret that is shown only once.
     */
    async mutate(document, variables) {
        const used = this.#key;
        const { data, failure } = await this.#send(document, variables);
        if (Object.values(data).some((payload) => payload !== null)) return data;
        if (failure.code === 'INVALID_API_KEY' && this.#replacement === null) this.#judge(used);
        throw failure;
    }

    /**
     * Follows something until it completes, over reconnections.
     *
     * @param {string} document
     * @param {object} variables
     * @param {{next: (data: object) => void, complete?: () => void, error?: (failure: Failure) => void}} observer
     * @returns {() => void} stops it
     */
    subscribe(document, variables, observer) {
        return this.#live.subscribe({ query: document, variables, operationName: operationName(document) }, observer);
    }

    /** From now on with this key. */
    useKey(key) {
        this.#key = key;
        this.#live.restart();
    }

    /**
     * Does `work`, which replaces this very key. The old key dies before the new one has arrived; until `work` has
     * settled, nobody concludes from that that the session is over.
     *
     * @template T
     * @param {() => Promise<T>} work
     * @returns {Promise<T>}
     */
    async replacingKey(work) {
        this.#replacement = work();
        try {
            return await this.#replacement;
        } finally {
            this.#replacement = null;
        }
    }

    /** Forgets the key and ends everything that is under way. */
    close() {
        this.#key = '';
        this.#closed.abort();
        this.#live.close();
    }

    /** What to think of a refusal of the key `used`: true when there is another by now, so that trying again helps. */
    async #judge(used) {
        await this.#replacement?.catch(() => {});
        if (this.#closed.signal.aborted) return false;
        if (this.#key !== used) return true;
        this.#refused();
        return false;
    }

    async #send(document, variables = {}, signal = undefined) {
        const body = JSON.stringify({ query: document, operationName: operationName(document), variables });
        for (let attempt = 1; ; attempt += 1) {
            const { data, errors } = await this.#post(body, signal);
            const failure = errors?.length ? Failure.of(errors[0]) : null;
            const waits = failure?.code === 'RATE_LIMITED' && failure.retryAfter <= MAX_WAIT_S;
            if (!waits || data || attempt === MAX_ATTEMPTS) return { data: data ?? {}, failure };
            await pause(Math.max(1, failure.retryAfter) * 1000);
        }
    }

    async #post(body, signal) {
        const signals = [this.#closed.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS), signal].filter(Boolean);
        const request = {
            method: 'POST',
            headers: {
                'Content-Type': 'application/json',
                Accept: 'application/graphql-response+json, application/json',
                'X-API-Key': this.#key,
            },
            body,
            cache: 'no-store',
            credentials: 'omit',
            redirect: 'error',
            signal: AbortSignal.any(signals),
        };
        try {
            const response = await fetch(ENDPOINT, request);
            return await response.json();
        } catch (error) {
            if (error.name === 'AbortError') throw error;
            if (error.name === 'TimeoutError') throw new Failure('The server did not answer in time.', 'TIMEOUT');
            if (error.name === 'SyntaxError') throw new Failure('The server gave no proper answer.', 'NO_JSON');
            throw new Failure('The server cannot be reached.', 'UNREACHABLE');
        }
    }
}

/** The protocol graphql-transport-ws over one socket that comes back. */
class Live {
    #on;
    #operations = new Map();
    #lastId = 0;
    /** The current socket; whatever an older one still says is ignored. */
    #socket = null;
    #acknowledged = false;
    #failures = 0;
    #retry = 0;
    #watch = 0;
    #heard = true;
    #closed = false;

    /**
     * @param {{
     *     key: () => string,
     *     refused: (used: string) => Promise<boolean>,
     *     connection: (connected: boolean) => void,
     * }} on
     */
    constructor(on) {
        this.#on = on;
    }

    subscribe(payload, observer) {
        if (this.#closed) return () => {};
        this.#lastId += 1;
        const id = String(this.#lastId);
        this.#operations.set(id, { payload, observer });
        if (this.#acknowledged) this.#say({ id, type: 'subscribe', payload });
        else if (this.#socket === null && this.#retry === 0) this.#connect();
        return () => {
            if (this.#operations.delete(id) && this.#acknowledged) this.#say({ id, type: 'complete' });
        };
    }

    /** Connects anew, with the key of now, and goes on with all operations. */
    restart() {
        this.#drop();
        if (!this.#closed && this.#operations.size > 0) this.#connect();
    }

    close() {
        this.#closed = true;
        this.#operations.clear();
        this.#drop();
    }

    #drop() {
        clearTimeout(this.#retry);
        clearInterval(this.#watch);
        this.#retry = 0;
        const socket = this.#socket;
        this.#socket = null;
        this.#acknowledged = false;
        // Closed while it connects, a socket complains on the console: it is closed as soon as it is open.
        if (socket?.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close(1000);
        else socket?.close(1000);
    }

    #connect() {
        const url = new URL(ENDPOINT, location.href);
        url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
        const used = this.#on.key();
        const socket = new WebSocket(url, 'graphql-transport-ws');
        this.#socket = socket;
        const current = (handle) => (event) => {
            if (this.#socket === socket) handle(event);
        };
        socket.onopen = current(() => this.#say({ type: 'connection_init', payload: { apiKey: used } }));
        socket.onmessage = current(({ data }) => this.#hear(JSON.parse(data)));
        socket.onclose = current(({ code }) => this.#lost(code, used));
    }

    #say(message) {
        if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
    }

    #hear({ type, id, payload }) {
        this.#heard = true;
        const operation = this.#operations.get(id);
        switch (type) {
            case 'connection_ack':
                this.#acknowledge();
                break;
            case 'ping':
                this.#say({ type: 'pong' });
                break;
            case 'next':
                if (payload.errors?.length) this.#fail(id, payload.errors);
                else operation?.observer.next(payload.data);
                break;
            case 'error':
                this.#fail(id, payload);
                break;
            case 'complete':
                this.#operations.delete(id);
                operation?.observer.complete?.();
                break;
        }
    }

    #acknowledge() {
        this.#acknowledged = true;
        this.#failures = 0;
        // Every subscription of the schema begins with what is there already: nothing is missed by subscribing again.
        for (const [id, { payload }] of this.#operations) this.#say({ id, type: 'subscribe', payload });
        this.#watch = setInterval(() => this.#probe(), PING_EVERY_MS);
        this.#on.connection(true);
    }

    #probe() {
        if (!this.#heard) {
            this.#drop();
            this.#later();
            return;
        }
        this.#heard = false;
        this.#say({ type: 'ping' });
    }

    #fail(id, errors) {
        const operation = this.#operations.get(id);
        if (!operation) return;
        const failure = Failure.of(errors[0]);
        if (failure.code === 'RATE_LIMITED') {
            const again = () => {
                if (this.#acknowledged && this.#operations.has(id)) {
                    this.#say({ id, type: 'subscribe', payload: operation.payload });
                }
            };
            setTimeout(again, Math.max(1, failure.retryAfter ?? 1) * 1000);
            return;
        }
        this.#operations.delete(id);
        operation.observer.error?.(failure);
    }

    async #lost(code, used) {
        this.#drop();
        if (!REFUSED.includes(code)) {
            this.#later();
        } else if (await this.#on.refused(used)) {
            // A new key has come, and with it, as a rule, a new socket.
            if (this.#socket === null && !this.#closed) this.#connect();
        }
    }

    /** Tries again after a while that doubles with each failure; chance keeps many pages from coming at once. */
    #later() {
        this.#on.connection(false);
        const back_off = Math.min(MAX_BACK_OFF_MS, 500 * 2 ** this.#failures);
        this.#failures += 1;
        this.#retry = setTimeout(() => this.restart(), back_off * (0.5 + Math.random() / 2));
    }
}
