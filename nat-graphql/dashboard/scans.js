/** The home view: usage, a form that starts a scan, and the scans with the newest first. */

import { announce, button, el, field, fill, form, freshId, moment, moveOn, problemBox, words } from './dom.js';
import { usagePanel } from './usage.js';

const PAGE = 10;
/** Scans that are followed at once; more than that wait for their turn. */
const MAX_FOLLOWED = 10;

export const SCAN_FIELDS = `fragment ScanFields on Scan {
    id scanId kind status url createdAt startedAt completedAt total passed failed
    progress { phase percent operationsTotal operationsTested requestsSent }
    summary { critical high medium low info }
    error { code message }
}`;

const USER_ERRORS = 'userErrors { code message path retryAfter quotaResetDate }';

const SCANS = `query Scans($first: Int!, $after: String) {
    scans(first: $first, after: $after, orderBy: { field: CREATED_AT, direction: DESC }) {
        nodes { ...ScanFields }
        pageInfo { hasNextPage endCursor }
        totalCount
    }
}
${SCAN_FIELDS}`;

const START_FUNCTIONAL = `mutation StartScan($input: StartScanInput!) {
    start: startScan(input: $input) { scan { ...ScanFields } ${USER_ERRORS} }
}
${SCAN_FIELDS}`;

const START_SECURITY = `mutation StartSecurityScan($input: StartScanInput!) {
    start: startSecurityScan(input: $input) { scan { ...ScanFields } ${USER_ERRORS} }
}
${SCAN_FIELDS}`;

const CANCEL = `mutation CancelScan($input: CancelScanInput!) {
    cancelScan(input: $input) { scan { ...ScanFields } ${USER_ERRORS} }
}
${SCAN_FIELDS}`;

export const SCAN_PROGRESS = `subscription ScanProgress($id: ID!) {
    scanProgress(id: $id) { ...ScanFields }
}
${SCAN_FIELDS}`;

export const isAlive = ({ status }) => status === 'QUEUED' || status === 'RUNNING';

/** @returns {import('./app.js').View} */
export function scansView(session, signal) {
    const usage = usagePanel(session.usage);
    const list = scanList(session, signal);
    return {
        title: 'Scans',
        body: [el('div', { class: 'columns' }, usage.node, startForm(session, list.add)), list.node],
        stop() {
            usage.stop();
            list.stop();
        },
    };
}

function startForm(session, added) {
    const url = field({
        label: 'URL of the API', type: 'url', inputmode: 'url', autocomplete: 'off', spellcheck: 'false',
        required: true, placeholder: 'https://api.example.com',
    });
    const specUrl = field({
        label: 'URL of its OpenAPI document (optional)', type: 'url', inputmode: 'url', autocomplete: 'off',
        spellcheck: 'false', hint: 'Left empty, it is looked for in the usual places.',
    });
    const group = freshId('kind');
    const choice = (value, label, about) => el('label', { class: 'choice' },
        el('input', { type: 'radio', name: group, value, checked: value === 'FUNCTIONAL' }),
        el('span', {}, label, el('span', { class: 'hint' }, about)));
    const kind = el('fieldset', {},
        el('legend', {}, 'What to find out'),
        choice('FUNCTIONAL', 'Functional', 'Does the API keep its contract?'),
        choice('SECURITY', 'Security', 'Can it be abused?'));

    async function work() {
        const security = kind.querySelector('input:checked').value === 'SECURITY';
        const input = { url: url.input.value.trim(), specUrl: specUrl.input.value.trim() || null };
        const { start } = await session.client.mutate(security ? START_SECURITY : START_FUNCTIONAL, { input });
        session.usage.refresh();
        if (start.scan) {
            added(start.scan);
            announce(`${security ? 'Security' : 'Functional'} scan of ${start.scan.url} started.`);
        }
        return start.userErrors;
    }

    const node = form({ fields: { url, specUrl }, body: [url.node, specUrl.node, kind], submit: 'Start scan', work });
    return el('section', { class: 'card', 'aria-labelledby': 'start-heading' },
        el('h2', { id: 'start-heading' }, 'Start a scan'), node);
}

function scanList(session, signal) {
    const entries = new Map();
    const rows = el('ul', { class: 'rows' });
    const count = el('p', { class: 'hint' });
    const problem = problemBox();
    let total = 0;
    let cursor = null;

    const follower = followScans(session, (scan) => entries.get(scan.id)?.update(scan));
    const more = button('Load more', () => load(cursor), { hidden: true });
    const refresh = button('Refresh', () => load(null), { class: 'quiet' });

    /** A scan that is there already is brought up to date where it stands. */
    function put(scan, first = false) {
        const known = entries.get(scan.id);
        if (known) {
            known.update(scan);
            return known;
        }
        const entry = scanRow(scan, session, follower);
        entries.set(scan.id, entry);
        if (first) rows.prepend(entry.node);
        else rows.append(entry.node);
        return entry;
    }

    async function load(after) {
        await problem.guard(async () => {
            const { scans } = await session.client.query(SCANS, { first: PAGE, after }, signal);
            if (after === null) {
                follower.stop();
                entries.clear();
                fill(rows);
            }
            const added = scans.nodes.map((scan) => put(scan));
            total = scans.totalCount ?? entries.size;
            cursor = scans.pageInfo.endCursor;
            more.hidden = !scans.pageInfo.hasNextPage;
            tell();
            // The reader goes on where the new rows begin.
            if (after !== null) added[0]?.focus();
        });
    }

    function tell() {
        count.textContent = total === 0 ? 'No scan yet.' : `${entries.size} of ${total} shown, the newest first.`;
    }

    load(null);
    const node = el('section', { 'aria-labelledby': 'list-heading' },
        el('div', { class: 'heading-row' }, el('h2', { id: 'list-heading' }, 'All scans'), refresh),
        count, problem.node, rows, el('div', { class: 'actions' }, more));
    return {
        node,
        add(scan) {
            if (!entries.has(scan.id)) total += 1;
            put(scan, true);
            tell();
        },
        stop: () => follower.stop(),
    };
}

/** Follows scans that run, a bounded number at once, and looks at the usage when one has ended. */
function followScans(session, changed) {
    const running = new Map();
    const waiting = new Set();

    function next() {
        for (const id of waiting) {
            if (running.size >= MAX_FOLLOWED) return;
            waiting.delete(id);
            const ended = () => {
                running.delete(id);
                session.usage.refresh();
                next();
            };
            running.set(id, session.client.subscribe(SCAN_PROGRESS, { id }, {
                next: ({ scanProgress }) => changed(scanProgress),
                complete: ended,
                error: ended,
            }));
        }
    }

    return {
        follow(id) {
            if (running.has(id)) return;
            waiting.add(id);
            next();
        },
        stop() {
            for (const unsubscribe of running.values()) unsubscribe();
            running.clear();
            waiting.clear();
        },
    };
}

function scanRow(scan, session, follower) {
    const link = el('a', { href: `#/scans/${encodeURIComponent(scan.scanId)}` }, scan.url);
    const status = el('span', {});
    const state = el('div', { class: 'row-state' });
    const problem = problemBox();
    const progress = progressBar(scan.url);
    const cancel = cancelButton(session, () => scan, update, problem);
    const node = el('li', { class: 'card row' },
        el('div', { class: 'row-head' }, el('h3', {}, link), status),
        el('p', { class: 'hint' }, words(scan.kind), ' · started ', moment(scan.startedAt ?? scan.createdAt)),
        state, problem.node);

    function update(news) {
        scan = news;
        fill(status, statusBadge(scan.status));
        if (isAlive(scan)) {
            progress.update(scan);
            // What the reader may have in focus stays in its place.
            if (!state.contains(cancel)) fill(state, progress.node, cancel);
            follower.follow(scan.id);
        } else {
            moveOn(state, link, scan.error ? el('p', { class: 'hint' }, scan.error.message) : counts(scan));
        }
    }

    update(scan);
    return { node, update, focus: () => link.focus() };
}

/** A button that stops a scan; `update` gets the scan as it is then. */
export function cancelButton(session, current, update, problem) {
    const label = `Cancel the scan of ${current().url}`;
    return button('Cancel', () => problem.guard(async () => {
        const { cancelScan } = await session.client.mutate(CANCEL, { input: { id: current().id } });
        if (cancelScan.scan) update(cancelScan.scan);
        const [error] = cancelScan.userErrors;
        announce(error ? error.message : 'The scan is being stopped.');
    }), { 'aria-label': label });
}

/** A bar for a scan that runs, with what it does in words. */
export function progressBar(name) {
    const bar = el('progress', { max: 100, value: 0, 'aria-label': `Progress of the scan of ${name}` });
    const said = el('p', { class: 'hint' });
    return {
        node: el('div', { class: 'progress' }, bar, said),
        update({ progress }) {
            bar.value = progress.percent;
            said.textContent = `${progress.percent} % · ${words(progress.phase)} · ${progress.operationsTested} of `
                + `${progress.operationsTotal} operations · ${progress.requestsSent} requests`;
        },
    };
}

export const SEVERITIES = ['CRITICAL', 'HIGH', 'MEDIUM', 'LOW', 'INFO'];

/** Findings by severity: each with its word, so that colour only underlines it. */
export function counts({ status, summary }) {
    const found = SEVERITIES.map((severity) => [severity, summary[severity.toLowerCase()]]).filter(([, n]) => n > 0);
    const none = status === 'COMPLETED' ? 'No findings.' : 'It was stopped.';
    if (found.length === 0) return el('p', { class: 'hint' }, none);
    return el('ul', { class: 'pills', 'aria-label': 'Findings by severity' },
        found.map(([severity, n]) => el('li', {}, severityPill(severity, `${n} ${words(severity).toLowerCase()}`))));
}

export const severityPill = (severity, text = words(severity)) =>
    el('span', { class: `pill is-${severity.toLowerCase()}` }, text);

export const statusBadge = (status) => el('span', { class: `badge is-${status.toLowerCase()}` }, words(status));
