/** The plan in force, the plans there are, and the ways to the pages on which customers pay and manage. */

import { button, day, el, explain, facts, fill, number, problemBox, sentence, words } from './dom.js';
import { usagePanel } from './usage.js';

const USER_ERRORS = 'userErrors { code message path retryAfter quotaResetDate }';

const BILLING = `query Billing {
    billing {
        plan { planId }
        planEndsAt
        nextPlan { planId }
        hasBillingAccount
        subscription { status plan { planId } periodEnd cancelAt graceUntil }
    }
}`;

const PLANS = `query Plans {
    plans { planId functionalScans securityScans requestsPerMinute concurrentScans outgoingWebhooks }
}`;

const CHECKOUT = `mutation CreateCheckout($input: CreateCheckoutInput!) {
    createCheckout(input: $input) { checkoutUrl ${USER_ERRORS} }
}`;

const PORTAL = `mutation CreatePortalSession($input: CreatePortalSessionInput!) {
    createPortalSession(input: $input) { portalUrl ${USER_ERRORS} }
}`;

/** What the server says to programs and operators, for the reader of this page. */
const SENTENCES = {
    BILLING_NOT_CONFIGURED: 'Nothing can be bought here: billing is not set up on this server.',
    NO_BILLING_ACCOUNT: 'There is no billing account yet: the first upgrade opens one.',
    PLAN_ALREADY_ACTIVE: 'This plan is active already. “Manage billing” leads to what you pay for.',
};

/** Where customers come back to. They sign in again: the key is not kept while they are away. */
const back = () => `${location.origin}/`;

/** @returns {import('./app.js').View} */
export function billingView(session, signal) {
    const usage = usagePanel(session.usage);
    const problem = problemBox();
    const standing = el('div', {}, el('p', { class: 'hint' }, 'Loading …'));
    const manageProblem = problemBox();
    const plans = el('ul', { class: 'plans' });

    const manage = button('Manage billing', () => leave(manageProblem, async () => {
        const { createPortalSession } = await session.client.mutate(PORTAL, { input: { returnUrl: back() } });
        return { address: createPortalSession.portalUrl, userErrors: createPortalSession.userErrors };
    }));

    async function load() {
        // Asked apart, so that the plans are shown to a key that may not see how billing stands.
        const [standingNow, catalogue] = await Promise.allSettled([
            session.client.query(BILLING, {}, signal),
            session.client.query(PLANS, {}, signal),
        ]);
        const billing = standingNow.value?.billing;
        fill(standing, billing && facts(standingFacts(billing)));
        const current = billing?.plan.planId ?? session.usage.current?.plan;
        fill(plans, planCards(catalogue.value?.plans ?? [], current, session));
        const failed = [standingNow, catalogue].find(({ status }) => status === 'rejected');
        if (failed) throw failed.reason;
    }

    problem.guard(load);
    return {
        title: 'Plan and billing',
        body: [
            el('div', { class: 'columns' },
                usage.node,
                el('section', { class: 'card', 'aria-labelledby': 'billing-heading' },
                    el('h2', { id: 'billing-heading' }, 'Billing'),
                    standing,
                    el('p', { class: 'hint' }, 'Invoices, payment and cancellation are with the payment provider.'),
                    manageProblem.node,
                    el('div', { class: 'actions' }, manage))),
            el('section', { 'aria-labelledby': 'plans-heading' },
                el('h2', { id: 'plans-heading' }, 'Plans'),
                el('p', { class: 'hint' }, 'To pay, you leave this page; sign in again when you come back.'),
                problem.node, plans),
        ],
        stop: () => usage.stop(),
    };
}

function standingFacts({ plan, planEndsAt, nextPlan, hasBillingAccount, subscription }) {
    const { status, periodEnd, cancelAt, graceUntil } = subscription ?? {};
    return [
        ['Plan', words(plan.planId)],
        ['Ends', planEndsAt && day(planEndsAt)],
        ['Then', nextPlan && words(nextPlan.planId)],
        ['Subscription', status ? words(status) : 'none'],
        ['Paid until', periodEnd && day(periodEnd)],
        ['Cancelled for', cancelAt && day(cancelAt)],
        ['Payment failed; the plan goes on until', graceUntil && day(graceUntil)],
        ['Billing account', hasBillingAccount ? 'yes' : 'none yet'],
    ];
}

/** The plans come cheapest first: those after the current one are upgrades, the others are matters of the portal. */
function planCards(plans, current, session) {
    const at = plans.findIndex(({ planId }) => planId === current);
    return plans.map((plan, index) => planCard(plan, plan.planId === current, index > at, session));
}

function planCard(plan, current, higher, session) {
    const name = words(plan.planId);
    const problem = problemBox();
    const limit = (count) => (count === null ? 'unlimited' : count === 0 ? 'not included' : number(count));
    const upgrade = higher && button(`Upgrade to ${name}`, () => leave(problem, async () => {
        const input = { plan: plan.planId, successUrl: back(), cancelUrl: back() };
        const { createCheckout } = await session.client.mutate(CHECKOUT, { input });
        return { address: createCheckout.checkoutUrl, userErrors: createCheckout.userErrors };
    }), { class: 'primary' });
    return el('li', { class: 'card plan' },
        el('div', { class: 'row-head' },
            el('h3', {}, name), current && el('span', { class: 'badge is-completed' }, 'Your plan')),
        facts([
            ['Functional scans a month', limit(plan.functionalScans)],
            ['Security scans a month', limit(plan.securityScans)],
            ['Requests a minute', limit(plan.requestsPerMinute)],
            ['Scans at once', limit(plan.concurrentScans)],
            ['Outgoing webhooks', plan.outgoingWebhooks ? 'yes' : 'no'],
        ]),
        problem.node,
        upgrade && el('div', { class: 'actions' }, upgrade));
}

/**
 * Goes to a page of the payment provider, or shows why there is none.
 *
 * @param {ReturnType<typeof problemBox>} problem
 * @param {() => Promise<{address: string|null, userErrors: Array<object>}>} ask
 */
async function leave(problem, ask) {
    problem.clear();
    const plain = (error) => ({ ...error, message: SENTENCES[error.code] ?? sentence(error) });
    const { address, userErrors } = await ask().catch((error) => ({ address: null, userErrors: [error] }));
    if (!address) {
        problem.show(userErrors.map((error) => explain(plain(error))));
    } else if (isWebPage(address)) {
        location.assign(address);
    } else {
        // The server makes it, and yet: nothing but a web page is ever opened.
        problem.show('The server gave no proper address.');
    }
}

const isWebPage = (address) => URL.canParse(address) && /^https?:$/.test(new URL(address).protocol);
