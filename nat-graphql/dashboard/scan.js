/** One scan: how far it is, what it found, the proof of each finding, and what was decided about it. */

import {
    announce, button, copyButton, day, el, explain, facts, field, fill, form, moment, moveOn, problemBox, words,
} from './dom.js';
import {
    SCAN_FIELDS, SCAN_PROGRESS, SEVERITIES, cancelButton, counts, isAlive, progressBar, severityPill, statusBadge,
} from './scans.js';

const PAGE = 20;
/** A scan is cancelled at once; what it had found until then is written a moment later. */
const WRITTEN_AFTER_MS = 2_000;

const FINDING_FIELDS = `fragment FindingFields on Finding {
    id checkId title severity confidence endpoint location status firstSeenAt
    triage { status reason expiresAt setAt }
}`;

const SCAN = `query Scan($id: ID!) {
    scan(id: $id) { ...ScanFields }
}
${SCAN_FIELDS}`;

const FINDINGS = `query Findings($id: ID!, $first: Int!, $after: String, $filter: FindingFilter) {
    scan(id: $id) {
        findings(first: $first, after: $after, filter: $filter) {
            nodes { ...FindingFields }
            pageInfo { hasNextPage endCursor }
            totalCount
        }
    }
}
${FINDING_FIELDS}`;

const SCAN_FINDINGS = `subscription ScanFindings($id: ID!) {
    scanFindings(id: $id) { ...FindingFields }
}
${FINDING_FIELDS}`;

const DETAIL = `query FindingDetail($id: ID!) {
    node(id: $id) {
        ... on Finding {
            detail {
                description explanation remediation curl cwe owasp cvss { vector score } occurrences
                evidence { role request response at }
            }
        }
    }
}`;

const SET_STATUS = `mutation SetFindingStatus($input: SetFindingStatusInput!) {
    setFindingStatus(input: $input) {
        finding { ...FindingFields }
        userErrors { code message path retryAfter quotaResetDate }
    }
}
${FINDING_FIELDS}`;

/** @returns {import('./app.js').View} */
export function scanView(session, signal, scanId) {
    const problem = problemBox();
    const content = el('div', {}, el('p', { class: 'hint' }, 'Loading …'));
    let stopFollowing = () => {};

    async function load() {
        const { scan } = await session.client.query(SCAN, { id: scanId }, signal).catch((error) => {
            fill(content);
            throw error;
        });
        if (!scan) {
            fill(content, el('p', {}, 'There is no such scan.'));
            return;
        }
        const overview = scanOverview(scan, session);
        const findings = findingList(session, signal, scan);
        fill(content, overview.node, findings.node);
        if (!isAlive(scan)) {
            findings.load();
            return;
        }
        const stopProgress = session.client.subscribe(SCAN_PROGRESS, { id: scan.id }, {
            next: ({ scanProgress }) => overview.update(scanProgress),
            complete() {
                announce(`The scan has ended: ${words(overview.current().status).toLowerCase()}.`);
                session.usage.refresh();
                findings.load();
                if (overview.current().status === 'CANCELLED') setTimeout(() => problem.guard(again), WRITTEN_AFTER_MS);
            },
            error: (failure) => problem.show(failure.message),
        });
        async function again() {
            const late = await session.client.query(SCAN, { id: scan.id }, signal);
            overview.update(late.scan);
            await findings.load();
        }
        const stopFindings = findings.follow();
        stopFollowing = () => {
            stopProgress();
            stopFindings();
        };
    }

    problem.guard(load);
    return {
        title: 'Scan',
        body: [el('p', {}, el('a', { href: '#/' }, 'All scans')), problem.node, content],
        stop: () => stopFollowing(),
    };
}

function scanOverview(scan, session) {
    const heading = el('h2', { id: 'overview-heading', tabindex: -1 }, 'Overview');
    const state = el('div', {});
    const about = el('div', {});
    const problem = problemBox();
    const progress = progressBar(scan.url);
    const cancel = cancelButton(session, () => scan, update, problem);

    function update(news) {
        scan = news;
        fill(about, facts([
            ['Target', scan.url],
            ['Kind', words(scan.kind)],
            ['Status', statusBadge(scan.status)],
            ['Accepted', moment(scan.createdAt)],
            ['Started', scan.startedAt && moment(scan.startedAt)],
            ['Ended', scan.completedAt && moment(scan.completedAt)],
            ['Verdicts', scan.total > 0 && `${scan.total}: ${scan.passed} passed, ${scan.failed} failed`],
            ['Id', scan.scanId],
        ]));
        if (isAlive(scan)) {
            progress.update(scan);
            if (!state.contains(cancel)) fill(state, progress.node, el('div', { class: 'actions' }, cancel));
        } else {
            const failure = scan.error && el('p', { class: 'problem' }, `${scan.error.message} (${scan.error.code})`);
            moveOn(state, heading, failure ?? counts(scan));
        }
    }

    update(scan);
    const node = el('section', { class: 'card', 'aria-labelledby': 'overview-heading' },
        heading, about, state, problem.node);
    return { node, update, current: () => scan };
}

function findingList(session, signal, scan) {
    let entries = new Map();
    const heading = el('h2', { id: 'findings-heading', tabindex: -1 }, 'Findings');
    const rows = el('ul', { class: 'rows' });
    const count = el('p', { class: 'hint' });
    const problem = problemBox();
    const filter = findingFilter(() => problem.guard(async () => {
        await load(null);
        announce(count.textContent);
    }));
    const more = button('Load more', () => problem.guard(() => load(cursor)), { hidden: true });
    let cursor = null;
    /** Answers to a filter that was changed since are late, and ignored. */
    let asked = 0;

    /** Adds a row; one of `known` comes again as the reader left it. */
    function put(finding, known = entries) {
        const entry = known.get(finding.id) ?? findingRow(finding, session, signal);
        entry.update(finding);
        entries.set(finding.id, entry);
        rows.append(entry.node);
        return entry;
    }

    async function load(after) {
        asked += 1;
        const question = asked;
        const variables = { id: scan.id, first: PAGE, after, filter: filter.value() };
        const { findings } = (await session.client.query(FINDINGS, variables, signal)).scan;
        if (question !== asked) return;
        const known = entries;
        const focused = rows.contains(document.activeElement) ? document.activeElement : null;
        if (after === null) {
            entries = new Map();
            fill(rows);
        }
        const added = findings.nodes.map((finding) => put(finding, known));
        cursor = findings.pageInfo.endCursor;
        more.hidden = !findings.pageInfo.hasNextPage;
        filter.node.hidden = false;
        count.textContent = `${entries.size} of ${findings.totalCount ?? entries.size} shown, the worst first.`;
        if (after !== null) added[0]?.focus();
        else if (focused) (rows.contains(focused) ? focused : heading).focus();
    }

    filter.node.hidden = true;
    const node = el('section', { 'aria-labelledby': 'findings-heading' },
        heading, filter.node, count, problem.node, rows, el('div', { class: 'actions' }, more));
    return {
        node,
        load: () => problem.guard(() => load(null)),
        /** Shows findings as they come, until the scan ends and the sorted list takes their place. */
        follow() {
            count.textContent = 'They appear here as they are found.';
            return session.client.subscribe(SCAN_FINDINGS, { id: scan.id }, {
                next({ scanFindings }) {
                    // After a lost connection they come once more.
                    if (asked > 0 || entries.has(scanFindings.id)) return;
                    put(scanFindings);
                    count.textContent = `${entries.size} so far, in the order in which they were found.`;
                },
                error: (failure) => problem.show(failure.message),
            });
        },
    };
}

function findingFilter(changed) {
    const options = (names, all) => [['', all], ...names.map((name) => [name, words(name)])];
    const severity = field({ label: 'Severity', tag: 'select', options: options(SEVERITIES, 'All') });
    const statuses = ['NEW', 'UNCHANGED', 'FIXED', 'NOT_TESTED'];
    const status = field({ label: 'Since the scan before', tag: 'select', options: options(statuses, 'All') });
    const triaged = field({
        label: 'Decision', tag: 'select', options: [['', 'All'], ['no', 'Open'], ['yes', 'Decided']],
    });
    for (const { input } of [severity, status, triaged]) input.addEventListener('change', changed);
    const one = ({ input }) => (input.value ? [input.value] : null);
    return {
        node: el('div', { class: 'filters', role: 'group', 'aria-label': 'Filter the findings' },
            severity.node, status.node, triaged.node),
        value: () => ({
            severity: one(severity),
            status: one(status),
            triaged: triaged.input.value ? triaged.input.value === 'yes' : null,
        }),
    };
}

/** A finding that opens; its proof is asked for when it does so first. */
function findingRow(finding, session, signal) {
    const decided = el('span', {});
    const detail = el('div', {});
    const decision = el('div', {});
    const problem = problemBox();
    const where = el('span', { class: 'hint finding-where' });
    const summary = el('summary', {},
        severityPill(finding.severity), el('h3', { class: 'finding-title' }, finding.title), decided, where);
    const disclosure = el('details', {}, summary, el('div', { class: 'finding-body' }, problem.node, detail, decision));
    let asked = false;

    function update(news) {
        // A reason that is being typed stays, unless somebody else has decided meanwhile.
        const same = decision.hasChildNodes() && JSON.stringify(news.triage) === JSON.stringify(finding.triage);
        finding = news;
        const places = [finding.endpoint, finding.location, finding.checkId, words(finding.status)];
        where.textContent = places.filter(Boolean).join(' · ');
        look();
        if (same) return;
        fill(decided, finding.triage && el('span', { class: 'badge' }, words(finding.triage.status)));
        fill(decision, triage(finding, session, (changed) => {
            update(changed);
            decision.querySelector('button')?.focus();
        }));
    }

    /** Asks for the proof. While the scan runs there is none yet, and it can be asked for again. */
    async function look() {
        if (!disclosure.open || asked) return;
        asked = true;
        fill(detail, el('p', { class: 'hint' }, 'Loading …'));
        const answer = await problem.guard(() => session.client.query(DETAIL, { id: finding.id }, signal));
        asked = Boolean(answer?.node?.detail);
        fill(detail, answer && findingDetail(finding, answer.node?.detail, look));
    }

    disclosure.addEventListener('toggle', look);
    update(finding);
    return { node: el('li', { class: 'card finding' }, disclosure), update, focus: () => summary.focus() };
}

function findingDetail(finding, detail, again) {
    const known = [
        ['Confidence', words(finding.confidence)],
        ['First seen', moment(finding.firstSeenAt)],
    ];
    if (!detail && ['FIXED', 'NOT_TESTED'].includes(finding.status)) {
        return [el('p', {}, 'This scan did not find it itself: the proof is in the scan before.'), facts(known)];
    }
    if (!detail) {
        return [
            el('p', {}, 'The proof can be seen once the scan has ended.'),
            facts(known),
            el('div', { class: 'actions' }, button('Look again', again)),
        ];
    }
    const curl = el('pre', { tabindex: 0, role: 'region', 'aria-label': 'Request as a curl command' }, detail.curl);
    const text = (title, body) => body && [el('h4', {}, title), el('p', { class: 'prose' }, body)];
    return [
        text('What it is', detail.description),
        text('Why it matters', detail.explanation),
        text('What to do', detail.remediation),
        facts([
            ...known,
            ['Seen', `${detail.occurrences} ×`],
            ['Weakness', detail.cwe.join(', ')],
            ['OWASP', detail.owasp],
            ['CVSS', detail.cvss && `${detail.cvss.score.toFixed(1)} (${detail.cvss.vector})`],
        ]),
        el('div', { class: 'heading-row' }, el('h4', {}, 'Try it again'), copyButton(detail.curl, curl, 'Copy curl')),
        curl,
        el('h4', {}, 'Evidence'),
        detail.evidence.length === 0 ? el('p', {}, 'None was kept.') : detail.evidence.map(exchange),
    ];
}

function exchange({ role, request, response, at }, index) {
    const name = `${words(role)} ${index + 1}`;
    const part = (what, text) => el('div', {},
        el('p', { class: 'hint' }, what),
        el('pre', { tabindex: 0, role: 'region', 'aria-label': `${name}: ${what.toLowerCase()}` }, text));
    return el('div', { class: 'exchange' },
        el('p', {}, el('strong', {}, name), ', sent ', moment(at)),
        el('div', { class: 'exchange-parts' }, part('Request', request), part('Response', response)));
}

/** What was decided about a finding, or a form to decide. */
function triage(finding, session, changed) {
    async function decide(input) {
        const { setFindingStatus } = await session.client.mutate(SET_STATUS, { input: { id: finding.id, ...input } });
        if (setFindingStatus.finding) changed(setFindingStatus.finding);
        return setFindingStatus.userErrors;
    }

    if (finding.triage) {
        const { status, reason, expiresAt, setAt } = finding.triage;
        const problem = problemBox();
        const reopen = button('Reopen', () => problem.guard(async () => {
            const errors = await decide({ status: null });
            if (errors.length === 0) announce('The finding is open again.');
            else problem.show(errors.map(explain));
        }));
        return [
            el('h4', {}, 'Decision'),
            facts([
                ['Decided', words(status)],
                ['Reason', reason],
                ['On', moment(setAt)],
                ['Holds', expiresAt ? `until ${day(expiresAt)}` : 'for good'],
            ]),
            problem.node,
            el('div', { class: 'actions' }, reopen),
        ];
    }

    const status = field({
        label: 'Decision',
        tag: 'select',
        options: [['ACCEPTED_RISK', 'Accept the risk'], ['FALSE_POSITIVE', 'False positive']],
    });
    const reason = field({ label: 'Reason', tag: 'textarea', rows: 2, maxlength: 1000, required: true });
    const expiresAt = field({ label: 'Until (UTC, optional)', type: 'date' });
    async function work() {
        const until = expiresAt.input.value;
        const errors = await decide({
            status: status.input.value,
            reason: reason.input.value.trim() || null,
            expiresAt: until ? `${until}T00:00:00Z` : null,
        });
        if (errors.length === 0) announce('The decision is saved; it holds for later scans too.');
        return errors;
    }
    const fields = { status, reason, expiresAt };
    return [el('h4', {}, 'Decide'), form({ fields, submit: 'Save the decision', work, class: 'triage' })];
}
