/** What the plan allows and what was used of it: kept up to date, and shown as two bars. */

import { announce, day, el, fill, number, sentence, words } from './dom.js';

const POLL_EVERY_MS = 20_000;
/** From this part of a quota on, the server warns. */
const WARNING_PERCENT = 80;

const USAGE = `query Usage {
    usage {
        plan scansUsed scansLimit overBy securityScanCount monthlySecurityScanQuota approachingLimit quotaResetDate
    }
}`;

const ALERTS = `subscription UsageAlerts {
    usageAlerts { kind thresholdPercent message }
}`;

/** The usage as it was seen last, for all views. */
export class UsageWatch {
    /** @type {object|null} */
    current = null;
    /** @type {string|null} why there is none */
    trouble = null;
    #client;
    #listeners = new Set();
    #timer;
    #stopAlerts;

    constructor(client) {
        this.#client = client;
        this.refresh();
        // A page that nobody looks at asks for nothing.
        this.#timer = setInterval(() => document.visibilityState === 'visible' && this.refresh(), POLL_EVERY_MS);
        this.#stopAlerts = client.subscribe(ALERTS, {}, {
            next: ({ usageAlerts }) => {
                announce(usageAlerts.message);
                this.refresh();
            },
        });
    }

    /** Asks again; what was seen before stays when the server is away. */
    async refresh() {
        try {
            this.current = (await this.#client.query(USAGE)).usage;
            this.trouble = null;
        } catch (error) {
            this.trouble = sentence(error);
        }
        for (const listener of this.#listeners) listener();
    }

    /** @returns {() => void} stops listening */
    listen(listener) {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
    }

    stop() {
        clearInterval(this.#timer);
        this.#stopAlerts();
        this.#listeners.clear();
    }
}

/**
 * The panel with the bars.
 *
 * @param {UsageWatch} watch
 */
export function usagePanel(watch) {
    const content = el('div', {});
    const show = () => {
        if (watch.current) fill(content, panel(watch.current));
        else fill(content, el('p', { class: 'hint' }, watch.trouble ?? 'Loading …'));
    };
    show();
    const node = el('section', { class: 'card usage', 'aria-labelledby': 'usage-heading' },
        el('h2', { id: 'usage-heading' }, 'Usage of this period'),
        content);
    return { node, stop: watch.listen(show) };
}

function panel(usage) {
    return [
        el('p', { class: 'usage-plan' },
            'Plan ', el('strong', {}, words(usage.plan)), ` · the quota begins anew on ${day(usage.quotaResetDate)}`),
        bar('Functional scans', usage.scansUsed, usage.scansLimit),
        bar('Security scans', usage.securityScanCount, usage.monthlySecurityScanQuota),
        usage.overBy > 0 && el('p', { class: 'hint' },
            `${number(usage.overBy)} functional scans above this plan's limit are not charged.`),
        usage.approachingLimit && warning(usage),
    ];
}

function warning({ scansUsed, scansLimit, securityScanCount, monthlySecurityScanQuota }) {
    const usedUp = (used, limit) => limit !== null && limit > 0 && used >= limit;
    const over = usedUp(scansUsed, scansLimit) || usedUp(securityScanCount, monthlySecurityScanQuota);
    return el('p', { class: 'warning' },
        el('strong', {}, 'Warning: '),
        over ? 'a quota is used up. ' : `${WARNING_PERCENT} % or more of a quota is used. `,
        el('a', { href: '#/billing' }, 'See the plans'));
}

/** One quota. A limit of null is none; a limit of 0 is a plan without the feature. */
function bar(label, used, limit) {
    const id = `meter-${label.toLowerCase().replaceAll(' ', '-')}`;
    if (limit === null || limit === 0) {
        const said = limit === 0 ? 'not in this plan' : `${number(used)} used, unlimited`;
        return el('div', { class: 'quota' }, el('p', { class: 'quota-label' }, label, el('span', {}, said)));
    }
    const percent = Math.min(100, Math.round((used / limit) * 100));
    const said = `${number(used)} of ${number(limit)}`;
    const level = percent >= 100 ? ' is-full' : percent >= WARNING_PERCENT ? ' is-near' : '';
    const filled = el('div', { class: `bar-fill${level}` });
    const mark = el('div', { class: 'bar-mark' });
    // By script: the policy of the page allows no style attributes.
    filled.style.setProperty('inline-size', `${Math.max(used > 0 ? 1 : 0, percent)}%`);
    mark.style.setProperty('inset-inline-start', `${WARNING_PERCENT}%`);
    const meter = {
        class: 'bar', role: 'meter', 'aria-labelledby': id, 'aria-valuemin': 0, 'aria-valuemax': limit,
        'aria-valuenow': Math.min(used, limit), 'aria-valuetext': `${said}, ${percent} %`,
    };
    return el('div', { class: 'quota' },
        el('p', { class: 'quota-label' }, el('span', { id }, label), el('span', {}, said)),
        el('div', meter, filled, mark));
}
