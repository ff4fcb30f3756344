// The fake Stripe and Stripe's SDK for Node: node sdk.mjs URL_OF_THE_FAKE
import assert from 'node:assert/strict';
import Stripe from 'stripe';

const url = new URL(process.argv[2]);
const secrets = ['whsec_old', 'whsec_new'];
const client = (key) => new Stripe(key, { host: url.hostname, port: url.port, protocol: 'http', maxNetworkRetries: 0 });
const stripe = client('sk_test_fake');
const day = 24 * 3600;
const now = () => Math.floor(Date.now() / 1000);

let passed = 0;
let failed = 0;
async function check(name, body) {
    try {
        await body();
        passed += 1;
        console.log(`ok      ${name}`);
    } catch (error) {
        failed += 1;
        console.log(`FAILED  ${name}: ${error.stack ?? error}`);
    }
}

async function control(path, options = { method: 'POST' }) {
    const answer = await fetch(new URL(`/_fake/${path}`, url), options);
    const text = await answer.text();
    return { status: answer.status, text, json: () => JSON.parse(text) };
}
const verify = (body, header) => control('verify', { method: 'POST', body, headers: { 'stripe-signature': header } });
const sign = async (body) => (await control('sign', { method: 'POST', body })).text;
const header = (payload, secret, timestamp) => stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp });

// Umlauts and an emoji: signed are bytes, not characters.
const payload = JSON.stringify({ id: 'evt_1', object: 'event', type: 'customer.created', data: { object: { name: 'Zoë ☕' } } });

// --- Signatures of the SDK, verified by us.
for (const secret of secrets) {
    await check(`we accept what the SDK signs with ${secret}`, async () => {
        assert.equal((await verify(payload, header(payload, secret))).status, 200);
    });
}
await check('we refuse another secret', async () => {
    const answer = await verify(payload, header(payload, 'whsec_other'));
    assert.equal(answer.status, 400);
    assert.match(answer.json().error, /No signature/);
});
await check('we refuse a changed byte', async () => {
    assert.equal((await verify(payload.replace('evt_1', 'evt_2'), header(payload, secrets[0]))).status, 400);
});
await check('we accept what is 299 s old', async () => {
    assert.equal((await verify(payload, header(payload, secrets[0], now() - 299))).status, 200);
});
await check('we refuse what is 301 s old', async () => {
    const answer = await verify(payload, header(payload, secrets[0], now() - 301));
    assert.equal(answer.status, 400);
    assert.match(answer.json().error, /tolerance/);
});
await check('the SDK refuses what is 302 s old', async () => {
    assert.throws(() => stripe.webhooks.constructEvent(payload, header(payload, secrets[0], now() - 302), secrets[0]), /tolerance/);
});
await check('a timestamp a day in the future: the SDK accepts it, we do not', async () => {
    // Stripe's libraries only ask how old a signature is. We look in both directions: what was signed ahead of time would
    // stay valid for that long, and a clock that is off by so much deserves an alarm.
    const future = header(payload, secrets[0], now() + day);
    assert.equal(stripe.webhooks.constructEvent(payload, future, secrets[0]).id, 'evt_1');
    assert.equal((await verify(payload, future)).status, 400);
});

// --- Our signatures, verified by the SDK.
for (const secret of secrets) {
    await check(`the SDK accepts what we sign during a roll, with ${secret}`, async () => {
        assert.equal(stripe.webhooks.constructEvent(payload, await sign(payload), secret).id, 'evt_1');
    });
}
await check('the SDK refuses what we sign, with another secret or a changed byte', async () => {
    const ours = await sign(payload);
    const { StripeSignatureVerificationError } = Stripe.errors;
    assert.throws(() => stripe.webhooks.constructEvent(payload, ours, 'whsec_other'), StripeSignatureVerificationError);
    assert.throws(() => stripe.webhooks.constructEvent(`${payload} `, ours, secrets[0]), StripeSignatureVerificationError);
});

// --- The SDK as a client.
const found = {};
await check('customer with metadata', async () => {
    found.customer = await stripe.customers.create({ email: 'ada@example.test', metadata: { tenant_id: 't 1&=' } });
    const read = await stripe.customers.retrieve(found.customer.id);
    assert.match(read.id, /^cus_/);
    assert.deepEqual(read.metadata, { tenant_id: 't 1&=' });
    assert.equal(read.email, 'ada@example.test');
    const changed = await stripe.customers.update(read.id, { metadata: { more: 'yes', tenant_id: '' } });
    assert.deepEqual(changed.metadata, { more: 'yes' });
});
await check('product and price', async () => {
    found.product = await stripe.products.create({ name: 'Pro', metadata: { nat_plan: 'pro' } });
    found.price = await stripe.prices.create({
        product: found.product.id, currency: 'usd', unit_amount: 4900, recurring: { interval: 'month' },
    });
    const read = await stripe.prices.retrieve(found.price.id, { expand: ['product'] });
    assert.equal(read.unit_amount, 4900);
    assert.equal(read.recurring.interval, 'month');
    assert.equal(read.product.metadata.nat_plan, 'pro');
});
await check('checkout session: open for 24 h, with a URL', async () => {
    found.session = await stripe.checkout.sessions.create({
        mode: 'subscription', customer: found.customer.id, client_reference_id: 'tenant',
        line_items: [{ price: found.price.id, quantity: 1 }], success_url: 'https://shop.example/?s={CHECKOUT_SESSION_ID}',
        cancel_url: 'https://shop.example/', subscription_data: { metadata: { tenant_id: 'tenant' } },
    });
    assert.equal(found.session.status, 'open');
    assert.equal(found.session.payment_status, 'unpaid');
    assert.equal(found.session.expires_at - found.session.created, day);
    assert.match(found.session.url, /^https:\/\//);
    assert.equal(found.session.subscription, null);
});
await check('a declined card leaves the session open', async () => {
    const answer = await control(`pay?session=${found.session.id}&card=declined`);
    assert.equal(answer.json().subscription, null);
    assert.equal((await stripe.checkout.sessions.retrieve(found.session.id)).status, 'open');
});
await check('a paid session is complete, with a subscription', async () => {
    assert.equal((await control(`pay?session=${found.session.id}&card=good`)).status, 200);
    const session = await stripe.checkout.sessions.retrieve(found.session.id, { expand: ['subscription'] });
    assert.equal(session.status, 'complete');
    assert.equal(session.payment_status, 'paid');
    assert.equal(session.subscription.metadata.tenant_id, 'tenant');
    found.subscription = session.subscription;
    const items = await stripe.checkout.sessions.listLineItems(session.id);
    assert.equal(items.data[0].price.id, found.price.id);
});
await check('subscription with its latest invoice', async () => {
    const plain = await stripe.subscriptions.retrieve(found.subscription.id);
    assert.equal(typeof plain.latest_invoice, 'string');
    const read = await stripe.subscriptions.retrieve(found.subscription.id, { expand: ['latest_invoice.payments'] });
    assert.equal(read.status, 'active');
    assert.equal(read.latest_invoice.status, 'paid');
    assert.equal(read.latest_invoice.amount_paid, 4900);
    assert.equal(read.latest_invoice.parent.subscription_details.subscription, read.id);
    const item = read.items.data[0];
    assert.ok(item.current_period_end - item.current_period_start >= 28 * day);
    found.item = item.id;
    found.payment = read.latest_invoice.payments.data[0].payment.payment_intent;
    assert.match(found.payment, /^pi_/);
    const invoice = await stripe.invoices.retrieve(plain.latest_invoice);
    assert.equal(invoice.payments, undefined, 'payments come only when they are expanded');
});
await check('update: cancel at the end of the period, and back', async () => {
    const ends = await stripe.subscriptions.update(found.subscription.id, { cancel_at_period_end: true });
    assert.equal(ends.cancel_at_period_end, true);
    assert.equal(ends.cancel_at, ends.items.data[0].current_period_end);
    const stays = await stripe.subscriptions.update(found.subscription.id, { cancel_at_period_end: false });
    assert.equal(stays.cancel_at_period_end, false);
    assert.equal(stays.cancel_at, null);
});
await check('update: another price', async () => {
    const swapped = await stripe.subscriptions.update(found.subscription.id, {
        items: [{ id: found.item, price: 'price_team' }], metadata: { note: 'swapped' },
    });
    assert.equal(swapped.items.data[0].price.id, 'price_team');
    assert.equal(swapped.items.data[0].id, found.item);
    assert.deepEqual(swapped.metadata, { tenant_id: 'tenant', note: 'swapped' });
});
await check('portal session', async () => {
    const portal = await stripe.billingPortal.sessions.create({
        customer: found.customer.id, return_url: 'https://shop.example/',
        flow_data: {
            type: 'subscription_update_confirm',
            subscription_update_confirm: {
                subscription: found.subscription.id, items: [{ id: found.item, price: found.price.id, quantity: 1 }],
            },
        },
    });
    assert.match(portal.url, /^https:\/\//);
    assert.equal(portal.flow.subscription_update_confirm.items[0].price, found.price.id);
});
await check('refund by payment intent, once', async () => {
    const refund = await stripe.refunds.create({ payment_intent: found.payment });
    assert.equal(refund.status, 'succeeded');
    assert.equal(refund.amount, 4900);
    await assert.rejects(stripe.refunds.create({ payment_intent: found.payment }), { code: 'charge_already_refunded' });
    const listed = await stripe.refunds.list({ payment_intent: found.payment });
    assert.equal(listed.data.length, 1);
});
await check('cancel, once', async () => {
    const ended = await stripe.subscriptions.cancel(found.subscription.id);
    assert.equal(ended.status, 'canceled');
    assert.ok(ended.ended_at <= now() + 1 && ended.ended_at > now() - 60);
    await assert.rejects(stripe.subscriptions.cancel(found.subscription.id), { code: 'resource_missing' });
});
await check('lists: ended subscriptions only when asked for', async () => {
    const running = await stripe.subscriptions.list({ customer: found.customer.id });
    assert.equal(running.data.length, 0);
    const all = await stripe.subscriptions.list({ customer: found.customer.id, status: 'all' });
    assert.deepEqual(all.data.map((row) => row.id), [found.subscription.id]);
});
await check('an open session can be expired, once', async () => {
    const session = await stripe.checkout.sessions.create({
        mode: 'subscription', line_items: [{ price: 'price_pro', quantity: 1 }], success_url: 'https://shop.example/',
    });
    assert.equal((await stripe.checkout.sessions.expire(session.id)).status, 'expired');
    await assert.rejects(stripe.checkout.sessions.expire(session.id), { type: 'StripeInvalidRequestError', statusCode: 400 });
});
await check('auto-paging over more than a hundred customers', async () => {
    const made = [];
    for (let n = 0; n < 120; n += 1) made.push((await stripe.customers.create({ email: `c${n}@example.test` })).id);
    const seen = [];
    for await (const customer of stripe.customers.list({ limit: 50 })) seen.push(customer.id);
    assert.deepEqual(seen.slice(0, 120), made.reverse());
    assert.equal(new Set(seen).size, seen.length);
    const mail = await stripe.customers.list({ email: 'c7@example.test' });
    assert.equal(mail.data.length, 1);
});
await check('events by type, newest first; their payloads are what was signed', async () => {
    const updated = await stripe.events.list({ type: 'customer.subscription.updated', limit: 100 });
    assert.ok(updated.data.length >= 3);
    assert.ok(updated.data.every((event) => event.type === 'customer.subscription.updated'));
    const two = await stripe.events.list({ types: ['customer.subscription.created', 'customer.subscription.deleted'] });
    assert.deepEqual(two.data.map((event) => event.type), ['customer.subscription.deleted', 'customer.subscription.created']);
    const one = await stripe.events.retrieve(two.data[0].id);
    assert.equal(one.data.object.id, found.subscription.id);
});
await check('every event is signed so that the SDK accepts it, with both secrets', async () => {
    const { data } = (await control('events', {})).json();
    assert.ok(data.length > 10);
    for (const row of data) {
        for (const secret of secrets) {
            const event = stripe.webhooks.constructEvent(row.payload, row.signature, secret);
            assert.equal(event.id, row.id);
            assert.equal(event.type, row.type);
        }
    }
});
await check('idempotency: the same key makes one, other parameters are an error', async () => {
    const key = { idempotencyKey: 'tenant-1:customer' };
    const first = await stripe.customers.create({ email: 'once@example.test' }, key);
    const again = await stripe.customers.create({ email: 'once@example.test' }, key);
    assert.equal(first.id, again.id);
    assert.equal(again.lastResponse.headers['idempotent-replayed'], 'true');
    await assert.rejects(stripe.customers.create({ email: 'other@example.test' }, key), { type: 'StripeIdempotencyError' });
    assert.equal((await stripe.customers.list({ email: 'once@example.test' })).data.length, 1);
});
await check('errors have the classes, codes and ids of Stripe', async () => {
    await assert.rejects(stripe.customers.retrieve('cus_none'), {
        type: 'StripeInvalidRequestError', code: 'resource_missing', statusCode: 404, param: 'id',
    });
    await assert.rejects(client('sk_test_wrong').customers.list(), { type: 'StripeAuthenticationError', statusCode: 401 });
    await assert.rejects(stripe.prices.create({ product: found.product.id }), {
        type: 'StripeInvalidRequestError', code: 'parameter_missing', param: 'currency',
    });
    await assert.rejects(stripe.customers.list({ limit: 101 }), { type: 'StripeInvalidRequestError' });
    const failure = await stripe.customers.retrieve('cus_none').catch((error) => error);
    assert.match(failure.requestId, /^req_/);
});
await check('a deleted customer', async () => {
    const gone = await stripe.customers.del(found.customer.id);
    assert.equal(gone.deleted, true);
    assert.equal((await stripe.customers.retrieve(found.customer.id)).deleted, true);
});
await check('a delayed payment: complete and unpaid, then paid', async () => {
    const session = await stripe.checkout.sessions.create({
        mode: 'subscription', line_items: [{ price: 'price_pro', quantity: 1 }], success_url: 'https://shop.example/',
    });
    await control(`pay?session=${session.id}&card=delayed`);
    const unpaid = await stripe.checkout.sessions.retrieve(session.id, { expand: ['subscription.latest_invoice'] });
    assert.deepEqual([unpaid.status, unpaid.payment_status], ['complete', 'unpaid']);
    assert.deepEqual([unpaid.subscription.status, unpaid.subscription.latest_invoice.status], ['active', 'open']);
    await control(`settle?session=${session.id}&arrived=true`);
    const paid = await stripe.checkout.sessions.retrieve(session.id, { expand: ['subscription.latest_invoice'] });
    assert.deepEqual([paid.payment_status, paid.subscription.latest_invoice.status], ['paid', 'paid']);
    const ended = (await control(`cancel?subscription=${paid.subscription.id}`)).json();
    assert.equal(ended.status, 'canceled');
});
await check('the period of a subscription can be moved, and is over with the next tick', async () => {
    const customer = await stripe.customers.create({ email: 'late@example.test' });
    const made = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: 'price_pro' }] });
    await stripe.subscriptions.update(made.id, { cancel_at_period_end: true });
    await control(`shift_period_end?subscription=${made.id}&at=${now() - 1}`);
    assert.equal((await control('tick')).status, 200);
    assert.equal((await stripe.subscriptions.retrieve(made.id)).status, 'canceled');
});

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
